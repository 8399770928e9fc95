import { describe, expect, test } from "bun:test";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { type CancelScope, UNBOUNDED } from "./cancel-scope.ts";
import { LOCK_WAITERS_MAX, RwLock } from "./rw-lock.ts";
import { StatusError } from "./status-error.ts";

/** A lock that an asynchronous writer holds until `release`. */
function heldLock() {
  const time = new SimulatedTime();
  const lock = new RwLock(time, time);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const held = lock.write(UNBOUNDED, () => promise);
  return { time, lock, held, release: () => resolve(), fail: (error: Error) => reject(error) };
}

class ManualScope implements CancelScope {
  deadlineMs: number | undefined;
  cancelled = false;
  #listeners: (() => void)[] = [];

  constructor(deadlineMs?: number) {
    this.deadlineMs = deadlineMs;
  }

  onCancel(listener: () => void): void {
    if (this.cancelled) listener();
    else this.#listeners.push(listener);
  }

  cancel(): void {
    this.cancelled = true;
    for (const listener of this.#listeners) listener();
  }
}

const codeOf = async (outcome: unknown): Promise<string> => {
  try {
    await outcome;
    return "OK";
  } catch (error) {
    return error instanceof StatusError ? error.code : String(error);
  }
};

describe("an uncontended lock", () => {
  test("runs a read and a write at once and returns their values, not promises", () => {
    const time = new SimulatedTime();
    const lock = new RwLock(time, time);
    expect(lock.read(UNBOUNDED, () => 1)).toBe(1);
    expect(lock.write(UNBOUNDED, () => 2)).toBe(2);
    expect(time.pending).toBe(0);
  });

  test("is free again after a section that throws, of whatever kind", async () => {
    const time = new SimulatedTime();
    const lock = new RwLock(time, time);
    const fault = () => {
      throw new Error("broken");
    };
    expect(() => lock.read(UNBOUNDED, fault)).toThrow("broken");
    expect(() => lock.write(UNBOUNDED, fault)).toThrow("broken");
    expect(await codeOf(lock.write(UNBOUNDED, async () => fault()))).toBe("Error: broken");
    expect(lock.read(UNBOUNDED, () => "free")).toBe("free");
  });

  test("lets a section that a writer asked for from inside its own wait until the writer is done", async () => {
    const time = new SimulatedTime();
    const lock = new RwLock(time, time);
    const order: string[] = [];
    let inner: unknown;
    lock.write(UNBOUNDED, () => {
      inner = lock.read(UNBOUNDED, () => order.push("reader"));
      order.push("writer");
    });
    await inner;
    expect(order).toEqual(["writer", "reader"]);
  });
});

describe("a lock that an asynchronous writer holds", () => {
  test("runs no other section until the promise settles, and then all in the order of asking", async () => {
    const { lock, release } = heldLock();
    const order: string[] = [];
    const push = (name: string) => () => void order.push(name);
    const waits = [
      lock.read(UNBOUNDED, push("r1")),
      lock.write(UNBOUNDED, push("w1")),
      lock.read(UNBOUNDED, push("r2")),
      lock.read(UNBOUNDED, push("r3")),
      lock.write(UNBOUNDED, push("w2")),
    ];
    await Bun.sleep(5);
    expect(order).toEqual([]);
    expect(lock.waiting).toBe(5);
    release();
    await Promise.all(waits);
    expect(order).toEqual(["r1", "w1", "r2", "r3", "w2"]);
    expect(lock.waiting).toBe(0);
  });

  test("never lets a reader pass a waiting writer, also where that writer is asynchronous", async () => {
    const { lock, release } = heldLock();
    const order: string[] = [];
    const second = lock.write(UNBOUNDED, async () => {
      order.push("writer begins");
      await Bun.sleep(5);
      order.push("writer ends");
    });
    const early = lock.read(UNBOUNDED, () => order.push("reader"));
    release();
    await Bun.sleep(1);
    const late = lock.read(UNBOUNDED, () => order.push("late reader"));
    await Promise.all([second, early, late]);
    expect(order).toEqual(["writer begins", "writer ends", "reader", "late reader"]);
  });

  test("puts a section that is asked for from within a waiting one behind all that wait already", async () => {
    const { lock, release } = heldLock();
    const order: string[] = [];
    const inner: unknown[] = [];
    const first = lock.read(UNBOUNDED, () => {
      inner.push(lock.read(UNBOUNDED, () => order.push("inner read")));
      inner.push(lock.write(UNBOUNDED, () => order.push("inner write")));
      order.push("first");
    });
    const second = lock.read(UNBOUNDED, () => order.push("second"));
    release();
    await Promise.all([first, second, ...inner]);
    expect(order).toEqual(["first", "second", "inner read", "inner write"]);
  });

  test("is free for those who wait when the writer fails, and tells the writer alone", async () => {
    const { lock, held, fail } = heldLock();
    const read = lock.read(UNBOUNDED, () => "read");
    fail(new Error("broken"));
    expect(await codeOf(held)).toBe("Error: broken");
    expect(await read).toBe("read");
  });

  test("gives a waiting section's exception to its caller and goes on with the next", async () => {
    const { lock, release } = heldLock();
    const broken = lock.write(UNBOUNDED, () => {
      throw new Error("broken");
    });
    const after = lock.read(UNBOUNDED, () => "after");
    release();
    expect(await codeOf(broken)).toBe("Error: broken");
    expect(await after).toBe("after");
  });
});

describe("a wait", () => {
  test("ends with DEADLINE_EXCEEDED at its deadline, not before, and leaves the queue as it was", async () => {
    const { time, lock, release } = heldLock();
    const order: string[] = [];
    const first = lock.read(UNBOUNDED, () => order.push("first"));
    const late = lock.write(new ManualScope(50), () => order.push("late"));
    const last = lock.read(UNBOUNDED, () => order.push("last"));
    time.advance(49);
    expect(lock.waiting).toBe(3);
    time.advance(1);
    expect(lock.waiting).toBe(2);
    expect(await codeOf(late)).toBe("DEADLINE_EXCEEDED");
    release();
    await Promise.all([first, last]);
    expect(order).toEqual(["first", "last"]);
  });

  test("ends with CANCELLED when its caller goes away, and leaves no timer", async () => {
    const { time, lock, release } = heldLock();
    const scope = new ManualScope(50);
    const gone = lock.read(scope, () => "never");
    const next = lock.read(UNBOUNDED, () => "next");
    scope.cancel();
    expect(await codeOf(gone)).toBe("CANCELLED");
    expect(time.pending).toBe(0);
    release();
    expect(await next).toBe("next");
  });

  test("ends at once where the caller had gone or the deadline had passed before", async () => {
    const { time, lock } = heldLock();
    time.advance(100);
    const scope = new ManualScope();
    scope.cancel();
    expect(await codeOf(lock.read(scope, () => "never"))).toBe("CANCELLED");
    const late = lock.read(new ManualScope(20), () => "never");
    time.advance(0);
    expect(await codeOf(late)).toBe("DEADLINE_EXCEEDED");
    expect(lock.waiting).toBe(0);
  });

  test("asks no timer for more than it can do where the deadline lies further ahead", async () => {
    const time = new SimulatedTime();
    const delays: number[] = [];
    const setTimer = (task: () => void, delayMs: number) => {
      delays.push(delayMs);
      return time.setTimer(task, delayMs);
    };
    const lock = new RwLock(time, { setTimer, defer: (task) => time.defer(task) });
    const { promise, resolve } = Promise.withResolvers<void>();
    void lock.write(UNBOUNDED, () => promise);
    const read = lock.read(new ManualScope(2 ** 40), () => "read");
    expect(delays).toEqual([2 ** 31 - 1]);
    resolve();
    expect(await read).toBe("read");
  });

  test("that was served is not disturbed by a deadline or a cancellation that comes later", async () => {
    const { time, lock, release } = heldLock();
    const scope = new ManualScope(50);
    const { promise, resolve } = Promise.withResolvers<string>();
    const write = lock.write(scope, () => promise);
    release();
    await Bun.sleep(1);
    expect(time.pending).toBe(0);
    time.advance(100);
    scope.cancel();
    resolve("written");
    expect(await write).toBe("written");
  });

  test("is refused with RESOURCE_EXHAUSTED where too many wait already", async () => {
    const { lock, release } = heldLock();
    const waits = Array.from({ length: LOCK_WAITERS_MAX }, () => lock.read(UNBOUNDED, () => 1));
    expect(() => lock.read(UNBOUNDED, () => 1)).toThrow("16384 calls wait");
    expect(lock.waiting).toBe(LOCK_WAITERS_MAX);
    release();
    expect((await Promise.all(waits)).length).toBe(LOCK_WAITERS_MAX);
    expect(lock.read(UNBOUNDED, () => "free")).toBe("free");
  });
});
