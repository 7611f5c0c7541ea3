/** `hb doctor`: what this machine gives hb, and the commands that would make it more. */

import { type Check, type CheckState, canRun, diagnose } from "../doctor/checks.ts";
import { readDoctorFacts } from "../doctor/facts.ts";
import { probeContainer } from "../doctor/probe.ts";
import { currentIdentity } from "../host/identity.ts";
import type { ReportOptions } from "../options.ts";
import { printResult } from "../output.ts";
import { currentStore } from "../store/layout.ts";

const MARKS: Readonly<Record<CheckState, string>> = { ok: "✓", less: "!", missing: "✗" };
const NAME_COLUMNS = 18;

/** Prints the diagnosis; 1 only when no container can run. */
export async function doctor({ format }: ReportOptions): Promise<number> {
  const store = currentStore();
  const identity = currentIdentity();
  const checks = diagnose(readDoctorFacts(store, identity, probeContainer(store, identity)));
  const ok = canRun(checks);
  if (format === "json") printResult(JSON.stringify({ ok, checks }));
  else for (const check of checks) printCheck(check);
  return ok ? 0 : 1;
}

function printCheck({ name, state, found, fix }: Check): void {
  printResult(`${MARKS[state]} ${name.padEnd(NAME_COLUMNS)}${found}`);
  if (fix !== undefined) printResult(`${"".padEnd(NAME_COLUMNS + 2)}→ ${fix}`);
}
