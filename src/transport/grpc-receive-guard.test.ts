import { describe, expect, test } from "bun:test";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { createReceiveGuard, SLOW_REQUESTS_MAX } from "./grpc-receive-guard.ts";

interface Call {
  readonly connection: number;
}

function setUp() {
  const time = new SimulatedTime();
  const destroyed = new Set<number>();
  const givenUp: Call[] = [];
  const guard = createReceiveGuard<Call>(time, {
    connectionOf(call) {
      if (givenUp.includes(call)) throw new Error("the call is over");
      return call.connection;
    },
    giveUp: (call) => void givenUp.push(call),
    destroyConnection: (call) => void destroyed.add(call.connection),
  });
  const watch = (connection: number, count = 1) =>
    Array.from({ length: count }, () => {
      const call = { connection };
      guard.watch(call);
      return call;
    });
  return { time, guard, destroyed, givenUp, watch };
}

describe("incomplete requests", () => {
  test("of the connection with most slow ones cost it the connection, and no other", () => {
    const { time, destroyed, watch } = setUp();
    watch(1, SLOW_REQUESTS_MAX);
    watch(2);

    time.advance(2_000);

    expect([...destroyed]).toEqual([1]);
  });

  test("may be as many as the limit", () => {
    const { time, destroyed, watch } = setUp();
    watch(1, SLOW_REQUESTS_MAX);

    time.advance(2_000);

    expect(destroyed.size).toBe(0);
  });

  test("are not slow for a pause of this process", () => {
    const { time, guard, destroyed, watch } = setUp();
    const calls = watch(1, 1_000);

    // However long the pause was, one timer fires before the bytes are read.
    time.advance(250);
    for (const call of calls) guard.unwatch(call);
    time.advance(5_000);

    expect(destroyed.size).toBe(0);
    expect(time.pending).toBe(0);
  });

  test("are given up while others are slow, and those are looked after all the same", () => {
    const { time, destroyed, givenUp, watch } = setUp();
    watch(1, SLOW_REQUESTS_MAX);
    time.advance(28_000);
    watch(2, SLOW_REQUESTS_MAX + 1);
    time.advance(2_500);

    expect(givenUp).toHaveLength(SLOW_REQUESTS_MAX);
    expect(destroyed.has(2)).toBe(true);
  });

  test("are given up after 30 s, each once", () => {
    const { time, givenUp, watch } = setUp();
    watch(1, 2);

    time.advance(29_000);
    expect(givenUp).toHaveLength(0);
    time.advance(31_000);

    expect(givenUp).toHaveLength(2);
    expect(time.pending).toBe(0);
  });
});
