import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import {
  connectRaw,
  END_HEADERS,
  END_STREAM,
  encodeFrame,
  encodeHeaders,
  FrameType,
  HELLO,
} from "../support/http2-frames.ts";
import { TestClient } from "../support/test-client.ts";

/**
 * T-H2-1 to T-H2-3: frames that cost their sender nothing, on one connection. The runtime ends the connection for some
 * of them. It takes the others as they come (CONTINUATION and PRIORITY, known gaps of bun 1.4.5): then what counts is
 * that they cost no memory and that a neighbour is answered.
 */

const FRAMES = 100_000;
const REQUEST = encodeHeaders([
  [":method", "POST"],
  [":scheme", "http"],
  [":path", `/${GpuService.typeName}/ListGpus`],
  [":authority", "localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
]);
const NOTHING = Buffer.alloc(0);
const times = (frame: (i: number) => Buffer) => Buffer.concat(Array.from({ length: FRAMES }, (_, i) => frame(i)));

const ENDS = "end their connection";
const TAKEN = "are taken as they come";

const FLOODS: readonly (readonly [what: string, outcome: string, bytes: () => Buffer])[] = [
  ["PING", ENDS, () => times(() => encodeFrame(FrameType.ping, 0, 0, Buffer.alloc(8)))],
  ["SETTINGS", ENDS, () => times(() => encodeFrame(FrameType.settings, 0, 0, NOTHING))],
  ["HEADERS and RST_STREAM", ENDS, () => times(cancelledRequest)],
  ["PRIORITY", TAKEN, () => times(() => encodeFrame(FrameType.priority, 0, 1, Buffer.from([0, 0, 0, 3, 16])))],
  [
    "empty CONTINUATION",
    TAKEN,
    () =>
      Buffer.concat([
        encodeFrame(FrameType.headers, END_STREAM, 1, REQUEST),
        times(() => encodeFrame(FrameType.continuation, 0, 1, NOTHING)),
      ]),
  ],
];

/** A list takes milliseconds; this is against a server that is stuck. */
const ANSWER_MS = 10_000;
const TAKEN_MS = 20_000;
/** Each flood is 1 to 20 MB on the wire; what is held for it may not come near that many objects. */
const GROWTH_MAX_MIB = 64;
/** The runtime takes about a thousand before it notices; what it refuses reaches no handler. */
const CALLS_MAX = 2_000;

let server: RunningBinary;
let neighbour: TestClient;

beforeAll(async () => {
  server = await spawnBinary(["--simulate=8"]);
  neighbour = new TestClient(server.unixTarget);
});
afterAll(async () => {
  neighbour[Symbol.dispose]();
  await server.stop();
});

test.each(FLOODS)(`${FRAMES} of %s %s, and cost no memory and no neighbour its answer`, async (_, outcome, bytes) => {
  const list = () => neighbour.call(GpuService.method.listGpus, {}, { deadline: Date.now() + ANSWER_MS });
  await list();
  const before = residentMib();
  using flooder = await connectRaw(server.socket);
  flooder.send(HELLO, bytes());
  const isOver = () => flooder.isClosed || (outcome === TAKEN && flooder.socket.writableLength === 0);
  for (const late = Date.now() + TAKEN_MS; !isOver() && Date.now() < late; ) await list();
  await list();
  expect(isOver()).toBe(true);
  expect(residentMib() - before).toBeLessThan(GROWTH_MAX_MIB);
  const calls = await server.metric("device_api_server_grpc_requests_total", 'code="CANCELLED"');
  expect(calls).toBeLessThan(CALLS_MAX);
});

function cancelledRequest(i: number): Buffer {
  const stream = 2 * i + 1;
  const cancel = encodeFrame(FrameType.rstStream, 0, stream, Buffer.from([0, 0, 0, 8]));
  return Buffer.concat([encodeFrame(FrameType.headers, END_HEADERS, stream, REQUEST), cancel]);
}

function residentMib(): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.process.pid}/status`, "utf8"))?.[1];
  return Number(kib) / 1_024;
}
