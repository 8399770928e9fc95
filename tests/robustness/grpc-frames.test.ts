import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { deflateSync, gzipSync } from "node:zlib";
import { Code, type CodeName } from "../../src/base/status-error.ts";
import type { Method } from "../../src/service/call.ts";
import { eventually, type GrpcFixture, startGrpcFixture } from "../support/grpc-fixture.ts";
import { connectHttp2, frame, type Http2Reply, type RequestPlan } from "../support/http2-client.ts";
import {
  connectRaw,
  END_HEADERS,
  END_STREAM,
  encodeFrame,
  encodeHeaders,
  FrameType,
  grpcHeaders,
  HELLO,
} from "../support/http2-frames.ts";

/** T-GRPC-1: what a client gets for requests that are wrong below the level of our services. */

const RECEIVE_MAX = 1024 * 1024;
const ECHO = "/test.Frames/Echo";
const STREAM = "/test.Frames/Stream";
const DUPLEX = "/test.Frames/Duplex";
const HI = Buffer.from("hi");
const GOOD = frame(HI);
const PROTOCOL_ERROR = 1;

const METHODS: readonly Method[] = [
  { kind: "unary", name: ECHO.slice(1), access: "read", handle: (request) => request },
  {
    kind: "server-stream",
    name: STREAM.slice(1),
    access: "read",
    handle(request, stream) {
      stream.send(request);
      stream.end();
    },
  },
  {
    kind: "duplex",
    name: DUPLEX.slice(1),
    access: "read",
    handle(stream) {
      stream.onMessage((message) => stream.send(message));
      stream.onHalfClose(() => stream.end());
    },
  },
];

type Expected = CodeName | { readonly http: number } | { readonly reset: number };
type Case = readonly [name: string, plan: Partial<RequestPlan>, expected: Expected];

const zipped = (bytes: Uint8Array, encoding = "gzip"): Partial<RequestPlan> => ({
  headers: { "grpc-encoding": encoding },
  body: [frame(bytes, { flag: 1 })],
});
const withHeader = (name: string, value: string | undefined): Partial<RequestPlan> => ({ headers: { [name]: value } });
const gzip = gzipSync(HI);

const LENGTHS: readonly Case[] = [
  ["a good message", {}, "OK"],
  ["an empty message", { body: [frame(Buffer.alloc(0))] }, "OK"],
  ["a message of exactly the limit", { body: [frame(Buffer.alloc(RECEIVE_MAX))] }, "OK"],
  ["a message in many small pieces", { body: [...GOOD].map((byte) => Buffer.from([byte])) }, "OK"],
  ["a message one byte over the limit", { body: [frame(Buffer.alloc(RECEIVE_MAX + 1))] }, "RESOURCE_EXHAUSTED"],
  ["a length of 2^31-1", { body: [frame(HI, { length: 2 ** 31 - 1 })] }, "RESOURCE_EXHAUSTED"],
  ["a length of 2^31", { body: [frame(HI, { length: 2 ** 31 })] }, "RESOURCE_EXHAUSTED"],
  ["a length of 2^32-1", { body: [frame(HI, { length: 2 ** 32 - 1 })] }, "RESOURCE_EXHAUSTED"],
  [
    "a length over the limit that never ends",
    { body: [frame(HI, { length: 2 ** 31 })], end: false },
    "RESOURCE_EXHAUSTED",
  ],
  ["a head cut short", { body: [Buffer.alloc(3)] }, "INVALID_ARGUMENT"],
  ["a message cut short", { body: [GOOD.subarray(0, 6)] }, "INVALID_ARGUMENT"],
  ["no message", { body: [] }, "UNIMPLEMENTED"],
  ["two messages", { body: [GOOD, GOOD] }, "UNIMPLEMENTED"],
  ["two messages for a stream", { path: STREAM, body: [GOOD, GOOD] }, "UNIMPLEMENTED"],
  ["no message for a stream", { path: STREAM, body: [] }, "UNIMPLEMENTED"],
  ["a good message and half a head", { body: [GOOD, Buffer.alloc(3)] }, "INVALID_ARGUMENT"],
  ["a duplex stream without messages", { path: DUPLEX, body: [] }, "OK"],
  [
    "a length over the limit on a duplex stream",
    { path: DUPLEX, body: [frame(HI, { length: 2 ** 31 })] },
    "RESOURCE_EXHAUSTED",
  ],
];

/** 1 says "compressed", and no other bit has a meaning. */
const FLAGS: readonly Case[] = [2, 3, 127, 128, 254, 255].map(
  (flag): Case => [`flag ${flag}`, { body: [frame(HI, { flag })] }, "INVALID_ARGUMENT"],
);

