/**
 * An image like large ones there are: a gigabyte in 40,000 files and eight layers, which gzip makes
 * a third of. Made of numbers that are the same every time and everywhere, and kept between runs.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Layer, layer } from "../tests/setup/image.ts";
import type { Entry } from "../tests/setup/tar.ts";

/** Files in each layer, bottom first: sizes as unlike each other as in images made by people. */
const filesInLayers = [6000, 9000, 3000, 8500, 4000, 7000, 2400, 100];
const filesInDirectory = 18;
/** Of a file's size: half are smaller than the median, a few a thousand times as large. */
const medianBytes = 5200;
const spread = 1.85;
const fileBytesMax = 16 << 20;
/** Contents are cut out of a stretch this long, far more than a compressor remembers. */
const stretchBytes = 48 << 20;
/** To be raised with any change of what is made. */
const version = 1;

/** The layers, bottom first; made once, which takes a minute. */
export function generatedLayers(cache: string): Layer[] {
  const directory = join(cache, `layers-${version}`);
  const random = numbers(1);
  let stretch: Uint8Array | undefined;
  return filesInLayers.map((files, index) => {
    const [blob, facts] = [join(directory, `${index}.tar.gz`), join(directory, `${index}.json`)];
    if (!existsSync(facts)) {
      mkdirSync(directory, { recursive: true });
      stretch ??= makeStretch(random);
      const made = layer(makeEntries(index, files, stretch));
      writeFileSync(blob, made.blob);
      const { mediaType, diffID } = made;
      // Last, and at once: an interrupted run leaves no layer that seems to be there.
      writeFileSync(`${facts}.new`, JSON.stringify({ mediaType, diffID }));
      renameSync(`${facts}.new`, facts);
    }
    const { mediaType, diffID } = JSON.parse(readFileSync(facts, "utf8"));
    return { mediaType, diffID, blob: Uint8Array.from(readFileSync(blob)) };
  });
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Text, tables of numbers and noise in turns, as programs, libraries and pictures have them. */
function makeStretch(random: () => number): Uint8Array {
  const words = Array.from({ length: 4000 }, () => {
    const length = 2 + Math.floor(random() * 9);
    return String.fromCharCode(...Array.from({ length }, () => 97 + Math.floor(random() * 26)));
  });
  const stretch = Buffer.alloc(stretchBytes);
  for (let at = 0; at < stretchBytes; ) {
    const kind = random();
    const end = Math.min(stretchBytes, at + 2000 + Math.floor(random() * 30_000));
    if (kind < 0.6) while (at < end) at += stretch.write(`${pick(words, random)} `, at, "latin1");
    else if (kind < 0.95) for (; at < end; at += 6) stretch[at] = random() * 200;
    else for (; at < end; at++) stretch[at] = random() * 256;
    at = end;
  }
  return stretch;
}

/** Some words are much more frequent than others. */
function pick(words: readonly string[], random: () => number): string {
  return words[Math.floor(words.length * random() ** 5)] ?? "";
}

function makeEntries(index: number, files: number, stretch: Uint8Array): Entry[] {
  const random = numbers(1000 + index);
  const top = `opt/part-${index}/`;
  const entries: Entry[] = [{ name: "opt/" }, { name: top }];
  let directory = top;
  for (let i = 0; i < files; i++) {
    if (i % filesInDirectory === 0) {
      directory = `${top}directory-${i / filesInDirectory}/`;
      entries.push({ name: directory });
    }
    const name = `${directory}file-${i}`;
    if (i % 25 === 7) {
      entries.push({ name: `${name}.link`, link: `file-${i - 1}` });
      continue;
    }
    const from = Math.floor(random() * (stretch.length - fileBytesMax));
    const data = stretch.subarray(from, from + sizeOf(random));
    entries.push({ name, mode: i % 10 === 3 ? 0o755 : 0o644, mtime: 1_700_000_000 + i, data });
  }
  return entries;
}

/** Logarithms of files' sizes are spread like a bell (Box and Muller). */
function sizeOf(random: () => number): number {
  const bell = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(fileBytesMax, Math.floor(medianBytes * Math.exp(spread * bell)));
}
