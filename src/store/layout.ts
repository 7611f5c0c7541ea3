/**
 * Where everything of the store is. The only file that builds store paths.
 *
 *   blobs/sha256/<hex>                      manifests, indexes and configs as received
 *   layers/<diffID hex>/diff                an unpacked layer, in overlayfs's form, or a link
 *   layers/<diffID hex>/boot                the boot it is known to be whole in (boot.ts)
 *   layers/<chainID hex>-patch/diff         what a layer took from those below it
 *   images/<registry>/<repository>:<tag>/<os>-<arch>[-variant].json     also <repository>@<digest>
 *   containers/<id>/                        what a container has (docs/containers.md)
 *   tmp/                                    staging: garbage once nobody holds its lock
 *   helper/<sha256>/hb-init                 only where programs in memory are refused
 */

import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { HbError } from "../errors.ts";
import { allowHelperIn } from "../helper/binary.ts";
import { type Digest, isDigest } from "../image/digest.ts";
import type { Platform } from "../image/platform.ts";
import type { Reference } from "../image/reference.ts";

declare const brand: unique symbol;

/** An absolute path inside the store. */
export type StorePath = string & { readonly [brand]: "StorePath" };

/** The store's places. Nothing of them need exist. */
export interface StorePaths {
  readonly root: StorePath;
  readonly blobs: StorePath;
  readonly layers: StorePath;
  readonly images: StorePath;
  readonly containers: StorePath;
  readonly tmp: StorePath;
}

