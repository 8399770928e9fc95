import { describe, expect, test } from "bun:test";
import { SimulatedTime } from "../testing/simulated-time.ts";
import type { Http2Connection } from "./http2-connection.ts";
import { ConnectionSweep } from "./http2-sweep.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** A sweep is 5 s, and begins at any time within one. */
const SWEEP_MS = 5 * SECOND_MS;

/** A connection as the sweep sees it, and what the sweep did to it. */
class ScriptedConnection {
  isOver = false;
  isMidFrame = false;
  openStreams = 0;
  reads = 1;
  frames = 1;
  lastStream = 0;
  readonly done: string[] = [];

  ping(): void {
    this.done.push("ping");
  }
  goAway(code: number, debug: string): void {
    this.done.push(`goaway ${code} ${debug}`);
    this.isOver = true;
  }
  destroy(): void {
    this.done.push("destroy");
    this.isOver = true;
  }
}

function setUp() {
  const time = new SimulatedTime();
  const sweep = new ConnectionSweep(time);
  const cuts: string[] = [];
  const add = (): ScriptedConnection => {
    const connection = new ScriptedConnection();
    sweep.add(connection as unknown as Http2Connection, (why) => void cuts.push(why));
    return connection;
  };
  /** Calls `each` between two sweeps, for so long. */
  const pass = (ms: number, each: () => void) => {
    for (let past = 0; past < ms; past += SWEEP_MS) {
      each();
      time.advance(SWEEP_MS);
    }
  };
  return { time, sweep, add, pass, cuts };
}

describe("a connection that says nothing", () => {
  test("is asked for a sign of life after 60 s", () => {
    const { time, add } = setUp();
    const connection = add();
    connection.openStreams = 1;

    time.advance(MINUTE_MS);
    expect(connection.done).toEqual([]);
    time.advance(SWEEP_MS);
    expect(connection.done).toEqual(["ping"]);
  });

  test("goes 20 s later, where it does not answer", () => {
    const { time, add, cuts } = setUp();
    const connection = add();
    connection.openStreams = 1;

    time.advance(80 * SECOND_MS);
    expect(connection.done).toEqual(["ping"]);
    expect(cuts).toEqual([]);
    time.advance(SWEEP_MS);
    expect(connection.done).toEqual(["ping", "destroy"]);
    expect(cuts).toEqual(["a client has not answered a PING for 20 s"]);
  });

  test("stays, where it answers, and is asked again a minute later", () => {
    const { time, add } = setUp();
    const connection = add();
    connection.openStreams = 1;
    time.advance(MINUTE_MS + SWEEP_MS);
    connection.reads++;

    time.advance(MINUTE_MS);
    expect(connection.done).toEqual(["ping"]);
    time.advance(SWEEP_MS);
    expect(connection.done).toEqual(["ping", "ping"]);
  });
});

describe("a connection in the middle of a frame", () => {
  test("goes after 30 s without the rest of it, whatever bytes come", () => {
    const { pass, add } = setUp();
    const connection = add();
    connection.isMidFrame = true;

    pass(30 * SECOND_MS, () => connection.reads++);
    expect(connection.done).toEqual([]);
    pass(SWEEP_MS, () => connection.reads++);
    expect(connection.done).toEqual(["destroy"]);
  });

  test("stays for as long as it is in the middle of another one each time", () => {
    const { pass, add } = setUp();
    const connection = add();
    connection.isMidFrame = true;

    pass(10 * MINUTE_MS, () => {
      connection.reads++;
      connection.frames++;
    });

    expect(connection.done).toEqual([]);
  });
});

describe("a connection without a call", () => {
  test("for 30 minutes is told to go, however often it answers", () => {
    const { pass, add } = setUp();
    const connection = add();

    pass(30 * MINUTE_MS - SWEEP_MS, () => connection.reads++);
    expect(connection.done).toEqual([]);
    pass(2 * SWEEP_MS, () => connection.reads++);
    expect(connection.done).toEqual(["goaway 0 idle"]);
  });

  test("at the moments when it is looked at stays, where it has had one in between", () => {
    const { pass, add } = setUp();
    const connection = add();

    for (let minutes = 0; minutes < 120; minutes += 20) {
      connection.lastStream += 2;
      pass(20 * MINUTE_MS, () => connection.reads++);
    }

    expect(connection.done).toEqual([]);
  });

  test("stays while a watch is open that says nothing", () => {
    const { pass, add } = setUp();
    const connection = add();
    connection.openStreams = 1;

    pass(120 * MINUTE_MS, () => connection.reads++);

    expect(connection.done).toEqual([]);
  });
});

test("a connection that has ended has 10 s for its last bytes", () => {
  const { time, add } = setUp();
  const connection = add();
  connection.isOver = true;

  time.advance(10 * SECOND_MS - 1);
  expect(connection.done).toEqual([]);
  time.advance(SWEEP_MS);
  expect(connection.done.at(0)).toBe("destroy");
});

test("there is one timer for all connections, and none without one or after the end", () => {
  const { time, sweep, add } = setUp();
  expect(time.pending).toBe(0);
  const [first, second] = [add(), add()];
  expect([time.pending, sweep.size]).toEqual([1, 2]);

  for (const connection of [first, second]) sweep.delete(connection as unknown as Http2Connection);
  time.advance(SWEEP_MS);
  expect([time.pending, sweep.size]).toEqual([0, 0]);

  add();
  sweep[Symbol.dispose]();
  expect(time.pending).toBe(0);
});
