import { describe, expect, test } from "bun:test";
import { type HostIdentity, helperMapFlags, identityFor } from "./identity.ts";

const idTools = { newuidmap: "/usr/bin/newuidmap", newgidmap: "/usr/bin/newgidmap" };

const user: HostIdentity = {
  uid: 1000,
  gid: 1001,
  realRoot: false,
  canMapAny: false,
  uidMap: "",
  gidMap: "",
  userName: "tester",
  subuid: "",
  subgid: "",
  installTools: "apt-get install -y uidmap",
};

describe("identityFor()", () => {
  test("gives real root no maps", () => {
    const identity = identityFor({ ...user, uid: 0, realRoot: true });
    expect(identity).toEqual({ uidMappings: [], gidMappings: [] });
    expect(helperMapFlags(identity)).toEqual([]);
  });

  test("maps the caller to root and every subordinate range after it", () => {
    const identity = identityFor({
      ...user,
      idTools,
      subuid: "other:5:5\ntester:100000:65536\n1000:300000:10\n",
      subgid: "tester:200000:1000\n",
    });
    expect(identity.notice).toBeUndefined();
    expect(helperMapFlags(identity)).toEqual([
      "--uid-map",
      "0:1000:1,1:100000:65536,65537:300000:10",
      "--gid-map",
      "0:1001:1,1:200000:1000",
      "--newuidmap",
      "/usr/bin/newuidmap",
      "--newgidmap",
      "/usr/bin/newgidmap",
    ]);
  });

  test("leaves out ranges that overlap another, the caller's own id, or are no ranges", () => {
    const subuid = [
      "tester:900:200",
      "tester:100000:100",
      "tester:100050:100",
      "tester:-5:9",
      "tester:7",
      "tester:5000:0",
      "# tester:1:1",
    ].join("\n");
    const identity = identityFor({ ...user, idTools, subuid, subgid: "tester:100000:100" });
    expect(identity.uidMappings.slice(1)).toEqual([{ containerID: 1, hostID: 100000, size: 100 }]);
  });

  test("maps one id without a range, and names the free range to ask for", () => {
    const identity = identityFor({ ...user, idTools, subuid: "other:165536:65536\n" });
    expect(helperMapFlags(identity)).toEqual(["--uid-map", "0:1000:1", "--gid-map", "0:1001:1"]);
    expect(identity.notice).toContain(
      "usermod --add-subuids 231072-296607 --add-subgids 231072-296607 tester",
    );
    expect(identity.notice).not.toContain("apt-get");
  });

  test("names a line for /etc/subuid where the user has no name", () => {
    const { userName: _, ...nameless } = user;
    const identity = identityFor({ ...nameless, idTools });
    expect(identity.notice).toContain("echo 1000:100000:65536 | tee -a /etc/subuid /etc/subgid");
  });

  test("maps one id without the tools, and names what to install", () => {
    const range = "tester:100000:65536\n";
    const identity = identityFor({ ...user, subuid: range, subgid: range });
    expect(identity.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
    expect(identity.notice).toContain("sudo sh -c 'apt-get install -y uidmap'");
  });

  test("gives root of another container the ids it has", () => {
    const identity = identityFor({
      ...user,
      uid: 0,
      gid: 0,
      canMapAny: true,
      uidMap: "         0       1000          1\n         1     100000      65536\n",
      gidMap: "         0          0 4294967295\n",
    });
    expect(identity.uidMappings).toEqual([
      { containerID: 0, hostID: 0, size: 1 },
      { containerID: 1, hostID: 1, size: 65536 },
    ]);
    expect(identity.gidMappings).toEqual([{ containerID: 0, hostID: 0, size: 4294967295 }]);
  });

  test("maps root alone where even that is not allowed", () => {
    const identity = identityFor({ ...user, uid: 0, gid: 0 });
    expect(identity.uidMappings).toEqual([{ containerID: 0, hostID: 0, size: 1 }]);
    expect(identity.notice).toContain("CAP_SETUID");
  });
});
