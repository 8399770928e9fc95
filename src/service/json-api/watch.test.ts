import { beforeEach, describe, expect, test } from "bun:test";
import { UNBOUNDED } from "../../base/cancel-scope.ts";
import { StatusError } from "../../base/status-error.ts";
import { condition, peer, TestStore } from "../../testing/test-store.ts";
import type { ApiRequest, EventStream, StreamEvent } from "./operation.ts";
import { watchGpus } from "./watch.ts";

const WRITER = peer(1, "p");
const SERVER = { node: "node-7", version: "1.2.3" };

/** A client's side that takes `room` events before it says stop. */
class RecordingStream implements EventStream {
  readonly deadlineMs = undefined;
  readonly events: StreamEvent[] = [];
  ended: StatusError | undefined;
  cancelled = false;
  room = Number.POSITIVE_INFINITY;
  #drained: () => void = () => {};
  readonly #listeners: (() => void)[] = [];

  send(event: StreamEvent): boolean {
    if (this.cancelled || this.ended !== undefined) return false;
    this.events.push(event);
    return --this.room > 0;
  }

  onDrain(listener: () => void): void {
    this.#drained = listener;
  }

  onCancel(listener: () => void): void {
    this.#listeners.push(listener);
  }

  end(status: StatusError): void {
    this.ended ??= status;
  }

  take(events: number): void {
    this.room = events;
    this.#drained();
  }

  leave(): void {
    this.cancelled = true;
    for (const listener of this.#listeners) listener();
  }

  /** "TYPE name" of each event, and the id where it has one. */
  get lines(): readonly string[] {
    return this.events.map(({ type, id, data }) => {
      const name = JSON.parse(data).object?.metadata.name ?? "";
      return [type, name, id === undefined ? "" : `#${id}`].filter(Boolean).join(" ");
    });
  }
}

let store: TestStore;
let start: number;
let flips: number;

beforeEach(() => {
  store = new TestStore({ history: { events: 8, bytes: 1_000_000 } });
  for (const name of ["gpu-10", "gpu-2"]) store.register(WRITER, name);
  start = store.version;
  flips = 0;
});

const flip = (name = "gpu-2") => store.reportOne(WRITER, name, condition("A", flips++ % 2 === 0 ? "False" : "True"));

async function open(parameters: Record<string, string> = {}, stream = new RecordingStream()): Promise<RecordingStream> {
  const request: ApiRequest = { ...UNBOUNDED, parameters };
  await watchGpus({ store: store.store, clock: store.time, server: SERVER }, request, stream);
  return stream;
}

describe("a stream without a version", () => {
  test("shows the present state in list order, and then every change with its version as the id", async () => {
    const stream = await open();
    const first = flip();
    const second = flip("gpu-10");
    store.write((transaction) => transaction.unregister(WRITER, "gpu-2"));
    store.pass(0);
    expect(stream.lines).toEqual([
      "opened #",
      "ADDED gpu-2",
      "ADDED gpu-10",
      `synced #${start}`,
      `MODIFIED gpu-2 #${first}`,
      `MODIFIED gpu-10 #${second}`,
      `DELETED gpu-2 #${second + 1}`,
    ]);
  });

  test("begins with who serves, the server's clock and the version of what follows", async () => {
    const [opened] = (await open()).events;
    expect(JSON.parse(opened?.data ?? "")).toEqual({
      ...SERVER,
      time: new Date(store.time.wallUs() / 1_000).toISOString(),
      resourceVersion: String(start),
      snapshot: true,
      gpus: 2,
    });
  });

  test("that is slow within the snapshot misses nothing of what happens meanwhile", async () => {
    const stream = new RecordingStream();
    stream.room = 2;
    const opening = open({}, stream);
    await Bun.sleep(0);
    const first = flip();
    store.pass(0);
    expect(stream.lines).toEqual(["opened #", "ADDED gpu-2"]);
    stream.take(2);
    stream.take(1);
    await opening;
    expect(stream.lines.slice(2)).toEqual(["ADDED gpu-10", `synced #${start}`, `MODIFIED gpu-2 #${first}`]);
  });

  test("waits while a provider's update is under way", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = store.store.write(UNBOUNDED, async (transaction) => {
      transaction.updateCondition(WRITER, "gpu-2", condition("A", "False"));
      await promise;
      transaction.updateCondition(WRITER, "gpu-10", condition("A", "False"));
    });
    const stream = new RecordingStream();
    const opening = open({}, stream);
    await Bun.sleep(5);
    expect(stream.events).toEqual([]);
    resolve();
    await held;
    await opening;
    const shown = stream.events.slice(1, 3).map(({ data }) => JSON.parse(data).object.status.conditions[0].status);
    expect(shown).toEqual(["False", "False"]);
  });
});

