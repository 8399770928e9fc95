import { describe, expect, test } from "bun:test";
import { listOf, THING_ACCESS, type Thing, thing } from "../../testing/scripted-source.ts";
import { ApiError } from "../errors.ts";
import type { EventType } from "../resource/types.ts";
import type { Delta } from "./delta-queue.ts";
import { Indexer } from "./indexer.ts";
import { ObjectCache } from "./object-cache.ts";
import { DeletedFinalStateUnknown } from "./tombstone.ts";

function createCache() {
  const indexer = new Indexer<Thing>(() => {});
  const cache = new ObjectCache(THING_ACCESS, indexer, (object) => object);
  return {
    cache,
    indexer,
    apply: (type: EventType, name: string, version: number) => cache.apply({ type, object: thing(name, version) }),
    held: () => indexer.list().map(({ name, resourceVersion }) => `${name}@${resourceVersion}`),
  };
}

/** As "Updated a 1->2". */
function show(deltas: readonly Delta<Thing>[]): string[] {
  return deltas.map((delta) => {
    const { type, key, object } = delta;
    if (object instanceof DeletedFinalStateUnknown) return `${type} ${key} after ${object.object.resourceVersion}`;
    const old = delta.type === "Updated" ? `${delta.old.resourceVersion}->` : "";
    return `${type} ${key} ${old}${object.resourceVersion}`;
  });
}

function errorOf(task: () => unknown): string {
  try {
    task();
  } catch (error) {
    if (error instanceof ApiError) return `${error.code}: ${error.details}`;
    throw error;
  }
  return "nothing was thrown";
}

describe("a list", () => {
  test("is the initial one the first time, and says where the watch begins", () => {
    const { cache } = createCache();
    expect(cache.resourceVersion).toBe("");
    const deltas = cache.replace(listOf(9, thing("a", 5), thing("B", 7)));
    expect(show(deltas)).toEqual(["Added a 5", "Added b 7"]);
    expect(deltas.map((delta) => delta.type === "Added" && delta.isInInitialList)).toEqual([true, true]);
    expect(cache.resourceVersion).toBe("9");
  });

  test("tells only what differs: changed, come, gone without anybody having seen it go", () => {
    const { cache, held } = createCache();
    cache.replace(listOf(9, thing("a", 5), thing("b", 7), thing("c", 8)));
    const deltas = cache.replace(listOf(20, thing("A", 5), thing("b", 12), thing("d", 15)));
    expect(show(deltas)).toEqual(["Deleted c after 8", "Updated b 7->12", "Added d 15"]);
    expect(deltas.map((delta) => delta.type === "Added" && delta.isInInitialList)).toEqual([false, false, false]);
    expect(held()).toEqual(["a@5", "b@12", "d@15"]);
  });

  test("that is older than what is held is another life's truth: all of it counts as changed", () => {
    const { cache, held } = createCache();
    cache.replace(listOf(100, thing("a", 50), thing("b", 60), thing("c", 70)));
    expect(show(cache.replace(listOf(60, thing("a", 40), thing("b", 60))))).toEqual([
      "Deleted c after 70",
      "Updated a 50->40",
      "Updated b 60->60",
    ]);
    expect([cache.resourceVersion, ...held()]).toEqual(["60", "a@40", "b@60"]);
  });

  test("with an older object is the truth too", () => {
    const { cache } = createCache();
    cache.replace(listOf(100, thing("a", 50)));
    expect(show(cache.replace(listOf(110, thing("a", 40))))).toEqual(["Updated a 50->40"]);
  });

  test("that cannot be read changes nothing", () => {
    const { cache, held } = createCache();
    cache.replace(listOf(9, thing("a", 5)));
    const before = () => [cache.resourceVersion, ...held()];
    expect(errorOf(() => cache.replace({ items: [], resourceVersion: "" }))).toBe(
      'INTERNAL: the server sent "" as the version of a list',
    );
    expect(errorOf(() => cache.replace(listOf(20, thing("b", 12), { name: "c", resourceVersion: "x" })))).toBe(
      'INTERNAL: the server sent "x" as the version of c',
    );
    expect(errorOf(() => cache.replace(listOf(20, thing("b", 12), thing("", 13))))).toBe(
      "INTERNAL: the server sent a Thing without a name",
    );
    expect(before()).toEqual(["9", "a@5"]);
  });
});

