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

/** T-H2-1 to T-H2-3: frames that cost their sender nothing end their connection, and a neighbour does not notice. */

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

const FLOODS: readonly (readonly [what: string, bytes: () => Buffer])[] = [
  ["PING", () => times(() => encodeFrame(FrameType.ping, 0, 0, Buffer.alloc(8)))],
  ["SETTINGS", () => times(() => encodeFrame(FrameType.settings, 0, 0, NOTHING))],
  ["HEADERS and RST_STREAM", () => times(cancelledRequest)],
  ["PRIORITY", () => times(() => encodeFrame(FrameType.priority, 0, 1, Buffer.from([0, 0, 0, 3, 16])))],
  ["WINDOW_UPDATE", () => times(() => encodeFrame(FrameType.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1])))],
  ["frames of an unknown type", () => times(() => encodeFrame(0xee, 0, 0, NOTHING))],
  [
    "empty DATA",
    () =>
      Buffer.concat([
        encodeFrame(FrameType.headers, END_HEADERS, 1, REQUEST),
        times(() => encodeFrame(FrameType.data, 0, 1, NOTHING)),
      ]),
  ],
  [
    "empty CONTINUATION",

    () =>
      Buffer.concat([
        encodeFrame(FrameType.headers, END_STREAM, 1, REQUEST),
        times(() => encodeFrame(FrameType.continuation, 0, 1, NOTHING)),
      ]),
  ],
];

/** A list takes milliseconds; this is against a server that is stuck. */
const ANSWER_MS = 10_000;
const ENDED_MS = 20_000;
/** Each flood is 1 to 20 MB on the wire; none of it may be held. */
const GROWTH_MAX_MIB = 64;
/** The budget of a connection has room for a thousand, and for what it earns by them. */
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

test.each(FLOODS)(`${FRAMES} of %s end their connection, and cost no neighbour its answer`, async (_, bytes) => {
  const list = () => neighbour.call(GpuService.method.listGpus, {}, { deadline: Date.now() + ANSWER_MS });
  await list();
  const before = residentMib();
  using flooder = await connectRaw(server.socket);
  flooder.send(HELLO, bytes());
  for (const late = Date.now() + ENDED_MS; !flooder.isClosed && Date.now() < late; ) await list();
  await list();
  expect(flooder.isClosed).toBe(true);
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
