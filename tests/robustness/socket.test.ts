import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemClock, systemScheduler } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/log.ts";
import type { Peer } from "../../src/service/peer.ts";
import { type ConnectionGate, createConnectionGate } from "../../src/transport/connection-gate.ts";
import type { Listener } from "../../src/transport/listener.ts";
import { listenUnix, type UnixListenerOptions } from "../../src/transport/unix-listener.ts";
import { eventually } from "../support/grpc-fixture.ts";
import { dial, failure, leaveStale, startActor, type User } from "../support/unix-sockets.ts";

/** T-SOCK-1: what the start finds at the socket's path, and what it does about it. */

const ownUid = process.getuid?.() ?? 0;
const isRoot = ownUid === 0;
const HELLO = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

let folder: string;
let path: string;
let gate: ConnectionGate;
let taken: { socket: Socket; peer: Peer }[];
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sock-"));
  path = join(folder, "device.sock");
  taken = [];
  gate = createConnectionGate({
    maxConnections: 100,
    maxConnectionsPerUid: 100,
    clock: systemClock,
    scheduler: systemScheduler,
    log: silentLogger,
    onConnection: (socket, peer) => taken.push({ socket, peer }),
  });
});
afterEach(async () => {
  gate[Symbol.dispose]();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

async function listen(overrides: Partial<UnixListenerOptions> = {}): Promise<Listener> {
  const options = { path, ownUid, gate, scheduler: systemScheduler, log: silentLogger, ...overrides };
  const listener = await listenUnix(options);
  cleanups.push(() => listener[Symbol.asyncDispose]());
  return listener;
}

/** A server of somebody else, who knows nothing of ours. */
async function foreignServer(at = path): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(at, resolve));
  cleanups.push(() => server.close());
  return server;
}

async function actAs(user: User | undefined, action: "connect" | "listen", prefix?: readonly string[]) {
  const actor = await startActor(user, action, path, prefix);
  cleanups.push(() => actor[Symbol.asyncDispose]());
  return actor;
}

