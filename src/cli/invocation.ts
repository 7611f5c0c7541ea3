/** A command line, understood: what cli.ts makes and main.ts carries out. */

import type {
  AttachOptions,
  ContainersOptions,
  CpOptions,
  CreateOptions,
  DiffOptions,
  EventsOptions,
  ExecOptions,
  ExportOptions,
  KillOptions,
  LogsOptions,
  PortOptions,
  PsOptions,
  RenameOptions,
  RmOptions,
  RunOptions,
  StartOptions,
  StatsOptions,
  StopOptions,
  TopOptions,
  UpdateOptions,
  WaitOptions,
} from "../options/containers.ts";
import type {
  CommitOptions,
  HistoryOptions,
  ImportOptions,
  LoadOptions,
  PushOptions,
  SaveOptions,
  TagOptions,
} from "../options/images.ts";
import type { LoginOptions, LogoutOptions } from "../options/login.ts";
import type { ManifestOptions, TagsOptions } from "../options/registries.ts";
import type { CheckOptions, LockOptions, StoreOptions, SystemOptions } from "../options/store.ts";
import type {
  FormatOptions,
  HelpOptions,
  ImagesOptions,
  InspectOptions,
  NetworkOptions,
  PruneOptions,
  PullOptions,
  ReportOptions,
  RmiOptions,
  SpecOptions,
} from "../options.ts";

/** Every command and what it takes, in the order help shows them. */
export interface Commands {
  readonly run: RunOptions;
  readonly create: CreateOptions;
  readonly start: StartOptions;
  readonly restart: StopOptions;
  readonly stop: StopOptions;
  readonly kill: KillOptions;
  readonly pause: ContainersOptions;
  readonly unpause: ContainersOptions;
  readonly wait: WaitOptions;
  readonly rm: RmOptions;
  readonly rename: RenameOptions;
  readonly update: UpdateOptions;
  readonly ps: PsOptions;
  readonly logs: LogsOptions;
  readonly exec: ExecOptions;
  readonly attach: AttachOptions;
  readonly top: TopOptions;
  readonly stats: StatsOptions;
  readonly port: PortOptions;
  readonly diff: DiffOptions;
  readonly cp: CpOptions;
  readonly export: ExportOptions;
  readonly events: EventsOptions;
  readonly spec: SpecOptions;
  readonly network: NetworkOptions;
  readonly pull: PullOptions;
  readonly login: LoginOptions;
  readonly logout: LogoutOptions;
  readonly tags: TagsOptions;
  readonly manifest: ManifestOptions;
  readonly images: ImagesOptions;
  readonly inspect: InspectOptions;
  readonly rmi: RmiOptions;
  readonly tag: TagOptions;
  readonly history: HistoryOptions;
  readonly save: SaveOptions;
  readonly load: LoadOptions;
  readonly push: PushOptions;
  readonly commit: CommitOptions;
  readonly import: ImportOptions;
  readonly prune: PruneOptions;
  readonly clean: PruneOptions;
  readonly lock: LockOptions;
  readonly check: CheckOptions;
  readonly store: StoreOptions;
  readonly system: SystemOptions;
  readonly doctor: ReportOptions;
  readonly info: FormatOptions;
  readonly version: FormatOptions;
  readonly help: HelpOptions;
}

export type CommandName = keyof Commands;

/** One command with its options. */
export type Invocation = {
  [Name in CommandName]: { readonly command: Name; readonly options: Commands[Name] };
}[CommandName];

/** The words after a command's name -> the command. */
export type Parser = (argv: readonly string[]) => Invocation;

/** In the order help shows them. */
export const commandNames = [
  "run",
  "create",
  "start",
  "restart",
  "stop",
  "kill",
  "pause",
  "unpause",
  "wait",
  "rm",
  "rename",
  "update",
  "ps",
  "logs",
  "exec",
  "attach",
  "top",
  "stats",
  "port",
  "diff",
  "cp",
  "export",
  "events",
  "spec",
  "network",
  "pull",
  "login",
  "logout",
  "tags",
  "manifest",
  "images",
  "inspect",
  "rmi",
  "tag",
  "history",
  "save",
  "load",
  "push",
  "commit",
  "import",
  "prune",
  "clean",
  "lock",
  "check",
  "store",
  "system",
  "doctor",
  "info",
  "version",
  "help",
] as const satisfies readonly CommandName[];