const ENCODINGS: readonly Case[] = [
  ["a good gzip body", zipped(gzip), "OK"],
  ["a good deflate body", zipped(deflateSync(HI), "deflate"), "OK"],
  ["flag 1 without an encoding", { body: [frame(HI, { flag: 1 })] }, "INVALID_ARGUMENT"],
  ["flag 1 with identity", zipped(HI, "identity"), "INVALID_ARGUMENT"],
  ["an unknown encoding that is not used", withHeader("grpc-encoding", "snappy"), "OK"],
  ["an unknown encoding", zipped(HI, "snappy"), "UNIMPLEMENTED"],
  ["a real encoding that gRPC does not have", zipped(HI, "br"), "UNIMPLEMENTED"],
  ["an empty encoding", zipped(HI, ""), "UNIMPLEMENTED"],
  // The one INTERNAL for a caller's mistake; the wire contract names it.
  ["garbage for gzip", zipped(HI), "INTERNAL"],
  ["garbage for deflate", zipped(HI, "deflate"), "INTERNAL"],
  ["gzip cut short", zipped(gzip.subarray(0, 12)), "INTERNAL"],
  ["gzip with a wrong checksum", zipped(Buffer.concat([gzip.subarray(0, -8), Buffer.alloc(8)])), "INTERNAL"],
  ["gzip and garbage after it", zipped(Buffer.concat([gzip, Buffer.from("garbage")])), "INTERNAL"],
  ["an empty gzip body", zipped(Buffer.alloc(0)), "INTERNAL"],
  ["a gzip bomb of 1000:1", zipped(gzipSync(Buffer.alloc(64 * RECEIVE_MAX))), "RESOURCE_EXHAUSTED"],
  [
    "a gzip bomb on a duplex stream",
    { path: DUPLEX, ...zipped(gzipSync(Buffer.alloc(64 * RECEIVE_MAX))) },
    "RESOURCE_EXHAUSTED",
  ],
];

const HEADERS: readonly Case[] = [
  ["no content-type", withHeader("content-type", undefined), { http: 415 }],
  ["an empty content-type", withHeader("content-type", ""), { http: 415 }],
  ["a content-type of text", withHeader("content-type", "text/plain"), { http: 415 }],
  ["a content-type of JSON", withHeader("content-type", "application/json"), { http: 415 }],
  ["a content-type in capitals", withHeader("content-type", "APPLICATION/GRPC"), { http: 415 }],
  ["a content-type of gRPC with protobuf", withHeader("content-type", "application/grpc+proto"), "OK"],
  ["a content-type of gRPC with a parameter", withHeader("content-type", "application/grpc; charset=utf-8"), "OK"],
  ["a content-type of gRPC with JSON", withHeader("content-type", "application/grpc+json"), { http: 415 }],
  ["a content-type that begins like gRPC", withHeader("content-type", "application/grpcfoo"), { http: 415 }],
  ["no te", withHeader("te", undefined), "OK"],
  ["another te", withHeader("te", "gzip"), { reset: PROTOCOL_ERROR }],
  ["no authority", withHeader(":authority", undefined), "OK"],
  ["another scheme", withHeader(":scheme", "ftp"), "OK"],
  ["headers over the limit", withHeader("x", "v".repeat(16 * 1024)), "RESOURCE_EXHAUSTED"],
  ["a binary header that is not base64", withHeader("x-bin", "%%%"), "OK"],
  ["a content-length that lies", withHeader("content-length", "3"), { reset: PROTOCOL_ERROR }],
  ...["GET", "PUT", "HEAD", "post"].map((method): Case => [method, withHeader(":method", method), { http: 405 }]),
];

const PATHS: readonly Case[] = [
  ...["/test.Frames/Nope", "/nope.Nope/Echo", "/", "//test.Frames/Echo", "/test.Frames/Echo/", "/test.Frames/Echo?x=1"],
  ...["/test.Frames/echo", "/__proto__", "/constructor", "/test.Frames/%00%ff", `/${"a".repeat(8_000)}`],
].map((path): Case => [`the path ${path.slice(0, 30)}`, { path }, "UNIMPLEMENTED"]);
const MALFORMED_PATHS: readonly Case[] = ["test.Frames/Echo", "*", ""].map(
  (path): Case => [`the path "${path}" that HTTP/2 forbids`, { path }, { reset: PROTOCOL_ERROR }],
);

