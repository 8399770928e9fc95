import { describe, expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { SimulatedTime } from "../testing/simulated-time.ts";
import type { Connection } from "./connection/connection.ts";
import { ApiError, connectionClosed } from "./errors.ts";
import { type KeepAliveOptions, startKeepAlive } from "./keep-alive.ts";

const down = new ApiError("UNAVAILABLE", "down");

/** A server in name only: what each heartbeat and each opening of the health stream comes to. */
class Play implements AsyncDisposable {
  readonly time = new SimulatedTime();
  readonly beatsAtMs: number[] = [];
  readonly names: (readonly string[])[] = [];
  readonly events: string[] = [];
  beat: () => boolean | Promise<boolean> = () => true;
  onLost: (signal: AbortSignal) => void | Promise<void> = () => {};
  /** Thrown by the health stream when it is opened; undefined: it opens, and stands until `cut`. */
  streamFailure: ApiError | undefined = undefined;
  /** The health stream is never answered. */
  streamHangs = false;
  streams = 0;
  isClosed = false;
  readonly #cuts = new Set<() => void>();
  readonly #keepAlive: AsyncDisposable & Disposable;

  constructor(options: Partial<KeepAliveOptions> = {}, setUp: (play: Play) => void = () => {}) {
    setUp(this);
    const system = { clock: this.time, scheduler: this.time, random: () => 1, env: {} };
    const send = async (names: readonly string[], _: number, signal: AbortSignal) => {
      expect(signal.aborted).toBe(false);
      this.beatsAtMs.push(this.time.monotonicMs());
      this.names.push(names);
      return await this.beat();
    };
    this.#keepAlive = startKeepAlive(
      { serverStream: this.#serverStream } as Connection,
      send,
      {
        onLost: (signal) => {
          this.events.push(`lost at ${this.time.monotonicMs()}`);
          return this.onLost(signal);
        },
        onError: (error, failures) => this.events.push(`${(error as Error).message}, ${failures} in a row`),
        ...options,
      },
      system,
    );
  }

  readonly #serverStream: Connection["serverStream"] = (_, __, options) => {
    const play = this;
    return {
      async *[Symbol.asyncIterator]() {
        play.streams++;
        if (play.streamFailure !== undefined) throw play.streamFailure;
        if (!play.streamHangs) yield {} as never;
        await new Promise<void>((resolve) => {
          play.#cuts.add(resolve);
          options?.signal?.addEventListener("abort", () => resolve());
          if (options?.signal?.aborted === true) resolve();
        });
        if (play.isClosed) throw connectionClosed("");
      },
    };
  };

  /** The server goes away: its streams end. */
  cut(): void {
    for (const end of this.#cuts) end();
    this.#cuts.clear();
  }

  /** This side closes the connection. */
  close(): void {
    this.isClosed = true;
    this.cut();
  }

  /** In steps that let promises run in between. */
  async pass(ms: number): Promise<void> {
    await Bun.sleep(0);
    for (let left = ms; left > 0; left -= 250) {
      this.time.advance(Math.min(250, left));
      await Bun.sleep(0);
    }
  }

  dispose(): void {
    this.#keepAlive[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keepAlive[Symbol.asyncDispose]();
    expect(this.time.pending).toBe(0);
  }
}

test("a heartbeat is sent at once and then every 10 seconds, and none after the end", async () => {
  await using play = new Play();
  await play.pass(35_000);
  expect(play.beatsAtMs).toEqual([0, 10_000, 20_000, 30_000]);
  play.dispose();
  await play.pass(60_000);
  expect(play.beatsAtMs.length).toBe(4);
  expect(play.time.pending).toBe(0);
});

describe("the first state", () => {
  test("is written once, whatever the first heartbeat says", async () => {
    for (const acknowledged of [true, false]) {
      await using play = new Play({}, (p) => {
        p.beat = () => p.beatsAtMs.length > 1 || acknowledged;
      });
      await play.pass(35_000);
      expect(play.events).toEqual(["lost at 0"]);
    }
  });

  test("is written when the server comes, however late", async () => {
    await using play = new Play({ onError: () => {} }, (p) => {
      p.beat = () => Promise.reject(down);
      p.streamFailure = down;
    });
    await play.pass(60_000);
    expect(play.events).toEqual([]);
    play.beat = () => true;
    play.streamFailure = undefined;
    await play.pass(20_000);
    // By the heartbeat, and once more if the stream has come after it.
    expect(play.events.length).toBeGreaterThan(0);
    expect(play.events.length).toBeLessThan(3);
  });

  test("is written again where the stream stands only after it: the server may be another one by then", async () => {
    await using play = new Play({}, (p) => {
      p.streamFailure = down;
    });
    await play.pass(250);
    expect(play.events).toEqual(["lost at 0"]);
    play.streamFailure = undefined;
    await play.pass(5_000);
    expect(play.events).toEqual(["lost at 0", "lost at 500"]);
  });

  test("waits no longer than a period for a stream that is never answered", async () => {
    await using play = new Play({ periodMs: 4_000 }, (p) => {
      p.streamHangs = true;
    });
    await play.pass(10_000);
    expect([play.beatsAtMs, play.events]).toEqual([[4_000, 8_000], ["lost at 4000"]]);
  });
});

describe("options that cannot be meant are refused", () => {
  test.each([0, -5, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 30 * 86_400_000])("periodMs of %p", (periodMs) => {
    const start = () => new Play({ periodMs });
    expect(start).toThrow(`INVALID_ARGUMENT: periodMs is ${periodMs}: it must be 1 to 2073600000 milliseconds`);
  });

  test("a signal that is none", () => {
    const start = () => new Play({ signal: {} as AbortSignal });
    expect(start).toThrow("INVALID_ARGUMENT: signal: it is not an AbortSignal");
  });
});

describe("a signal", () => {
  test("ends it, with what it has in flight, and is not listened to afterwards", async () => {
    const stop = new AbortController();
    await using play = new Play({ signal: stop.signal });
    await play.pass(15_000);
    expect(getEventListeners(stop.signal, "abort").length).toBe(1);
    stop.abort();
    await play.pass(60_000);
    expect([play.beatsAtMs.length, play.time.pending]).toEqual([2, 0]);
    expect(getEventListeners(stop.signal, "abort").length).toBe(0);
  });

  test("that was aborted before lets nothing begin", async () => {
    await using play = new Play({ signal: AbortSignal.abort() });
    await play.pass(30_000);
    expect([play.beatsAtMs, play.streams, play.events, play.time.pending]).toEqual([[], 0, [], 0]);
  });

  test("may be shared by many, and has one listener", async () => {
    const { signal } = new AbortController();
    const plays = Array.from({ length: 20 }, () => new Play({ signal }));
    expect(getEventListeners(signal, "abort").length).toBe(1);
    for (const play of plays) await play[Symbol.asyncDispose]();
    expect(getEventListeners(signal, "abort").length).toBe(0);
  });
});

test("the names are those that are given, or those of the moment", async () => {
  await using fixed = new Play({ gpuNames: ["a"], periodMs: 1_000 });
  let count = 0;
  await using moving = new Play({ gpuNames: () => [`gpu-${count++}`], periodMs: 1_000 });
  await fixed.pass(1_500);
  await moving.pass(1_500);
  expect(fixed.names).toEqual([["a"], ["a"]]);
  expect(moving.names).toEqual([["gpu-0"], ["gpu-1"]]);
});

describe("a lease that had run out", () => {
  test("is told once, and heartbeats go on", async () => {
    await using play = new Play();
    await play.pass(5_000);
    play.beat = () => {
      play.beat = () => true;
      return false;
    };
    await play.pass(25_000);
    expect(play.events).toEqual(["lost at 0", "lost at 10000"]);
    expect(play.beatsAtMs).toEqual([0, 10_000, 20_000, 30_000]);
  });

  test("is told again, by backoff, until the state could be written, whatever heartbeats say", async () => {
    await using play = new Play({}, (p) => {
      let writes = 0;
      p.beat = () => p.beatsAtMs.length > 1;
      p.onLost = async () => {
        if (++writes < 4) throw new Error(`write ${writes} failed`);
      };
    });
    await play.pass(20_000);
    expect(play.events).toEqual([
      "lost at 0",
      "write 1 failed, 1 in a row",
      "lost at 500",
      "write 2 failed, 2 in a row",
      "lost at 1500",
      "write 3 failed, 3 in a row",
      "lost at 3500",
    ]);
    expect(play.beatsAtMs).toEqual([0, 500, 1_500, 3_500, 13_500]);
  });

  test("keeps no lease while the state is being written, and ends the writing with keep-alive", async () => {
    let aborted = false;
    await using play = new Play({}, (p) => {
      p.beat = () => false;
      p.onLost = (signal) =>
        new Promise<void>((_, reject) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            reject(new Error("stopped"));
          });
        });
    });
    await play.pass(60_000);
    expect(play.beatsAtMs).toEqual([0]);
    play.dispose();
    await play.pass(0);
    expect(aborted).toBe(true);
    expect(play.events).toEqual(["lost at 0"]);
  });
});

