/**
 * `hb images --filter`: docker's conditions on images. Pure.
 *
 * `reference` may be given several times and one of them has to hold; of all others each one.
 * Patterns are Go's path.Match, against the short name with and without its tag
 * (distribution/reference, FamiliarMatch).
 */

import { HbError } from "../errors.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import type { ImageRecord } from "./images.ts";

/** An image and what its config says of it. */
export interface ListedImage {
  readonly record: ImageRecord;
  /** Absent where the config does not say it or cannot be read. */
  readonly created?: Date;
  readonly labels: Readonly<Record<string, unknown>>;
}

type Condition = (image: ListedImage) => boolean;

/** Those of `images` that `filters` let through; `find` is how `before` and `since` name one. */
export function filterListed(
  images: readonly ListedImage[],
  filters: readonly string[],
  find: (image: string) => ListedImage,
): ListedImage[] {
  const references: Condition[] = [];
  const others: Condition[] = [];
  for (const filter of filters) {
    const [key, value] = split(filter);
    if (key === "reference") references.push(matching(filter, value));
    else others.push(condition(filter, key, value, { images, find }));
  }
  return images.filter((image) => {
    const isNamed = references.length === 0 || references.some((holds) => holds(image));
    return isNamed && others.every((holds) => holds(image));
  });
}

function split(filter: string): readonly [key: string, value: string] {
  const at = filter.indexOf("=");
  if (at < 0) throw refuse(filter, "it is not KEY=VALUE");
  return [filter.slice(0, at).trim().toLowerCase(), filter.slice(at + 1).trim()];
}

interface Context {
  readonly images: readonly ListedImage[];
  readonly find: (image: string) => ListedImage;
}

function condition(filter: string, key: string, value: string, context: Context): Condition {
  switch (key) {
    case "dangling":
      return dangling(filter, value, context.images);
    case "label":
      return labelled(value);
    case "before": {
      const limit = timeOf(context.find(value));
      return (image) => timeOf(image) < limit;
    }
    case "since": {
      const limit = timeOf(context.find(value));
      return (image) => timeOf(image) > limit;
    }
    default:
      throw refuse(filter, `there is no "${key}"`);
  }
}

/** docker, too, takes an image that does not say when it was made for one of the epoch. */
function timeOf({ created }: ListedImage): number {
  return created?.getTime() ?? 0;
}

/** No tag of any repository means it. */
function dangling(filter: string, value: string, images: readonly ListedImage[]): Condition {
  const wanted = ["true", "1"].includes(value);
  if (!wanted && !["false", "0"].includes(value)) throw refuse(filter, "it is true or false");
  const tagged = new Set(images.filter(hasTag).map(({ record }) => record.config));
  return ({ record }) => tagged.has(record.config) !== wanted;
}

function hasTag({ record }: ListedImage): boolean {
  return parseReference(record.reference).digest === undefined;
}

function labelled(text: string): Condition {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  return ({ labels }) => {
    if (!Object.hasOwn(labels, name)) return false;
    return at < 0 || labels[name] === text.slice(at + 1);
  };
}

function matching(filter: string, pattern: string): Condition {
  const expression = globExpression(filter, pattern);
  return ({ record }) => {
    const { registry, repository, tag, digest } = parseReference(record.reference);
    const name = { registry, repository };
    const whole = digest === undefined ? { ...name, ...(tag && { tag }) } : { ...name, digest };
    return [name, whole].some((each) => expression.test(familiarName(each)));
  };
}

/** path.Match: `*` and `?` stop at a slash, `[a-z]` and `[^a]` are one character, `\` quotes. */
function globExpression(filter: string, pattern: string): RegExp {
  const parts = /\*|\?|\[(\^?)((?:\\[\s\S]|[^\]\\])+)\]|\\([\s\S])|([\s\S])/gu;
  const source = pattern.replace(parts, (part, not, characters, quoted, plain) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (characters !== undefined) return `[${not}${characters.replace(/\[/g, "\\[")}]`;
    if (plain === "[" || plain === "\\") throw refuse(filter, `its ${plain} is not complete`);
    return (quoted ?? plain).replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  });
  try {
    return new RegExp(`^${source}$`, "u");
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse(filter, "its pattern cannot be read");
    throw error;
  }
}

function refuse(filter: string, why: string): HbError {
  return new HbError(`Cannot use --filter ${JSON.stringify(filter)}: ${why}`, {
    hint: "use reference=PATTERN, dangling=true, label=NAME[=VALUE], before=IMAGE or since=IMAGE",
    exitCode: 125,
  });
}
