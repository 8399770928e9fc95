import { expect } from "bun:test";
import { lstatSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { ListenError } from "../../src/transport/listen-error.ts";

/** The one line with which the attempt fails. */
export async function failure(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(ListenError);
  expect(error.message).not.toContain("\n");
  return error.message;
}

/** What a server leaves behind that was killed: its runtime could not unlink the socket. */
export async function leaveStale(at: string): Promise<void> {
  const code = `require("node:net").createServer().listen(${JSON.stringify(at)}, () => process.kill(process.pid, 9))`;
  await Bun.spawn([process.execPath, "-e", code], { stdio: ["ignore", "ignore", "ignore"] }).exited;
  expect(lstatSync(at).isSocket()).toBe(true);
}

/** "connected", or the code of the error. */
export function dial(at: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(at, () => {
      socket.destroy();
      resolve("connected");
    });
    socket.on("error", (error) => resolve("code" in error ? String(error.code) : error.message));
  });
}

export interface User {
  readonly uid: number;
  readonly gid: number;
  /** "kept": those of the process that starts it. */
  readonly groups?: readonly number[] | "kept";
}

export interface Actor extends AsyncDisposable {
  readonly said: string;
  readonly pid: number;
}

/** Acts on the path in a process of its own, which lives until it is disposed. */
export async function startActor(
  user: User | undefined,
  action: "connect" | "listen",
  path: string,
  prefix: readonly string[] = [],
): Promise<Actor> {
  const who = user === undefined ? ["", "", ""] : [user.uid, user.gid, String(user.groups ?? "")];
  const script = join(import.meta.dir, "socket-actor.ts");
  const command = [process.execPath, script, ...who.map(String), action, path];
  const child = Bun.spawn([...prefix, ...command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const { value } = await child.stdout.getReader().read();
  return {
    said: String(JSON.parse(new TextDecoder().decode(value))),
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await child.exited;
    },
  };
}
