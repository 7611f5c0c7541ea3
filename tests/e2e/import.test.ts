/** hb import: images of tars that are no images. */

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { Authority } from "../setup/authority.ts";
import { busyboxLayer } from "../setup/images.ts";
import { startProxy } from "../setup/proxy.ts";
import { Box } from "./harness.ts";

const box = new Box();
const files = Bun.gunzipSync(busyboxLayer().blob as Uint8Array<ArrayBuffer>);

describe("hb import", () => {
  test("makes an image of a file, changed as asked, and prints its id", async () => {
    writeFileSync(box.path("files.tar"), files);
    const changes = ["-c", "ENV PATH=/bin A=b", "--change", 'CMD ["sh", "-c", "echo $A; pwd"]'];
    const argv = ["import", "-q", ...changes, "-c", "WORKDIR /etc", "-m", "made by hand"];
    const made = await box.hb([...argv, box.path("files.tar"), "imported:1"]);
    expect(made).toMatchObject({ status: 0, stderr: "" });
    expect(made.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(await box.output("--pull", "never", "imported:1")).toBe("b\n/etc");
    const { stdout } = await box.hb(["history", "--format", "{{.Comment}}", "imported:1"]);
    expect(stdout).toBe("made by hand\n");
  });

  test("keeps the tar as the layer, which save writes again", async () => {
    const script = `"$0" save imported:1 | tar xO blobs/sha256/$(sha256sum < "$1" | cut -c1-64)`;
    const hb = process.env.HB_TEST_BIN ?? "hb";
    const compared = `${script} | cmp - "$1" && echo same`;
    const { stdout } = await box.command(["sh", "-c", compared, hb, box.path("files.tar")]);
    expect(stdout).toBe("same\n");
  });

  test("takes standard input, compressed, and needs no name", async () => {
    const stdin = new Blob([Bun.gzipSync(files)]);
    const { stdout: id } = await box.hb(["import", "-q", "-"], { stdin });
    const { stdout } = await box.hb(["images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}"]);
    expect(stdout).toContain(`<none> ${id}`);
  });

  test("takes a URL, and says what its server answers", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) =>
        url.includes("absent") ? new Response("", { status: 404 }) : new Response(files),
    });
    const host = `127.0.0.1:${server.port}`;
    const url = `http://user:secret@${host}`;
    expect(await box.hb(["import", "-q", `${url}/x.tar`, "fetched:1"])).toMatchObject({
      status: 0,
    });
    const said = await box.failure(1, ["import", `${url}/absent?token=x`, "y"]);
    await server.stop();
    const { stdout } = await box.hb(["history", "--format", "{{.Comment}}", "fetched:1"]);
    expect(stdout).toBe(`Imported from http://${host}/x.tar\n`);
    expect(said).toContain("404");
    expect(said).not.toMatch(/secret|token/);
  });

  test("asks as a pull does: through the proxy, and trusting what --cacert names", async () => {
    const authority = new Authority(box.path("ca"));
    const { cert, key } = authority.issue("server", ["DNS:files.test"]);
    const tls = { cert: Bun.file(cert), key: Bun.file(key) };
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls,
      fetch: () => new Response(files),
    });
    const proxy = await startProxy();
    const env = { HTTPS_PROXY: proxy.url };
    const argv = ["import", `https://files.test:${server.port}/files.tar`, "far:1"];
    expect(await box.failure(1, argv, { env })).toContain("is from an unknown authority");
    for (const flags of [["--cacert", authority.cert], ["--tls-verify=false"]]) {
      const { status, stderr } = await box.hb([...argv, ...flags], { env });
      expect({ status, stderr }).toMatchObject({ status: 0 });
      expect(stderr).toContain("files.tar: Pull complete (");
    }
    expect(new Set(proxy.requests)).toEqual(
      new Set([`CONNECT files.test:${server.port} HTTP/1.1`]),
    );
    proxy.stop();
    await server.stop();
  });

  test("of what is no tar, or with what is no change, is one line and 1", async () => {
    expect(await box.failure(1, ["import", "-q", "-", "x"], { stdin: "x".repeat(999) })).toContain(
      "tar header",
    );
    expect(await box.failure(1, ["import", "-c", "RUN x", "-", "x"])).toContain("RUN");
    expect(await box.failure(1, ["import", "/absent.tar"])).toContain("/absent.tar");
  });
});

box.leavesNothingBehind();
