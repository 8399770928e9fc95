import { describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StatusError } from "../base/status-error.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";
import type { Call, ReplyStream, ServerStreamMethod, UnaryMethod } from "./call.ts";
import { createHealthService } from "./health-service.ts";

const SERVICE = "nvidia.device.v1alpha1.GpuService";
const CALL: Call = {
  method: "grpc.health.v1.Health/Check",
  peer: { kind: "tcp", connection: 1, address: "127.0.0.1:1", loopback: true },
  deadlineMs: undefined,
  cancelled: false,
  onCancel: () => {},
};

function setUp() {
  const health = createHealthService([SERVICE]);
  const [check, watch] = health.methods as [UnaryMethod, ServerStreamMethod];
  const request = (service: string) =>
    toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }));
  const statusOf = (reply: Uint8Array) => fromBinary(HealthCheckResponseSchema, reply).status;
  return {
    health,
    checkRaw: (bytes: Uint8Array) => check.handle(bytes, CALL) as Uint8Array,
    check: (service: string) => statusOf(check.handle(request(service), CALL) as Uint8Array),
    watch(service: string) {
      const watcher = createStream(statusOf);
      watch.handle(request(service), watcher.stream);
      return watcher;
    },
  };
}

/** A stream that takes messages until it is blocked. */
function createStream(statusOf: (reply: Uint8Array) => ServingStatus) {
  const cancelListeners: (() => void)[] = [];
  let drainListener = () => {};
  const state = { seen: [] as ServingStatus[], ended: false, isBlocked: false };
  const stream: ReplyStream = {
    ...CALL,
    send(message) {
      state.seen.push(statusOf(message));
      return !state.isBlocked;
    },
    onDrain(listener) {
      drainListener = listener;
    },
    onCancel: (listener) => void cancelListeners.push(listener),
    end() {
      state.ended = true;
    },
  };
  const drain = () => {
    state.isBlocked = false;
    drainListener();
  };
  const cancel = () => {
    for (const listener of cancelListeners) listener();
  };
  return { stream, state, drain, cancel };
}

describe("a check", () => {
  test.each(["", SERVICE])("of %p follows the lifecycle", (service) => {
    const { health, check } = setUp();

    const states = [check(service)];
    for (const serving of [true, false]) {
      health.setServing(serving);
      states.push(check(service));
    }

    expect(states).toEqual([ServingStatus.NOT_SERVING, ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
  });

  test("of a service that is not served is NOT_FOUND", () => {
    const { check } = setUp();

    expect(() => check("other.Service")).toThrow(
      new StatusError("NOT_FOUND", 'service: "other.Service" is not served here'),
    );
  });

  test("with bytes that are no request is INVALID_ARGUMENT", () => {
    const { checkRaw } = setUp();

    expect(() => checkRaw(Buffer.from([0x0a, 0x05]))).toThrow("malformed grpc.health.v1.HealthCheckRequest");
  });
});

describe("a watch", () => {
  test("shows the state at once and then every change, no state twice in a row", () => {
    const { health, watch } = setUp();
    const watcher = watch(SERVICE);
    for (const serving of [true, true, false]) health.setServing(serving);

    expect(watcher.state.seen).toEqual([ServingStatus.NOT_SERVING, ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
    expect(watcher.state.ended).toBe(false);
  });

  test("of a service that is not served says so and stays open", () => {
    const { health, watch } = setUp();
    const watcher = watch("other.Service");
    health.setServing(true);

    expect(watcher.state.seen).toEqual([ServingStatus.SERVICE_UNKNOWN]);
    expect(watcher.state.ended).toBe(false);
  });

  test("that does not keep up gets the latest state when it drains", () => {
    const { health, watch } = setUp();
    const watcher = watch("");
    watcher.state.isBlocked = true;
    for (const serving of [true, false, true, false]) health.setServing(serving);
    expect(watcher.state.seen).toEqual([ServingStatus.NOT_SERVING, ServingStatus.SERVING]);

    watcher.drain();

    expect(watcher.state.seen.slice(2)).toEqual([ServingStatus.NOT_SERVING]);
  });

  test("that was cancelled gets nothing more", () => {
    const { health, watch } = setUp();
    const watcher = watch("");
    watcher.cancel();
    health.setServing(true);

    expect(watcher.state.seen).toEqual([ServingStatus.NOT_SERVING]);
  });
});
