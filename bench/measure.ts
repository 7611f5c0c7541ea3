/**
 * Turns of contenders, interleaved, and what their figures say.
 *
 * Rounds go A, B, C, A, B, C… so that whatever else the machine does hits all alike. One that
 * fails leaves the row with its reason; the others go on.
 */

/** One turn's figures by metric name. */
export type Figures = Readonly<Record<string, number>>;

/** Somebody who takes part in a row. */
export interface Contender {
  readonly name: string;
  /** Set when it cannot take part here: why, and what would change that. */
  readonly missing?: string | undefined;
  /** Takes one turn; everything it needs before and leaves behind is its own affair, untimed. */
  turn(): Promise<Figures>;
}

/** A column: what is measured and in which unit. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
}

/**
 * What design.md asks for: hb's median, or what is left of it without the median of `above`, or
 * its multiple of the median of `ratioTo`, is at most `max` and at least `min`.
 */
export interface Budget {
  readonly metric: string;
  readonly max?: number;
  readonly min?: number;
  readonly ratioTo?: string;
  readonly above?: string;
}

/** One question, and everybody who answers it. */
export interface Row {
  readonly group: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly contenders: readonly Contender[];
  /** The contender all others are divided by. */
  readonly yardstick: string;
  readonly budgets: readonly Budget[];
  readonly rounds: number;
  readonly warmups: number;
  /** What a reader must know to read the figures. */
  readonly note?: string;
}

/** Where the middle is and how wide: 10th to 90th percentile. */
export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly samples: readonly number[];
}

/** What one contender did in a row. */
export interface Standing {
  readonly name: string;
  readonly missing?: string;
  readonly figures: Readonly<Record<string, Summary>>;
}

/** A budget held against the figures; `met` is absent when either side did not take part. */
export interface Verdict {
  readonly budget: Budget;
  readonly value?: number;
  readonly met?: boolean;
}

/** A row, answered. */
export interface Result {
  readonly group: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly yardstick: string;
  readonly note?: string;
  readonly standings: readonly Standing[];
  readonly verdicts: readonly Verdict[];
}

/** Plays a row to its end. */
export async function play(row: Row): Promise<Result> {
  const samples = new Map<Contender, Figures[]>();
  const missing = new Map<Contender, string>();
  for (const contender of row.contenders) {
    if (contender.missing === undefined) samples.set(contender, []);
    else missing.set(contender, contender.missing);
  }
  for (let round = -row.warmups; round < row.rounds; round++) {
    for (const [contender, taken] of samples) {
      try {
        const figures = await contender.turn();
        if (round >= 0) taken.push(figures);
      } catch (error) {
        samples.delete(contender);
        missing.set(contender, error instanceof Error ? error.message : String(error));
      }
    }
  }
  const standings = row.contenders.map((contender) =>
    standing(contender.name, missing.get(contender), samples.get(contender) ?? []),
  );
  return {
    group: row.group,
    title: row.title,
    metrics: row.metrics,
    yardstick: row.yardstick,
    ...(row.note === undefined ? {} : { note: row.note }),
    standings,
    verdicts: row.budgets.map((budget) => judge(budget, standings)),
  };
}

function standing(name: string, missing: string | undefined, taken: Figures[]): Standing {
  if (missing !== undefined) return { name, missing, figures: {} };
  const figures: Record<string, Summary> = {};
  for (const metric of new Set(taken.flatMap((one) => Object.keys(one)))) {
    figures[metric] = summarize(taken.flatMap((one) => one[metric] ?? []));
  }
  return { name, figures };
}

/** Median and spread of at least one sample. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const upper = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  return { median: (lower + upper) / 2, low: at(0.1), high: at(0.9), samples };
}

function judge(budget: Budget, standings: readonly Standing[]): Verdict {
  const median = (name: string) =>
    standings.find((one) => one.name === name)?.figures[budget.metric]?.median;
  const ours = median("hb");
  const yardstick = budget.ratioTo === undefined ? 1 : median(budget.ratioTo);
  const ground = budget.above === undefined ? 0 : median(budget.above);
  if (ours === undefined || yardstick === undefined || ground === undefined) return { budget };
  const value = (ours - ground) / yardstick;
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = budget;
  return { budget, value, met: value >= min && value <= max };
}
