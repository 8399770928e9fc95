import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { eventually } from "../../../tests/support/grpc-fixture.ts";
import { GpuSchema } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { type Clientset, createClientset } from "../clientset.ts";
import { connect } from "../connection/connect.ts";
import { gpus } from "../device/v1alpha1/gpu.gen.ts";
import { isExpired } from "../errors.ts";
import { createFakeClientset, createFakeClientsetWith } from "./fake-clientset.ts";
import { startFakeServer } from "./fake-server.ts";

const folder = mkdtempSync(join(tmpdir(), "fake-server-"));
afterAll(() => rmSync(folder, { recursive: true }));

const gpu = (name: string, uuid = "") => create(GpuSchema, { metadata: { name }, spec: { uuid } });
const failure = (call: Promise<unknown>) => call.then(String, String);
const forever = () => new Promise<never>(() => {});
const noRetry = { retry: { maxAttempts: 1 } };

interface Caller extends AsyncDisposable {
  readonly clientset: Clientset;
}

function dial(target: string): Caller {
  const connection = connect({ target, ...noRetry });
  return { clientset: createClientset(connection), [Symbol.asyncDispose]: () => connection.close() };
}

test("a stop ends watches with UNAVAILABLE, takes the socket away and may be repeated", async () => {
  const socketPath = join(folder, "stop.sock");
  const server = await startFakeServer(createFakeClientset(gpu("gpu-0")).fake, { socketPath });
  expect(server.target).toBe(`unix://${socketPath}`);
  await using caller = dial(server.target);
  const watch = caller.clientset.deviceV1alpha1().gpus().watch()[Symbol.asyncIterator]();
  expect((await watch.next()).value?.object.metadata?.name).toBe("gpu-0");
  const end = failure(watch.next());
  await Promise.all([server.stop(), server.stop()]);
  expect(await end).toContain("UNAVAILABLE: the server is shutting down");
  expect(existsSync(socketPath)).toBe(false);
  await using again = await startFakeServer(server.fake, { socketPath });
  expect((await caller.clientset.deviceV1alpha1().gpus().list()).items).toHaveLength(1);
  expect(again.fake.tracker).toBe(server.fake.tracker);
});

test("a call that a reactor holds open is cut off when the grace is over", async () => {
  const { fake } = createFakeClientset();
  fake.prependReactor("get", "gpus", forever);
  const time = new SimulatedTime();
  const server = await startFakeServer(fake, { scheduler: time });
  await using caller = dial(server.target);
  const call = failure(caller.clientset.deviceV1alpha1().gpus().get("gpu-0"));
  await eventually(() => fake.actions.length > 0, "the call to reach the reactor");
  const stopped = server.stop();
  time.advance(1_000);
  await stopped;
  expect(await call).toMatch(/UNAVAILABLE|CANCELLED/);
  expect(time.pending).toBe(0);
});

test("a socket that cannot be taken is an error", async () => {
  const socketPath = join(folder, "no-such-folder", "x.sock");
  const error = await failure(startFakeServer(createFakeClientset().fake, { socketPath }));
  expect(error).toContain(socketPath);
});

test("the test and its callers see one state, and what was called is recorded with its metadata", async () => {
  const fake = createFakeClientset();
  await using server = await startFakeServer(fake.fake);
  await using caller = dial(server.target);
  const device = caller.clientset.deviceV1alpha1();
  await device.providers("p").register("gpu-0", {}, { metadata: { "x-trace": "7" } });
  expect(fake.fake.tracker.of(gpus).get("gpu-0")?.metadata?.resourceVersion).toBe("2");
  expect((await fake.deviceV1alpha1().gpus().get("gpu-0")).resourceVersion).toBe(2n);
  expect(fake.fake.actions[0]).toMatchObject({ verb: "registerGpu", metadata: { "x-trace": "7" } });
});

test("a caller that goes away leaves no watch behind", async () => {
  const { fake } = createFakeClientset();
  await using server = await startFakeServer(fake);
  const caller = dial(server.target);
  const watching = caller.clientset.deviceV1alpha1().gpus().watch()[Symbol.asyncIterator]().next();
  await eventually(() => fake.tracker.openWatches > 0, "the watch to open");
  await caller[Symbol.asyncDispose]();
  await watching.catch(() => {});
  await eventually(() => fake.tracker.openWatches === 0, "the watch to be let go");
});

test("a watch that is not read expires instead of losing a change", async () => {
  const { fake } = createFakeClientsetWith({ historyEventsMax: 100 });
  await using server = await startFakeServer(fake);
  await using caller = dial(server.target);
  const objects = fake.tracker.of(gpus);
  objects.apply(gpu("gpu-0"));
  let seen = 0;
  let version = 1;
  try {
    for await (const { object } of caller.clientset.deviceV1alpha1().gpus().watch({ resourceVersion: "1" })) {
      expect(Number(object.resourceVersion)).toBe(++version);
      if (seen++ > 0) continue;
      // Slowly enough for a reader to follow, and far more than what the window takes while nothing is read.
      for (let i = 0; i < 500; i++) {
        objects.apply(gpu("gpu-0", `${"x".repeat(4_000)}${i}`));
        if (i % 10 === 0) await Bun.sleep(1);
      }
    }
  } catch (error) {
    expect(isExpired(error)).toBe(true);
  }
  expect(version).toBeLessThan(500);
});

test("a watch that is silent is open all the same: its headers come at once", async () => {
  await using server = await startFakeServer(createFakeClientset().fake);
  const client = new grpc.Client(server.target, grpc.credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  const path = "/nvidia.device.v1alpha1.GpuService/WatchGpus";
  const call = client.makeServerStreamRequest(path, same, same, Buffer.alloc(0));
  call.on("error", () => {});
  await new Promise((resolve) => call.on("metadata", resolve));
  call.cancel();
  client.close();
});

test("a request that is none is INVALID_ARGUMENT", async () => {
  await using server = await startFakeServer(createFakeClientset().fake);
  const client = new grpc.Client(server.target, grpc.credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  const path = "/nvidia.device.v1alpha1.GpuService/GetGpu";
  const code = await new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, Buffer.from([0x0a, 0xff]), (error) => resolve(error?.code));
  });
  client.close();
  expect(code).toBe(grpc.status.INVALID_ARGUMENT);
});
