/**
 * How a pull shows itself: live bars on a terminal, one plain line per finished layer elsewhere.
 *
 * `render` is pure. The bars are redrawn in place at a bounded rate, never wider than the terminal;
 * the cursor is not hidden, so there is nothing to restore whenever hb may be killed.
 */

import { drawStatus, humanSize, printStatus, statusTerminal } from "../output.ts";

export type LayerState =
  | ("queued" | "waiting" | "pulling" | "present" | "done" | "failed")
  | ("preparing" | "pushing" | "mounted" | "pushed" | "written");

/** One layer as it is now. */
export interface LayerView {
  /** Twelve hex digits, as docker shows layers. */
  readonly id: string;
  readonly state: LayerState;
  readonly received: number;
  readonly total: number;
  /** Bytes per second, lately. */
  readonly rate: number;
}

/** Told what happens; every pull has one. */
export interface PullProgress {
  /** All layers of an image, before the first is begun; several images may share layers. */
  begin(layers: readonly { readonly id: string; readonly total: number }[]): void;
  update(id: string, state: LayerState): void;
  /** More bytes have come or gone; fewer than none where an upload begins anew. */
  received(id: string, bytes: number): void;
  /** A layer turns out to have another size. */
  resize(id: string, total: number): void;
  /** The pull is over, well or not. */
  end(): void;
}

/** Says nothing (`-q`). */
export const silentProgress: PullProgress = {
  begin: () => undefined,
  update: () => undefined,
  received: () => undefined,
  resize: () => undefined,
  end: () => undefined,
};

/** Bars where stderr is a terminal, else lines. */
export function openProgress(): PullProgress {
  return statusTerminal() === undefined ? new LineProgress() : new BarProgress();
}

const WORDS: Readonly<Record<LayerState, string>> = {
  queued: "Queued",
  waiting: "Waiting for another pull",
  pulling: "Pulling",
  present: "Already exists",
  done: "Pull complete",
  failed: "Failed",
  preparing: "Preparing",
  pushing: "Pushing",
  mounted: "Mounted from another repository",
  pushed: "Pushed",
  written: "Written",
};

class LineProgress implements PullProgress {
  readonly #totals = new Map<string, number>();

  begin(layers: readonly { readonly id: string; readonly total: number }[]): void {
    for (const { id, total } of layers) this.#totals.set(id, total);
  }

  update(id: string, state: LayerState): void {
    if (state === "present" || state === "mounted") printStatus(`${id}: ${WORDS[state]}`);
    if (state !== "done" && state !== "pushed" && state !== "written") return;
    printStatus(`${id}: ${WORDS[state]} (${humanSize(this.#totals.get(id) ?? 0)})`);
  }

  received(): void {
    // A log wants results, not their growing.
  }

  resize(id: string, total: number): void {
    this.#totals.set(id, total);
  }

  end(): void {
    // Nothing is pending: lines are printed as they come.
  }
}

const activeStates: readonly LayerState[] = ["pulling", "waiting", "preparing", "pushing"];
const overStates: readonly LayerState[] = ["done", "pushed", "present", "mounted"];

const FRAME_MS = 100;
/** Rates are over this long: steady enough to read, quick enough to follow. */
const RATE_WINDOW_MS = 2000;

class BarProgress implements PullProgress {
  readonly #layers = new Map<string, BarLayer>();
  #linesDrawn = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  begin(layers: readonly { readonly id: string; readonly total: number }[]): void {
    for (const { id, total } of layers) {
      if (!this.#layers.has(id)) this.#layers.set(id, new BarLayer(id, total));
    }
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS);
  }

  update(id: string, state: LayerState): void {
    const layer = this.#layers.get(id);
    if (layer !== undefined) layer.state = state;
  }

  received(id: string, bytes: number): void {
    this.#layers.get(id)?.receive(bytes, performance.now());
  }

  resize(id: string, total: number): void {
    const layer = this.#layers.get(id);
    if (layer !== undefined) layer.total = total;
  }

  end(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
  }

  #draw(): void {
    const terminal = statusTerminal();
    if (terminal === undefined) return;
    const now = performance.now();
    const views = [...this.#layers.values()].map((layer) => layer.view(now));
    const lines = render(views, terminal);
    const up = this.#linesDrawn > 0 ? `\x1b[${this.#linesDrawn}A` : "";
    // Column one, up to the block's first line; each line cleared to its end, then all below.
    drawStatus(`\r${up}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    this.#linesDrawn = lines.length;
  }
}

class BarLayer {
  state: LayerState = "queued";
  #received = 0;
  readonly #samples: { readonly at: number; readonly received: number }[] = [];

  constructor(
    readonly id: string,
    public total: number,
  ) {}

  receive(bytes: number, at: number): void {
    this.#received += bytes;
    const last = this.#samples.at(-1);
    if (last !== undefined && at - last.at < FRAME_MS) return;
    this.#samples.push({ at, received: this.#received });
    while ((this.#samples[1]?.at ?? at) < at - RATE_WINDOW_MS) this.#samples.shift();
  }

  view(now: number): LayerView {
    const { id, state, total } = this;
    const since = this.#samples[0];
    const seconds = since === undefined ? 0 : (now - since.at) / 1000;
    const rate = seconds > 0 ? Math.max(0, this.#received - (since?.received ?? 0)) / seconds : 0;
    return { id, state, received: Math.min(this.#received, total), total, rate };
  }
}

/** The block of lines for `layers`, fitting into `terminal` without wrapping or scrolling. */
export function render(
  layers: readonly LayerView[],
  terminal: { readonly columns: number; readonly rows: number },
): string[] {
  // One row stays free for the cursor, one column because some terminals wrap at the last.
  const rowsMax = Math.max(1, terminal.rows - 1);
  const columns = Math.max(1, terminal.columns - 1);
  if (layers.length <= rowsMax) return layers.map((layer) => layerLine(layer, columns));
  const active = layers.filter(({ state }) => activeStates.includes(state));
  const shown = active.slice(0, rowsMax - 1).map((layer) => layerLine(layer, columns));
  return [...shown, totalLine(layers).slice(0, columns)];
}

function layerLine(layer: LayerView, columns: number): string {
  const { id, state, received, total, rate } = layer;
  if (state !== "pulling" && state !== "pushing") {
    return `${id}: ${WORDS[state]}`.slice(0, columns);
  }
  const amount = `${humanSize(received)}/${humanSize(total)}`.padStart(15);
  const numbers = `${amount}  ${humanSize(Math.round(rate))}/s`;
  const room = columns - id.length - numbers.length - 6;
  if (room < 5) return `${id}: ${numbers.trim()}`.slice(0, columns);
  return `${id}: [${bar(total === 0 ? 1 : received / total, Math.min(room, 50))}]  ${numbers}`;
}

function bar(part: number, width: number): string {
  const filled = Math.min(width, Math.floor(part * width));
  const head = filled < width ? ">" : "";
  return `${"=".repeat(filled)}${head}`.padEnd(width);
}

function totalLine(layers: readonly LayerView[]): string {
  const over = layers.filter(({ state }) => overStates.includes(state)).length;
  const wanted = layers.filter(({ state }) => state !== "present" && state !== "mounted");
  const received = wanted.reduce((sum, layer) => sum + layer.received, 0);
  const total = wanted.reduce((sum, layer) => sum + layer.total, 0);
  return `${over} of ${layers.length} layers, ${humanSize(received)}/${humanSize(total)}`;
}
