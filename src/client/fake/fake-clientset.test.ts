import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { eventually } from "../../../tests/support/grpc-fixture.ts";
import { type Gpu, GpuListSchema, GpuSchema, GpuStatusSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { gpus } from "../device/v1alpha1/gpu.gen.ts";
import { createInformerFactory } from "../informer-factory.gen.ts";
import { createFakeClientset } from "./fake-clientset.ts";

const gpu = (name: string, uuid = "") => create(GpuSchema, { metadata: { name }, spec: { uuid } });
const conditions = (object: Gpu) => (object.status?.conditions ?? []).map(({ type, status }) => `${type}=${status}`);

test("a clientset has the objects that it was made with", async () => {
  const fake = createFakeClientset(gpu("gpu-10"), gpu("gpu-2"));
  const { items, resourceVersion } = await fake.deviceV1alpha1().gpus().list();
  expect(items.map(({ metadata }) => metadata?.name)).toEqual(["gpu-2", "gpu-10"]);
  expect(resourceVersion).toBe("3");
});

test("an object of another kind is refused", () => {
  expect(() => createFakeClientset(gpu("gpu-0"), create(GpuListSchema))).toThrow(
    "a fake of nvidia.device.v1alpha1.Gpu cannot hold a nvidia.device.v1alpha1.GpuList",
  );
});

test("an informer follows what the test writes, through an expired watch as well", async () => {
  const fake = createFakeClientset(gpu("gpu-0"));
  await using factory = createInformerFactory(fake, { onWatchError: () => {} });
  const lister = factory.deviceV1alpha1().gpus().lister();
  const told: string[] = [];
  const informer = factory.deviceV1alpha1().gpus().informer();
  informer.addEventHandler({
    onAdd: (object, isInInitialList) => told.push(`${object.metadata?.name} ${isInInitialList}`),
    onUpdate: (_, object) => told.push(`${object.metadata?.name} ${object.spec?.uuid}`),
  });
  factory.start();
  await factory.waitForSync();
  const { tracker } = fake.fake;
  tracker.of(gpus).apply(gpu("gpu-0", "GPU-0"));
  await eventually(() => told.length >= 2, "the update to be told");
  tracker.expire();
  tracker.of(gpus).apply(gpu("gpu-1"));
  await eventually(() => told.length >= 3, "the addition to be told");
  expect(told).toEqual(["gpu-0 true", "gpu-0 GPU-0", "gpu-1 false"]);
  expect(lister.list().map(({ metadata }) => metadata?.name)).toEqual(["gpu-0", "gpu-1"]);
});

test("a provider's report takes the place of what the test put there of the same type", async () => {
  const seeded = gpu("gpu-0");
  seeded.status = create(GpuStatusSchema, {
    conditions: [
      { type: "Ready", status: "False" },
      { type: "Link", status: "False" },
      { type: "Memory", status: "True" },
    ],
  });
  const fake = createFakeClientset(seeded);
  const device = fake.deviceV1alpha1();
  expect(conditions(await device.gpus().get("gpu-0"))).toEqual(["Ready=False", "Link=False", "Memory=True"]);
  await device.providers("p").updateCondition("gpu-0", { type: "Link", status: "True" });
  expect(conditions(await device.gpus().get("gpu-0"))).toEqual(["Ready=True", "Link=True", "Memory=True"]);
  await device.providers("p").updateStatus("gpu-0", { conditions: [] });
  expect(conditions(await device.gpus().get("gpu-0"))).toEqual(["Ready=False", "Link=False", "Memory=True"]);
});

test("a GPU that the test changes by itself is as the test left it, and reports start anew", async () => {
  const fake = createFakeClientset();
  const p = fake.deviceV1alpha1().providers("p");
  const read = () => fake.deviceV1alpha1().gpus().get("gpu-0").then(conditions);
  await p.register("gpu-0");
  await p.updateCondition("gpu-0", { type: "Link", status: "False" });
  fake.fake.tracker.of(gpus).apply(gpu("gpu-0"));
  expect(await read()).toEqual([]);
  await p.updateCondition("gpu-0", { type: "Memory", status: "True" });
  expect(await read()).toEqual(["Ready=True", "Memory=True"]);
});

test("registering what the test put there changes nothing of it", async () => {
  const fake = createFakeClientset(create(GpuSchema, { metadata: { name: "gpu-0" } }));
  const { created, resourceVersion } = await fake.deviceV1alpha1().providers("p").register("gpu-0");
  expect([created, resourceVersion]).toEqual([false, 2n]);
});

test("a lease that runs out turns good news Unknown, once for those who send heartbeats", async () => {
  const fake = createFakeClientset();
  const p = fake.deviceV1alpha1().providers("p");
  const read = () => fake.deviceV1alpha1().gpus().get("gpu-0").then(conditions);
  await p.register("gpu-0");
  await p.updateStatus("gpu-0", {
    conditions: [
      { type: "Link", status: "False" },
      { type: "Memory", status: "True" },
    ],
  });
  fake.expireLease("p");
  expect(await read()).toEqual(["Ready=False", "Link=False", "Memory=True"]);
  expect((await p.heartbeat()).acknowledged).toBe(true);
  fake.expireLease("p");
  expect(await read()).toEqual(["Ready=False", "Link=False", "Memory=Unknown"]);
  expect((await p.heartbeat()).acknowledged).toBe(false);
  expect((await p.heartbeat()).acknowledged).toBe(true);
  expect(await read()).toEqual(["Ready=False", "Link=False", "Memory=Unknown"]);
  await p.updateCondition("gpu-0", { type: "Memory", status: "True" });
  expect(await read()).toEqual(["Ready=False", "Link=False", "Memory=True"]);
});

test("keep-alive on a fake writes the state at the start, and when the lease was lost", async () => {
  const fake = createFakeClientset();
  let written = 0;
  const beats = () => fake.fake.actions.filter(({ verb }) => verb === "heartbeat").length;
  using _ = fake
    .deviceV1alpha1()
    .providers("p")
    .keepAlive({ periodMs: 5, onLost: () => void written++ });
  await eventually(() => beats() >= 2, "two heartbeats");
  expect(written).toBe(1);
  fake.expireLease("p");
  await eventually(() => written === 2, "the state to be written again");
  const before = beats();
  await eventually(() => beats() >= before + 2, "two more heartbeats");
  expect(written).toBe(2);
});
