/**
 * How an image came about: `history` of its config (image-spec config.md), which no container
 * needs and a run therefore does not read.
 */

import {
  compact,
  expectArray,
  expectObject,
  type JsonObject,
  optionalString,
  parseJson,
} from "./json.ts";

/** One step, in the spec's spelling. */
export interface HistoryEntry {
  readonly created?: string;
  readonly created_by: string;
  readonly author?: string;
  readonly comment: string;
  /** The step made no layer. */
  readonly empty_layer: boolean;
}

/** The steps of the config in `bytes`, the first one first. */
export function parseHistory(bytes: Uint8Array): readonly HistoryEntry[] {
  const config = expectObject(parseJson(bytes, "config"), "config");
  return expectArray(config.history, "config.history").map((value, i) =>
    parseEntry(expectObject(value, `config.history[${i}]`), `config.history[${i}]`),
  );
}

function parseEntry(object: JsonObject, where: string): HistoryEntry {
  return compact({
    created: optionalString(object.created, `${where}.created`),
    created_by: optionalString(object.created_by, `${where}.created_by`) ?? "",
    author: optionalString(object.author, `${where}.author`),
    comment: optionalString(object.comment, `${where}.comment`) ?? "",
    empty_layer: object.empty_layer === true,
  });
}
