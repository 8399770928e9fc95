import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fromJson } from "@bufbuild/protobuf";
import { GpuListSchema, GpuService, WatchGpusResponseSchema } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { DescribeGpuResponseSchema } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { runBinary, runShell } from "../support/run-binary.ts";
import { TestClient } from "../support/test-client.ts";

/** What a user and a script see of the compiled binary's commands, through pipes. */

let server: RunningBinary;
let empty: RunningBinary;
let client: TestClient;

beforeAll(async () => {
  server = await spawnBinary(["--simulate=64", "--provider-lease=1s"]);
  empty = await spawnBinary([]);
  client = new TestClient(server.unixTarget);
  await run("simulate", "break", "gpu-40", "--xid=79");
});

afterAll(async () => {
  client[Symbol.dispose]();
  await Promise.all([server.stop(), empty.stop()]);
});

const env = () => ({ NVIDIA_DEVICE_API_TARGET: server.unixTarget });
const run = (...args: readonly string[]) => runBinary(args, env());
const shell = (line: string) => runShell(line, env());

describe("with 64 GPUs, one of them broken", () => {
  test("get shows each in a line, in natural order, and nothing else", async () => {
    const { status, out, err } = await run("get");
    expect([status, err]).toEqual([0, ""]);
    const lines = out.trimEnd().split("\n");
    expect(lines.slice(1).map((line) => line.split(" ")[0])).toEqual(Array.from({ length: 64 }, (_, i) => `gpu-${i}`));
    expect(lines[41]).toMatch(/^gpu-40 {2}False {2}XidError {5}RESTART_BM {2}\d+s$/);
    expect(out).not.toContain("\u001b");
  });

  test("get --check ends with 1, and with 0 for those that are well", async () => {
    expect((await run("get", "--check")).status).toBe(1);
    expect((await run("get", "--check", "gpu-0", "gpu-1")).status).toBe(0);
    expect((await run("get", "--check", "gpu-40")).status).toBe(1);
  });

  test("get -o json and yaml are what the server says, by the protobuf mapping", async () => {
    const { gpuList } = await client.call(GpuService.method.listGpus, {});
    const json = JSON.parse((await run("get", "-o", "json")).out);
    expect(fromJson(GpuListSchema, json)).toEqual(gpuList as NonNullable<typeof gpuList>);
    expect(Bun.YAML.parse((await run("get", "-o", "yaml")).out)).toEqual(json);
  });

  test("describe tells what is wrong, what to do, and since when", async () => {
    const { status, out, err } = await run("describe", "GPU-40");
    expect([status, err]).toEqual([0, ""]);
    expect(out).toMatch(/^Ready: +False for \d+s, XidError$/m);
    expect(out).toContain("RESTART_BM: drain the node and restart the machine\n");
    expect(out).toContain("device-api-server explain 79\n");
    expect(out).toMatch(/^ {2}NVMLReady +False +\d+s +XidError +yes +simulated$/m);
    expect(out).toMatch(/^ {2}\d+s +MODIFIED +Ready True -> False \(XidError\)$/m);
    expect(out).toMatch(/^ {2}\d+s +ADDED +Ready is True \(Initialized\), and 1 more condition$/m);
  });

  test("describe shows what a worse report hides, and a provider that is silent", async () => {
    const { registerGpu, updateGpuCondition, heartbeat } = ProviderService.method;
    await client.call(registerGpu, { name: "gpu-7", providerId: "monitor" });
    const condition = { type: "NVMLReady", status: "Unknown", reason: "NotSure" };
    await client.call(updateGpuCondition, { name: "gpu-7", providerId: "monitor", condition });
    await client.call(heartbeat, { providerId: "monitor" });
    await Bun.sleep(1_200);
    const { out } = await run("describe", "gpu-7");
    expect(out).toMatch(
      /^Hidden by another report of the same type:\n.*\n {2}NVMLReady +True +\d+s +Initialized +simulated$/m,
    );
    expect(out).toMatch(/^ {2}monitor +uid:\d+ +lost +\d+s +\d+s +yes +1 +0 +-$/m);
    await run("provider", "forget", "monitor", "--reason=over");
  });

  test("describe has an operator's reason of any length whole, as text, JSON and YAML", async () => {
    const reason = `seated anew ${"and again ".repeat(50)}`.trim();
    await run("simulate", "break", "gpu-6", "--xid=79");
    await run("clear", "gpu-6", "--reason", reason);
    expect((await run("describe", "gpu-6")).out).toContain(`      ${reason}\n`);
    const json = JSON.parse((await run("describe", "gpu-6", "-o", "json")).out);
    const described = fromJson(DescribeGpuResponseSchema, json);
    expect([described.gpu?.metadata?.name, described.actions.at(-1)?.reason]).toEqual(["gpu-6", reason]);
    expect(Bun.YAML.parse((await run("describe", "gpu-6", "-oyaml")).out)).toMatchObject({ gpu: json.gpu });
    const several = (await run("describe", "gpu-6", "gpu-5", "-ojson")).out.trim().split("\n");
    expect(several.map((line) => JSON.parse(line).gpu.metadata.name)).toEqual(["gpu-6", "gpu-5"]);
  });

  test("status counts them and shows the broken one first", async () => {
    const { status, out } = await run("status");
    const lines = out.split("\n");
    expect([status, lines[1], lines[4]?.split(" ")[0]]).toEqual([
      0,
      "64 GPUs: 63 ready, 1 not ready, 0 unknown",
      "gpu-40",
    ]);
  });
});

