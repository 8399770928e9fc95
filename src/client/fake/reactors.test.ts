import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { GpuSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { HeartbeatResponseSchema } from "../../gen/device/v1alpha1/provider_pb.ts";
import { ApiError } from "../errors.ts";
import type { WatchEvent } from "../resource/types.ts";
import { createFakeClientset } from "./fake-clientset.ts";
import { NOT_HANDLED } from "./reactors.ts";

const gpu = (name: string) => create(GpuSchema, { metadata: { name, resourceVersion: "9" } });
const failure = (call: Promise<unknown>) => call.then(String, String);
const unavailable = { handled: true, error: new ApiError("UNAVAILABLE", "not today") } as const;

function setUp() {
  const clientset = createFakeClientset(gpu("gpu-0"));
  const device = clientset.deviceV1alpha1();
  return { fake: clientset.fake, gpus: device.gpus(), provider: device.providers("p") };
}

test("every call is recorded with its verb, resource, name, request and metadata", async () => {
  const { fake, gpus, provider } = setUp();
  await gpus.get("gpu-0", { metadata: { "x-trace": "1" } });
  await gpus.list();
  for await (const _ of gpus.watch()) break;
  await provider.updateCondition("gpu-0", { type: "Link", status: "True" });
  await provider.heartbeat();
  await failure(gpus.get("nobody"));
  expect(fake.actions.map(({ verb, resource, name }) => `${verb} ${resource} ${name}`)).toEqual([
    "get gpus gpu-0",
    "list gpus ",
    "watch gpus ",
    "updateGpuCondition ProviderService gpu-0",
    "heartbeat ProviderService ",
    "get gpus nobody",
  ]);
  expect(fake.actions[0]?.metadata).toEqual({ "x-trace": "1" });
  expect(fake.actions[3]?.request).toMatchObject({ providerId: "p", condition: { type: "Link" } });
  fake.clearActions();
  expect(fake.actions).toEqual([]);
});

test("the reactor that came last is asked first, and one that does not handle a call passes it on", async () => {
  const { fake, gpus } = setUp();
  const asked: string[] = [];
  fake.prependReactor("get", "gpus", () => {
    asked.push("first");
    return { handled: true, result: gpu("from-first") };
  });
  const second = fake.prependReactor("get", "gpus", ({ name }) => {
    asked.push("second");
    return name === "mine" ? { handled: true, result: gpu("from-second") } : NOT_HANDLED;
  });
  expect((await gpus.get("mine")).metadata?.name).toBe("from-second");
  expect((await gpus.get("other")).metadata?.name).toBe("from-first");
  expect(asked).toEqual(["second", "second", "first"]);
  second[Symbol.dispose]();
  expect((await gpus.get("mine")).metadata?.name).toBe("from-first");
});

test("an error reaches the caller with the method, and spares what does not match", async () => {
  const { fake, gpus, provider } = setUp();
  using _ = fake.prependReactor("*", "gpus", () => unavailable);
  const service = "nvidia.device.v1alpha1.GpuService";
  expect(await failure(gpus.get("gpu-0"))).toBe(`ApiError: UNAVAILABLE: not today (${service}/GetGpu)`);
  expect(await failure(gpus.list())).toBe(`ApiError: UNAVAILABLE: not today (${service}/ListGpus)`);
  expect(await failure(gpus.watch()[Symbol.asyncIterator]().next())).toBe(
    `ApiError: UNAVAILABLE: not today (${service}/WatchGpus)`,
  );
  expect((await provider.heartbeat()).acknowledged).toBe(true);
});

test("a reactor gives a list, the events of a watch, and a provider's reply", async () => {
  const { fake, gpus, provider } = setUp();
  fake.prependReactor("list", "gpus", () => ({ handled: true, result: { items: [gpu("a")], resourceVersion: "7" } }));
  fake.prependReactor("watch", "gpus", () => ({ handled: true, result: events() }));
  const acknowledged = create(HeartbeatResponseSchema, { acknowledged: false });
  fake.prependReactor("heartbeat", "*", () => ({ handled: true, result: acknowledged }));
  async function* events(): AsyncGenerator<WatchEvent<ReturnType<typeof gpu>>> {
    yield { type: "ADDED", object: gpu("b") };
    yield { type: "DELETED", object: gpu("b") };
  }
  const list = await gpus.list();
  expect([list.resourceVersion, list.items[0]?.metadata?.name]).toEqual(["7", "a"]);
  const types: string[] = [];
  for await (const { type } of gpus.watch()) types.push(type);
  expect(types).toEqual(["ADDED", "DELETED"]);
  expect((await provider.heartbeat()).acknowledged).toBe(false);
});

test("a reactor may take its time", async () => {
  const { fake, gpus } = setUp();
  const gate = Promise.withResolvers<void>();
  fake.prependReactor("get", "gpus", async () => {
    await gate.promise;
    return NOT_HANDLED;
  });
  const call = gpus.get("gpu-0");
  gate.resolve();
  expect((await call).metadata?.name).toBe("gpu-0");
});

test("an answer of the wrong kind is the test's mistake, and said so", async () => {
  const { fake, gpus, provider } = setUp();
  const heartbeat = create(HeartbeatResponseSchema);
  fake.prependReactor("get", "gpus", () => ({ handled: true, result: heartbeat }));
  fake.prependReactor("list", "gpus", () => ({ handled: true, result: { items: [heartbeat], resourceVersion: "1" } }));
  fake.prependReactor("registerGpu", "*", () => ({ handled: true, result: heartbeat }));
  expect(await failure(gpus.get("gpu-0"))).toContain("INTERNAL: a reactor for get gpus has to answer with a Gpu");
  expect(await failure(gpus.list())).toContain("INTERNAL: a reactor for list gpus has to answer with items");
  expect(await failure(provider.register("gpu-0"))).toContain("INTERNAL: a reactor for registerGpu has to answer with");
});
