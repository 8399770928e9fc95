/**
 * Watch streams read with as little work as can be: one poll over all sockets, one read for each that is ready,
 * from libc. A client library takes some 0.1 ms for each message, which for 100 watchers is more than what is measured.
 */
import { dlopen, ptr } from "bun:ffi";
import { create, toBinary } from "@bufbuild/protobuf";
import { GpuService, WatchGpusRequestSchema } from "../src/gen/device/v1alpha1/gpu_pb.ts";
import { frame } from "../tests/support/http2-client.ts";
import {
  END_HEADERS,
  END_STREAM,
  encodeFrame,
  encodeHeaders,
  FrameType,
  grpcHeaders,
} from "../tests/support/http2-frames.ts";
import { pathOf } from "../tests/support/test-client.ts";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "buffer", "u32"], returns: "i32" },
  send: { args: ["i32", "buffer", "usize", "i32"], returns: "i64" },
  recv: { args: ["i32", "buffer", "usize", "i32"], returns: "i64" },
  poll: { args: ["buffer", "u64", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  clock_gettime: { args: ["i32", "buffer"], returns: "i32" },
});

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const POLLIN = 1;
const POLLFD_BYTES = 8;
const CLOCK_MONOTONIC = 1;
const ACK = 0x1;
const WINDOW_MAX = 0x7fffffff;
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const GRPC_HEAD_BYTES = 5;

const time = new BigInt64Array(2);

/** CLOCK_MONOTONIC in milliseconds: the same in every process. */
export function monotonicMs(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, time);
  return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
}

/** Called for each whole message, with the time at which its last byte was read. */
export type OnMessage = (watcher: number, message: Buffer, atMs: number) => void;

export interface WatchSockets extends Disposable {
  /** Reads what is there, waiting for it at most so long. */
  poll(timeoutMs: number): void;
}

/** So many watchers, each on a connection of its own. */
export function openWatches(path: string, count: number, onMessage: OnMessage): WatchSockets {
  const watches = Array.from({ length: count }, (_, i) =>
    openWatch(path, (message, atMs) => onMessage(i, message, atMs)),
  );
  const polled = Buffer.alloc(count * POLLFD_BYTES);
  watches.forEach(({ fd }, i) => {
    polled.writeInt32LE(fd, i * POLLFD_BYTES);
    polled.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4);
  });
  const chunk = Buffer.alloc(1 << 18);
  // Not collected while a call has its address.
  ptr(chunk);
  return {
    poll(timeoutMs) {
      if (libc.poll(polled, count, Math.max(0, Math.ceil(timeoutMs))) <= 0) return;
      watches.forEach((watch, i) => {
        if (polled.readInt16LE(i * POLLFD_BYTES + 6) === 0) return;
        const length = Number(libc.recv(watch.fd, chunk, chunk.length, 0));
        const atMs = monotonicMs();
        if (length <= 0) throw new Error(`watcher ${i}: the connection is closed`);
        watch.take(chunk.subarray(0, length), atMs);
      });
    },
    [Symbol.dispose]: () => {
      for (const { fd } of watches) libc.close(fd);
    },
  };
}

function openWatch(path: string, onMessage: (message: Buffer, atMs: number) => void) {
  const fd = connectTo(path);
  const send = (...bytes: readonly Uint8Array[]) => {
    const all = Buffer.concat(bytes);
    if (Number(libc.send(fd, all, all.length, 0)) !== all.length) throw new Error("a request could not be sent whole");
  };
  const headers = encodeHeaders(grpcHeaders(pathOf(GpuService.method.watchGpus)));
  const request = frame(toBinary(WatchGpusRequestSchema, create(WatchGpusRequestSchema, {})));
  send(
    PREFACE,
    // SETTINGS_INITIAL_WINDOW_SIZE and the connection's window, so that no window runs out during the run.
    encodeFrame(FrameType.settings, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])),
    encodeFrame(FrameType.windowUpdate, 0, 0, uint32(WINDOW_MAX - 65_535)),
    encodeFrame(FrameType.headers, END_HEADERS, 1, headers),
    encodeFrame(FrameType.data, END_STREAM, 1, request),
  );
  let pending: Buffer = Buffer.alloc(0);
  let body: Buffer = Buffer.alloc(0);

  const takeFrame = (type: number, flags: number, payload: Buffer, atMs: number) => {
    if (type === FrameType.settings && (flags & ACK) === 0)
      send(encodeFrame(FrameType.settings, ACK, 0, Buffer.alloc(0)));
    if (type === FrameType.ping && (flags & ACK) === 0) send(encodeFrame(FrameType.ping, ACK, 0, payload));
    if (type === FrameType.goaway || type === FrameType.rstStream) throw new Error("the server ended a watch");
    if (type !== FrameType.data) return;
    body = body.length === 0 ? payload : Buffer.concat([body, payload]);
    for (;;) {
      const end = GRPC_HEAD_BYTES + (body.length < GRPC_HEAD_BYTES ? 0 : body.readUInt32BE(1));
      if (body.length < end || body.length < GRPC_HEAD_BYTES) break;
      onMessage(body.subarray(GRPC_HEAD_BYTES, end), atMs);
      body = body.subarray(end);
    }
    body = Buffer.from(body);
  };

  return {
    fd,
    take(chunk: Buffer, atMs: number) {
      let bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (bytes.length >= 9) {
        const end = 9 + bytes.readUIntBE(0, 3);
        if (bytes.length < end) break;
        takeFrame(bytes.readUInt8(3), bytes.readUInt8(4), bytes.subarray(9, end), atMs);
        bytes = bytes.subarray(end);
      }
      pending = Buffer.from(bytes);
    },
  };
}

function connectTo(path: string): number {
  const address = Buffer.alloc(2 + path.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  const fd = libc.socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || libc.connect(fd, address, address.length) !== 0) throw new Error(`no connection to ${path}`);
  return fd;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
