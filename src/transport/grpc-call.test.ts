import { describe, expect, test } from "bun:test";
import { type CodeName, StatusError } from "../base/status-error.ts";
import { OpenCall } from "./grpc-call.ts";

function openCall() {
  const seen: string[] = [];
  const call = new OpenCall(
    {
      method: { kind: "unary", name: "test.Calls/One", access: "read", handle: (request) => request },
      peer: { kind: "tcp", connection: 1, address: "127.0.0.1:9", loopback: true },
      startedMs: 0,
      deadlineMs: undefined,
    },
    {
      leaving: () => void seen.push("leaving"),
      closed: (closed) => void seen.push(`closed ${closed.code}`),
      listenerFailed: (_call, error) => void seen.push(`failed ${String(error)}`),
    },
    (status) => void seen.push(`answered ${status.code}`),
  );
  const begin = () => call.begin();
  const settle = (code: CodeName) => call.settle(code, () => void seen.push(`sent ${code}`));
  call.onCancel(() => void seen.push("cancel"));
  return { call, seen, begin, settle };
}

const UNAVAILABLE = new StatusError("UNAVAILABLE", "shutting down");

describe("a call", () => {
  test("that its service answers closes with that code and is never cancelled", () => {
    const { call, seen, begin, settle } = openCall();
    begin();
    settle("NOT_FOUND");
    settle("OK");
    call.abort(UNAVAILABLE);
    call.close();

    expect(seen).toEqual(["sent NOT_FOUND", "leaving", "closed NOT_FOUND"]);
    expect(call.cancelled).toBe(false);
  });

  test("whose caller goes is CANCELLED, and its service hears of it once", () => {
    const { call, seen, begin } = openCall();
    begin();
    call.close();
    call.close();

    expect(seen).toEqual(["cancel", "closed CANCELLED"]);
    expect(call.cancelled).toBe(true);
  });

  test("that is aborted while its service works is answered over the service's head", () => {
    const { call, seen, begin } = openCall();
    begin();
    call.abort(UNAVAILABLE);
    call.abort(UNAVAILABLE);
    call.close();

    expect(seen).toEqual(["answered UNAVAILABLE", "leaving", "cancel", "closed UNAVAILABLE"]);
  });

  test("that is aborted before its request is complete never reaches a service", () => {
    const { call, seen, begin } = openCall();
    call.abort(UNAVAILABLE);

    expect(begin()).toBe(false);
    expect(seen).toEqual(["answered UNAVAILABLE", "leaving", "cancel"]);
  });

  test("whose last word leaves at once has no grace to keep", () => {
    const { call, seen, begin } = openCall();
    begin();
    call.settle("OK", () => call.close());

    expect(seen).toEqual(["closed OK"]);
  });

  test("that is over calls a late onCancel listener at once if it was cancelled, and never if not", () => {
    const [gone, done] = [openCall(), openCall()];
    for (const { begin } of [gone, done]) begin();
    gone.call.close();
    done.settle("OK");
    const late: string[] = [];
    gone.call.onCancel(() => void late.push("gone"));
    done.call.onCancel(() => void late.push("done"));
    done.call.close();

    expect(late).toEqual(["gone"]);
  });

  test("tells its other listeners, though the first one throws", () => {
    const { call, seen, begin } = openCall();
    begin();
    call.onCancel(() => {
      throw new Error("first");
    });
    call.onCancel(() => void seen.push("second"));
    call.close();

    expect(seen).toEqual(["cancel", "failed Error: first", "second", "closed CANCELLED"]);
  });
});
