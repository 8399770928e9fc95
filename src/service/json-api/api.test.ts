import { beforeEach, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { ApiSchemas } from "../../../tests/support/api-schemas.ts";
import { UNBOUNDED } from "../../base/cancel-scope.ts";
import { silentLogger } from "../../base/log.ts";
import { condition, peer, TestStore } from "../../testing/test-store.ts";
import { AuditLog } from "../audit-log.ts";
import { createRecentEvents } from "../recent-events.ts";
import { createApi } from "./api.ts";
import { httpStatusOf } from "./http-status.ts";
import type { ApiOperation } from "./operation.ts";
import { SCHEMAS } from "./schemas.ts";

type Json = Record<string, unknown>;

const WRITER = peer(1, "p");

let store: TestStore;
let api: readonly ApiOperation[];
let document: Json;
let schemas: ApiSchemas;

beforeEach(async () => {
  store = new TestStore();
  const events = createRecentEvents(store.store, new AuditLog(store.time, silentLogger));
  api = createApi({ store: store.store, events, clock: store.time, server: { node: "node-7", version: "1.2.3" } });
  // Once: it is the same for each, and its schemas take long to compile.
  document ??= (await answer("/api/v1/openapi.json")) as Json;
  schemas ??= new ApiSchemas(document);
});

/** Asks one operation; its answer keeps to the schema that the document gives. */
async function answer(path: string, parameters: Record<string, string> = {}): Promise<unknown> {
  const operation = api.find((each) => each.path === path);
  if (operation?.kind !== "json") return expect.unreachable();
  const pieces = await operation.handle({ ...UNBOUNDED, parameters });
  return JSON.parse([...pieces].join(""));
}

async function checked(path: string, parameters: Record<string, string> = {}): Promise<Json> {
  const found = await answer(path, parameters);
  expect(schemas.faults(schemas.answerOf(path, 200), found)).toEqual([]);
  return found as Json;
}

describe("the OpenAPI document", () => {
  test("is a valid one, by a validator that is not ours", async () => {
    const { valid, errors } = await new Validator().validate(document);
    expect([valid, errors]).toEqual([true, undefined]);
    expect(document["openapi"]).toBe("3.1.1");
  });

  test("describes every operation that is routed, itself included, and no other", () => {
    const paths = document["paths"] as Record<string, Record<string, Json>>;
    expect(Object.keys(paths)).toEqual(api.map(({ path }) => path));
    for (const { path, id, parameters, errors } of api) {
      const { get, ...others } = paths[path] ?? {};
      expect(others).toEqual({});
      expect(get?.["operationId"]).toBe(id);
      const described = (get?.["parameters"] ?? []) as readonly Json[];
      expect(described.map(({ name, in: place }) => [name, place])).toEqual(parameters.map((it) => [it.name, it.in]));
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(described.filter((it) => it["required"] === true).map((it) => it["name"])).toEqual(inPath);
      const statuses = Object.keys(get?.["responses"] as Json);
      for (const code of errors) expect(statuses).toContain(String(httpStatusOf(code)));
    }
  });

  test("uses every schema that it has", () => {
    const used = new Set(
      [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name),
    );
    expect([...used].sort()).toEqual(Object.keys(SCHEMAS).sort());
  });
});

describe("GPUs", () => {
  test("of an empty node are an empty list at a version", async () => {
    expect(await checked("/api/v1/gpus")).toEqual({ metadata: { resourceVersion: String(store.version) }, items: [] });
  });

  test("are listed by name, one that nobody reported on too", async () => {
    for (const name of ["gpu-10", "gpu-2"]) store.register(WRITER, name, `GPU-${name}`);
    store.report(WRITER, "gpu-10", condition("A", "False", { reason: "R", message: "why" }));
    const { items } = (await checked("/api/v1/gpus")) as { items: readonly { metadata: Json; status: Json }[] };
    expect(items.map(({ metadata }) => metadata["name"])).toEqual(["gpu-2", "gpu-10"]);
    expect(items[0]?.status).toEqual({ conditions: [], recommendedAction: "" });
  });

  test("are found in any case of letters, and one that is not there is named", async () => {
    store.register(WRITER, "gpu-0");
    expect(await checked("/api/v1/gpus/{name}", { name: "GPU-0" })).toMatchObject({ metadata: { name: "gpu-0" } });
    await expect(answer("/api/v1/gpus/{name}", { name: 'x"\n' })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: 'no GPU is named "x\\"\\n"',
    });
  });
});

describe("events", () => {
  beforeEach(() => {
    store.register(WRITER, "gpu-0", "GPU-u");
    store.report(WRITER, "gpu-0", condition("A", "True"));
    store.write((transaction) => {
      const conditions = [condition("A", "False", { reason: "R" })];
      return transaction.updateStatus(WRITER, "gpu-0", { conditions, action: "RESET_GPU" });
    });
    store.register(WRITER, "gpu-1");
    store.write((transaction) => transaction.unregister(WRITER, "gpu-1"));
  });

  const listed = async (parameters: Record<string, string>) =>
    ((await checked("/api/v1/events", parameters)) as { events: readonly Json[] }).events;

  test("are listed newest first, with what changed", async () => {
    const events = await listed({});
    expect(events.map(({ type, gpu }) => `${type} ${gpu}`)).toEqual([
      "DELETED gpu-1",
      "ADDED gpu-1",
      "MODIFIED gpu-0",
      "MODIFIED gpu-0",
      "ADDED gpu-0",
    ]);
    expect(events[2]).toMatchObject({
      changes: [
        { type: "Ready", previousStatus: "True", status: "False", reason: "R" },
        { type: "A", previousStatus: "True", status: "False", reason: "R" },
      ],
      previousAction: "",
      recommendedAction: "RESET_GPU",
    });
  });

  test("are as many as were asked for, and of one GPU where that was", async () => {
    expect(await listed({ limit: "2" })).toHaveLength(2);
    expect((await listed({ gpu: "GPU-0" })).map(({ gpu }) => gpu)).toEqual(["gpu-0", "gpu-0", "gpu-0"]);
    expect((await listed({ gpu: "gpu-1" })).map(({ type }) => type)).toEqual(["DELETED", "ADDED"]);
    expect(await listed({ gpu: "nobody" })).toEqual([]);
  });

  test.each([
    [{ limit: "0" }, "limit"],
    [{ limit: "501" }, "limit"],
    [{ limit: "-1" }, "limit"],
    [{ limit: "1.5" }, "limit"],
    [{ limit: "" }, "limit"],
    [{ limit: "9".repeat(40) }, "limit"],
    [{ gpu: "" }, "gpu"],
    [{ gpu: "x".repeat(254) }, "gpu"],
  ])("with %p are refused by name", async (parameters, field) => {
    await expect(answer("/api/v1/events", parameters as Record<string, string>)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(new RegExp(`^${field}: `)),
    });
  });
});
