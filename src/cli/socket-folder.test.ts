import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareSocketFolder } from "./socket-folder.ts";

const callerUid = process.getuid?.() ?? 0;
const callerGid = process.getgid?.() ?? 0;
/** Giving to others takes root; the rules are the same for giving to oneself. */
const isRoot = callerUid === 0;
const uid = isRoot ? 65_532 : callerUid;
const gid = isRoot ? 4_321 : callerGid;

let parent: string;
let folder: string;

beforeEach(() => {
  parent = mkdtempSync(join(realpathSync(tmpdir()), "prepare-"));
  folder = join(parent, "device-api");
});

afterEach(() => rmSync(parent, { recursive: true, force: true }));

const prepare = (path = folder) => prepareSocketFolder(path, { uid, gid, callerUid });
const stateOf = (path: string) => {
  const { uid, gid, mode } = statSync(path);
  return { uid, gid, mode: (mode & 0o7777).toString(8) };
};
const GIVEN = { uid, gid, mode: "2750" };

async function withSocket(path: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

describe("a folder is given", () => {
  test("as kubelet makes it, empty and open to all", () => {
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    prepare();
    expect(stateOf(folder)).toEqual(GIVEN);
  });

  test("where it is missing, and again where nothing is to be done", () => {
    prepare();
    prepare();
    expect(stateOf(folder)).toEqual(GIVEN);
  });

  test("with the sockets, locks and half-made folders of a server that was killed", async () => {
    mkdirSync(folder);
    const server = await withSocket(join(folder, "device.sock"));
    writeFileSync(join(folder, "device.sock.lock"), "");
    mkdirSync(join(folder, ".das-a1b2c3"));
    prepare();
    server.close();
    expect(stateOf(folder)).toEqual(GIVEN);
  });

  test("below a symbolic link of root, as /var/run is one", () => {
    symlinkSync(parent, `${parent}-link`);
    try {
      prepare(join(`${parent}-link`, "device-api"));
    } finally {
      rmSync(`${parent}-link`);
    }
    expect(stateOf(folder)).toEqual(GIVEN);
  });

  test.skipIf(!isRoot)("to another group when that is changed, whatever it holds", () => {
    prepare();
    writeFileSync(join(folder, "journal"), "x");
    prepareSocketFolder(folder, { uid, gid: 77, callerUid });
    expect(stateOf(folder)).toEqual({ uid, gid: 77, mode: "2750" });
  });
});

describe("a folder is left as it was", () => {
  const expectRefusal = (message: string, path = folder) => {
    const before = stateOf(parent);
    expect(() => prepare(path)).toThrow(message);
    expect(stateOf(parent)).toEqual(before);
  };

  test.skipIf(!isRoot)("where it holds a file, a folder or a full lock of somebody else", () => {
    mkdirSync(folder);
    mkdirSync(join(folder, "etc"));
    writeFileSync(join(folder, "data.lock"), "1234");
    writeFileSync(join(folder, "passwd"), "");
    const before = stateOf(folder);
    let message = "";
    try {
      prepare();
    } catch (error) {
      message = String(error);
    }
    for (const name of ["etc", "data.lock", "passwd"]) expect(message).toContain(`"${name}"`);
    expect(message).toContain("choose a folder of its own for them");
    expect(stateOf(folder)).toEqual(before);
  });

  test("where it is a symbolic link", () => {
    mkdirSync(join(parent, "elsewhere"));
    symlinkSync(join(parent, "elsewhere"), folder);
    const before = stateOf(join(parent, "elsewhere"));
    expectRefusal("is a symbolic link");
    expect(stateOf(join(parent, "elsewhere"))).toEqual(before);
  });

  test("where it is a file", () => {
    writeFileSync(folder, "");
    expectRefusal("is not a folder");
  });

  test.skipIf(!isRoot)("where it belongs to a third party", () => {
    mkdirSync(folder);
    chownSync(folder, 1_234, 0);
    expectRefusal("belongs to uid 1234, neither to this process nor to uid 65532; remove it");
    expect(stateOf(folder).uid).toBe(1_234);
  });

  test("where others could exchange it, since the folder above may be written by them", () => {
    mkdirSync(folder);
    chmodSync(parent, 0o777);
    expectRefusal("above it may be written by others");
  });

  test.skipIf(!isRoot)("where somebody else owns the folder above", () => {
    chownSync(parent, 1_234, 0);
    expectRefusal("above it belongs to uid 1234");
  });

  test.each(["device-api", "/", "/run/", "/run/../etc", "/run//x", ""])("where %p is no plain path", (path) => {
    expect(() => prepare(path)).toThrow("is not the plain absolute path of a folder");
  });

  test("where the folder above is missing", () => {
    expectRefusal("ENOENT", join(parent, "none", "device-api"));
  });
});
