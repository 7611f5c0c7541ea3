/** `hb logs`: what a container has written. */

import { HbError, UsageError } from "../errors.ts";
import { readLog } from "../lifecycle/log-reader.ts";
import { parseLogTime } from "../lifecycle/log-time.ts";
import { readPlan } from "../lifecycle/record.ts";
import { findContainer } from "../lifecycle/select.ts";
import type { LogsOptions } from "../options/containers.ts";
import { passOn } from "../output.ts";
import { currentStore } from "../store/layout.ts";

/** Prints the container's log, stdout to stdout and stderr to stderr. */
export async function logs(options: LogsOptions): Promise<number> {
  const { container, follow, timestamps } = options;
  const now = Date.now();
  const tail = parseTail(options.tail);
  const since = moment(options.since, "--since", now);
  const until = moment(options.until, "--until", now);
  const known = findContainer(currentStore(), container);
  if (readPlan(known).hb.life.log === undefined) {
    throw new HbError(`Cannot show what ${container} has written: it keeps no log`, {
      hint: "its output went to where it was run; 'hb run -d' keeps one",
    });
  }
  const query = {
    follow,
    timestamps,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
  await readLog(known, query, passOn);
  return 0;
}

function moment(text: string | undefined, flag: string, now: number): string | undefined {
  return text === undefined ? undefined : parseLogTime(text, flag, now);
}

/** docker takes a number below zero for all of it. */
function parseTail(text: string): number | undefined {
  if (text === "all" || /^-\d+$/.test(text)) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot use --tail ${JSON.stringify(text)}`, {
    hint: "write a number of lines, or all",
  });
}
