import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { Clock } from "../base/clock.ts";
import { GpuService } from "../gen/device/v1alpha1/gpu_pb.ts";
import { AdminService } from "../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import type { StopSignal } from "../server/app.ts";
import type { Config } from "../server/config.ts";
import { ListenError } from "../transport/listen-error.ts";
import { dispatch } from "./dispatch.ts";
import type { CommandIo } from "./io.ts";
import type { ServeHost } from "./serve.ts";

const folder = mkdtempSync(join(tmpdir(), "device-api-cli-"));
const socket = join(folder, "device.sock");
const NOW_S = 1_790_000_000;
const clock: Clock = { wallUs: () => NOW_S * 1e6, monotonicMs: () => 0 };

const gpu = (name: string) => ({
  metadata: { name, resourceVersion: "7" },
  spec: { uuid: `GPU-${name}` },
  status: {
    conditions: [
      { type: "Ready", status: "True", reason: "Fine", lastTransitionTime: { seconds: BigInt(NOW_S - 90) } },
    ],
    recommendedAction: "NONE",
  },
  resourceVersion: 7n,
});

/** Replies of the server in the test; each test may set its own. */
let healthStatus = 1;
let events = 2;
let endWith: Partial<grpc.StatusObject> | undefined;
let requests: unknown[] = [];
/** Watch streams that are open on the server. */
let watching = 0;

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>;
type Stream = grpc.ServerWritableStream<Buffer, Buffer>;

function method<I extends DescMessage, O extends DescMessage>(
  desc: DescMethod & { readonly input: I; readonly output: O },
  handle: (request: MessageShape<I>) => MessageInitShape<O>,
): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation] {
  const encode = (reply: MessageInitShape<O>) => Buffer.from(toBinary(desc.output, create(desc.output, reply)));
  const reply = (bytes: Buffer) => {
    const request = fromBinary(desc.input, bytes);
    requests.push(request);
    return encode(handle(request));
  };
  const responseStream = desc.methodKind === "server_streaming";
  const unary = (call: Unary, done: grpc.sendUnaryData<Buffer>) => {
    try {
      done(null, reply(call.request));
    } catch (error) {
      done(error as grpc.ServiceError);
    }
  };
  const stream = (call: Stream) => {
    watching++;
    call.on("cancelled", () => watching--);
    for (let i = 0; i < events; i++) call.write(reply(call.request));
    if (endWith !== undefined) call.emit("error", endWith);
  };
  const path = `/${desc.parent.typeName}/${desc.name}`;
  const same = (bytes: Buffer) => bytes;
  const codecs = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  return [
    { [path]: { path, requestStream: false, responseStream, ...codecs } },
    { [path]: responseStream ? stream : unary },
  ];
}

const notFound = (name: string) => Object.assign(new Error(), { code: 5, details: `there is no GPU "${name}"` });
const server = new grpc.Server();

beforeAll(async () => {
  const { method: gpus } = GpuService;
  server.addService(...method(gpus.listGpus, () => ({ gpuList: { items: [gpu("gpu-0"), gpu("gpu-1")] } })));
  server.addService(
    ...method(gpus.getGpu, ({ name }) => {
      if (name === "none") throw notFound(name);
      return { gpu: gpu(name) };
    }),
  );
  server.addService(...method(gpus.watchGpus, () => ({ type: "ADDED", object: gpu("gpu-0") })));
  server.addService(...method(Health.method.check, () => ({ status: healthStatus })));
  server.addService(...method(AdminService.method.simulateBreak, () => ({ resourceVersion: 8n })));
  server.addService(...method(AdminService.method.simulateHeal, () => ({ resourceVersion: 9n })));
  const credentials = grpc.ServerCredentials.createInsecure();
  await new Promise((resolve) => server.bindAsync(`unix:${socket}`, credentials, resolve));
});

afterAll(() => {
  server.forceShutdown();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  healthStatus = 1;
  events = 2;
  endWith = undefined;
  requests = [];
});

interface Run {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  /** The reader of the output goes away after so many writes. */
  readonly reads?: number;
  /** A signal comes when so much has been written. */
  readonly signalAfter?: number;
  readonly runServer?: (config: Config) => Promise<number>;
}