describe("heartbeats that fail", () => {
  test("are told, and repeated by backoff up to the period; what onError throws is dropped", async () => {
    const told: number[] = [];
    const onError = (_: unknown, failures: number) => {
      told.push(failures);
      throw new Error("a broken listener");
    };
    await using play = new Play({ onError }, (p) => {
      p.beat = () => Promise.reject(down);
    });
    await play.pass(40_000);
    expect(play.beatsAtMs).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 25_500, 35_500]);
    expect(told).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    play.beat = () => true;
    await play.pass(20_000);
    expect(play.beatsAtMs.slice(8)).toEqual([45_500, 55_500]);
  });

  test("end with the connection", async () => {
    const unimplemented = new ApiError("UNIMPLEMENTED", "no such method");
    await using play = new Play({}, (p) => {
      p.beat = () => Promise.reject(connectionClosed(""));
      p.streamFailure = unimplemented;
    });
    await play.pass(60_000);
    expect([play.beatsAtMs.length, play.streams, play.time.pending]).toEqual([1, 1, 0]);
  });
});

test("a connection that is closed between two heartbeats ends it at once: no timer is left", async () => {
  await using play = new Play();
  await play.pass(12_000);
  play.close();
  await play.pass(0);
  expect([play.time.pending, play.events]).toEqual([0, ["lost at 0"]]);
});

