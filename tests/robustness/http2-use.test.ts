import { afterAll, beforeAll, expect, test } from "bun:test";
import { toBinary } from "@bufbuild/protobuf";
import { GetGpuRequestSchema, GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { eventually } from "../support/eventually.ts";
import { frame } from "../support/http2-client.ts";
import {
  connectRaw,
  END_HEADERS,
  END_STREAM,
  encodeFrame,
  encodeHeaders,
  FrameType,
  grpcHeaders,
  HELLO,
  type RawConnection,
} from "../support/http2-frames.ts";

/** A lot of what clients really do, each on one connection, is no flood and stops nothing. */

let server: RunningBinary;
beforeAll(async () => {
  server = await spawnBinary(["--simulate=8"]);
});
afterAll(async () => {
  await server.stop();
});

const GET = encodeHeaders(grpcHeaders(`/${GpuService.typeName}/GetGpu`));
const WATCH = encodeHeaders(grpcHeaders(`/${GpuService.typeName}/WatchGpus`));
const GET_BODY = frame(toBinary(GetGpuRequestSchema, { $typeName: GetGpuRequestSchema.typeName, name: "gpu-0" }));
const WATCH_BODY = frame(Buffer.alloc(0));
const NOTHING = Buffer.alloc(0);
const request = (stream: number, headers: Buffer, body: Buffer) =>
  Buffer.concat([
    encodeFrame(FrameType.headers, END_HEADERS, stream, headers),
    encodeFrame(FrameType.data, END_STREAM, stream, body),
  ]);
const cancel = (stream: number) => encodeFrame(FrameType.rstStream, 0, stream, Buffer.from([0, 0, 0, 8]));
const update = (stream: number, bytes: number) => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return encodeFrame(FrameType.windowUpdate, 0, stream, payload);
};

/** Something has come, or nothing will. */
const somethingOf = (client: RawConnection) =>
  new Promise<void>((resolve) => {
    const done = () => {
      client.socket.off("data", done).off("close", done);
      resolve();
    };
    client.socket.on("data", done).on("close", done);
  });

interface Seen {
  ended: number;
  readonly streams: Set<number>;
}

/**
 * Answers SETTINGS, and every DATA frame as grpc-go does: windows are given back at once, and a PING is sent whenever
 * none is under way, to measure the bandwidth.
 */
function behaveLikeGo(client: RawConnection): Seen {
  const seen: Seen = { ended: 0, streams: new Set() };
  let handled = 0;
  let isPinging = false;
  client.socket.on("data", () => {
    const out: Buffer[] = [];
    for (; handled < client.frames.length; handled++) {
      const { type, flags, stream, payload } = client.frames[handled] ?? {
        type: -1,
        flags: 0,
        stream: 0,
        payload: NOTHING,
      };
      seen.streams.add(stream);
      if (type === FrameType.settings && flags === 0) out.push(encodeFrame(FrameType.settings, 1, 0, NOTHING));
      if (type === FrameType.headers && (flags & END_STREAM) !== 0) seen.ended++;
      if (type === FrameType.ping) isPinging = false;
      if (type !== FrameType.data) continue;
      out.push(update(0, payload.length), update(stream, payload.length));
      if (!isPinging) out.push(encodeFrame(FrameType.ping, 0, 0, Buffer.alloc(8)));
      isPinging = true;
    }
    client.frames.length = 0;
    handled = 0;
    if (out.length > 0) client.send(...out);
  });
  return seen;
}

test("100,000 calls, a hundred at a time, from a client that measures its bandwidth all along", async () => {
  using client = await connectRaw(server.socket);
  const seen = behaveLikeGo(client);
  client.send(HELLO);
  for (let done = 0; done < 100_000; done += 100) {
    client.send(...Array.from({ length: 100 }, (_, i) => request(1 + 2 * (done + i), GET, GET_BODY)));
    await eventually(() => client.isClosed || seen.ended === done + 100, "the calls are answered");
    expect(client.isClosed).toBe(false);
  }
  expect(seen.ended).toBe(100_000);
});

test("20,000 watches, each cancelled when its first event is here, before the next one", async () => {
  using client = await connectRaw(server.socket);
  const seen = behaveLikeGo(client);
  client.send(HELLO);
  for (let i = 0; i < 20_000 && !client.isClosed; i++) {
    const stream = 1 + 2 * i;
    client.send(request(stream, WATCH, WATCH_BODY));
    while (!client.isClosed && !seen.streams.has(stream)) await somethingOf(client);
    client.send(cancel(stream));
    seen.streams.clear();
  }
  expect(client.isClosed).toBe(false);
});

test("1,000 watches, all cancelled at once, ten times over", async () => {
  using client = await connectRaw(server.socket);
  const seen = behaveLikeGo(client);
  client.send(HELLO);
  for (let round = 0; round < 10; round++) {
    const streams = Array.from({ length: 1_000 }, (_, i) => 1 + 2 * (round * 1_000 + i));
    client.send(...streams.map((stream) => request(stream, WATCH, WATCH_BODY)));
    await eventually(() => client.isClosed || streams.every((stream) => seen.streams.has(stream)), "all are open");
    client.send(...streams.map(cancel));
    seen.streams.clear();
  }
  client.send(request(20_001, GET, GET_BODY));
  await eventually(() => client.isClosed || seen.ended === 1, "the next call is answered");
  expect(client.isClosed).toBe(false);
});

test("a hundred times a second for three seconds, a call that is cancelled as soon as it is sent", async () => {
  using client = await connectRaw(server.socket);
  const seen = behaveLikeGo(client);
  client.send(HELLO);
  for (let i = 0; i < 300; i++) {
    client.send(request(1 + 2 * i, WATCH, WATCH_BODY), cancel(1 + 2 * i));
    await Bun.sleep(10);
  }
  client.send(request(601, GET, GET_BODY));
  await eventually(() => client.isClosed || seen.ended === 1, "the next call is answered");
  expect(client.isClosed).toBe(false);
});
