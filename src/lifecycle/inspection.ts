/** `hb inspect` of a container: docker's field names, where they have a meaning here. */

import { existsSync } from "node:fs";
import type { Bridge, Health, Mount, Plan } from "../container/plan.ts";
import { within } from "../store/layout.ts";
import { nameOf } from "./select.ts";
import type { ContainerState } from "./state.ts";
import { type Described, isAlive, labelsOf, networkName, publishedPorts } from "./summary.ts";

/** Go's zero time: docker's word for never. */
const NEVER = "0001-01-01T00:00:00Z";

/** The document about one container. */
export function inspection({ known, plan, state }: Described): Record<string, unknown> {
  const [path = "", ...args] = plan.process.args;
  const { origin } = plan.hb;
  const log = within(known.directory, "log");
  return {
    Id: known.id,
    Created: origin?.createdAt ?? NEVER,
    Path: path,
    Args: args,
    State: stateOf(state),
    Image: origin?.imageId ?? "",
    Name: `/${nameOf(known)}`,
    RestartCount: state.restartCount,
    Driver: plan.hb.overlay === undefined ? "directory" : "overlay",
    Platform: "linux",
    LogPath: existsSync(log) ? log : "",
    HostConfig: hostConfigOf(plan),
    GraphDriver: graphDriverOf(known.directory, plan),
    Mounts: mountsOf(plan),
    Config: configOf(plan),
    NetworkSettings: networkSettingsOf(plan, state),
  };
}

function stateOf(state: ContainerState): Record<string, unknown> {
  const { status, health } = state;
  return {
    Status: status,
    Running: isAlive(state) || status === "restarting",
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: state.oomKilled,
    Dead: false,
    Pid: isAlive(state) ? (state.pid ?? 0) : 0,
    ExitCode: isAlive(state) ? 0 : (state.exitCode ?? 0),
    Error: state.error ?? "",
    Reason: state.reason ?? "",
    StartedAt: state.startedAt ?? NEVER,
    FinishedAt: state.finishedAt ?? NEVER,
    ...(health === undefined ? {} : { Health: healthOf(health) }),
  };
}

