import { expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { startScriptedServer } from "../../../tests/support/scripted-server.ts";
import type { LogFields } from "../../base/log.ts";
import { GpuService } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { ApiError } from "../errors.ts";
import { connect } from "./connect.ts";
import type { Interceptor } from "./interceptor.ts";
import { type CallEnd, logCalls, observeCalls } from "./observe.ts";

const { getGpu, listGpus, watchGpus } = GpuService.method;
const GET = "nvidia.device.v1alpha1.GpuService/GetGpu";
const WATCH = "nvidia.device.v1alpha1.GpuService/WatchGpus";

async function startServer() {
  let asked = 0;
  return await startScriptedServer({
    // Unavailable for the first two times.
    getGpu: ({ name }) => {
      if (name === "flaky" && asked++ < 2) throw { code: grpc.status.UNAVAILABLE, details: "draining" };
      if (name === "secret") throw { code: grpc.status.PERMISSION_DENIED, details: "not yours" };
      return {};
    },
    watchGpus: (send, call) => {
      send({ type: "A" });
      send({ type: "B" });
      call.end();
    },
  });
}

test("each call is told once, with how it ended, how long it took and how often it was sent", async () => {
  const ends: CallEnd[] = [];
  await using server = await startServer();
  await using connection = connect({
    target: server.target,
    retry: { firstMs: 1 },
    interceptors: [observeCalls((end) => ends.push(end))],
  });
  await connection.unary(getGpu, { name: "flaky" });
  await connection.unary(getGpu, { name: "secret" }).catch(() => {});
  for await (const _ of connection.serverStream(watchGpus, {}));
  for await (const _ of connection.serverStream(watchGpus, {})) break;
  const ok = { code: "OK", details: "" } as const;
  expect(ends).toEqual([
    { kind: "unary", method: GET, ...ok, attempts: 3, messages: 1, durationMs: expect.any(Number) },
    {
      kind: "unary",
      method: GET,
      code: "PERMISSION_DENIED",
      details: "not yours",
      attempts: 1,
      messages: 0,
      durationMs: expect.any(Number),
    },
    { kind: "stream", method: WATCH, ...ok, attempts: 1, messages: 2, durationMs: expect.any(Number) },
    { kind: "stream", method: WATCH, ...ok, attempts: 1, messages: 1, durationMs: expect.any(Number) },
  ]);
  expect(ends.every(({ durationMs }) => durationMs >= 0)).toBe(true);
});

test("what an observer throws costs nothing", async () => {
  await using server = await startServer();
  const broken = observeCalls(() => {
    throw new Error("no such metric");
  });
  await using connection = connect({ target: server.target, interceptors: [broken] });
  await connection.unary(getGpu, {});
  for await (const _ of connection.serverStream(watchGpus, {}));
});

test("the log has a line for each call: debug for what is usual, warn for what is not", async () => {
  const lines: [string, string, LogFields][] = [];
  await using server = await startServer();
  await using connection = connect({
    target: server.target,
    interceptors: [logCalls((...line) => lines.push(line))],
  });
  await connection.unary(getGpu, { name: "secret" }).catch(() => {});
  for await (const _ of connection.serverStream(watchGpus, {}));
  expect(
    lines.map(([level, message, { code, details, messages }]) => [level, message, code, details, messages]),
  ).toEqual([
    ["warn", "unary call ended", "PERMISSION_DENIED", "not yours", undefined],
    ["debug", "stream call ended", "OK", undefined, 2],
  ]);
});

test("interceptors stand round each other in their order, and may change, answer or refuse a call", async () => {
  const order: string[] = [];
  const named = (name: string): Interceptor => ({
    async unary(call, next) {
      order.push(`${name} before`);
      const reply = await next({ ...call, metadata: { ...call.metadata, [name]: "yes" } });
      order.push(`${name} after`);
      return reply;
    },
    async *stream(call, next) {
      for await (const message of next(call)) if (name === "x-outer") yield message;
    },
  });
  const refusing: Interceptor = {
    unary: (call, next) => {
      if (call.name.endsWith("ListGpus")) throw new Error("lists are refused");
      return next(call);
    },
  };
  let metadata: Record<string, unknown> = {};
  await using server = await startScriptedServer({
    getGpu: (_, call) => {
      metadata = call.metadata.getMap();
      return {};
    },
    watchGpus: (send, call) => {
      send({ type: "A" });
      call.end();
    },
  });
  const interceptors = [named("x-outer"), refusing, named("x-inner")];
  await using connection = connect({ target: server.target, interceptors });
  await connection.unary(getGpu, {});
  expect(order).toEqual(["x-outer before", "x-inner before", "x-inner after", "x-outer after"]);
  expect(metadata).toMatchObject({ "x-outer": "yes", "x-inner": "yes" });

  const refused = await connection.unary(listGpus, {}).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiError);
  expect(refused).toMatchObject({ code: "UNKNOWN", details: "lists are refused" });
  // The inner one swallowed the message.
  for await (const _ of connection.serverStream(watchGpus, {})) throw new Error("a message came through");
});
