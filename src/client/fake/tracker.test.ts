import { expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { create } from "@bufbuild/protobuf";
import { type Gpu, GpuSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { gpus } from "../device/v1alpha1/gpu.gen.ts";
import { ApiError, isExpired } from "../errors.ts";
import type { WatchEvent } from "../resource/types.ts";
import { createTracker, type ObjectTracker } from "./tracker.ts";

const named = (name: string, uuid = "") => ({ metadata: { name }, spec: { uuid } });
const versionOf = (gpu: Gpu | undefined) => Number(gpu?.metadata?.resourceVersion);
const shown = ({ type, object }: WatchEvent<Gpu>) => `${type} ${object.metadata?.name}@${versionOf(object)}`;

/** Reads until the watch ends, or has given so many events. */
async function read(tracker: ObjectTracker<Gpu>, after: bigint | undefined, count = 1_000): Promise<string[]> {
  const events: string[] = [];
  for await (const event of tracker.watch(after === undefined ? {} : { after })) {
    events.push(shown(event));
    if (events.length === count) break;
  }
  return events;
}

test("an object gets the next version, whatever version it brings, and both fields carry it", () => {
  const tracker = createTracker();
  const gpu = tracker.of(gpus).apply({ metadata: { name: "a", resourceVersion: "77" }, resourceVersion: 77n });
  expect([gpu.metadata?.resourceVersion, gpu.resourceVersion]).toEqual(["2", 2n]);
  expect(tracker.resourceVersion).toBe("2");
});

test("a name is one whatever its case, in the spelling that came first", () => {
  const objects = createTracker().of(gpus);
  objects.apply(named("Gpu-A"));
  expect(objects.apply(named("gpu-a", "GPU-1")).metadata?.name).toBe("Gpu-A");
  expect(objects.get("GPU-A")?.spec?.uuid).toBe("GPU-1");
  expect(objects.list().items).toHaveLength(1);
});

test("an object that says nothing new is no change", async () => {
  const tracker = createTracker();
  const objects = tracker.of(gpus);
  const first = objects.apply(named("a", "GPU-1"));
  expect(objects.apply(named("A", "GPU-1"))).toEqual(first);
  expect(objects.apply(first)).toEqual(first);
  objects.apply(named("b"));
  expect(await read(objects, 1n, 2)).toEqual(["ADDED a@2", "ADDED b@3"]);
});

test("what is handed out and what is handed in is not what is kept", async () => {
  const objects = createTracker().of(gpus);
  const given = create(GpuSchema, named("a", "GPU-1"));
  const copies = [given, objects.apply(given), objects.get("a"), objects.list().items[0]];
  for await (const { object } of objects.watch()) {
    copies.push(object);
    break;
  }
  for (const copy of copies) if (copy?.spec !== undefined) copy.spec.uuid = "changed";
  expect(objects.get("a")?.spec?.uuid).toBe("GPU-1");
  expect(copies).toHaveLength(5);
});

test("a deletion has a version of its own and returns the last state", () => {
  const objects = createTracker().of(gpus);
  objects.apply(named("a", "GPU-1"));
  const gone = objects.delete("A");
  expect([versionOf(gone), gone?.spec?.uuid, objects.get("a"), objects.delete("a")]).toEqual([
    3,
    "GPU-1",
    undefined,
    undefined,
  ]);
});

test("an object without a name is refused and changes nothing", () => {
  const tracker = createTracker();
  expect(() => tracker.of(gpus).apply({})).toThrow("INVALID_ARGUMENT: metadata.name: a Gpu needs a name");
  expect(tracker.resourceVersion).toBe("1");
});

test("a watch that is further behind than the history reaches expires", async () => {
  const objects = createTracker({ historyEventsMax: 2 }).of(gpus);
  const iterator = objects.watch()[Symbol.asyncIterator]();
  const first = iterator.next();
  objects.apply(named("a"));
  expect((await first).done).toBe(false);
  objects.apply(named("b"));
  objects.apply(named("c"));
  expect((await iterator.next()).value).toBeDefined();
  for (const name of ["d", "e", "f"]) objects.apply(named(name));
  const late = await iterator.next().catch((error: unknown) => error);
  expect(isExpired(late)).toBe(true);
});

test("the oldest version that the history serves is served, the one before it is not", async () => {
  const objects = createTracker({ historyEventsMax: 2 }).of(gpus);
  for (const name of ["a", "b", "c"]) objects.apply(named(name));
  expect(await read(objects, 2n, 2)).toEqual(["ADDED b@3", "ADDED c@4"]);
  expect(await read(objects, 1n).catch(isExpired)).toBe(true);
});

test("expire ends the open watches, and from the present version a new one goes on", async () => {
  const tracker = createTracker();
  const objects = tracker.of(gpus);
  objects.apply(named("a"));
  const open = read(objects, undefined).catch((error: unknown) => error);
  await Promise.resolve();
  tracker.expire();
  expect(isExpired(await open)).toBe(true);
  expect(await read(objects, 1n).catch(isExpired)).toBe(true);
  const resumed = read(objects, 2n, 1);
  objects.apply(named("b"));
  expect(await resumed).toEqual(["ADDED b@3"]);
});

test("endWatches ends those that are open with the given error, and no later one", async () => {
  const tracker = createTracker();
  const objects = tracker.of(gpus);
  const open = read(objects, undefined).catch((error: unknown) => error);
  await Promise.resolve();
  expect(tracker.openWatches).toBe(1);
  const error = new ApiError("UNAVAILABLE", "draining");
  tracker.endWatches(error);
  expect(await open).toBe(error);
  const next = read(objects, undefined, 1);
  objects.apply(named("a"));
  expect(await next).toEqual(["ADDED a@2"]);
});

test("however many events a watch waits for, its signal has one listener, and none at the end", async () => {
  const objects = createTracker().of(gpus);
  const gone = new AbortController();
  const most = { listeners: 0 };
  const watching = (async () => {
    for await (const _ of objects.watch({ signal: gone.signal })) {
      most.listeners = Math.max(most.listeners, getEventListeners(gone.signal, "abort").length);
    }
  })();
  for (let i = 0; i < 5; i++) {
    await Bun.sleep(0);
    expect(getEventListeners(gone.signal, "abort")).toHaveLength(1);
    objects.apply(named(`gpu-${i}`));
  }
  await Bun.sleep(0);
  gone.abort();
  await watching;
  expect([most.listeners, getEventListeners(gone.signal, "abort").length]).toEqual([0, 0]);
});

test("an aborted watch ends without an error, and nobody waits for it any more", async () => {
  const tracker = createTracker();
  const gone = new AbortController();
  const watching = (async () => {
    for await (const _ of tracker.of(gpus).watch({ signal: gone.signal }));
  })();
  await Promise.resolve();
  gone.abort();
  await watching;
  expect(tracker.openWatches).toBe(0);
});
