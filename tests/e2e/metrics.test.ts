import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { sumOf } from "../support/metrics.ts";
import { TestClient } from "../support/test-client.ts";

/** T-OBS-1: every metric that the binary shows moves when what it counts happens. */

const { getGpu, listGpus, watchGpus } = GpuService.method;
const { registerGpu, unregisterGpu, updateGpuStatus, updateGpuCondition, heartbeat } = ProviderService.method;
const P = "device_api_server_";

let binary: RunningBinary;
let writer: TestClient;
let reader: TestClient;
let exposition: string;

const scrapeAll = async () => (await fetch(binary.metricsUrl)).text();
const now = (name: string, labels = "") => sumOf(exposition, P + name, labels);

beforeAll(async () => {
  binary = await spawnBinary(["--simulate=3", "--provider-lease=1s", "--node-name=node-7", "--max-connections=8"]);
  writer = new TestClient(binary.unixTarget);
  reader = new TestClient(binary.tcpTarget);
  exposition = await scrapeAll();
});

afterAll(async () => {
  writer[Symbol.dispose]();
  reader[Symbol.dispose]();
  await binary.stop();
});

test("before anything happens: three GPUs of the simulation, all well, and every counter there at 0", () => {
  const gpus = ["total", "healthy", "unhealthy", "unknown"].map((state) => now(`cache_gpus_${state}`));
  expect(gpus).toEqual([3, 3, 0, 0]);
  expect(now("cache_updates_total", 'operation="set"')).toBe(3);
  for (const name of ["watch_streams_active", "watch_events_total", "permission_denied_total"])
    expect(now(name)).toBe(0);
  for (const name of ["nvml_provider_enabled", "nvml_gpu_count", "nvml_health_monitor_running"]) {
    expect([name, now(name), exposition.includes(`${P}${name} 0`)]).toEqual([name, 0, true]);
  }
});

test("info names version, node and an empty go_version", () => {
  expect(exposition).toMatch(/device_api_server_info\{version="[^"]+",go_version="",node="node-7"\} 1/);
});

test("each metric moves with what it counts", async () => {
  const before = exposition;
  const watch = reader.stream(watchGpus, {});
  await watch.messagesUpTo(3);
  await writer.call(AdminService.method.simulateBreak, { name: "gpu-1", xid: 79 });
  await writer.call(registerGpu, { name: "mine" });
  await writer.call(updateGpuStatus, { name: "mine", status: { conditions: [{ type: "A", status: "True" }] } });
  await writer.call(updateGpuCondition, { name: "mine", condition: { type: "A", status: "Unknown" } });
  await writer.call(getGpu, { name: "mine" });
  await writer.failure(getGpu, { name: "nobody" });
  await reader.call(listGpus, {});
  expect((await reader.failure(registerGpu, { name: "no" })).code).toBe("PERMISSION_DENIED");
  await writer.call(heartbeat, { providerId: "short" });
  await Bun.sleep(1_500);
  exposition = await scrapeAll();
  const states = ["total", "healthy", "unhealthy", "unknown"].map((state) => now(`cache_gpus_${state}`));
  expect(states).toEqual([4, 2, 1, 1]);
  const grew = (name: string, labels = "") => now(name, labels) - sumOf(before, P + name, labels);
  expect(grew("cache_updates_total", 'operation="register"')).toBe(1);
  expect(grew("cache_updates_total", 'operation="update_status"')).toBe(1);
  expect(grew("cache_updates_total", 'operation="update_condition"')).toBe(1);
  expect(grew("cache_updates_total", 'operation="set"')).toBe(1);
  expect(grew("cache_resource_version")).toBe(4);
  expect(now("watch_streams_active")).toBe(1);
  expect(grew("watch_events_total", 'type="ADDED"')).toBe(4);
  expect(grew("watch_events_total", 'type="MODIFIED"')).toBe(3);
  expect(now("watch_events_dropped_total")).toBe(0);
  expect(grew("grpc_requests_total", 'GetGpu",code="OK"')).toBe(1);
  expect(grew("grpc_requests_total", 'GetGpu",code="NOT_FOUND"')).toBe(1);
  expect(grew("grpc_requests_total", 'RegisterGpu",code="PERMISSION_DENIED"')).toBe(1);
  expect(grew("grpc_request_duration_seconds_count", "GetGpu")).toBe(2);
  expect(now("grpc_request_duration_seconds_count", "WatchGpus")).toBe(0);
  expect(grew("permission_denied_total", 'rule="tcp-read-only"')).toBe(1);
  expect(now("connections_open")).toBe(2);
  expect(now("leases_expired_total")).toBe(1);
  expect(now("providers", 'state="lost"')).toBe(1);
  await writer.call(unregisterGpu, { name: "mine" });
  watch.call.cancel();
  await Bun.sleep(200);
  exposition = await scrapeAll();
  expect(now("cache_updates_total", 'operation="unregister"')).toBe(1);
  expect(now("watch_events_total", 'type="DELETED"')).toBe(1);
  expect(now("watch_streams_active")).toBe(0);
  expect(now("grpc_requests_total", "WatchGpus")).toBe(1);
});

test("a connection over the cap is counted", async () => {
  const path = binary.unixTarget.replace("unix://", "");
  const sockets = Array.from({ length: 20 }, () => connect(path).on("error", () => {}));
  await Bun.sleep(500);
  exposition = await scrapeAll();
  for (const socket of sockets) socket.destroy();
  expect(now("connections_rejected_total")).toBeGreaterThanOrEqual(12);
  expect(now("connections_open")).toBeLessThanOrEqual(8);
});

test("the process's own metrics are there under their standard names and move", async () => {
  const cpu = sumOf(exposition, "process_cpu_seconds_total");
  for (let i = 0; i < 200; i++) await writer.call(listGpus, {});
  exposition = await scrapeAll();
  expect(sumOf(exposition, "process_cpu_seconds_total")).toBeGreaterThan(cpu);
  expect(sumOf(exposition, "process_resident_memory_bytes")).toBeGreaterThan(10 * 2 ** 20);
  expect(sumOf(exposition, "process_open_fds")).toBeGreaterThan(5);
  expect(sumOf(exposition, "process_max_fds")).toBeGreaterThanOrEqual(256);
  const age = Date.now() / 1_000 - sumOf(exposition, "process_start_time_seconds");
  expect(age).toBeGreaterThan(0);
  expect(age).toBeLessThan(600);
});
