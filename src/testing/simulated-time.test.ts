import { describe, expect, test } from "bun:test";
import { SimulatedTime } from "./simulated-time.ts";

describe("simulated time", () => {
  test("runs what is due in the order of due times, equal ones in the order of setting", () => {
    const time = new SimulatedTime();
    const order: string[] = [];
    const at = (name: string, ms: number) => time.setTimer(() => void order.push(`${name}@${time.monotonicMs()}`), ms);
    at("c", 20);
    at("a", 10);
    at("b", 10);
    at("later", 21);
    time.advance(20);
    expect(order).toEqual(["a@10", "b@10", "c@20"]);
    expect([time.monotonicMs(), time.pending]).toEqual([20, 1]);
  });

  test("runs tasks that other tasks set, where they are due in the same stretch", () => {
    const time = new SimulatedTime();
    const order: number[] = [];
    time.setTimer(() => {
      time.setTimer(() => order.push(time.monotonicMs()), 5);
      time.setTimer(() => order.push(time.monotonicMs()), 50);
    }, 10);
    time.advance(20);
    expect(order).toEqual([15]);
  });

  test("does not run a disposed timer, and runs deferred tasks without time passing", () => {
    const time = new SimulatedTime();
    const ran: string[] = [];
    time.setTimer(() => ran.push("disposed"), 1)[Symbol.dispose]();
    time.defer(() => ran.push("deferred"));
    time.advance(0);
    expect(ran).toEqual(["deferred"]);
    expect(time.pending).toBe(0);
  });

  test("lets the wall clock leap and keeps the monotonic one", () => {
    const time = new SimulatedTime();
    const before = time.wallUs();
    time.wallOffsetUs -= 3_600_000_000;
    time.advance(1);
    expect(time.wallUs() - before).toBe(-3_600_000_000 + 1_000);
    expect(time.monotonicMs()).toBe(1);
  });
});
