import { describe, expect, test } from "bun:test";
import type { Message } from "@bufbuild/protobuf";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { ApiError, type ErrorCode } from "../errors.ts";
import type { ClientSystem } from "../system.ts";
import type { StreamCall, UnaryCall } from "./interceptor.ts";
import { DEFAULT_RETRY, type RetryPolicy, retryStream, retryUnary } from "./retry.ts";

const REPLY = { $typeName: "x.Reply" } as Message;
const failing = (code: ErrorCode, details = "down") => new ApiError(code, details, "x.S/M");

interface Play {
  readonly failures: readonly ApiError[];
  readonly policy?: Partial<RetryPolicy>;
  readonly deadlineMs?: number;
  readonly chance?: number;
}

/** Plays a call that fails so often; the times at which it was sent, and how it ended. */
function play({ failures, policy, deadlineMs = 10_000, chance = 1 }: Play) {
  const time = new SimulatedTime();
  const controller = new AbortController();
  const system: ClientSystem = { clock: time, scheduler: time, random: () => chance, env: {} };
  const call = { signal: controller.signal, progress: { attempts: 0 }, deadlineMs } as UnaryCall & StreamCall;
  const sentAtMs: number[] = [];
  const next = () => {
    const failure = failures[sentAtMs.push(time.monotonicMs()) - 1];
    if (failure !== undefined) throw failure;
    return REPLY;
  };
  const run = { ...DEFAULT_RETRY, ...policy };
  /** Lets promises run between the timers, for so long as time is asked for. */
  const settle = async <T>(work: Promise<T>): Promise<T | ApiError> => {
    let outcome: T | ApiError | undefined;
    work.then(
      (value) => {
        outcome = value;
      },
      (error: ApiError) => {
        outcome = error;
      },
    );
    for (let step = 0; step < 2_000 && outcome === undefined; step++) {
      await Bun.sleep(0);
      if (outcome === undefined) time.advance(25);
    }
    expect(time.pending).toBe(0);
    if (outcome === undefined) throw new Error("still not settled");
    return outcome;
  };
  return { time, call, system, controller, sentAtMs, next, run, settle };
}

const unary = (p: ReturnType<typeof play>) => p.settle(retryUnary(p.call, async () => p.next(), p.run, p.system));

describe("a call that fails with UNAVAILABLE", () => {
  test("is sent again after waits that double, up to the maximum, until it succeeds", async () => {
    const failures = Array.from({ length: 6 }, () => failing("UNAVAILABLE"));
    const p = play({ failures, policy: { maxAttempts: 10, maxMs: 800 } });
    expect(await unary(p)).toBe(REPLY);
    expect(p.sentAtMs).toEqual([0, 100, 300, 700, 1_500, 2_300, 3_100]);
    expect(p.call.progress.attempts).toBe(7);
  });

  test("waits any part of that, by chance", async () => {
    const p = play({ failures: [failing("UNAVAILABLE"), failing("UNAVAILABLE")], chance: 0.5 });
    expect(await unary(p)).toBe(REPLY);
    expect(p.sentAtMs).toEqual([0, 50, 150]);
  });

  test("fails with the last failure when no attempt is left", async () => {
    const failures = Array.from({ length: 9 }, (_, i) => failing("UNAVAILABLE", `down ${i}`));
    const p = play({ failures });
    expect(await unary(p)).toBe(failures[4] as never);
    expect(p.sentAtMs.length).toBe(5);
  });

  test("fails at once with that failure where the next wait would pass the deadline", async () => {
    const failures = Array.from({ length: 9 }, () => failing("UNAVAILABLE"));
    const p = play({ failures, deadlineMs: 700 });
    expect(await unary(p)).toBe(failures[2] as never);
    expect(p.sentAtMs).toEqual([0, 100, 300]);
    expect(p.time.monotonicMs()).toBe(300);
  });

  test("ends with the reason of its signal while it waits, and leaves no timer", async () => {
    const p = play({ failures: [failing("UNAVAILABLE")] });
    const reason = failing("CANCELLED", "the caller's signal was aborted");
    const outcome = unary(p);
    p.controller.abort(reason);
    expect(await outcome).toBe(reason as never);
    expect(p.sentAtMs).toEqual([0]);
  });
});

const OTHERS: readonly ErrorCode[] = ["CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"];
const MORE: readonly ErrorCode[] = ["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "INTERNAL"];
test.each([...OTHERS, ...MORE])("a call that fails with %s is not sent again", async (code) => {
  const p = play({ failures: [failing(code)] });
  expect(await unary(p)).toMatchObject({ code });
  expect(p.sentAtMs).toEqual([0]);
});

describe("a stream", () => {
  const read = async (p: ReturnType<typeof play>, opensFirst: boolean): Promise<Message[]> => {
    const seen: Message[] = [];
    const send = async function* (onOpen: () => void) {
      if (opensFirst) onOpen();
      const reply = p.next();
      onOpen();
      yield reply;
      yield p.next();
    };
    for await (const message of retryStream(p.call, send, p.run, p.system)) seen.push(message);
    return seen;
  };
  const refused = failing("UNAVAILABLE", "refused");

  test("that could not be opened is opened again", async () => {
    const p = play({ failures: [refused, refused] });
    expect(await p.settle(read(p, false))).toEqual([REPLY, REPLY]);
    expect(p.sentAtMs).toEqual([0, 100, 300, 300]);
  });

  test("that was open is not: its reader knows where to go on", async () => {
    const silent = play({ failures: [refused] });
    expect(await silent.settle(read(silent, true))).toBe(refused as never);
    const late = play({ failures: [undefined as never, refused] });
    expect(await late.settle(read(late, false))).toBe(refused as never);
    expect(late.sentAtMs.length).toBe(2);
  });

  test("is given up after the attempts there are, and when its signal says so", async () => {
    const p = play({ failures: Array.from({ length: 9 }, () => refused) });
    expect(await p.settle(read(p, false))).toBe(refused as never);
    expect(p.sentAtMs.length).toBe(5);
    const aborted = play({ failures: [refused] });
    const reason = failing("CANCELLED");
    const outcome = aborted.settle(read(aborted, false));
    await Bun.sleep(0);
    aborted.controller.abort(reason);
    expect(await outcome).toBe(reason as never);
  });
});
