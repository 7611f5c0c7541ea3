/** What the user asked for of containers that exist: the options of one command each. */

import type { ContainerFlags, ImageFlags, PullPolicy } from "../options.ts";

/** Resources a container may use at most; `hb run`, `hb create` and `hb update` share them. */
export interface LimitFlags {
  readonly blkioWeight?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpuShares?: string;
  readonly cpus?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly memory?: string;
  readonly memoryReservation?: string;
  readonly memorySwap?: string;
  readonly pidsLimit?: string;
}

/** Limits that only a new container can be given. */
export interface StartLimitFlags extends LimitFlags {
  readonly cgroupParent?: string;
  readonly deviceReadBps: readonly string[];
  readonly deviceReadIops: readonly string[];
  readonly deviceWriteBps: readonly string[];
  readonly deviceWriteIops: readonly string[];
  readonly memorySwappiness?: string;
  readonly oomKillDisable: boolean;
  readonly oomScoreAdj?: string;
}

/** How it is asked whether the payload is well. */
export interface HealthFlags {
  readonly healthCmd?: string;
  readonly healthInterval?: string;
  readonly healthRetries?: string;
  readonly healthStartInterval?: string;
  readonly healthStartPeriod?: string;
  readonly healthTimeout?: string;
  readonly noHealthcheck: boolean;
}

/** How a container lives on, and how it ends. */
export interface LifeFlags extends HealthFlags, StartLimitFlags {
  readonly logDriver?: string;
  readonly logOpt: readonly string[];
  readonly restart?: string;
  /** Seconds between the stop signal and SIGKILL. */
  readonly stopTimeout?: string;
  /** Seconds a container may run. */
  readonly timeout?: string;
}

/** Flags of `hb run` and `hb create` that are about one container. */
export interface CreateFlags extends ContainerFlags, ImageFlags, LifeFlags {
  readonly cidfile?: string;
  readonly init: boolean;
  readonly interactive: boolean;
  readonly ip?: string;
  readonly macAddress?: string;
  readonly name?: string;
  readonly publish: readonly string[];
  readonly publishAll: boolean;
  readonly pull: PullPolicy;
  /** Absent: yes in the foreground, no for what is detached or only created. */
  readonly rm?: boolean;
  readonly rootfs?: string;
}

/** Flags of whoever follows a container's streams. */
export interface AttachFlags {
  readonly detachKeys?: string;
  /** False: signals hb is sent are not passed on. */
  readonly sigProxy: boolean;
}

/** Flags of `hb run`. */
export interface RunFlags extends CreateFlags, AttachFlags {
  readonly attach: readonly string[];
  readonly detach: boolean;
}

/** `hb create [flags] IMAGE [COMMAND]`. */
export interface CreateOptions extends CreateFlags {
  /** Absent with `--rootfs`. */
  readonly image?: string;
  readonly command: readonly string[];
}

/** `hb run [flags] IMAGE [COMMAND]`. */
export interface RunOptions extends RunFlags, CreateOptions {}

/** Commands that take containers and nothing else. */
export interface ContainersOptions {
  readonly containers: readonly string[];
}

/** `hb start CONTAINER…`. */
export interface StartFlags extends AttachFlags {
  readonly attach: boolean;
  readonly interactive: boolean;
}
export type StartOptions = StartFlags & ContainersOptions;

/** `hb stop` and `hb restart`. */
export interface StopFlags {
  readonly signal?: string;
  /** Seconds until SIGKILL; below zero: never. */
  readonly time?: string;
}
export type StopOptions = StopFlags & ContainersOptions;

/** `hb kill`. */
export interface KillFlags {
  readonly signal: string;
}
export type KillOptions = KillFlags & ContainersOptions;

/** `hb wait`. */
export interface WaitFlags {
  readonly condition?: string;
}
export type WaitOptions = WaitFlags & ContainersOptions;

/** `hb rm`. */
export interface RmFlags {
  readonly all: boolean;
  readonly force: boolean;
  readonly time?: string;
  /** Anonymous volumes are part of the writable layer and always go. */
  readonly volumes: boolean;
}
export type RmOptions = RmFlags & ContainersOptions;

/** `hb rename CONTAINER NAME`. */
export interface RenameOptions {
  readonly container: string;
  readonly name: string;
}

/** `hb attach CONTAINER`. */
export interface AttachOwnFlags extends AttachFlags {
  readonly noStdin: boolean;
}
export interface AttachOptions extends AttachOwnFlags {
  readonly container: string;
}

/** `hb exec [flags] CONTAINER COMMAND`. */
export interface ExecFlags {
  readonly detach: boolean;
  readonly detachKeys?: string;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly interactive: boolean;
  readonly privileged: boolean;
  readonly tty: boolean;
  readonly user?: string;
  readonly workdir?: string;
}
export interface ExecOptions extends ExecFlags {
  readonly container: string;
  readonly command: readonly string[];
}

/** `hb ps`. */
export interface PsOptions {
  readonly all: boolean;
  readonly filter: readonly string[];
  readonly format: string;
  readonly last?: string;
  readonly latest: boolean;
  readonly noTrunc: boolean;
  readonly quiet: boolean;
  readonly size: boolean;
}

/** `hb logs CONTAINER`. */
export interface LogsFlags {
  readonly details: boolean;
  readonly follow: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps: boolean;
  readonly until?: string;
}
export interface LogsOptions extends LogsFlags {
  readonly container: string;
}

/** `hb top CONTAINER [PS-ARGUMENTS]`. */
export interface TopOptions {
  readonly container: string;
  readonly psArgs: readonly string[];
}

/** `hb stats [CONTAINER…]`. */
export interface StatsFlags {
  readonly all: boolean;
  readonly format: string;
  readonly noStream: boolean;
  readonly noTrunc: boolean;
}
export type StatsOptions = StatsFlags & ContainersOptions;

/** `hb port CONTAINER [PORT[/PROTOCOL]]`. */
export interface PortOptions {
  readonly container: string;
  readonly port?: string;
}

/** `hb diff CONTAINER`. */
export interface DiffOptions {
  readonly container: string;
}

/** `hb cp [flags] CONTAINER:PATH PATH|-` and the other way round. */
export interface CpFlags {
  readonly archive: boolean;
  readonly followLink: boolean;
  /** Absent: quiet unless standard output is a terminal. */
  readonly quiet?: boolean;
}
export interface CpOptions extends CpFlags {
  readonly source: string;
  readonly destination: string;
}

/** `hb export [-o FILE] CONTAINER`. */
export interface ExportFlags {
  readonly output?: string;
}
export interface ExportOptions extends ExportFlags {
  readonly container: string;
}

/** `hb events`. */
export interface EventsOptions {
  readonly filter: readonly string[];
  readonly format?: string;
  readonly since?: string;
  readonly until?: string;
}

/** `hb update [flags] CONTAINER…`. */
export interface UpdateFlags extends LimitFlags {
  readonly restart?: string;
}
export type UpdateOptions = UpdateFlags & ContainersOptions;
