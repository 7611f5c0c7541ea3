/** Ends of containers: asked for, forced, and for good. */

import { parseSeconds } from "../container/life.ts";
import { parseSignal, signalNumber } from "../container/signals.ts";
import { HbError } from "../errors.ts";
import type { StopFlags } from "../options/containers.ts";
import { takeTurn } from "../store/kept.ts";
import type { StorePaths } from "../store/layout.ts";
import { DirectoryLock, isHeld, waitNamedLock } from "../store/lock.ts";
import { releaseNames } from "../store/names.ts";
import { removeTrees } from "../store/remove.ts";
import { removeCgroupOf } from "./cgroup-sweep.ts";
import { ask } from "./control.ts";
import { recordEvent } from "./events.ts";
import { tryOwnContainer } from "./own.ts";
import { imageOf, readPlan } from "./record.ts";
import { type Known, listKnown, NoSuchContainer, nameOf } from "./select.ts";
import { settled } from "./settle.ts";
import { isOngoing, readState, supervisorOf } from "./state.ts";
import { Changes } from "./watch.ts";

const SIGKILL = 9;

/** Asks the container to end and waits until it has; ended already is as well. */
export async function stopContainer(known: Known, flags: StopFlags): Promise<void> {
  const signal = flags.signal === undefined ? undefined : parseSignal(flags.signal, "--signal");
  const seconds = parseSeconds(flags.time, "--time");
  await settled(known);
  // Whoever holds the lock is asked, whatever has become of what it wrote down.
  if (!isOngoing(readState(known)) && !isHeld(known.directory)) return;
  const { stopSignal, stopTimeoutMs } = readPlan(known).hb.life;
  const number = signal === undefined ? stopSignal : signalNumber(signal);
  const timeoutMs = seconds === undefined ? stopTimeoutMs : Math.max(seconds * 1000, -1);
  const answer = await ask(known, ["stop", String(number), String(timeoutMs)]);
  if (answer.kind !== "gone" || !isOngoing(readState(known))) return;
  throw doesNotAnswer(known, "stop");
}

/** A supervisor that lives and cannot be reached: its socket has gone. */
export function doesNotAnswer(known: Known, action: string): HbError {
  return new HbError(`Cannot ${action} ${nameOf(known)}: its supervisor does not answer`, {
    hint: `end it with 'hb rm -f ${nameOf(known)}'`,
  });
}

/** How a container is removed. */
export interface Removal {
  readonly mapFlags: readonly string[];
  /** Running containers are ended first. */
  readonly force: boolean;
  /** Seconds that one has to end by itself. */
  readonly time?: string;
}

/** Removes the container for good. Several commands may do so at once. */
export async function removeContainer(
  store: StorePaths,
  known: Known,
  { mapFlags, force, time }: Removal,
): Promise<void> {
  const seconds = parseSeconds(time, "--time") ?? 0;
  const patienceMs = Date.now() + seconds * 1000 + SILENCE_MAX_MS;
  let ended = false;
  for (;;) {
    const removed = removeUnlessRunning(store, known, mapFlags);
    if (removed === "removed") return;
    // It was temporary and went with its end; or somebody else has removed it.
    if (removed === "missing" && ended) return;
    if (removed === "missing") throw new NoSuchContainer(nameOf(known));
    if (!force) {
      throw new HbError(
        `Cannot remove the container ${nameOf(known)}: container is ${readState(known).status}`,
        { hint: "stop the container before removing it, or use -f" },
      );
    }
    if (Date.now() > patienceMs) {
      throw new HbError(`Cannot remove ${nameOf(known)}: its supervisor does not answer`, {
        hint: `see which hb-init has ${known.directory} open, and end it`,
      });
    }
    await endByForce(known, seconds);
    ended = true;
  }
}

/** Removes every container that does not run; how many there were. */
export function removeEnded(
  store: StorePaths,
  mapFlags: readonly string[],
  isMeant: (known: Known) => boolean = () => true,
): number {
  const meant = listKnown(store).filter(isMeant);
  const outcomes = meant.map((known) => removeUnlessRunning(store, known, mapFlags));
  return outcomes.filter((outcome) => outcome === "removed").length;
}

/** Nothing in here waits for long: turns are never held across one. */
function removeUnlessRunning(
  store: StorePaths,
  known: Known,
  mapFlags: readonly string[],
): "removed" | "running" | "missing" {
  using _turn = takeTurn(known.directory);
  const lock = tryOwnContainer(known);
  if (!(lock instanceof DirectoryLock)) return lock === "busy" ? "running" : "missing";
  const image = imageOf(known);
  removeTrees(store, [{ path: known.directory, lock }], mapFlags);
  removeCgroupOf(known);
  releaseNames(store, known.id);
  recordEvent(store, { action: "destroy", known, image });
  return "removed";
}

/** Returns once the supervisor has let go, or may have. */
async function endByForce(known: Known, seconds: number): Promise<void> {
  const signal = seconds === 0 ? SIGKILL : readPlan(known).hb.life.stopSignal;
  using changes = new Changes(known.directory);
  const timeoutMs = Math.max(seconds * 1000, -1);
  const answer = await ask(known, ["stop", String(signal), String(timeoutMs)]);
  if (answer.kind === "gone") {
    const supervisor = supervisorOf(known);
    // One that has a payload and no ear is stopped or stuck; its end ends the container.
    if (supervisor !== undefined) process.kill(supervisor, "SIGKILL");
    // One that is so young that nobody has heard of it is seen in the directory before long.
    else if (readState(known).status !== "exited") {
      return Promise.race([changes.next(), Bun.sleep(LOOK_AGAIN_MS)]);
    }
  }
  // What is left is to unmount and to let go.
  waitNamedLock(known.directory, "exclusive")?.release();
}

const LOOK_AGAIN_MS = 50;

/** A supervisor that nobody has heard of for so long after it took its lock is no young one. */
const SILENCE_MAX_MS = 20_000;
