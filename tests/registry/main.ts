/**
 * The test registry as a process, for black-box tests:
 *
 *     bun tests/registry/main.ts [--fault NAME]... [--port N] [--cut-at N]
 *                                [--add DEST=SOURCE]... [--cmd ARG]... [--size BYTES] | --list
 *
 * Prints its port on a line and serves `test/image:latest` until it is killed or its standard
 * input, which must stay open, ends. The image is random files of --size bytes, or the files
 * given by --add (mode 755).
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { faults, isFaultName } from "./faults.ts";
import { type Image, makeImage, makeLayer, randomImage } from "./image.ts";
import { startRegistry } from "./server.ts";

const { values } = parseArgs({
  options: {
    fault: { type: "string", multiple: true, default: [] },
    port: { type: "string", default: "0" },
    "cut-at": { type: "string" },
    add: { type: "string", multiple: true, default: [] },
    cmd: { type: "string", multiple: true, default: [] },
    size: { type: "string", default: "65536" },
    list: { type: "boolean", default: false },
  },
});

if (values.list) {
  for (const [name, { about }] of Object.entries(faults)) {
    process.stdout.write(`${name.padEnd(22)}${about}\n`);
  }
} else {
  await serve();
}

async function serve(): Promise<void> {
  const unknown = values.fault.find((name) => !isFaultName(name));
  if (unknown !== undefined) throw new Error(`unknown fault ${unknown}, see --list`);
  const cutAt = values["cut-at"];
  const registry = await startRegistry({
    faults: values.fault.filter(isFaultName),
    images: { "test/image:latest": image() },
    port: Number(values.port),
    ...(cutAt === undefined ? {} : { cutAt: Number(cutAt) }),
  });
  process.stdout.write(`${registry.port}\n`);
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
}

function image(): Image {
  if (values.add.length === 0) return randomImage({ layerBytes: Number(values.size) });
  const entries = values.add.map((pair) => {
    const equals = pair.indexOf("=");
    const content = readFileSync(pair.slice(equals + 1));
    return { name: pair.slice(0, equals), content, mode: 0o755 };
  });
  const config = { Env: ["PATH=/bin"], Cmd: values.cmd };
  return makeImage([makeLayer(entries)], { config });
}
