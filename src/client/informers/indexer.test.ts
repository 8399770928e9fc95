import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ApiError } from "../errors.ts";
import { Indexer } from "./indexer.ts";

interface Thing {
  readonly name: string;
  readonly tags: readonly string[];
}

const BY_TAG = { tag: ({ tags }: Thing) => tags, size: ({ tags }: Thing) => [String(tags.length)] };

function createIndexer() {
  const errors: { readonly error: unknown; readonly key: string }[] = [];
  return { errors, indexer: new Indexer<Thing>((error, key) => errors.push({ error, key })) };
}

const codeOf = (task: () => unknown): string => {
  try {
    task();
  } catch (error) {
    if (error instanceof ApiError) return `${error.code}: ${error.details}`;
    throw error;
  }
  return "nothing was thrown";
};

describe("an indexer", () => {
  test("finds an object under its name in any case", () => {
    const { indexer } = createIndexer();
    const thing = { name: "GPU-0", tags: [] };
    indexer.set("gpu-0", thing);
    expect(indexer.get("Gpu-0")).toBe(thing);
    expect(indexer.get("gpu-1")).toBeUndefined();
  });

  test("gives out arrays that are the caller's own", () => {
    const { indexer } = createIndexer();
    indexer.addIndexers(BY_TAG);
    indexer.set("a", { name: "a", tags: ["x"] });
    indexer.list().length = 0;
    indexer.byIndex("tag", "x").length = 0;
    expect([indexer.list().length, indexer.byIndex("tag", "x").length, indexer.size]).toEqual([1, 1, 1]);
  });

  test("goes by the values of the time when an object came, whatever became of it since", () => {
    const { indexer } = createIndexer();
    indexer.addIndexers(BY_TAG);
    const tags = ["x"];
    indexer.set("a", { name: "a", tags });
    tags[0] = "y";
    indexer.delete("a");
    expect(indexer.indexValues("tag")).toEqual([]);
  });

  test("keeps an object whose index function throws, in that index under no value", () => {
    const { errors, indexer } = createIndexer();
    const refuse = (thing: Thing) => {
      if (thing.tags.includes("bad")) throw new Error("bad tag");
      return thing.tags;
    };
    indexer.addIndexers({ refuse, ...BY_TAG });
    indexer.set("a", { name: "a", tags: ["x"] });
    indexer.set("a", { name: "a", tags: ["x", "bad"] });
    expect(indexer.byIndex("refuse", "x")).toEqual([]);
    expect(indexer.byIndex("tag", "x")).toEqual([{ name: "a", tags: ["x", "bad"] }]);
    expect(errors).toEqual([{ error: new Error("bad tag"), key: "a" }]);
  });

  test("refuses a name that is taken, adding none, and names the indexes where one is unknown", () => {
    const { indexer } = createIndexer();
    expect(codeOf(() => indexer.byIndex("tag", "x"))).toBe('INVALID_ARGUMENT: there is no index "tag"; known: none');
    indexer.addIndexers(BY_TAG);
    const other = () => [];
    expect(codeOf(() => indexer.addIndexers({ other, tag: other }))).toBe(
      'INVALID_ARGUMENT: there is an index "tag" already',
    );
    expect(codeOf(() => indexer.indexValues("other"))).toBe(
      'INVALID_ARGUMENT: there is no index "other"; known: tag, size',
    );
  });

  const tag = fc.constantFrom("x", "y", "z");
  const command = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("set"), key: fc.constantFrom(..."abcd"), tags: fc.array(tag) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("delete"), key: fc.constantFrom(..."abcd") }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("index") }) },
  );

  test("answers as a plain map that is searched from end to end", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const { errors, indexer } = createIndexer();
        const model = new Map<string, Thing>();
        let indexed = false;
        for (const step of commands) {
          if ("tags" in step) {
            const thing = { name: step.key.toUpperCase(), tags: step.tags };
            model.set(step.key, thing);
            indexer.set(step.key, thing);
          } else if ("key" in step) {
            model.delete(step.key);
            indexer.delete(step.key);
          } else if (!indexed) {
            indexed = true;
            indexer.addIndexers(BY_TAG);
          }
          expectSame(indexer, model, indexed);
        }
        expect(errors).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

function expectSame(indexer: Indexer<Thing>, model: ReadonlyMap<string, Thing>, indexed: boolean): void {
  const all = [...model.values()];
  expect(indexer.size).toBe(model.size);
  expect(new Set(indexer.list())).toEqual(new Set(all));
  for (const key of "abcd") expect(indexer.get(key)).toBe(model.get(key));
  if (!indexed) return;
  for (const value of "xyz") {
    expect(new Set(indexer.byIndex("tag", value))).toEqual(new Set(all.filter(({ tags }) => tags.includes(value))));
  }
  expect(indexer.indexValues("tag").sort()).toEqual([...new Set(all.flatMap(({ tags }) => tags))].sort());
  expect(indexer.indexValues("size").sort()).toEqual([...new Set(all.map(({ tags }) => String(tags.length)))].sort());
}