describe("a pipe", () => {
  test("whose reader takes one line ends the command well", async () => {
    const { status, out, err } = await shell("set -o pipefail; das get | head -n 1; das explain --all | head -n 1");
    expect([status, err]).toEqual([0, ""]);
    expect(out.split("\n").map((line) => line.split(" ")[0])).toEqual(["NAME", "XID", ""]);
  });

  test("of a watch ends with its reader, also while nothing happens", async () => {
    const { status, out, err } = await shell("set -o pipefail; das watch -o name | head -n 64 | tail -n 1");
    expect([status, out, err]).toEqual([0, "gpu-63\n", ""]);
    expect((await shell("set -o pipefail; das status --follow | head -n 1")).status).toBe(0);
  });

  test("that is closed before it starts fails no command", async () => {
    for (const line of ["das get >&-", "das status >&-", "das describe gpu-0 >&- 2>&-"]) {
      expect((await shell(line)).status).toBe(0);
    }
  });

  test("gets from a watch one JSON object a line, from the version that is asked for", async () => {
    const { resourceVersion } = JSON.parse((await run("get", "gpu-2", "-o=json")).out);
    await run("simulate", "break", "gpu-2", "--xid=79");
    const { out } = await shell(`das watch --from ${resourceVersion} -o json | head -n 1`);
    // Others of this file change GPUs too: whatever comes first comes after.
    const event = fromJson(WatchGpusResponseSchema, JSON.parse(out));
    expect(event.object?.resourceVersion).toBeGreaterThan(BigInt(resourceVersion));
    await run("simulate", "heal", "gpu-2");
  });
});

describe("an argument that the server cannot use", () => {
  test.each([
    ["an empty name to get", ["get", ""], "name"],
    ["an empty name to describe", ["describe", ""], "name"],
    ["the server's own condition", ["clear", "gpu-0", "--type=Ready", "--reason=x"], "Ready"],
    ["a long reason", ["clear", "gpu-0", `--reason=${"x".repeat(1_025)}`], "1025"],
    ["a number that is no version", ["watch", "--from=99999999999999999999"], "99999999999999999999"],
  ])("(%s) ends with status 2 and a line", async (_, args, text) => {
    const { status, out, err } = await run(...args);
    expect([status, out, err.split("\n").length]).toEqual([2, "", 2]);
    expect(err).toContain(text);
  });

  test("of a version that is not there yet ends with status 1 and says so", async () => {
    const { status, err } = await run("watch", "--from=9007199254740991");
    expect(status).toBe(1);
    expect(err).toContain("the server has not come to version 9007199254740991: its last one is 1");
  });
});

describe("an empty server", () => {
  const on = (...args: readonly string[]) => runBinary(args, { NVIDIA_DEVICE_API_TARGET: empty.unixTarget });

  test("has no line on standard output, says why beside it, and is no failure", async () => {
    const { status, out, err } = await on("get", "--check");
    expect([status, out]).toEqual([0, ""]);
    expect(err).toStartWith("no GPUs: no provider has registered one");
    expect((await on("status")).out).toContain("0 GPUs: 0 ready, 0 not ready, 0 unknown\n");
    expect(JSON.parse((await on("get", "-o=json")).out)).toEqual({ metadata: expect.anything() });
    expect((await on("provider", "list")).out).toBe("no providers\n");
  });

  test("knows no GPU to describe, and says where to look", async () => {
    const { status, out, err } = await on("describe", "gpu-0");
    expect([status, out]).toEqual([1, ""]);
    expect(err).toBe(
      'device-api-server: NOT_FOUND: no GPU is named "gpu-0". "device-api-server get" shows those that there are\n',
    );
  });
});

describe("a server that is gone", () => {
  const COMMANDS = [
    ["get"],
    ["describe", "gpu-0"],
    ["watch"],
    ["status"],
    ["status", "--follow"],
    ["clear", "gpu-0", "--reason=x"],
    ["provider", "list"],
    ["provider", "forget", "x"],
    ["simulate", "heal", "gpu-0"],
  ];

  test.each(COMMANDS)("ends %s with status 3, and one line that says what to try", async (...args) => {
    const { status, out, err } = await run(...args, `--target=${server.socket}.gone`);
    expect([status, out]).toEqual([3, ""]);
    expect(err).toMatch(/^device-api-server: cannot reach the server at [^\n]+Is the server running\?[^\n]+\n$/);
  });

  test("while it is watched ends the watch with status 3", async () => {
    const other = await spawnBinary(["--simulate=1"]);
    const env = { NVIDIA_DEVICE_API_TARGET: other.unixTarget };
    let stopping: Promise<number> | undefined;
    const onOutput = (out: string) => {
      if (out.includes("gpu-0")) stopping ??= other.stop();
    };
    const { status, err } = await runBinary(["watch"], env, onOutput);
    expect([status, await stopping]).toEqual([3, 0]);
    expect(err).toContain("cannot reach the server");
  });
});

test("whoever may read may describe, see events and status, also over TCP", async () => {
  const target = `--target=${server.tcpTarget}`;
  for (const args of [["describe", "gpu-40"], ["status"], ["get"]]) {
    expect((await run(...args, target)).status).toBe(0);
  }
  expect((await run("provider", "list", target)).err).toContain("PERMISSION_DENIED: administration is answered");
});
