import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { GpuListSchema, GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { ApiSchemas } from "../support/api-schemas.ts";
import { BINARY, type RunningBinary, spawnBinary } from "../support/binary.ts";
import { followStream } from "../support/event-stream.ts";
import { getRaw, requestText } from "../support/raw-http.ts";
import { TestClient } from "../support/test-client.ts";

/** The page's listener in the compiled binary: the JSON API, its stream, who may ask, and how it ends. */

const { registerGpu, updateGpuStatus, updateGpuCondition, unregisterGpu } = ProviderService.method;
const { simulateBreak, simulateHeal } = AdminService.method;

let binary: RunningBinary;
let client: TestClient;
let schemas: ApiSchemas;

beforeAll(async () => {
  binary = await spawnBinary(["--simulate=3", "--node-name=gpu-node-7"]);
  client = new TestClient(binary.unixTarget);
  schemas = new ApiSchemas((await ask("/api/v1/openapi.json")).json);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await binary.stop();
});

async function ask(path: string): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> {
  const response = await fetch(`${binary.uiUrl}${path}`);
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

const portOf = (server: RunningBinary): number => Number(new URL(server.uiUrl).port);

describe("the JSON API", () => {
  test("lists what gRPC lists", async () => {
    const { gpuList } = await client.call(GpuService.method.listGpus, {});
    const { json } = await ask("/api/v1/gpus");
    expect(fromJson(GpuListSchema, json as JsonValue)).toEqual(gpuList ?? expect.unreachable());
  });

  test.each([
    ["/api/v1/gpus", "/api/v1/gpus", 200],
    ["/api/v1/gpus/gpu-1", "/api/v1/gpus/{name}", 200],
    ["/api/v1/gpus/GPU-1", "/api/v1/gpus/{name}", 200],
    ["/api/v1/gpus/none", "/api/v1/gpus/{name}", 404],
    ["/api/v1/gpus/%ff", "/api/v1/gpus/{name}", 400],
    ["/api/v1/gpus?x=1", "/api/v1/gpus", 400],
    ["/api/v1/events", "/api/v1/events", 200],
    ["/api/v1/events?limit=1&gpu=gpu-2", "/api/v1/events", 200],
    ["/api/v1/events?limit=0", "/api/v1/events", 400],
    ["/api/v1/openapi.json", "/api/v1/openapi.json", 200],
    ["/api/v1/watch?from=x", "/api/v1/watch", 400],
    ["/api/v1/nothing", "/api/v1/gpus", 404],
  ])("answers %p as the document says of %p and %p", async (path, operation, status) => {
    const found = await ask(path);
    expect(found.status).toBe(status);
    expect(schemas.faults(schemas.answerOf(operation, status), found.json)).toEqual([]);
  });

  test("tells what changed last, and by whose word", async () => {
    await client.call(simulateBreak, { name: "gpu-2", xid: 79 });
    const { json } = await ask("/api/v1/events?limit=1");
    expect(schemas.faults("EventList", json)).toEqual([]);
    expect(json["events"]).toMatchObject([
      {
        gpu: "gpu-2",
        type: "MODIFIED",
        changes: [{ type: "Ready", previousStatus: "True", status: "False" }, { type: "NVMLReady" }],
        recommendedAction: "RESTART_BM",
        by: expect.stringMatching(/^SimulateBreak by uid \d+/),
      },
    ]);
    await client.call(simulateHeal, { name: "gpu-2" });
  });

  test("gives texts as providers wrote them, whatever they hold", async () => {
    const message = `<script>alert(1)</script>&"'\u202e\u2028\u0000\n${"é".repeat(4_000)}`;
    const condition = { type: "</script><img src=x onerror=alert(1)>", status: "False", reason: "\u061cx", message };
    await client.call(registerGpu, { name: "hostile" });
    await client.call(updateGpuStatus, { name: "hostile", status: { conditions: [condition] } });
    const { json } = await ask("/api/v1/gpus/hostile");
    expect(schemas.faults("Gpu", json)).toEqual([]);
    expect((json["status"] as { conditions: unknown[] }).conditions[1]).toMatchObject(condition);
    await client.call(unregisterGpu, { name: "hostile" });
  });
});

describe("the stream", () => {
  test("shows the state, then a GPU that breaks and heals, each event as the document says", async () => {
    using stream = await followStream(binary.uiUrl);
    await stream.until(() => stream.data("synced").length === 1, "the snapshot");
    await client.call(simulateBreak, { name: "gpu-1", xid: 79 });
    await client.call(simulateHeal, { name: "gpu-1" });
    await client.call(registerGpu, { name: "late" });
    await client.call(unregisterGpu, { name: "late" });
    await stream.until(() => stream.data("DELETED").length === 1, "the last event");
    const seen = stream.events.slice(5).map(({ type, data }) => `${type} ${JSON.parse(data).object.metadata.name}`);
    expect(seen).toEqual(["MODIFIED gpu-1", "MODIFIED gpu-1", "ADDED late", "DELETED late"]);
    const names = schemas.streamData();
    for (const { type, data } of stream.events) {
      expect([type, schemas.faults(names[type] ?? "", JSON.parse(data))]).toEqual([type, []]);
    }
    expect(stream.data("opened")).toMatchObject([{ node: "gpu-node-7", snapshot: true, gpus: 3 }]);
  });

  test("goes on from the last id, without the state and without a gap", async () => {
    const before = await followStream(binary.uiUrl);
    await before.until(() => before.data("synced").length === 1, "the snapshot");
    before[Symbol.dispose]();
    await client.call(simulateBreak, { name: "gpu-0", xid: 48 });
    using after = await followStream(binary.uiUrl, before.lastId);
    await after.until(() => after.events.length >= 2, "what was missed");
    await client.call(simulateHeal, { name: "gpu-0" });
    await after.until(() => after.events.length >= 3, "the next change");
    expect(after.events.map(({ type }) => type)).toEqual(["opened", "MODIFIED", "MODIFIED"]);
    const versions = after
      .data("MODIFIED")
      .map(({ object }) => (object as { resourceVersion: string }).resourceVersion);
    expect(versions).toEqual([1, 2].map((i) => String(Number(before.lastId) + i)));
  });

  test("from before a restart starts anew, and the last one of a server that ends says so", async () => {
    const args = ["--simulate=2", "--shutdown-timeout=5"];
    await using first = await spawnBinary(args);
    const stream = await followStream(first.uiUrl);
    await stream.until(() => stream.data("synced").length === 1, "the snapshot");
    const stopped = first.stop();
    await stream.ended;
    expect(stream.data("ended")).toEqual([{ code: "UNAVAILABLE", message: "the server is shutting down" }]);
    expect(await stopped).toBe(0);
    await using second = await spawnBinary(args);
    using again = await followStream(second.uiUrl, stream.lastId);
    await again.until(() => again.data("synced").length === 1, "the snapshot");
    expect(again.data("opened")).toMatchObject([{ snapshot: true, gpus: 2 }]);
  });
});

describe("who may ask", () => {
  test.each([
    [{ host: "evil.example" }, 421],
    [{ host: "evil.example:8082" }, 421],
    [{ host: "localhost:1" }, 200],
    [{ host: "[::1]:8082" }, 200],
    [{}, 400],
    [{ host: "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }, 403],
    [{ host: "localhost", origin: "http://evil.example" }, 200],
  ])("%p gets %p, and never leave to read from elsewhere", async (headers, status) => {
    for (const path of ["/", "/api/v1/gpus"]) {
      const found = await getRaw(portOf(binary), path, headers as Record<string, string>);
      expect([path, found?.status]).toEqual([path, status]);
      expect(Object.keys(found?.headers ?? {}).filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  test.each(["POST", "PUT", "PATCH", "DELETE"])("nobody by %s", async (method) => {
    const found = await fetch(`${binary.uiUrl}/api/v1/gpus/gpu-0`, { method });
    expect(found.status).toBe(405);
  });
});

/** Streams that are opened and never read. */
function stalled(server: RunningBinary, count: number): readonly Socket[] {
  return Array.from({ length: count }, () => {
    const socket = connect(portOf(server), "127.0.0.1", () => {
      socket.write(requestText("/api/v1/watch", { host: "localhost" }));
    });
    socket.pause();
    return socket.on("error", () => {});
  });
}

test("pages that take nothing are ended by name, and others miss nothing of it", async () => {
  await using server = await spawnBinary(["--simulate=1"]);
  using writer = new TestClient(server.unixTarget);
  await writer.call(registerGpu, { name: "busy" });
  const sockets = stalled(server, 8);
  using reader = await followStream(server.uiUrl);
  await eventuallyMetric(server, "ui_streams_active", 9);
  const expired = () => server.metric("device_api_server_ui_streams_ended_total", 'ending="expired"');
  // Until the history has moved past what the kernel took for them: 16 MiB beyond, at 8 kB for an event.
  let writes = 0;
  while ((await expired()) < 8 && writes < 40_000) {
    for (const end = writes + 1_000; writes < end; writes++) {
      const message = `${writes} ${"x".repeat(4_000)}`;
      await writer.call(updateGpuCondition, { name: "busy", condition: { type: "A", status: "False", message } });
    }
  }
  const changes = () => reader.events.filter(({ type }) => type === "MODIFIED");
  await reader.until(() => changes().length === writes, "every event");
  const ids = changes().map(({ data }) => Number(JSON.parse(data).object.resourceVersion));
  expect(ids).toEqual(ids.map((_, i) => (ids[0] ?? 0) + i));
  expect(await expired()).toBe(8);
  await eventuallyMetric(server, "ui_streams_active", 1);
  for (const socket of sockets) socket.destroy();
});

async function eventuallyMetric(server: RunningBinary, name: string, value: number, labels = ""): Promise<void> {
  let found = Number.NaN;
  const deadline = performance.now() + 30_000;
  while (found !== value && performance.now() < deadline) {
    found = await server.metric(`device_api_server_${name}`, labels);
    if (found !== value) await Bun.sleep(50);
  }
  expect([name, found]).toEqual([name, value]);
}

test("each metric of the page moves with what it counts", async () => {
  await using server = await spawnBinary(["--simulate=1"]);
  const metric = (name: string, labels = "") => server.metric(`device_api_server_${name}`, labels);
  await (await fetch(`${server.uiUrl}/`)).text();
  await (await fetch(`${server.uiUrl}/api/v1/gpus/x`)).text();
  await (await fetch(`${server.uiUrl}/a`)).text();
  expect(await metric("ui_requests_total", 'route="/",code="200"')).toBe(1);
  expect(await metric("ui_requests_total", 'route="/api/v1/gpus/{name}",code="404"')).toBe(1);
  expect(await metric("ui_requests_total", 'route="unknown",code="404"')).toBe(1);
  const stream = await followStream(server.uiUrl);
  await eventuallyMetric(server, "ui_streams_active", 1);
  stream[Symbol.dispose]();
  await eventuallyMetric(server, "ui_streams_active", 0);
  expect(await metric("ui_streams_ended_total", 'ending="client"')).toBe(1);
  const idle = Array.from({ length: 40 }, () => connect(portOf(server), "127.0.0.1").on("error", () => {}));
  await eventuallyMetric(server, "ui_connections_rejected_total", 8);
  for (const socket of idle) socket.destroy();
});

describe("the start", () => {
  const outcome = (...args: readonly string[]) => {
    const ports = ["--unix-socket=", "--grpc-address=127.0.0.1:0", "--health-port=0", "--metrics-port=0"];
    const done = Bun.spawnSync([BINARY, "serve", ...ports, ...args], { stdout: "pipe", stderr: "pipe" });
    return [done.exitCode, done.stderr.toString()];
  };

  test("without a page opens no port for it, and says so", async () => {
    await using server = await spawnBinary(["--ui-address="]);
    expect(server.uiUrl).toBe("http://undefined");
  });

  test("with an address that others reach has to be meant", () => {
    const [status, text] = outcome("--ui-address=0.0.0.0:8082");
    expect(status).toBe(2);
    expect(text).toContain("--ui-address: 0.0.0.0:8082 is not a loopback address: anyone who reaches it could read");
  });

  test("with a port that is taken ends with the flag and what to do", () => {
    const [status, text] = outcome(`--ui-address=127.0.0.1:${portOf(binary)}`);
    expect(status).toBe(2);
    expect(text).toContain(`--ui-address: cannot listen on 127.0.0.1:${portOf(binary)}: another process uses it`);
  });
});
