import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ScriptedServer, startScriptedServer } from "../../tests/support/scripted-server.ts";
import { Code } from "../base/status-error.ts";
import { CLI_CLOCK, gpuReply } from "../testing/cli-replies.ts";
import { type CliOptions, runCli } from "../testing/cli-run.ts";

let server: ScriptedServer;
/** What the next list has. */
let listed = [gpuReply("gpu-0"), gpuReply("gpu-1")];

beforeAll(async () => {
  server = await startScriptedServer({
    listGpus: () => ({ gpuList: { metadata: { resourceVersion: "41" }, items: listed } }),
    getGpu({ name }) {
      if (name === "none") {
        throw Object.assign(new Error(), { code: Code.NOT_FOUND, details: 'no GPU is named "none"' });
      }
      return { gpu: gpuReply(name) };
    },
  });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const get = (args: readonly string[], options: CliOptions = {}, gpus = [gpuReply("gpu-0"), gpuReply("gpu-1")]) => {
  listed = gpus;
  const env = { NVIDIA_DEVICE_API_TARGET: server.target, ...options.env };
  return runCli(["get", ...args], { clock: CLI_CLOCK, ...options, env });
};

const TABLE = [
  "NAME   READY  REASON  ACTION  AGE",
  "gpu-0  True   Fine    NONE    90s",
  "gpu-1  True   Fine    NONE    90s",
  "",
].join("\n");

describe("get", () => {
  test("shows every GPU in a table", async () => {
    expect(await get([])).toEqual({ status: 0, out: TABLE, err: "" });
  });

  test("shows those that are named as they are at one instant, in the order of the names, in any case", async () => {
    const { status, out } = await get(["GPU-1", "-o", "json", "gpu-0"]);
    const list = JSON.parse(out);
    expect([status, list.metadata]).toEqual([0, { resourceVersion: "41" }]);
    expect(list.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["gpu-1", "gpu-0"]);
  });

  test("shows of several names those that there are, says which are missing, and fails", async () => {
    expect(await get(["gpu-1", "nobody", "-o=name"])).toEqual({
      status: 1,
      out: "gpu-1\n",
      err: 'device-api-server: no GPU is named "nobody"\n',
    });
    const none = await get(["nobody", "somebody"]);
    expect([none.status, none.out, none.err.split("\n").length]).toEqual([1, "", 3]);
  });

  test("fails with the server's words where the one that is named is not there, and says where to look", async () => {
    expect(await get(["none"])).toEqual({
      status: 1,
      out: "",
      err: 'device-api-server: NOT_FOUND: no GPU is named "none". "device-api-server get" shows those that there are\n',
    });
  });

  test("of a server without GPUs says so beside the output, and succeeds", async () => {
    for (const form of ["table", "wide", "name"]) {
      const { status, out, err } = await get([`-o=${form}`, "--check"], {}, []);
      expect([status, out]).toEqual([0, ""]);
      expect(err).toStartWith("no GPUs: no provider has registered one");
    }
    const { out, err } = await get(["-o=json"], {}, []);
    expect([JSON.parse(out), err]).toEqual([{ metadata: { resourceVersion: "41" } }, ""]);
  });
});

describe("the form of the output", () => {
  const MAPPING = {
    metadata: { name: "gpu-3", resourceVersion: "7" },
    spec: { uuid: "GPU-gpu-3" },
    status: {
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-09-21T14:11:50Z", reason: "Fine" }],
      recommendedAction: "NONE",
    },
    resourceVersion: "7",
  };

  test("json and yaml are the protobuf JSON mapping: one name gives the object, anything else a list", async () => {
    expect(JSON.parse((await get(["gpu-3", "-o=json"])).out)).toEqual(MAPPING);
    expect(Bun.YAML.parse((await get(["gpu-3", "-o=yaml"])).out)).toEqual(MAPPING);
    const json = JSON.parse((await get(["-o=json"])).out);
    expect(json.items.length).toBe(2);
    expect(Bun.YAML.parse((await get(["-o=yaml"])).out)).toEqual(json);
  });

  test("name is names alone, and wide has more columns", async () => {
    expect((await get(["-o=name"])).out).toBe("gpu-0\ngpu-1\n");
    const [head, row] = (await get(["-o=wide"])).out.split("\n");
    expect(head?.split(/ +/)).toEqual(["NAME", "READY", "REASON", "ACTION", "AGE", "UUID", "VERSION", "MESSAGE"]);
    expect(row?.split(/ +/)).toEqual(["gpu-0", "True", "Fine", "NONE", "90s", "GPU-gpu-0", "7", "-"]);
  });

  test("is coloured on a terminal alone, and there not with NO_COLOR or on one that knows no colour", async () => {
    const terminal = { columns: 80, rows: 24 };
    const { out } = await get([], { terminal });
    expect(out).toContain("\u001b[32mTrue\u001b[0m");
    expect(Bun.stripANSI(out)).toBe(TABLE);
    expect((await get([], { terminal, env: { NO_COLOR: "" } })).out).toBe(out);
    for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }] as const)
      expect((await get([], { terminal, env })).out).toBe(TABLE);
    expect((await get(["-o=json"], { terminal })).out).not.toContain("\u001b");
  });
});

describe("--check", () => {
  test.each([
    ["True", 0],
    ["False", 1],
    ["Unknown", 1],
  ])("with a GPU whose Ready is %s ends with %i, and shows it all the same", async (ready, status) => {
    const { status: ended, out, err } = await get(["--check"], {}, [gpuReply("gpu-0"), gpuReply("gpu-1", ready)]);
    expect([ended, out.split("\n").length, err]).toEqual([status, 4, ""]);
    expect((await get([], {}, [gpuReply("gpu-1", ready)])).status).toBe(0);
  });

  test("counts a GPU that nobody has reported on as not Ready", async () => {
    expect((await get(["--check"], {}, [{ metadata: { name: "gpu-0" } }])).status).toBe(1);
  });

  test("looks at the GPUs that are named alone", async () => {
    const gpus = [gpuReply("gpu-0"), gpuReply("gpu-1", "False"), gpuReply("gpu-2")];
    expect((await get(["--check", "gpu-0", "gpu-2"], {}, gpus)).status).toBe(0);
    expect((await get(["--check", "gpu-0", "gpu-1"], {}, gpus)).status).toBe(1);
  });
});
