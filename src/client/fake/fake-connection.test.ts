import { expect, test } from "bun:test";
import { eventually } from "../../../tests/support/grpc-fixture.ts";
import { GpuService } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { SimulatedTime } from "../../testing/simulated-time.ts";
import { deviceV1alpha1Resources } from "../device/v1alpha1/client.gen.ts";
import { ApiError, isConnectionClosed } from "../errors.ts";
import { createFake } from "./fake.ts";
import { createFakeConnection } from "./fake-connection.ts";

const { getGpu, watchGpus } = GpuService.method;
const failure = (call: Promise<unknown>) => call.then(String, String);
const forever = () => new Promise<never>(() => {});

function setUp() {
  const time = new SimulatedTime();
  const fake = createFake({ resources: deviceV1alpha1Resources });
  return { time, fake, connection: createFakeConnection(fake, { scheduler: time }) };
}

async function count(watch: AsyncIterable<unknown>): Promise<number> {
  let events = 0;
  for await (const _ of watch) events++;
  return events;
}

test("a call that is not answered fails when its time is over", async () => {
  const { time, fake, connection } = setUp();
  fake.prependReactor("get", "gpus", forever);
  const call = failure(connection.unary(getGpu, { name: "gpu-0" }, { timeoutMs: 50 }));
  const usual = failure(connection.unary(getGpu, { name: "gpu-0" }));
  time.advance(50);
  expect(await call).toContain("DEADLINE_EXCEEDED: no answer within 50 ms");
  time.advance(10_000);
  expect(await usual).toContain("DEADLINE_EXCEEDED: no answer within 10000 ms");
  expect(time.pending).toBe(0);
});

test("a call that is answered leaves no timer behind", async () => {
  const { time, connection } = setUp();
  expect(await failure(connection.unary(getGpu, { name: "gpu-0" }))).toContain("NOT_FOUND");
  expect(time.pending).toBe(0);
});

test("a signal ends a call with CANCELLED, and a watch without an error, whatever its source does", async () => {
  const { fake, connection } = setUp();
  fake.prependReactor("get", "gpus", forever);
  const gone = new AbortController();
  const { signal } = gone;
  const silent = count(connection.serverStream(watchGpus, {}, { signal }));
  const call = failure(connection.unary(getGpu, { name: "gpu-0" }, { signal }));
  using _ = fake.prependReactor("watch", "gpus", async () => ({ handled: true, result: neverEnding() }));
  const stuck = count(connection.serverStream(watchGpus, {}, { signal }));
  await eventually(() => fake.actions.length === 3, "both watches and the call to reach the fake");
  gone.abort();
  expect(await call).toContain("CANCELLED: the caller's signal was aborted");
  expect([await silent, await stuck, fake.tracker.openWatches]).toEqual([0, 0, 0]);
  expect(await count(connection.serverStream(watchGpus, {}, { signal }))).toBe(0);
});

test("leaving a watch lets it go", async () => {
  const { fake, connection } = setUp();
  for await (const _ of connection.serverStream(Health.method.watch, {})) break;
  const iterator = connection.serverStream(watchGpus, {})[Symbol.asyncIterator]();
  const next = iterator.next();
  await eventually(() => fake.tracker.openWatches === 1, "the watch to open");
  fake.tracker.endWatches(new ApiError("ABORTED", "over"));
  expect(await failure(next)).toContain("ABORTED: over (nvidia.device.v1alpha1.GpuService/WatchGpus)");
  expect(fake.tracker.openWatches).toBe(0);
});

test("a watch opens when it is iterated, once for each loop", async () => {
  const { fake, connection } = setUp();
  const watch = connection.serverStream(Health.method.watch, {});
  for (let loop = 0; loop < 2; loop++) {
    for await (const { status } of watch) {
      expect(status).toBe(1);
      break;
    }
  }
  expect(fake.actions).toEqual([]);
});

test("closing ends what is open, and refuses what comes later", async () => {
  const { fake, connection } = setUp();
  fake.prependReactor("get", "gpus", forever);
  const call = connection.unary(getGpu, { name: "gpu-0" }).catch(isConnectionClosed);
  const watch = count(connection.serverStream(watchGpus, {})).catch(isConnectionClosed);
  await eventually(() => fake.actions.length === 2, "the call and the watch to reach the fake");
  await connection.close();
  expect<unknown[]>([await call, await watch]).toEqual([true, true]);
  expect<unknown>(await connection.unary(getGpu, { name: "gpu-0" }).catch(isConnectionClosed)).toBe(true);
});

test("a method that the fake does not have is UNIMPLEMENTED", async () => {
  const { connection } = setUp();
  const without = createFakeConnection(createFake({ resources: [] }));
  expect(await failure(without.unary(getGpu, { name: "gpu-0" }))).toContain("UNIMPLEMENTED: the fake does not serve");
  expect(await failure(count(without.serverStream(watchGpus, {})))).toContain("UNIMPLEMENTED");
  expect((await connection.unary(Health.method.check, {})).status).toBe(1);
});

const neverEnding = (): AsyncIterable<never> => ({ [Symbol.asyncIterator]: () => ({ next: forever }) });
