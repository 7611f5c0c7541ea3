/**
 * Intent -> what a run really has: free ports of this machine, an address of the network, the
 * namespace of another container. What is granted is the caller's until it is handed to the
 * supervisor or given back.
 */

import type { NameWishes } from "../container/etc.ts";
import type { HostFacts } from "../container/facts.ts";
import type { NetworkChoice, NetworkIntent } from "../container/network.ts";
import { behindPasta } from "../container/pasta.ts";
import { formatPublish, type PortRequest } from "../container/ports.ts";
import { HbError } from "../errors.ts";
import { LibcError } from "../host/libc.ts";
import { freePort, unprivilegedPortStart } from "../host/ports.ts";
import type { StorePaths } from "../store/layout.ts";

/** What a run has, and what must survive into the supervisor. */
export interface GrantedNetwork {
  readonly choice: NetworkChoice;
  /** Descriptors that hold what was granted. */
  readonly keep: readonly number[];
  /** What hb gave up, in one line each. */
  readonly notices: readonly string[];
  /** The random ports that were chosen. */
  readonly chosen: readonly string[];
  /** Undoes the grant: the container will not be. */
  readonly giveBack: () => void;
}

export interface GrantRequest {
  readonly intent: NetworkIntent;
  readonly wishes: NameWishes;
  readonly facts: HostFacts;
  readonly store: StorePaths;
  readonly container: { readonly id: string; readonly name?: string; readonly hostname: string };
  /** The first process of the running container that a name or id means, or why there is none. */
  readonly findRunning: (text: string, doing: string) => Promise<number>;
}

/** Grants what `intent` asks for, or says why that cannot be. */
export async function grantNetwork(request: GrantRequest): Promise<GrantedNetwork> {
  const { intent } = request;
  switch (intent.mode) {
    case "host":
    case "none": {
      const notices = intent.notice === undefined ? [] : [intent.notice];
      return plain({ mode: intent.mode }, { notices });
    }
    case "pasta":
      return grantPasta(request, intent);
    case "bridge":
      return (await import("./bridge.ts")).grantBridge(request, intent);
    default: {
      const { joinContainer, joinPath } = await import("./live.ts");
      const rootless = request.facts.identity.uidMappings.length > 0;
      if (intent.mode === "namespace") {
        const { keep, ...joined } = joinPath(intent.path, rootless);
        return plain({ mode: "joined", ...joined }, { keep });
      }
      const text = intent.container;
      const process = await request.findRunning(text, `use --network container:${text}`);
      const joined = joinContainer(process, text, rootless);
      const { keep, namespaces, files } = joined;
      return plain({ mode: "joined", namespaces, files }, { keep });
    }
  }
}

type Intent<Mode> = Extract<NetworkIntent, { readonly mode: Mode }>;

function plain(
  choice: NetworkChoice,
  { keep = [], notices = [] }: Partial<Pick<GrantedNetwork, "keep" | "notices">>,
): GrantedNetwork {
  return { choice, keep, notices, chosen: [], giveBack: () => undefined };
}

function grantPasta({ facts, wishes }: GrantRequest, intent: Intent<"pasta">): GrantedNetwork {
  const { ports, chosen } = grantPorts(intent.ports);
  const choice = behindPasta(intent, ports, wishes, facts);
  const notices = intent.notice === undefined ? [] : [intent.notice];
  return { ...plain(choice, { notices }), chosen };
}

/** Every port tried on this machine; random ones chosen, with the words that tell of them. */
export function grantPorts(requests: readonly PortRequest[]): {
  readonly ports: readonly PortRequest[];
  readonly chosen: readonly string[];
} {
  const ports = requests.map((request) => ({ ...request, hostPort: probe(request) }));
  const chosen = ports.filter((_, index) => requests[index]?.hostPort === 0).map(formatPublish);
  return { ports, chosen };
}

function probe({ written, hostPort, hostAddress, protocol }: PortRequest): number {
  try {
    return freePort({ protocol, address: hostAddress, port: hostPort });
  } catch (error) {
    if (error instanceof LibcError) throw portError(written, hostPort, error);
    throw error;
  }
}

function portError(written: string, port: number, error: LibcError): HbError {
  const doing = `Cannot publish "${written}"`;
  switch (error.code) {
    case "EADDRINUSE":
      return new HbError(`${doing}: port ${port} is in use on this machine`, {
        hint: "use another port, or leave the host's out for a free one",
      });
    case "EADDRNOTAVAIL":
      return new HbError(`${doing}: this machine has no such address`);
    case "EACCES": {
      const start = unprivilegedPortStart();
      return new HbError(`${doing}: ports below ${start} are for root`, {
        hint:
          `use a higher port, or allow it with ` +
          `'sudo sysctl net.ipv4.ip_unprivileged_port_start=${port}'`,
      });
    }
    default:
      return new HbError(doing, { cause: error });
  }
}