describe("an event", () => {
  test("changes one object, whatever its spelling, and moves the version on", () => {
    const { cache, apply, held } = createCache();
    cache.replace(listOf(9, thing("Gpu-0", 5)));
    expect(show(apply("MODIFIED", "GPU-0", 10))).toEqual(["Updated gpu-0 5->10"]);
    expect(show(apply("ADDED", "gpu-1", 11))).toEqual(["Added gpu-1 11"]);
    expect(show(apply("DELETED", "gpu-0", 12))).toEqual(["Deleted gpu-0 12"]);
    expect([cache.resourceVersion, ...held()]).toEqual(["12", "gpu-1@11"]);
  });

  test("goes by what is held, not by its own word for it", () => {
    const { cache, apply } = createCache();
    cache.replace(listOf(9, thing("a", 5)));
    expect(show(apply("ADDED", "a", 10))).toEqual(["Updated a 5->10"]);
    expect(show(apply("MODIFIED", "b", 11))).toEqual(["Added b 11"]);
    expect(show(apply("DELETED", "c", 12))).toEqual([]);
    expect(cache.resourceVersion).toBe("12");
  });

  test("can be asked about: its object is held in whatever spelling and state", () => {
    const { cache } = createCache();
    cache.replace(listOf(9, thing("a", 5)));
    expect([cache.holds(thing("A", 1)), cache.holds(thing("b", 5))]).toEqual([true, false]);
  });

  test("that repeats what is held says nothing", () => {
    const { cache, apply } = createCache();
    cache.replace(listOf(9, thing("a", 5)));
    expect(apply("ADDED", "a", 5)).toEqual([]);
    expect(cache.resourceVersion).toBe("9");
  });

  test.each([
    ["MODIFIED", "a", 4],
    ["DELETED", "a", 5],
    ["ADDED", "b", 9],
  ] as const)("%s of %s at version %d, which contradicts what is held, asks for a list", (type, name, version) => {
    const { cache, apply, held } = createCache();
    cache.replace(listOf(9, thing("a", 5)));
    expect(errorOf(() => apply(type, name, version))).toBe(
      `OUT_OF_RANGE: the watch went back from version 9 to version ${version} of ${name}`,
    );
    expect([cache.resourceVersion, ...held()]).toEqual(["9", "a@5"]);
  });

  test("that the watch begins with is as new as its version, whatever came before it", () => {
    const { cache, held } = createCache();
    cache.replace(listOf(9, thing("a", 5), thing("b", 6)));
    const begins = (name: string, version: number) =>
      show(cache.apply({ type: "ADDED", object: thing(name, version) }, true));
    expect(begins("c", 14)).toEqual(["Added c 14"]);
    expect(begins("a", 12)).toEqual(["Updated a 5->12"]);
    expect(begins("d", 10)).toEqual(["Added d 10"]);
    expect(begins("b", 6)).toEqual([]);
    expect([cache.resourceVersion, ...held()]).toEqual(["14", "a@12", "b@6", "c@14", "d@10"]);
  });

  test.each([
    ["MODIFIED", "a", 12, true],
    ["DELETED", "a", 12, true],
    ["ADDED", "a", 4, true],
    ["ADDED", "d", 9, true],
    ["ADDED", "a", 12, false],
    ["ADDED", "d", 10, false],
  ] as const)("%s of %s at version %d, where beginning is %s, asks for a list", (type, name, version, opening) => {
    const { cache, held } = createCache();
    cache.replace(listOf(9, thing("a", 5)));
    cache.apply({ type: "ADDED", object: thing("c", 14) }, true);
    const object = thing(name, version);
    expect(errorOf(() => cache.apply({ type, object }, opening))).toStartWith("OUT_OF_RANGE: the watch went back");
    expect([cache.resourceVersion, ...held()]).toEqual(["14", "a@5", "c@14"]);
  });

  test("that is older than an object which the list had too early is passed over", () => {
    const { cache, apply, held } = createCache();
    cache.replace(listOf(9, thing("a", 12)));
    expect([apply("MODIFIED", "a", 10), apply("DELETED", "a", 11), apply("ADDED", "a", 12)]).toEqual([[], [], []]);
    expect([cache.resourceVersion, ...held()]).toEqual(["12", "a@12"]);
  });
});

test("versions are compared as numbers of any size", () => {
  const { cache } = createCache();
  cache.replace({ items: [], resourceVersion: "999999999999999999" });
  const object = { name: "a", resourceVersion: "1000000000000000000" };
  expect(show(cache.apply({ type: "ADDED", object }))).toEqual(["Added a 1000000000000000000"]);
});