describe("a server that was restarted between two heartbeats", () => {
  test("is noticed by the stream: the state is told lost as soon as it stands again", async () => {
    await using play = new Play();
    await play.pass(12_000);
    play.streamFailure = down;
    play.cut();
    await play.pass(4_000);
    expect(play.events).toEqual(["lost at 0"]);
    play.streamFailure = undefined;
    await play.pass(10_000);
    expect(play.events.length).toBe(2);
    const lostAtMs = Number(play.events[1]?.slice("lost at ".length));
    expect(lostAtMs).toBeGreaterThan(16_000);
    expect(lostAtMs).toBeLessThan(20_000);
    expect(play.beatsAtMs).toContain(lostAtMs);
  });

  test("while the state is being written is noticed too, and the state is written once more", async () => {
    await using play = new Play({}, (p) => {
      p.beat = () => p.beatsAtMs.length > 1;
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    play.onLost = () => promise;
    await play.pass(1_000);
    play.cut();
    await play.pass(5_000);
    resolve();
    await play.pass(5_000);
    expect(play.events).toEqual(["lost at 0", "lost at 6000"]);
  });

  test("cannot be noticed where there is no health service; heartbeats go on", async () => {
    await using play = new Play({}, (p) => {
      p.streamFailure = new ApiError("UNIMPLEMENTED", "no such method");
    });
    await play.pass(25_000);
    expect([play.streams, play.beatsAtMs.length]).toEqual([1, 3]);
  });
});
