import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StatusError } from "../../src/base/status-error.ts";
import type { Method, ReplyStream } from "../../src/service/call.ts";
import { eventually, type GrpcFixture, startGrpcFixture } from "../support/grpc-fixture.ts";
import { because, missingGo, missingPython, provideBinaries, providePython } from "./parts.ts";

/** T-GRPC-3: what clients of three families see of one server; the checks have the same names in all of them. */

const MIB = 2 ** 20;

const EXPECTED: Readonly<Record<string, string>> = {
  unary: "OK hi",
  "unary of 4 MiB both ways": `OK ${4 * MIB} true`,
  "10 times 4 MiB at once": `OK ${4 * MIB}`,
  "a message over the limit": "RESOURCE_EXHAUSTED",
  compressed: "OK 100000",
  "a stream of 10,000 messages": "OK 10000 100000",
  "a stream of 50 MiB": `OK 50 ${50 * MIB}`,
  "a status with a text": 'NOT_FOUND no "gpü-😀" at 100 %',
  "a status behind messages": "OUT_OF_RANGE too old 3",
  "an unknown method": "UNIMPLEMENTED",
  "an unknown service": "UNIMPLEMENTED",
  "a deadline of a unary call": "DEADLINE_EXCEEDED",
  "a deadline of a stream": "DEADLINE_EXCEEDED 1",
  "a deadline of a year": "OK hi",
  "a cancelled unary call": "CANCELLED",
  "a cancelled stream": "CANCELLED 1",
  metadata: "OK hi",
  "1,000 calls at once": "OK true",
  "1,000 streams at once": "OK 20 2000",
  "1,000 streams that are open side by side": "CANCELLED",
};

/** How often the service has learned of the end of a call that it had not answered, by what the request said. */
const givenUp = new Map<string, number>();
const noteEnd = (tag: string) => void givenUp.set(tag, (givenUp.get(tag) ?? 0) + 1);

const unary = (name: string, handle: Extract<Method, { kind: "unary" }>["handle"]): Method => ({
  kind: "unary",
  name: `test.Clients/${name}`,
  access: "read",
  handle,
});
const stream = (name: string, handle: (request: string, replies: ReplyStream) => void): Method => ({
  kind: "server-stream",
  name: `test.Clients/${name}`,
  access: "read",
  handle: (request, replies) => handle(Buffer.from(request).toString(), replies),
});

const METHODS: readonly Method[] = [
  unary("Echo", (request) => request),
  unary("Fail", () => Promise.reject(new StatusError("NOT_FOUND", 'no "gpü-😀" at 100 %'))),
  unary("Wait", (request, call) => {
    call.onCancel(() => noteEnd(Buffer.from(request).toString()));
    return new Promise(() => {});
  }),
  stream("Count", (request, replies) => {
    const [messages = 0, bytes = 0] = request.split(" ").map(Number);
    const message = Buffer.alloc(bytes, "m");
    let sent = 0;
    const go = () => {
      for (let more = true; more && sent < messages; sent++) more = replies.send(message);
      if (sent === messages) replies.end();
    };
    replies.onDrain(go);
    go();
  }),
  stream("FailLate", (_, replies) => {
    for (let i = 0; i < 3; i++) replies.send(Buffer.from("m"));
    replies.end(new StatusError("OUT_OF_RANGE", "too old"));
  }),
  stream("Hold", (tag, replies) => {
    replies.onCancel(() => noteEnd(tag));
    replies.send(Buffer.from("open"));
  }),
];

let fixture: GrpcFixture;
beforeAll(async () => {
  fixture = await startGrpcFixture(METHODS);
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** Plays the client's checks, and has what it has seen by their names. */
async function play(command: readonly string[]): Promise<Record<string, string>> {
  const child = Bun.spawn([...command, `unix://${fixture.path}`], { stdout: "pipe", stderr: "pipe" });
  const [out, problems] = await Promise.all([child.stdout, child.stderr].map((of) => new Response(of).text()));
  if ((await child.exited) !== 0) throw new Error(problems);
  const lines = (out ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { name: string; seen: string });
  return Object.fromEntries(lines.map(({ name, seen }) => [name, seen]));
}

async function expectAllSeen(client: string, command: readonly string[]): Promise<void> {
  expect(await play(command)).toEqual(EXPECTED);
  await eventually(() => fixture.server.openCalls === 0, "every call is closed");
  const tags = ["deadline", "deadline of a stream", "cancel", "cancel of a stream", "many"];
  expect(tags.map((tag) => givenUp.get(`${client} ${tag}`))).toEqual([1, 1, 1, 1, 1_000]);
}

describe.skipIf(missingGo !== undefined)(`grpc-go${because(missingGo)}`, () => {
  test("sees what it should, and the server of it", async () => {
    await expectAllSeen("go", [join(provideBinaries(), "client")]);
  });
});

describe.skipIf(missingPython !== undefined)(`grpcio${because(missingPython)}`, () => {
  test("sees what it should, and the server of it", async () => {
    await expectAllSeen("python", [providePython(), join(import.meta.dir, "clients/client.py")]);
  });
});

test("grpc-js on Node sees what it should, and the server of it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "das-node-"));
  const entry = join(import.meta.dir, "clients/node-client.ts");
  const built = await Bun.build({ entrypoints: [entry], target: "node", format: "esm", outdir: folder });
  expect(built.success).toBe(true);
  await expectAllSeen("node", ["node", join(folder, "node-client.js")]);
  rmSync(folder, { recursive: true });
});