async function run(args: readonly string[], options: Options = {}): Promise<Run> {
  let out = "";
  let err = "";
  let writes = 0;
  let listener: ((signal: StopSignal) => void) | undefined;
  const io: CommandIo = {
    env: { NVIDIA_DEVICE_API_TARGET: `unix://${socket}`, ...options.env },
    clock,
    version: "1.2.3",
    async print(text) {
      if (writes >= (options.reads ?? Number.POSITIVE_INFINITY)) return false;
      writes++;
      out += text;
      if (writes === options.signalAfter) listener?.("SIGINT");
      return true;
    },
    async complain(line) {
      err += `${line}\n`;
      return true;
    },
    onSignal: (given) => {
      listener = given;
    },
  };
  const host: ServeHost = {
    runServer: options.runServer ?? (() => Promise.reject(new Error("not to be started"))),
    facts: { hostname: "node-7", uid: 990, groupId: () => undefined },
    self: { command: ["device-api-server"], env: {} },
    random: () => 0.5,
    logStream: { write: () => true },
    onFault: () => {},
  };
  return { status: await dispatch(args, io, host), out, err };
}

describe("get", () => {
  test("shows every GPU in a table", async () => {
    expect(await run(["get"])).toEqual({
      status: 0,
      out: [
        "NAME   READY  REASON  ACTION  AGE",
        "gpu-0  True   Fine    NONE    1m30s",
        "gpu-1  True   Fine    NONE    1m30s",
        "",
      ].join("\n"),
      err: "",
    });
  });

  test("shows the GPUs that are named, whatever the order of flags and names", async () => {
    const { out } = await run(["get", "b", "-o", "json", "a"]);
    expect(JSON.parse(out).items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["b", "a"]);
  });

  test("shows one GPU as the protobuf JSON mapping has it", async () => {
    expect(JSON.parse((await run(["get", "gpu-3", "-o=json"])).out)).toEqual({
      metadata: { name: "gpu-3", resourceVersion: "7" },
      spec: { uuid: "GPU-gpu-3" },
      status: {
        conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-09-21T14:11:50Z", reason: "Fine" }],
        recommendedAction: "NONE",
      },
      resourceVersion: "7",
    });
  });

  test("fails with the server's words where there is no such GPU", async () => {
    expect(await run(["get", "none"])).toEqual({
      status: 1,
      out: "",
      err: 'device-api-server: NOT_FOUND: there is no GPU "none"\n',
    });
  });
});

describe("the target", () => {
  test("is the flag before the variable", async () => {
    const env = { NVIDIA_DEVICE_API_TARGET: "unix:///nowhere.sock" };
    expect((await run(["get", "--target", socket], { env })).status).toBe(0);
  });

  test("is the server's own socket where only that is configured", async () => {
    const env = { NVIDIA_DEVICE_API_TARGET: "", DEVICE_API_UNIX_SOCKET: `${socket},/other.sock` };
    expect((await run(["get"], { env })).status).toBe(0);
  });

  test.each([
    [`unix://${folder}/none.sock`, "there is no such socket"],
    ["127.0.0.1:1", "nobody listens there"],
  ])("%s ends with status 3 and what to try", async (target, advice) => {
    const { status, err } = await run(["get", "--target", target]);
    expect(status).toBe(3);
    expect(err).toMatch(new RegExp(`^device-api-server: cannot reach the server at [^\n]*${advice}[^\n]*\n$`));
  });

  test("that cannot be read ends with status 2", async () => {
    const { status, err } = await run(["get", "--target", "http://x"]);
    expect([status, err]).toEqual([
      2,
      expect.stringContaining('--target: "http://x" is not a target; it takes unix://'),
    ]);
  });
});

describe("watch", () => {
  const streamsClosed = async () => {
    const deadline = Date.now() + 20_000;
    while (watching > 0 && Date.now() < deadline) await Bun.sleep(5);
    expect(watching).toBe(0);
  };

  test("shows each event until it is interrupted, and closes its stream", async () => {
    const { status, out, err } = await run(["watch"], { signalAfter: 2 });
    expect([status, err]).toEqual([0, ""]);
    expect(Math.max(...out.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(out.split("\n").map((line) => line.split(/ +/))).toEqual([
      ["EVENT", "NAME", "READY", "REASON", "ACTION", "AGE", "VERSION"],
      ["ADDED", "gpu-0", "True", "Fine", "NONE", "1m30s", "7"],
      ["ADDED", "gpu-0", "True", "Fine", "NONE", "1m30s", "7"],
      [""],
    ]);
    await streamsClosed();
  });

  test("writes one JSON object a line", async () => {
    const { out } = await run(["watch", "-o", "json"], { signalAfter: 2 });
    const lines = out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).type)).toEqual(["ADDED", "ADDED"]);
  });

  test("passes the version on", async () => {
    await run(["watch", "--from", "41"], { signalAfter: 1 });
    expect(requests[0]).toMatchObject({ opts: { resourceVersion: "41" } });
  });

  test("ends well when its reader has gone, and closes its stream", async () => {
    expect((await run(["watch"], { reads: 1 })).status).toBe(0);
    await streamsClosed();
  });

  test.each([
    [11, "history", 1, "history: list again, or watch without --from"],
    [14, "the server is shutting down", 3, "cannot reach the server at"],
    [7, "not you", 1, "PERMISSION_DENIED: not you"],
  ])("ends by status %i with what to do", async (code, details, status, text) => {
    endWith = { code, details };
    const result = await run(["watch"]);
    expect([result.status, result.err]).toEqual([status, expect.stringContaining(text)]);
  });

  test("refuses a version that is no number", async () => {
    expect((await run(["watch", "--from", "x"])).status).toBe(2);
  });
});

