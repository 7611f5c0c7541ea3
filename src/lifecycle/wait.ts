/** Waiting for what becomes of a container: by its supervisor's word and by changes on disk. */

import { existsSync } from "node:fs";
import { HbError, UsageError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { StorePaths } from "../store/layout.ts";
import { ask } from "./control.ts";
import { pastEvents } from "./event-reader.ts";
import { readPlan } from "./record.ts";
import { type Known, NoSuchContainer, nameOf } from "./select.ts";
import { type ContainerState, isOngoing, readState } from "./state.ts";
import { Changes } from "./watch.ts";

/** What can be waited for: docker's words, and podman's. */
const CONDITIONS = [
  ...["not-running", "next-exit", "exited", "removed"],
  ...["running", "healthy"],
] as const;

export type Condition = (typeof CONDITIONS)[number];

/** The condition `--condition` names. */
export function parseCondition(text: string | undefined): Condition {
  const known = CONDITIONS.find((each) => each === (text ?? "not-running"));
  if (known !== undefined) return known;
  const meant = nearest(text ?? "", CONDITIONS);
  throw new UsageError(`Cannot use --condition ${JSON.stringify(text)}`, {
    hint: meant === undefined ? `use ${CONDITIONS.join(", ")}` : `did you mean ${meant}?`,
  });
}

/** Waits until the condition holds; the exit code of the last run, 0 where there was none. */
export async function waitFor(
  store: StorePaths,
  known: Known,
  condition: Condition,
): Promise<number> {
  if (condition === "healthy" && readPlan(known).hb.life.health === undefined) {
    throw new HbError(`Cannot wait until ${nameOf(known)} is healthy: it has no health check`, {
      hint: "give it one with --health-cmd",
    });
  }
  using news = new News(known);
  let last: number | undefined;
  for (;;) {
    if (!existsSync(known.directory)) {
      await news.lastWord();
      refuseGone(known, condition);
      return news.exitCode ?? lastDeath(store, known) ?? last ?? 0;
    }
    const state = readState(known);
    last = state.exitCode ?? last;
    if (isMet(condition, state, news.exitCode !== undefined)) {
      return news.exitCode ?? last ?? lastDeath(store, known) ?? 0;
    }
    refuseHopeless(known, condition, state);
    await news.next(state);
  }
}

function isMet(condition: Condition, { status, health }: ContainerState, hasExited: boolean) {
  switch (condition) {
    case "healthy":
      return status === "running" && health?.status === "healthy";
    case "running":
      return status === "running";
    case "exited":
      return status === "exited" || hasExited;
    case "next-exit":
      return hasExited;
    case "not-running":
      return status === "created" || status === "exited" || hasExited;
    case "removed":
      return false;
  }
}

/** A container that is gone can neither run nor be well. */
function refuseGone(known: Known, condition: Condition): void {
  if (condition === "running" || condition === "healthy") throw new NoSuchContainer(nameOf(known));
}

/**
 * How the last run ended, from the events: a container that goes away keeps no state, and whoever
 * asks just then gets no answer any more.
 */
function lastDeath(store: StorePaths, { id }: Known): number | undefined {
  const runs = ["start", "die"];
  const last = [...pastEvents(store)].findLast((it) => it.id === id && runs.includes(it.action));
  return last?.action === "die" ? Number(last.attributes.exitCode) : undefined;
}

/** What has ended does not begin to run, nor get well, by itself. */
function refuseHopeless(known: Known, condition: Condition, { status, exitCode }: ContainerState) {
  if (status !== "exited" || (condition !== "running" && condition !== "healthy")) return;
  const how = exitCode === undefined ? "" : ` with status ${exitCode}`;
  throw new HbError(`Cannot wait until ${nameOf(known)} is ${condition}: it has ended${how}`, {
    hint: `see 'hb logs ${nameOf(known)}'`,
  });
}

/** What is heard of a container: files that change, and its supervisor's word of an end. */
class News implements Disposable {
  /** Of the first end that was heard of. */
  exitCode: number | undefined;
  readonly #known: Known;
  readonly #changes: Changes;
  readonly #patience = new AbortController();
  #asking: Promise<void> | undefined;

  constructor(known: Known) {
    this.#known = known;
    this.#changes = new Changes(known.directory);
  }

  /** Waits for the next. */
  async next(state: ContainerState): Promise<void> {
    // A killed supervisor renames nothing, but its socket closes.
    if (isOngoing(state)) this.#asking ??= this.#ask();
    await Promise.race([this.#changes.next(), ...(this.#asking ? [this.#asking] : [])]);
  }

  /** The supervisor's answer may be under way when its container is gone. */
  async lastWord(): Promise<void> {
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const answer = await ask(this.#known, ["wait"], this.#patience.signal);
    if (answer.kind === "exited") this.exitCode ??= answer.exitCode;
    // Nobody listens yet, or the lock is about to go: no event tells of that.
    else await Promise.race([this.#changes.next(), Bun.sleep(LOOK_AGAIN_MS)]);
    this.#asking = undefined;
  }

  [Symbol.dispose](): void {
    this.#patience.abort();
    this.#changes[Symbol.dispose]();
  }
}

const LOOK_AGAIN_MS = 50;
