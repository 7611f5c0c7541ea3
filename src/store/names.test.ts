/** Names of containers, with real locks in a real store. */

import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newContainerId } from "./id.ts";
import { containerPath, openStore, type StorePaths } from "./layout.ts";
import { tryLock } from "./lock.ts";
import { claimName } from "./names.ts";

let directory: string;
let store: StorePaths;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hb-names-"));
  store = openStore(directory);
  mkdirSync(store.containers);
});

afterEach(() => rmSync(directory, { recursive: true }));

test("a name is taken as long as its descriptor is open", () => {
  const first = claimName(store, "web", newContainerId());
  expect(() => claimName(store, "web", newContainerId())).toThrow(/already in use/);
  closeSync(first.fd);
  closeSync(claimName(store, "web", newContainerId()).fd);
});

test("a name is taken as long as its container is alive", () => {
  const id = newContainerId();
  closeSync(claimName(store, "web", id).fd);
  mkdirSync(containerPath(store, id));
  const alive = tryLock(containerPath(store, id), "exclusive");
  expect(() => claimName(store, "web", newContainerId())).toThrow(id.slice(0, 12));
  if (typeof alive !== "string") alive.release();
  closeSync(claimName(store, "web", newContainerId()).fd);
});

test("a kept container keeps its name", () => {
  const id = newContainerId();
  closeSync(claimName(store, "web", id).fd);
  mkdirSync(containerPath(store, id));
  writeFileSync(`${containerPath(store, id)}/kept`, "");
  expect(() => claimName(store, "web", newContainerId())).toThrow(/already in use/);
});

test("names that a killed hb left are removed by the next claim", () => {
  const stale = claimName(store, "stale", newContainerId());
  const live = claimName(store, "live", newContainerId());
  closeSync(stale.fd);
  closeSync(claimName(store, "web", newContainerId()).fd);
  expect(existsSync(stale.file)).toBe(false);
  expect(existsSync(live.file)).toBe(true);
  closeSync(live.fd);
});
