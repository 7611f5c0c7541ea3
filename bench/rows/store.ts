/** A store of a thousand images: how long it takes to list, and what it costs a start. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostArchitecture } from "../../tests/setup/image.ts";
import { sha256 } from "../../tests/setup/registry.ts";
import { tar } from "../../tests/setup/tar.ts";
import type { Contender, Row } from "../measure.ts";
import type { Bench } from "../run.ts";
import type { Identity } from "../workspace.ts";

const imagesMax = 1000;
const layersMax = 300;
const layersOfEach = 6;

const metrics = [
  { name: "wall", unit: "ms" },
  { name: "cpu", unit: "ms" },
];

/** `hb images`, of ids alone and with all columns. */
export function listing(bench: Bench, as: Identity): Row {
  const list = (name: string, ...flags: string[]) =>
    contender(bench, as, { name, images: imagesMax, args: ["images", ...flags] });
  return {
    group: "store",
    title: `list of ${imagesMax} images of ${layersMax} layers, ${as.name}`,
    metrics,
    contenders: [list("hb"), list("hb images -q", "-q")],
    yardstick: "hb",
    budgets: [{ metric: "wall", max: 50 }],
    rounds: bench.rounds(21),
    warmups: 2,
  };
}

/** The same image started from a store that has many others, and from one that has none. */
export function startAmongMany(bench: Bench, as: Identity): Row {
  const image = `${bench.images.registry}/bench`;
  const args = ["run", "--network", "none", image, "/bin/true"];
  return {
    group: "store",
    title: `start among ${imagesMax} images, ${as.name}`,
    metrics,
    contenders: [
      contender(bench, as, { name: "hb", images: imagesMax, image, args }),
      contender(bench, as, { name: "hb alone", images: 0, image, args }),
    ],
    yardstick: "hb alone",
    budgets: [{ metric: "wall", max: 1.05, ratioTo: "hb alone" }],
    rounds: bench.rounds(41),
    warmups: 3,
  };
}

interface Wanted {
  readonly name: string;
  /** How many images the store has besides `image`. */
  readonly images: number;
  readonly image?: string;
  readonly args: readonly string[];
}

function contender(bench: Bench, as: Identity, { name, images, image, args }: Wanted): Contender {
  const [launcher] = bench.launchers(as).filter((each) => each.name === "hb");
  const [program = ""] = launcher?.files ?? [];
  const environment = { HB_ROOT: join(as.directory, `store-of-${images}`) };
  const missing = launcher?.missing;
  if (missing !== undefined) return { name, missing, turn: async () => ({}) };
  let isReady = false;
  const hb = async (...argv: readonly string[]) => {
    return await bench.workspace.spend({ as, environment, argv: [program, ...argv] });
  };
  const turn = async () => {
    if (!isReady) {
      isReady = true;
      bench.workspace.defer(() => {
        bench.workspace.runSync({ as, environment, argv: [program, "prune", "--all"] });
      });
      if (images > 0) await hb("load", "-q", "-i", archive(bench));
      if (image !== undefined) await hb("pull", "-q", image);
    }
    const { wallMs, cpuMs } = await hb(...args);
    return { wall: wallMs, cpu: cpuMs };
  };
  return { name, turn };
}

/** Docker's archive of all the images. */
function archive(bench: Bench): string {
  const file = join(bench.workspace.directory, "thousand.tar");
  const layers = Array.from({ length: layersMax }, (_, n) => tar([{ name: `${n}`, data: `${n}` }]));
  const images = Array.from({ length: imagesMax }, (_, n) => {
    const own = Array.from({ length: layersOfEach }, (_, i) => (n * 7 + i * 31) % layersMax);
    const config = JSON.stringify({
      architecture: hostArchitecture,
      os: "linux",
      created: "2026-01-02T03:04:05Z",
      config: { Env: ["PATH=/bin"], Labels: { number: `${n}` } },
      rootfs: { type: "layers", diff_ids: own.map((i) => sha256(layers[i] ?? Buffer.of())) },
      history: own.map((i) => ({ created_by: `COPY ${i} ${".".repeat(200)}` })),
    });
    return {
      config,
      name: `${sha256(Buffer.from(config)).slice(7)}.json`,
      layers: own.map((i) => `${i}.tar`),
    };
  });
  const manifest = images.map(({ name, layers }, n) => {
    return { Config: name, RepoTags: [`bench.example/team-${n % 20}/app:${n}`], Layers: layers };
  });
  const entries = [
    ...layers.map((data, n) => ({ name: `${n}.tar`, data })),
    ...images.map(({ name, config }) => ({ name, data: config })),
    { name: "manifest.json", data: JSON.stringify(manifest) },
  ];
  writeFileSync(file, tar(entries));
  return file;
}