describe("healthcheck", () => {
  test.each([
    [1, 0, "SERVING\n"],
    [2, 1, "NOT_SERVING\n"],
  ])("with serving status %i ends with %i", async (given, status, out) => {
    healthStatus = given;
    expect(await run(["healthcheck"])).toEqual({ status, out, err: "" });
  });

  test("ends with 1 and one line where nobody answers", async () => {
    const { status, err } = await run(["healthcheck", "--target=/none.sock", "--timeout=1"]);
    expect([status, err.split("\n").length]).toEqual([1, 2]);
  });
});

describe("simulate", () => {
  test("breaks a GPU by an Xid and heals it", async () => {
    expect(await run(["simulate", "break", "gpu-0", "--xid", "79"])).toMatchObject({
      status: 0,
      out: "gpu-0 is broken by Xid 79 (version 8)\n",
    });
    expect(requests[0]).toMatchObject({ name: "gpu-0", xid: 79 });
    expect((await run(["simulate", "heal", "gpu-0"])).out).toBe("gpu-0 is well again (version 9)\n");
  });

  test.each([
    [["simulate"]],
    [["simulate", "explode", "gpu-0"]],
    [["simulate", "break", "--xid=79"]],
    [["simulate", "break", "gpu-0"]],
    [["simulate", "break", "gpu-0", "--xid=0"]],
    [["simulate", "heal", "gpu-0", "gpu-1"]],
  ])("%p is a mistake", async (args) => {
    const { status, err } = await run(args);
    expect([status, err.split("\n").length]).toEqual([2, 2]);
  });
});

const COMMANDS = ["serve", "get", "watch", "explain", "clear", "provider", "simulate", "healthcheck", "version"];

describe("version and help", () => {
  test.each([[["version"]], [["--version"]], [["-version"]], [["serve", "--version"]]])(
    "%p tells the version",
    async (args) => {
      expect((await run(args)).out).toMatch(/^device-api-server 1\.2\.3 \(bun [\d.]+\)\n$/);
    },
  );

  test("the version is to be had as JSON", async () => {
    expect(JSON.parse((await run(["version", "-o", "json"])).out)).toEqual({ version: "1.2.3", bun: Bun.version });
  });

  test.each([[["--help"]], [["-h"]], [["help"]]])(
    "%p lists the commands, the flags and the exit statuses",
    async (args) => {
      const { status, out } = await run(args);
      expect(status).toBe(0);
      for (const text of [...COMMANDS, "get [NAME...]", "explain XID...", "--grpc-address"]) {
        expect(out).toContain(text);
      }
      expect(out).toContain("3    the server cannot be reached");
    },
  );

  test.each(COMMANDS)("%s has help of its own", async (name) => {
    const asked = await run(["help", name]);
    expect(asked.out).toContain(`Usage: device-api-server ${name} [flags]`);
    expect(await run([name, "--help"])).toEqual(asked);
  });
});

describe("serve", () => {
  test.each([[[]], [["serve"]], [["-v=2"]]])("%p starts the server", async (args) => {
    const started: Config[] = [];
    const runServer = async (config: Config) => {
      started.push(config);
      return 0;
    };
    expect((await run(args, { runServer, env: { NODE_NAME: "n1" } })).status).toBe(0);
    expect(started).toMatchObject([{ nodeName: "n1", version: "1.2.3", serverUid: 990 }]);
  });

  test("ends with the server's status", async () => {
    expect((await run([], { runServer: async () => 1 })).status).toBe(1);
  });

  test.each([
    ["an address in use", new ListenError("--health-port: in use"), 2],
    ["a fault", new Error("broken"), 1],
  ])("a failure to start (%s) is one line", async (_, error, status) => {
    const result = await run([], { runServer: () => Promise.reject(error) });
    expect(result).toEqual({ status, out: "", err: `device-api-server: ${error.message}\n` });
  });

  test.each([
    [["--bogus"], "unknown flag"],
    [["--insecure-bind", "true"], "write it as --flag=value"],
    [["gett"], 'unknown command "gett"; did you mean get?'],
    [["serve", "get"], 'unexpected argument "get"'],
  ])("%p is a mistake", async (args, text) => {
    const { status, out, err } = await run(args);
    expect([status, out, err.split("\n").length]).toEqual([2, "", 2]);
    expect(err).toContain(text);
  });
});
