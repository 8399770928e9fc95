import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";

/** What an operator types: grpcurl without any .proto file, against the compiled binary. */

const GRPCURL = Bun.env["DEVICE_API_GRPCURL"] ?? join(import.meta.dir, "../../.tools/bin/grpcurl");
const SERVICE = "nvidia.device.v1alpha1";

let binary: RunningBinary;

beforeAll(async () => {
  binary = await spawnBinary(["--simulate=2"]);
});

afterAll(async () => {
  await binary.stop();
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function grpcurl(target: "tcp" | "unix", ...args: readonly string[]): Promise<Result> {
  const at = args.findIndex((arg) => !arg.startsWith("-") && !/^[{"]/.test(arg));
  const address = target === "tcp" ? [binary.tcpTarget] : ["-unix", binary.socket];
  const child = Bun.spawn([GRPCURL, "-plaintext", ...args.slice(0, at), ...address, ...args.slice(at)], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

const data = (value: object) => `-d=${JSON.stringify(value)}`;

describe.skipIf(!existsSync(GRPCURL))("grpcurl", () => {
  test("lists every service", async () => {
    const { out } = await grpcurl("tcp", "list");
    expect(out.trim().split("\n")).toEqual([
      "deviceapi.admin.v1alpha1.AdminService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      `${SERVICE}.GpuService`,
      `${SERVICE}.ProviderService`,
    ]);
  });

  test.each([
    [`${SERVICE}.GpuService`, "rpc WatchGpus ( .nvidia.device.v1alpha1.WatchGpusRequest ) returns ( stream"],
    [`${SERVICE}.Gpu`, "int64 resource_version = 4"],
    [`${SERVICE}.Condition`, ".google.protobuf.Timestamp last_transition_time = 3"],
    ["google.protobuf.Timestamp", "int64 seconds = 1"],
    [`${SERVICE}.ProviderService.Heartbeat`, "HeartbeatRequest"],
  ])("describes %s, well-known types included", async (symbol, text) => {
    const { code, out } = await grpcurl("tcp", "describe", symbol);
    expect([code, out]).toEqual([0, expect.stringContaining(text)]);
  });

  test("lists and gets GPUs over TCP", async () => {
    const list = JSON.parse((await grpcurl("tcp", `${SERVICE}.GpuService/ListGpus`)).out);
    expect(list.gpuList.items.map((gpu: { metadata: { name: string } }) => gpu.metadata.name)).toEqual([
      "gpu-0",
      "gpu-1",
    ]);
    const get = JSON.parse((await grpcurl("tcp", data({ name: "gpu-1" }), `${SERVICE}.GpuService/GetGpu`)).out);
    expect(get.gpu.status.conditions[0]).toMatchObject({ type: "Ready", status: "True" });
  });

  test("writes over the unix socket, and reads it back", async () => {
    const condition = { type: "Memory", status: "False", reason: "Dbe", message: "double bit error" };
    const call = (method: string, request: object) =>
      grpcurl("unix", data(request), `${SERVICE}.ProviderService/${method}`).then(({ out }) => JSON.parse(out));
    expect(await call("RegisterGpu", { name: "curl", spec: { uuid: "GPU-curl" } })).toMatchObject({ created: true });
    expect(Number((await call("UpdateGpuCondition", { name: "curl", condition })).resourceVersion)).toBeGreaterThan(0);
    expect(Number((await call("UpdateGpuStatus", { name: "curl", status: {} })).resourceVersion)).toBeGreaterThan(0);
    expect(await call("Heartbeat", { providerId: "curl" })).toEqual({ acknowledged: true });
    expect(await call("UnregisterGpu", { name: "curl" })).toEqual({ deleted: true });
  });

  test.each([
    ["tcp", "GpuService/GetGpu", { name: "" }, "InvalidArgument", "name: must not be empty"],
    ["tcp", "GpuService/GetGpu", { name: "nobody" }, "NotFound", 'no GPU is named "nobody"'],
    ["tcp", "GpuService/ListGpus", { opts: { resourceVersion: "x" } }, "InvalidArgument", "not a decimal int64"],
    ["tcp", "GpuService/WatchGpus", { opts: { resourceVersion: "1" } }, "OutOfRange", "list again"],
    ["tcp", "ProviderService/RegisterGpu", { name: "a" }, "PermissionDenied", "--tcp-allow-providers"],
    ["unix", "ProviderService/RegisterGpu", { name: "a b" }, "InvalidArgument", "name:"],
    ["unix", "ProviderService/UpdateGpuStatus", { name: "nobody", status: {} }, "NotFound", "nobody"],
    ["unix", "ProviderService/Heartbeat", {}, "InvalidArgument", "provider_id: must not be empty"],
  ] as const)("over %s, %s of %p fails with %s", async (target, method, request, code, text) => {
    const { err } = await grpcurl(target, data(request), `${SERVICE}.${method}`);
    expect(err).toContain(`Code: ${code}`);
    expect(err).toContain(text);
  });

  test("the health check answers for the server and for each service", async () => {
    for (const service of ["", `${SERVICE}.GpuService`, `${SERVICE}.ProviderService`]) {
      const { out } = await grpcurl("unix", data({ service }), "grpc.health.v1.Health/Check");
      expect(JSON.parse(out)).toEqual({ status: "SERVING" });
    }
  });
});