function healthOf({ status, failingStreak, log }: NonNullable<ContainerState["health"]>) {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({
      Start: start,
      End: end,
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

function hostConfigOf(plan: Plan): Record<string, unknown> {
  const { container, life, init, origin } = plan.hb;
  const { memory, cpu, pids } = plan.linux.resources ?? {};
  const options = origin?.options;
  const capAdd = options?.capAdd ?? [];
  return {
    Binds: options?.volume ?? [],
    NetworkMode: networkName(plan),
    PortBindings: portBindings(plan),
    RestartPolicy: {
      Name: life.restart?.policy ?? "no",
      MaximumRetryCount: life.restart?.maximumRetryCount ?? 0,
    },
    AutoRemove: !container.keep,
    LogConfig: { Type: life.log === undefined ? "none" : "k8s-file", Config: logConfig(plan) },
    Privileged: options?.privileged ?? false,
    ReadonlyRootfs: plan.root.readonly,
    CapAdd: capAdd,
    CapDrop: options?.capDrop ?? [],
    Dns: options?.dns ?? [],
    DnsOptions: options?.dnsOption ?? [],
    DnsSearch: options?.dnsSearch ?? [],
    ExtraHosts: options?.addHost ?? [],
    GroupAdd: plan.hb.groupAdd,
    Init: init,
    SecurityOpt: options?.securityOpt ?? [],
    OomScoreAdj: plan.process.oomScoreAdj ?? 0,
    Memory: memory?.limit ?? 0,
    MemoryReservation: memory?.reservation ?? 0,
    MemorySwap: memory?.swap ?? 0,
    NanoCpus: nanoCpus(cpu?.quota, cpu?.period),
    CpuShares: cpu?.shares ?? 0,
    CpuPeriod: cpu?.period ?? 0,
    CpuQuota: cpu?.quota ?? 0,
    CpusetCpus: cpu?.cpus ?? "",
    CpusetMems: cpu?.mems ?? "",
    PidsLimit: pids?.limit ?? null,
    Ulimits: plan.process.rlimits.map(({ type, soft, hard }) => ({
      Name: type.replace("RLIMIT_", "").toLowerCase(),
      Soft: Number.isFinite(soft) ? soft : -1,
      Hard: Number.isFinite(hard) ? hard : -1,
    })),
    MaskedPaths: plan.linux.maskedPaths,
    ReadonlyPaths: plan.linux.readonlyPaths,
  };
}

function nanoCpus(quota: number | undefined, period: number | undefined): number {
  return quota === undefined || period === undefined || quota < 0 ? 0 : (quota / period) * 1e9;
}

function logConfig({ hb }: Plan): Record<string, string> {
  const { log } = hb.life;
  if (log === undefined || log.maxSizeBytes < 0) return {};
  return { "max-size": String(log.maxSizeBytes), "max-file": String(log.maxFiles) };
}

function graphDriverOf(directory: string, { hb }: Plan): Record<string, unknown> {
  if (hb.overlay === undefined) return { Name: "directory", Data: {} };
  const data = {
    LowerDir: hb.overlay.lowerdirs.join(":"),
    UpperDir: `${directory}/upper`,
    WorkDir: `${directory}/work`,
  };
  return { Name: "overlay", Data: data };
}

/** What the user or the image wants mounted; not what every container has. */
function mountsOf(plan: Plan): Record<string, unknown>[] {
  const { mounts, hb } = plan;
  const own = new Set(hb.files.map(({ destination }) => destination));
  const binds = mounts.filter(({ type, destination }) => {
    return type === "bind" && !own.has(destination) && !/^\/(dev|proc|sys)\b/.test(destination);
  });
  const volumes = hb.volumes.map((destination) => ({
    Type: "volume",
    Name: "",
    Source: "",
    Destination: destination,
    Driver: "local",
    Mode: "",
    RW: true,
    Propagation: "",
  }));
  return [...binds.map(bindOf), ...volumes];
}

function bindOf({ source, destination, options }: Mount): Record<string, unknown> {
  const isReadOnly = options.includes("ro");
  return {
    Type: "bind",
    Source: source,
    Destination: destination,
    Mode: isReadOnly ? "ro" : "",
    RW: !isReadOnly,
    Propagation: options.find((option) => /^r?(private|slave|shared)$/.test(option)) ?? "rprivate",
  };
}

function configOf(plan: Plan): Record<string, unknown> {
  const { process, hb } = plan;
  const { options, config, image } = hb.origin ?? {};
  const { health } = hb.life;
  return {
    Hostname: plan.hostname,
    Domainname: "",
    User: hb.user,
    AttachStdin: hb.interactive,
    Tty: process.terminal,
    OpenStdin: hb.interactive,
    ExposedPorts: Object.fromEntries((config?.ExposedPorts ?? []).map((port) => [port, {}])),
    Env: process.env,
    Cmd: options?.command.length === 0 ? (config?.Cmd ?? []) : (options?.command ?? []),
    Image: image ?? "",
    Volumes: Object.fromEntries(hb.volumes.map((path) => [path, {}])),
    WorkingDir: process.cwd,
    Entrypoint: config?.Entrypoint ?? [],
    Labels: labelsOf(plan),
    StopSignal: hb.life.stopSignal,
    StopTimeout: hb.life.stopTimeoutMs < 0 ? -1 : hb.life.stopTimeoutMs / 1000,
    ...(health === undefined ? {} : { Healthcheck: healthcheckOf(health) }),
  };
}

/** Durations in nanoseconds, as docker's config has them. */
export function healthcheckOf(health: Health): Record<string, unknown> {
  const nanoseconds = (milliseconds: number) => milliseconds * 1e6;
  return {
    Test: ["CMD", ...health.args],
    Interval: nanoseconds(health.intervalMs),
    Timeout: nanoseconds(health.timeoutMs),
    StartPeriod: nanoseconds(health.startPeriodMs),
    StartInterval: nanoseconds(health.startIntervalMs),
    Retries: health.retries,
  };
}

type Bindings = Record<string, { HostIp: string; HostPort: string }[]>;

function portBindings(plan: Plan): Bindings {
  const bindings: Bindings = {};
  for (const { containerPort, protocol, hostAddress, hostPort } of publishedPorts(plan)) {
    const key = `${containerPort}/${protocol}`;
    const bound = { HostIp: hostAddress, HostPort: String(hostPort) };
    bindings[key] = [...(bindings[key] ?? []), bound];
  }
  return bindings;
}

function networkSettingsOf(plan: Plan, state: ContainerState): Record<string, unknown> {
  const bound = isAlive(state) ? portBindings(plan) : {};
  const ports = Object.entries(bound).map(([port, all]) => {
    const addresses = (each: { HostIp: string }) => {
      return each.HostIp === "" ? ["0.0.0.0", "::"] : [each.HostIp];
    };
    return [port, all.flatMap((each) => addresses(each).map((HostIp) => ({ ...each, HostIp })))];
  });
  const { bridge } = plan.hb.network ?? {};
  const endpoint = bridge === undefined || !isAlive(state) ? noEndpoint : endpointOf(bridge);
  return {
    Ports: Object.fromEntries(ports),
    ...endpoint,
    Networks: { [networkName(plan)]: endpoint },
  };
}

const noEndpoint = {
  IPAddress: "",
  IPPrefixLen: 0,
  Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  IPv6Gateway: "",
  MacAddress: "",
};

function endpointOf(bridge: Bridge): typeof noEndpoint {
  const [address4 = "", prefix4 = "0"] = bridge.address4.split("/");
  const [address6 = "", prefix6 = "0"] = (bridge.address6 ?? "").split("/");
  return {
    IPAddress: address4,
    IPPrefixLen: Number(prefix4),
    Gateway: bridge.internal ? "" : bridge.gateway4,
    GlobalIPv6Address: address6,
    GlobalIPv6PrefixLen: Number(prefix6),
    IPv6Gateway: bridge.gateway6 ?? "",
    MacAddress: bridge.mac ?? "",
  };
}
