/** Mirrors that fail in every way, before an origin that is well. */

import { describe, expect, test } from "bun:test";
import type { FaultName } from "../../tests/registry/faults.ts";
import { randomImage } from "../../tests/registry/image.ts";
import { type RunningRegistry, startRegistry } from "../../tests/registry/server.ts";
import { type Manifest, parseDocument } from "../image/manifest.ts";
import { parseReference } from "../image/reference.ts";
import { openRegistry, type Registry } from "./client.ts";

/** Time passes at once. */
const clock = { now: () => 0, random: () => 1, sleep: async () => undefined };
const images = { "test/image:latest": randomImage() };

/** A client that has a mirror for the origin. */
function clientFor(origin: RunningRegistry, mirrorHost: string) {
  const notices: string[] = [];
  const client = openRegistry({
    clock,
    env: { HB_MIRRORS: `${origin.host}=${mirrorHost}` },
    root: "/nonexistent",
    notice: (line) => notices.push(line.replaceAll(mirrorHost, "MIRROR")),
    stallTimeoutMs: 300,
    headerTimeoutMs: 300,
  });
  return { client, notices };
}

/** Pulls the origin's image through a mirror; the notices. */
async function pullThrough(origin: RunningRegistry, mirrorHost: string): Promise<string[]> {
  const { client, notices } = clientFor(origin, mirrorHost);
  await pullAll(client, origin);
  return notices;
}

async function pullAll(client: Registry, origin: RunningRegistry): Promise<void> {
  const reference = parseReference(origin.reference);
  const { bytes, mediaType } = await client.resolve(reference);
  const manifest = parseDocument(bytes, mediaType) as Manifest;
  await client.fetchDocument(reference, manifest.config);
  for (const layer of manifest.layers) {
    for await (const chunk of client.fetchBlob(reference, layer)) expect(chunk).toBeDefined();
  }
}

describe("a mirror", () => {
  test("that is well answers everything, and the origin is not asked", async () => {
    await using origin = await startRegistry({ images });
    await using mirror = await startRegistry({ images });
    expect(await pullThrough(origin, mirror.host)).toEqual([]);
    expect(origin.requests).toEqual([]);
  });

  test("that lacks the image is no failure", async () => {
    await using origin = await startRegistry({ images });
    await using mirror = await startRegistry({ images: { "other:1": randomImage() } });
    expect(await pullThrough(origin, mirror.host)).toEqual([]);
  });

  test("that is not there is told about once", async () => {
    await using origin = await startRegistry({ images });
    const gone = await startRegistry({ images });
    await gone.stop();
    expect(await pullThrough(origin, gone.host)).toEqual([
      "mirror MIRROR failed (MIRROR refuses connections): going on without it",
    ]);
  });

  test.each<FaultName>([
    "error-always",
    "rate-limit-hours",
    "basic-only",
    "no-token",
    "garbled-challenge",
    "silent",
    "wrong-manifest",
    "wrong-config",
    "drop-always",
    "stall-always",
  ])("under %s is replaced by the origin, with one notice", async (fault) => {
    await using origin = await startRegistry({ images });
    await using mirror = await startRegistry({ images, faults: [fault] });
    const notices = await pullThrough(origin, mirror.host);
    expect(notices.length).toBe(1);
    expect(origin.requests.length).toBeGreaterThan(0);
  });

  test("that sent a wrong layer is left out of the next attempt, if there is one", async () => {
    await using origin = await startRegistry({ images });
    await using mirror = await startRegistry({ images, faults: ["wrong-digest"] });
    const { notices, client } = clientFor(origin, mirror.host);
    await expect(pullAll(client, origin)).rejects.toThrow("does not match its digest");
    const reference = parseReference(origin.reference);
    expect(client.distrustMirrors?.(reference, new Error("wrong"))).toBe(true);
    await pullAll(client, origin);
    expect(client.distrustMirrors?.(reference, new Error("wrong"))).toBe(false);
    expect(notices).toEqual(["mirror MIRROR failed (wrong): going on without it"]);
  });
});
