/** Command lines, their errors, and that help and flag tables agree. */

import { describe, expect, test } from "bun:test";
import * as containers from "./cli/container-tables.ts";
import * as images from "./cli/image-tables.ts";
import { commandNames } from "./cli/invocation.ts";
import * as login from "./cli/login-tables.ts";
import * as registries from "./cli/registry-tables.ts";
import * as store from "./cli/store-tables.ts";
import * as tables from "./cli/tables.ts";
import { parseCommandLine } from "./cli.ts";
import { helpText } from "./commands/help.ts";
import { UsageError } from "./errors.ts";

function errorOf(...argv: string[]): UsageError {
  try {
    parseCommandLine(argv);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error(`${argv.join(" ")} was understood`);
}

describe("parseCommandLine()", () => {
  test("leaves what follows the image to the container", () => {
    const { command, options } = parseCommandLine(["run", "-it", "alpine", "ls", "-l", "--rm"]);
    expect(command).toBe("run");
    expect(options).toMatchObject({ image: "alpine", command: ["ls", "-l", "--rm"], tty: true });
  });

  test("knows no --rm from --rm=false", () => {
    expect(parseCommandLine(["run", "x"]).options).toMatchObject({ rm: undefined });
    expect(parseCommandLine(["run", "--rm=false", "x"]).options).toMatchObject({ rm: false });
  });

  test("needs no image with --rootfs", () => {
    const { options } = parseCommandLine(["run", "--rootfs", "/x", "ls"]);
    expect(options).toMatchObject({ rootfs: "/x", command: ["ls"] });
    expect(options).not.toHaveProperty("image");
  });

  test("takes -h of run for the hostname and of others for help", () => {
    expect(parseCommandLine(["run", "-h", "box", "x"]).options).toMatchObject({ hostname: "box" });
    expect(parseCommandLine(["pull", "-h"])).toEqual({
      command: "help",
      options: { topic: "pull" },
    });
  });

  test("explains itself without arguments", () => {
    expect(parseCommandLine([])).toEqual({ command: "help", options: {} });
  });

  test("knows docker's longer names of commands", () => {
    expect(parseCommandLine(["container", "prune", "-f"])).toMatchObject({
      command: "prune",
      options: { containers: true, images: false },
    });
    expect(parseCommandLine(["image", "prune"]).options).toMatchObject({ images: true });
    expect(parseCommandLine(["system", "prune"]).options).toMatchObject({ images: false });
    expect(parseCommandLine(["system", "df", "-v"])).toMatchObject({
      command: "system",
      options: { verb: "df", verbose: true },
    });
    expect(parseCommandLine(["container", "stop", "x"]).command).toBe("stop");
  });

  test("takes flags of other commands after their arguments, too", () => {
    const { options } = parseCommandLine(["pull", "alpine", "-q"]);
    expect(options).toMatchObject({ images: ["alpine"], quiet: true });
  });
});

describe("parseCommandLine() fails with the nearest known word", () => {
  const cases: [string[], RegExp, RegExp][] = [
    [["rnu"], /no command "rnu"/, /'run'/],
    [["run", "--evn", "A"], /no flag --evn/, /--env\?/],
    [["run", "--gpus", "all", "x"], /no flag --gpus/, /docker has --gpus/],
    [["network", "creat", "x"], /no command "creat"/, /'create'/],
    [["run", "--pid=host", "x"], /no flag --pid/, /docker has --pid/],
    [["run"], /needs an image/, /hb help run/],
    [["run", "--pull", "newer", "x"], /--pull "newer"/, /always, missing, never/],
    [["spec", "x"], /needs a directory/, /hb help spec/],
    [["tags", "a", "b"], /another argument, got "b"/, /hb help tags/],
    [["manifest", "create", "x"], /has no command "create"/, /hb manifest inspect/],
    [["pull"], /needs an image/, /hb help pull/],
    [["help", "rum"], /no command "rum"/, /hb help run/],
  ];
  for (const [argv, message, hint] of cases) {
    test(`hb ${argv.join(" ")}`, () => {
      const error = errorOf(...argv);
      expect(error.message).toMatch(message);
      expect(error.hint ?? "").toMatch(hint);
      expect(error.exitCode).toBe(125);
    });
  }
});

describe("help", () => {
  test("exists for every command", () => {
    for (const name of commandNames) expect(helpText(name)).toStartWith(`hb ${name}`);
  });

  const documented = [
    ["run", containers.runFlags],
    ["exec", containers.execFlags],
    ["pull", tables.pullFlags],
    ["login", login.loginFlags],
    ["logout", login.logoutFlags],
    ["tags", registries.tagsFlags],
    ["manifest", registries.manifestFlags],
    ["images", tables.imagesFlags],
    ["rmi", tables.rmiFlags],
    ["inspect", tables.inspectFlags],
    ["ps", containers.psFlags],
    ["logs", containers.logsFlags],
    ["attach", containers.attachOwnFlags],
    ["stats", containers.statsFlags],
    ["update", containers.updateFlags],
    ["events", containers.eventsFlags],
    ["prune", tables.pruneFlags],
    ["lock", store.lockFlags],
    ["check", store.checkFlags],
    ["system", store.systemDfFlags],
    ["store", store.storeFlags],
    ["start", containers.startFlags],
    ["restart", containers.stopFlags],
    ["stop", containers.stopFlags],
    ["kill", containers.killFlags],
    ["wait", containers.waitFlags],
    ["rm", containers.rmFlags],
    ["doctor", tables.reportFlags],
    ["info", tables.formatFlags],
    ["cp", containers.cpFlags],
    ["export", containers.exportFlags],
    ["history", images.historyFlags],
    ["save", images.saveFlags],
    ["load", images.loadFlags],
    ["push", images.pushFlags],
    ["commit", images.commitFlags],
    ["import", images.importFlags],
  ] as const;
  for (const [name, table] of documented) {
    test(`names every flag of ${name} and no other`, () => {
      const written = new Set(helpText(name).match(/(?<![\w-])--[a-z][a-z-]+/g));
      const known = Object.values(table).map((flag) => `--${flag.name}`);
      expect([...written].sort()).toEqual(known.sort());
    });
  }
});