describe("the path", () => {
  test("that is free gets a socket of mode 0660, and nothing else is left in the folder", async () => {
    await listen();
    expect((lstatSync(path).mode & 0o7777).toString(8)).toBe("660");
    expect(readdirSync(folder)).toEqual(["device.sock"]);
    expect(await dial(path)).toBe("connected");
  });

  test("with a stale socket is taken over", async () => {
    await leaveStale(path);
    await listen();
    expect(await dial(path)).toBe("connected");
    expect(readdirSync(folder)).toEqual(["device.sock"]);
  });

  test("with a live server is left to it", async () => {
    await foreignServer();
    const before = lstatSync(path).ino;
    expect(await failure(listen())).toBe(
      `--unix-socket: another server is listening on ${path}; stop it, or choose another path for this one`,
    );
    expect(lstatSync(path).ino).toBe(before);
    expect(await dial(path)).toBe("connected");
  });

  test("with a live server of our own is left to it too", async () => {
    await listen();
    expect(await failure(listen())).toContain("another server is listening");
    expect(await dial(path)).toBe("connected");
    expect(readdirSync(folder)).toEqual(["device.sock"]);
  });

  test("with a plain file is not touched", async () => {
    writeFileSync(path, "precious");
    expect(await failure(listen())).toContain(`${path} is a file, not a socket; move it away`);
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("with a folder is not touched", async () => {
    mkdirSync(path);
    expect(await failure(listen())).toContain("is a folder, not a socket");
    expect(lstatSync(path).isDirectory()).toBe(true);
  });

  test.each([
    ["a stale socket", leaveStale],
    ["nothing", async () => {}],
  ])("with a symbolic link to %s is not touched", async (_, prepare) => {
    const other = join(folder, "other.sock");
    await prepare(other);
    symlinkSync(other, path);
    expect(await failure(listen())).toContain("is a symbolic link, not a socket");
    expect(readlinkSync(path)).toBe(other);
  });

  test("with a stale socket of another uid is not touched, unless we are root", async () => {
    await leaveStale(path);
    const message = await failure(listen({ ownUid: lstatSync(path).uid + 1 }));
    expect(message).toContain(`is a socket that uid ${lstatSync(path).uid} left behind; remove it`);
    expect(lstatSync(path).isSocket()).toBe(true);
    await listen({ ownUid: 0 });
    expect(await dial(path)).toBe("connected");
  });

  test.each([
    [95, "a long name"],
    [107, "a long name"],
    [107, "a long folder"],
  ])("of %d bytes with %s works, and is freed again", async (bytes, what) => {
    const rest = bytes - folder.length - 1;
    if (what === "a long folder") mkdirSync(join(folder, "f".repeat(rest - 2)));
    path = what === "a long folder" ? join(folder, "f".repeat(rest - 2), "s") : join(folder, "s".repeat(rest));
    expect(path.length).toBe(bytes);
    await leaveStale(path);
    const listener = await listen();
    expect(await dial(path)).toBe("connected");
    await listener[Symbol.asyncDispose]();
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  test("of 108 bytes is refused", async () => {
    path = join(folder, "s".repeat(107 - folder.length));
    expect(await failure(listen())).toContain("has 108 bytes, and the kernel takes 107: choose a shorter path");
    path = join(folder, "ü".repeat(60));
    expect(await failure(listen())).toContain("choose a shorter path");
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(["device.sock", "/run/", "/run/a\0b"])("%j is no path for a socket", async (bad) => {
    expect(await failure(listen({ path: bad }))).toContain("is not the absolute path of a file");
  });
});

describe("the folder", () => {
  test("that is missing is made, closed to others, whatever the mask", async () => {
    path = join(folder, "run", "device.sock");
    const mask = process.umask(0o077);
    await listen().finally(() => process.umask(mask));
    expect((lstatSync(dirname(path)).mode & 0o7777).toString(8)).toBe("750");
    expect(await dial(path)).toBe("connected");
  });

  test("that is missing with the one above it is not made", async () => {
    path = join(folder, "no", "run", "device.sock");
    expect(await failure(listen())).toBe(
      `--unix-socket: neither ${folder}/no/run nor the folder above it exists; create it`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("that is a file is said to be one", async () => {
    writeFileSync(join(folder, "run"), "");
    path = join(folder, "run", "device.sock");
    expect(await failure(listen())).toContain(`${folder}/run is not a folder`);
    path = join(folder, "run", "deep", "device.sock");
    expect(await failure(listen())).toContain(`a part of ${folder}/run/deep is not a folder`);
  });

  test("in which nobody can create files is named", async () => {
    // Root may write in any other folder.
    path = "/sys/device.sock";
    expect(await failure(listen())).toBe(
      "--unix-socket: this user may not create files in /sys; give it the folder, or choose another path",
    );
  });

  test.skipIf(!isRoot)("in which this user may not create files is named", async () => {
    chmodSync(folder, 0o755);
    const { said } = await actAs({ uid: 1234, gid: 1234 }, "listen");
    expect(said).toBe(
      `ListenError: --unix-socket: this user may not create files in ${folder}; ` +
        "give it the folder, or choose another path",
    );
  });
});

describe("mode and group", () => {
  test("are what was asked for", async () => {
    await listen({ mode: 0o600 });
    expect((lstatSync(path).mode & 0o7777).toString(8)).toBe("600");
  });

  test.skipIf(!isRoot)("the group also gets the folder that is made for the socket", async () => {
    path = join(folder, "run", "device.sock");
    await listen({ gid: 4321 });
    expect([lstatSync(path).gid, lstatSync(dirname(path)).gid]).toEqual([4321, 4321]);
  });

  test.skipIf(!isRoot)("let in who is in the group, and nobody else", async () => {
    chmodSync(folder, 0o755);
    await listen({ gid: 4321 });
    expect((await actAs({ uid: 1234, gid: 1234 }, "connect")).said).toBe("EACCES");
    expect((await actAs({ uid: 1234, gid: 1234, groups: [4321] }, "connect")).said).toBe("connected");
  });

  test("are there whenever the name is: an observer sees no other", async () => {
    const mask = process.umask(0);
    cleanups.push(() => process.umask(mask));
    const gid = isRoot ? 4321 : undefined;
    const code = `
      const { lstatSync, existsSync } = require("node:fs");
      const seen = new Set();
      console.log("watching");
      while (!existsSync(${JSON.stringify(join(folder, "stop"))})) {
        const found = lstatSync(${JSON.stringify(path)}, { throwIfNoEntry: false });
        if (found) seen.add((found.mode & 0o7777).toString(8) + " " + found.gid);
      }
      console.log(JSON.stringify([...seen]));`;
    const observer = Bun.spawn([process.execPath, "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    const output = observer.stdout.getReader();
    await output.read();
    for (let i = 0; i < 50; i++) {
      const listener = await listen({ gid });
      await Bun.sleep(1);
      await listener[Symbol.asyncDispose]();
    }
    writeFileSync(join(folder, "stop"), "");
    const { value } = await output.read();
    expect(JSON.parse(new TextDecoder().decode(value))).toEqual([`660 ${gid ?? process.getgid?.()}`]);
  });
});

describe("several servers", () => {
  test.each([
    ["a stale socket", leaveStale],
    ["nothing", async () => {}],
  ])("that start at once on %s: one has the path, the others say so", async (_, prepare) => {
    await prepare(path);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => listen()));
    const messages = results.flatMap((result) => (result.status === "rejected" ? [result.reason.message] : []));
    expect(messages).toHaveLength(7);
    for (const message of messages) expect(message).toContain("another server is listening");
    expect(await dial(path)).toBe("connected");
    expect(readdirSync(folder)).toEqual(["device.sock"]);
  });

  test("in processes of their own that start at once on a stale socket: one has the path", async () => {
    await leaveStale(path);
    const said = (await Promise.all(Array.from({ length: 4 }, () => actAs(undefined, "listen")))).map((a) => a.said);
    expect(said.filter((text) => text === "listening")).toHaveLength(1);
    expect(said.filter((text) => text.includes("another server is listening"))).toHaveLength(3);
    expect(await dial(path)).toBe("connected");
  });

  test("one that finds somebody's file under the lock's name leaves it alone", async () => {
    writeFileSync(`${path}.lock`, "mine");
    expect(await failure(listen())).toContain("is not a lock of this server; remove it, or choose another path");
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("mine");
  });

  test("one that finds the lock file of a crashed one goes on", async () => {
    writeFileSync(`${path}.lock`, "");
    await listen();
    expect(await dial(path)).toBe("connected");
    expect(readdirSync(folder)).toEqual(["device.sock"]);
  });
});

describe("closing", () => {
  test("removes the socket, and nobody can connect", async () => {
    const listener = await listen();
    await listener[Symbol.asyncDispose]();
    expect(readdirSync(folder)).toEqual([]);
    expect(await dial(path)).toBe("ENOENT");
  });

  test("leaves the socket of a server that has taken the name since", async () => {
    const listener = await listen();
    unlinkSync(path);
    await foreignServer();
    await listener[Symbol.asyncDispose]();
    expect(await dial(path)).toBe("connected");
  });

  test("twice is the same as once", async () => {
    const listener = await listen();
    await Promise.all([listener[Symbol.asyncDispose](), listener[Symbol.asyncDispose]()]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("leaves connections open", async () => {
    const listener = await listen();
    const socket = connect(path);
    cleanups.push(() => socket.destroy());
    socket.write(HELLO);
    await eventually(() => taken.length === 1, "the connection is served");
    await listener[Symbol.asyncDispose]();
    const echoed = new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    taken[0]?.socket.write("still here");
    expect(await echoed).toBe("still here");
  });

  test("of a server whose folder has gone is no failure", async () => {
    const listener = await listen();
    rmSync(folder, { recursive: true });
    await listener[Symbol.asyncDispose]();
    expect(existsSync(folder)).toBe(false);
  });

  test("and starting again, many times, leaks no descriptor", async () => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    path = join(folder, "s".repeat(107 - folder.length - 1));
    const cycle = async () => await (await listen())[Symbol.asyncDispose]();
    await cycle();
    const before = descriptors();
    for (let i = 0; i < 50; i++) await cycle();
    expect(descriptors()).toBeLessThanOrEqual(before + 5);
  });
});

describe.skipIf(!isRoot)("the peer that the kernel names", () => {
  test.each<[string, User & { groups?: readonly number[] }]>([
    ["a user", { uid: 1234, gid: 1235 }],
    ["a user in groups", { uid: 1234, gid: 1235, groups: [4321, 5000] }],
  ])("is the process that connected: %s", async (_, user) => {
    chmodSync(folder, 0o755);
    chownSync(folder, user.uid, user.gid);
    await listen({ mode: 0o666 });
    const { said, pid } = await actAs(user, "connect");
    expect(said).toBe("connected");
    await eventually(() => gate.get(1) !== undefined, "the connection is registered");
    const groups = user.groups ?? [];
    const { uid, gid } = user;
    expect(gate.get(1)?.peer).toEqual({ kind: "unix", connection: 1, pid, uid, gid, groups });
  });

  // More than the first question to the kernel has room for, and more than the runtime can set by itself.
  test.skipIf(Bun.which("setpriv") === null)("is known with all of 300 groups", async () => {
    chmodSync(folder, 0o755);
    await listen({ mode: 0o666 });
    const groups = Array.from({ length: 300 }, (_, i) => 10_000 + i);
    const user = { uid: 1234, gid: 1235, groups: "kept" } as const;
    const { said } = await actAs(user, "connect", ["setpriv", "--groups", groups.join(",")]);
    expect(said).toBe("connected");
    await eventually(() => gate.get(1) !== undefined, "the connection is registered");
    expect(gate.get(1)?.peer).toMatchObject({ uid: 1234, gid: 1235, groups });
  });
});