describe("a stream that comes back", () => {
  test.each(["Last-Event-ID", "from"])("by %s gets what it has missed and no snapshot", async (name) => {
    const first = flip();
    const second = flip();
    const stream = await open({ [name]: String(first) });
    const third = flip();
    store.pass(0);
    expect(stream.lines).toEqual(["opened", `MODIFIED gpu-2 #${second}`, `MODIFIED gpu-2 #${third}`]);
    expect(JSON.parse(stream.events[0]?.data ?? "")).toMatchObject({ snapshot: false, resourceVersion: String(first) });
  });

  test("and has missed nothing is told that it goes on", async () => {
    expect((await open({ from: String(start) })).lines).toEqual(["opened"]);
  });

  test("goes on from where it was last, whatever the address says", async () => {
    const [first, second, third] = [flip(), flip(), flip()];
    const stream = await open({ from: String(first), "Last-Event-ID": String(second) });
    expect(stream.lines).toEqual(["opened", `MODIFIED gpu-2 #${third}`]);
  });

  test.each([
    ["a version before the history", () => start - 1],
    ["a version that is not there yet", () => store.version + 1],
    ["a version of another server", () => 7],
    ["0", () => 0],
    ["the largest number of 64 bits", () => 2n ** 63n - 1n],
  ])("with %s starts anew", async (_, version) => {
    for (let i = 0; i < 10; i++) flip();
    const stream = await open({ "Last-Event-ID": String(version()) });
    expect(stream.lines).toEqual(["opened #", "ADDED gpu-2", "ADDED gpu-10", `synced #${store.version}`]);
  });

  test.each(["x", "-1", "1.5", "1e3", "999999999999999999999", " 1"])("with %p is refused", async (text) => {
    await expect(open({ from: text })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(open({ "Last-Event-ID": text })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("with an empty version is as one without", async () => {
    expect((await open({ "Last-Event-ID": "", from: "" })).lines[0]).toBe("opened #");
  });
});

describe("a client that takes nothing more", () => {
  test("gets what came meanwhile when it takes again", async () => {
    const slow = await open();
    slow.room = 1;
    const versions = [flip(), flip(), flip()];
    store.pass(0);
    expect(slow.lines.slice(4)).toEqual([`MODIFIED gpu-2 #${versions[0]}`]);
    slow.take(5);
    expect(slow.lines.slice(4)).toEqual(versions.map((version) => `MODIFIED gpu-2 #${version}`));
  });

  test("is ended when the history has moved past it, and others go on", async () => {
    const slow = await open();
    slow.room = 1;
    const quick = await open();
    for (let i = 0; i < 10; i++) {
      flip();
      store.pass(0);
    }
    expect(slow.ended).toBeInstanceOf(StatusError);
    expect(slow.ended?.code).toBe("OUT_OF_RANGE");
    expect(slow.lines.filter((line) => line.startsWith("MODIFIED"))).toHaveLength(1);
    expect([quick.ended, quick.lines.filter((line) => line.startsWith("MODIFIED")).length]).toEqual([undefined, 10]);
    expect(store.watchersExpired).toBe(1);
  });

  test("is ended when that happens within its snapshot", async () => {
    const slow = new RecordingStream();
    slow.room = 2;
    const opening = open({}, slow);
    await Bun.sleep(0);
    for (let i = 0; i < 10; i++) flip();
    slow.take(10);
    await expect(opening).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
  });
});

test("a client that leaves, in the snapshot or after it, leaves no watcher behind", async () => {
  const early = new RecordingStream();
  early.room = 2;
  const opening = open({}, early);
  await Bun.sleep(0);
  early.leave();
  await opening;
  expect(store.store.stats().watchers).toBe(0);
  const late = await open();
  expect(store.store.stats().watchers).toBe(1);
  late.leave();
  expect(store.store.stats().watchers).toBe(0);
});
