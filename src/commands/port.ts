/** `hb port`: the published ports of a container. */

import { HbError } from "../errors.ts";
import { findContainer } from "../lifecycle/select.ts";
import { describe, hostEndpoints, isAlive, publishedPorts } from "../lifecycle/summary.ts";
import type { PortOptions } from "../options/containers.ts";
import { printResult } from "../output.ts";
import { currentStore } from "../store/layout.ts";

/** Prints `80/tcp -> 0.0.0.0:8080` for each, or only the addresses of one port. */
export async function port(options: PortOptions): Promise<number> {
  const { plan, state } = describe(findContainer(currentStore(), options.container));
  const ports = isAlive(state) ? publishedPorts(plan) : [];
  if (options.port === undefined) {
    for (const each of ports) {
      for (const host of hostEndpoints(each)) {
        printResult(`${each.containerPort}/${each.protocol} -> ${host}`);
      }
    }
    return 0;
  }
  const [number, protocol = "tcp"] = options.port.split("/");
  const found = ports.filter((each) => {
    return String(each.containerPort) === number && each.protocol === protocol;
  });
  if (found.length === 0) {
    throw new HbError(`No public port '${number}/${protocol}' published for ${options.container}`);
  }
  for (const host of found.flatMap(hostEndpoints)) printResult(host);
  return 0;
}