/** What decides where the store is. */
export interface StoreEnvironment {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const DIRECTORIES = ["blobs", "layers", "images", "containers", "tmp"] as const;

/** The store's root: HB_ROOT, or root's, or the user's own (XDG base directory specification). */
export function storeRoot({ uid, env }: StoreEnvironment): string {
  const chosen = env.HB_ROOT;
  if (chosen !== undefined && chosen !== "") {
    if (chosen.startsWith("/")) return chosen;
    throw new HbError(`Cannot use HB_ROOT "${chosen}": it is a relative path`, {
      hint: "set HB_ROOT to an absolute path",
    });
  }
  if (uid === 0) return "/var/lib/hb";
  // The specification has relative values ignored.
  const data = env.XDG_DATA_HOME;
  if (data?.startsWith("/")) return `${data}/hb`;
  const home = env.HOME;
  if (home?.startsWith("/")) return `${home}/.local/share/hb`;
  throw new HbError("Cannot find a place for images: HOME is not set", {
    hint: "set HB_ROOT to a directory of your own",
  });
}

/** The store under `root`; nothing is touched. */
export function openStore(root: string): StorePaths {
  const normal = root.replace(/\/+/g, "/").replace(/(?<=.)\/$/, "") as StorePath;
  const [blobs, layers, images, containers, tmp] = DIRECTORIES.map((name) => within(normal, name));
  return { root: normal, blobs, layers, images, containers, tmp } as StorePaths;
}

/** The store of whoever runs this process; not one of somebody else, whom it would obey. */
export function currentStore(): StorePaths {
  const uid = process.geteuid?.() ?? 0;
  const store = openStore(storeRoot({ uid, env: process.env }));
  requireOwner(store, ownerOf(store) ?? uid, uid);
  return store;
}

function ownerOf(store: StorePaths): number | undefined {
  try {
    return statSync(store.root).uid;
  } catch {
    return undefined; // not made yet, or out of reach, which whatever comes next will say
  }
}

function requireOwner(store: StorePaths, owner: number, uid: number): void {
  if (owner === uid) return;
  throw new HbError(`Cannot use the store "${store.root}": it belongs to uid ${owner}`, {
    hint: `run hb as that user, or set HB_ROOT to a directory of your own`,
  });
}

/** Makes the store's directories, or says in one line why that cannot be. */
export function createStore(store: StorePaths, uid: number): void {
  try {
    // Layers hold set-user-ID files of images: nobody else may reach them by way of the store.
    mkdirSync(store.root, { recursive: true, mode: 0o700 });
    for (const name of DIRECTORIES) mkdirSync(store[name], { recursive: true, mode: 0o700 });
    accessSync(store.tmp, constants.W_OK); // it may have been made before the disk became read-only
  } catch (error) {
    throw storeError(store, error);
  }
  requireOwner(store, statSync(store.root).uid, uid);
  allowHelperIn(within(store.root, "helper"));
}

/** `error` from a file operation in the store as a line with what to do about it. */
export function storeError(store: StorePaths, error: unknown): HbError {
  if (error instanceof HbError) return error;
  const hints: Record<string, string> = {
    EACCES: "set HB_ROOT to a directory you can write",
    EPERM: "set HB_ROOT to a directory you can write",
    EROFS: "set HB_ROOT to a directory on a writable disk",
    ENOTDIR: "set HB_ROOT to a directory",
    EEXIST: "set HB_ROOT to a directory",
    ENOSPC: "free some space (hb prune), or set HB_ROOT to a directory on a larger disk",
    EDQUOT: "free some space (hb prune), or set HB_ROOT to a directory on another disk",
  };
  const { code } = error as NodeJS.ErrnoException;
  const hint = code === undefined ? undefined : hints[code];
  return new HbError(`Cannot write the store "${store.root}"`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A manifest, index or config. */
export function blobPath(store: StorePaths, digest: Digest): StorePath {
  return within(store.blobs, digest.replace(":", "/"));
}

/** One layer's directory by its name in an image record; `diff/` is below. */
export function layerPath(store: StorePaths, name: string): StorePath {
  if (!/^[0-9a-f]{64,128}(-patch)?$/.test(name)) {
    throw new HbError(`Cannot use the layer "${name}": that is no layer's name`);
  }
  return within(store.layers, name);
}

/** The digest that is the layer's name; undefined for a patch, which is no layer of an image. */
export function layerDiffID(name: string): Digest | undefined {
  const digest = `${name.length === 128 ? "sha512" : "sha256"}:${name}`;
  return isDigest(digest) ? digest : undefined;
}

/**
 * The tree of a layer: what overlayfs takes as a lower directory. It may be in another store, to
 * which this one has a link (elsewhere.ts).
 */
export function layerDiffPath(store: StorePaths, name: string): StorePath {
  const path = within(layerPath(store, name), "diff");
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? (readlinkSync(path) as StorePath) : path;
}

/** The trees of layers. A link that leads nowhere is an error; `doing` says of which image. */
export function layerTrees(
  store: StorePaths,
  names: readonly string[],
  doing: string,
): StorePath[] {
  return names.map((name) => {
    const tree = layerDiffPath(store, name);
    if (tree.startsWith(`${store.layers}/`) || existsSync(tree)) return tree;
    const other = dirname(dirname(dirname(tree)));
    throw new HbError(`${doing}: a layer of it was in the store "${other}" and is there no more`, {
      hint: "pull the image again",
    });
  });
}

/** The directory that `layerDiffPath` is in: it has the layer's recipe, too. */
export function layerSource(store: StorePaths, name: string): StorePath {
  return dirname(layerDiffPath(store, name)) as StorePath;
}

/** Where a layer is unpacked before it has a name; one per layer, so that pulls meet there. */
export function stagingPath(store: StorePaths, name: string): StorePath {
  return within(store.tmp, `layer-${name}`);
}

/** A container's directory. */
export function containerPath(store: StorePaths, id: string): StorePath {
  return within(store.containers, id);
}

/** Every platform's record of one reference is in this directory. */
export function imagePath(store: StorePaths, reference: Reference): StorePath {
  const { registry, repository, tag, digest } = reference;
  // What has a digest is that and nothing else: the tag it was written with may move.
  const name =
    digest === undefined ? `${repository}:${tag ?? "latest"}` : `${repository}@${digest}`;
  return within(store.images, `${registry}/${name}`);
}

/** The record of one reference on one platform. */
export function imageRecordPath(
  store: StorePaths,
  reference: Reference,
  platform: Platform,
): StorePath {
  const { os, architecture, variant } = platform;
  const words = variant === undefined ? [os, architecture] : [os, architecture, variant];
  const file = `${words.map((word) => word.replace(/[^A-Za-z0-9._]/g, "_")).join("-")}.json`;
  return within(imagePath(store, reference), file);
}

/** `name` below `directory`. Names come from parsed values; a stray `..` is a defect, not input. */
export function within(directory: StorePath, name: string): StorePath {
  if (name.split("/").some((part) => part === ".." || part === "." || part === "")) {
    throw new Error(`'${name}' is no name within '${directory}'`);
  }
  return `${directory}/${name}` as StorePath;
}