let fixture: GrpcFixture;
beforeAll(async () => {
  fixture = await startGrpcFixture(METHODS, { maxReceiveBytes: RECEIVE_MAX });
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function callOnce(plan: Partial<RequestPlan>): Promise<Http2Reply> {
  using client = connectHttp2(fixture.path);
  return await client.call({ path: ECHO, body: [GOOD], ...plan });
}

/** The process lives, serves the next client, and holds on to nothing of the last one. */
async function expectStillServing(): Promise<void> {
  const reply = await callOnce({});
  expect(reply.grpcStatus).toBe(Code.OK);
  expect(reply.body).toEqual(GOOD);
  await eventually(() => fixture.server.openCalls === 0, "every call is closed");
}

describe("a request with", () => {
  const all = [...LENGTHS, ...FLAGS, ...ENCODINGS, ...HEADERS, ...PATHS, ...MALFORMED_PATHS];
  test.each(all.map(([name, plan, expected]) => [name, plan, expected] as const))(
    "%s gets its exact answer, and the next call is served",
    async (_name, plan, expected) => {
      const reply = await callOnce(plan);

      if (typeof expected === "string") expect(reply.grpcStatus).toBe(Code[expected]);
      else if ("http" in expected) expect([reply.httpStatus, reply.grpcStatus]).toEqual([expected.http, undefined]);
      else expect([reply.resetCode, reply.httpStatus]).toEqual([expected.reset, undefined]);
      await expectStillServing();
    },
  );

  test("a code of its own is counted as that code, not as a cancellation", async () => {
    fixture.ends.length = 0;
    await callOnce({ body: [frame(HI, { length: 2 ** 31 })] });
    await callOnce(zipped(HI));
    await callOnce({ body: [] });

    await eventually(() => fixture.ends.length === 3, "three ends are reported");
    expect(fixture.ends.map((end) => end.code)).toEqual(["RESOURCE_EXHAUSTED", "INTERNAL", "UNIMPLEMENTED"]);
  });
});

type RawExpected = "headers" | "reset" | "goaway";
const headerFrame = (headers: Parameters<typeof encodeHeaders>[0], flags = END_HEADERS | END_STREAM) =>
  encodeFrame(FrameType.headers, flags, 1, encodeHeaders(headers));
const call = (path: string | Uint8Array, ...more: Parameters<typeof encodeHeaders>[0]) =>
  Buffer.concat([
    HELLO,
    headerFrame([...grpcHeaders(path), ...more], END_HEADERS),
    encodeFrame(FrameType.data, END_STREAM, 1, GOOD),
  ]);
const latin1 = (text: string) => Buffer.from(text, "latin1");

const RAW: readonly (readonly [name: string, bytes: Uint8Array, expected: RawExpected])[] = [
  ["a good call", call(ECHO), "headers"],
  ["a path of bytes above 0x7f", call(latin1("/test.Frames/\x80\xff")), "headers"],
  ["a path with a NUL", call("/test.Frames/\0"), "reset"],
  ["a path with a line break", call("/test.Frames/\r\nx: y"), "reset"],
  ["no path", Buffer.concat([HELLO, headerFrame(grpcHeaders(ECHO).filter(([name]) => name !== ":path"))]), "reset"],
  ["two paths", call(ECHO, [":path", "/x"]), "reset"],
  ["a header name in capitals", call(ECHO, ["X-A", "b"]), "reset"],
  ["a header name with a space", call(ECHO, ["a b", "c"]), "reset"],
  ["a header value of bytes above 0x7f", call(ECHO, ["x", latin1("\x80\xff")]), "headers"],
  ["a header value with a carriage return", call(ECHO, ["x", "a\rb"]), "reset"],
  ["an encoding of bytes above 0x7f", call(ECHO, ["grpc-encoding", latin1("\xff")]), "headers"],
  ["two timeouts, one of them malformed", call(ECHO, ["grpc-timeout", "1S"], ["grpc-timeout", "x"]), "headers"],
  ["a header block that is not HPACK", Buffer.concat([HELLO, encodeFrame(1, 5, 1, Buffer.alloc(5, 0xff))]), "goaway"],
  ["data before headers", Buffer.concat([HELLO, encodeFrame(FrameType.data, END_STREAM, 1, GOOD)]), "goaway"],
  ["a frame over the frame limit", Buffer.concat([HELLO, Buffer.from("ffffff000000000001", "hex")]), "goaway"],
  [
    "a frame of an unknown type",
    Buffer.concat([HELLO, encodeFrame(0xee, 0, 0, HI), call(ECHO).subarray(HELLO.length)]),
    "headers",
  ],
  ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "goaway"],
  ["a TLS greeting", Buffer.from("16030100", "hex"), "goaway"],
  ["nothing but zeros", Buffer.alloc(4_000), "goaway"],
];
const FRAME_TYPE = { headers: FrameType.headers, reset: FrameType.rstStream, goaway: FrameType.goaway };

describe("a connection with", () => {
  test.each(RAW.map(([name, bytes, expected]) => [name, bytes, expected] as const))(
    "%s is answered, and the next client is served",
    async (_name, bytes, expected) => {
      using raw = await connectRaw(fixture.path);
      raw.send(bytes);

      await eventually(() => raw.frames.some((seen) => seen.type === FRAME_TYPE[expected]), `${expected} comes back`);
      await expectStillServing();
    },
  );

  test("a call reset half-way is counted as cancelled", async () => {
    fixture.ends.length = 0;
    using raw = await connectRaw(fixture.path);
    raw.send(HELLO, headerFrame(grpcHeaders(ECHO), END_HEADERS));
    await eventually(() => fixture.server.openCalls === 1, "the call is open");
    raw.send(encodeFrame(FrameType.rstStream, 0, 1, Buffer.from([0, 0, 0, 8])));

    await eventually(() => fixture.ends.length === 1, "its end is reported");
    expect(fixture.ends[0]?.code).toBe("CANCELLED");
    await expectStillServing();
  });
});
