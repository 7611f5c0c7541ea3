/** Labels and what the image says of itself -> the plan's annotations. Pure. */

import { HbError, UsageError } from "../errors.ts";
import { keyOf, parseKeyValueFile } from "./env.ts";
import type { HostFacts } from "./facts.ts";
import { parseSignal } from "./signals.ts";

export interface LabelWishes {
  readonly label: readonly string[];
  readonly labelFile: readonly string[];
  readonly stopSignal?: string;
}

/** The image's part. */
export interface ImageLabels {
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
}

/**
 * image-spec conversion.md: the labels as they are, and the stop signal under its own key, over
 * which a label of the same name has precedence. Flags win over the image, flags over files.
 */
export function chooseAnnotations(
  wishes: LabelWishes,
  image: ImageLabels,
  facts: Pick<HostFacts, "variable" | "readText">,
): Readonly<Record<string, string>> {
  const annotations: Record<string, string> = {};
  const asked = wishes.stopSignal;
  const signal = asked === undefined ? image.StopSignal : parseSignal(asked, "--stop-signal");
  if (signal !== undefined && signal !== "") {
    annotations["org.opencontainers.image.stopSignal"] = signal;
  }
  Object.assign(annotations, image.Labels);
  for (const text of userLabels(wishes, facts)) {
    const key = keyOf(text);
    if (key === "") throw new UsageError(`Cannot use --label "${text}": it has no name`);
    annotations[key] = text.slice(key.length + 1);
  }
  return annotations;
}

/** What the user set, files before flags: `KEY=VALUE`, or `KEY`. */
export function userLabels(
  { label, labelFile }: Pick<LabelWishes, "label" | "labelFile">,
  facts: Pick<HostFacts, "variable" | "readText">,
): readonly string[] {
  const files = labelFile.flatMap((file) => parseKeyValueFile(file, "--label-file", facts));
  return [...files, ...label];
}

/** docker's rule for `--name`. */
export function checkName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) && name.length <= 128) return;
  throw new HbError(`Cannot name a container "${name}"`, {
    hint: "begin with a letter or digit, then letters, digits, '_', '.' and '-', two at least",
  });
}
