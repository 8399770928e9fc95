import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { dirname } from "node:path";
import { type ScriptedServer, startScriptedServer } from "../../tests/support/scripted-server.ts";
import type { Config } from "../server/config.ts";
import { type CliOptions, runCli } from "../testing/cli-run.ts";
import { ListenError } from "../transport/listen-error.ts";

let server: ScriptedServer;
let socket: string;
let folder: string;
/** What the server answers to a health check. */
let healthStatus = 1;
let played: unknown[] = [];

beforeAll(async () => {
  server = await startScriptedServer({
    listGpus: () => ({ gpuList: { items: [] } }),
    check: () => ({ status: healthStatus }),
    simulateBreak(request) {
      played.push(request);
      return { resourceVersion: 8n };
    },
    simulateHeal: () => ({ resourceVersion: 9n }),
  });
  socket = server.target.replace("unix:", "");
  folder = dirname(socket);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

beforeEach(() => {
  healthStatus = 1;
  played = [];
});

const run = (args: readonly string[], options: CliOptions = {}) =>
  runCli(args, { ...options, env: { NVIDIA_DEVICE_API_TARGET: server.target, ...options.env } });

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
    ["none.sock", "there is no such socket"],
    ["127.0.0.1:1", "nobody listens there"],
  ])("%s ends with status 3 and what to try", async (place, advice) => {
    const target = place.includes(":") ? place : `unix://${folder}/${place}`;
    const { status, err } = await run(["get", "--target", target]);
    expect(status).toBe(3);
    expect(err).toMatch(new RegExp(`^device-api-server: cannot reach the server at [^\n]*${advice}[^\n]*\n$`));
  });

  test("that is empty ends with status 2, and is not taken for none", async () => {
    for (const args of [
      ["get", "--target="],
      ["get", "--target", ""],
    ]) {
      expect(await run(args)).toEqual({
        status: 2,
        out: "",
        err: expect.stringMatching(/^device-api-server: --target: "" is not unix:\/\/\/path, .*host:port\n$/),
      });
    }
  });

  test("that cannot be read ends with status 2", async () => {
    const { status, err } = await run(["get", "--target", "http://x"]);
    expect([status, err]).toEqual([
      2,
      expect.stringContaining('--target: "http://x" is not a target; it takes unix://'),
    ]);
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
    expect(played[0]).toMatchObject({ name: "gpu-0", xid: 79 });
    expect((await run(["simulate", "heal", "gpu-0"])).out).toBe("gpu-0 is well again (version 9)\n");
  });

  test.each([
    [["simulate"]],
    [["simulate", "explode", "gpu-0"]],
    [["simulate", "break", "--xid=79"]],
    [["simulate", "break", "gpu-0"]],
    [["simulate", "break", "gpu-0", "--xid=0"]],
    [["simulate", "heal", "gpu-0", "gpu-1"]],
    [["simulate", "heal", "gpu-0", "--xid=79"]],
  ])("%p is a mistake", async (args) => {
    const { status, err } = await run(args);
    expect([status, err.split("\n").length]).toEqual([2, 2]);
  });
});

const COMMANDS = [
  ...["serve", "get", "describe", "watch", "status", "explain"],
  ...["clear", "provider", "simulate", "healthcheck", "completion", "version"],
];

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
    [
      ["--target", "/x.sock", "get"],
      "See --help. Flags come after the command, as in: device-api-server get --target …",
    ],
    [
      ["--simulate=8", "serve"],
      "See --help. Flags come after the command, as in: device-api-server serve --simulate=8 …",
    ],
  ])("%p is a mistake", async (args, text) => {
    const { status, out, err } = await run(args);
    expect([status, out, err.split("\n").length]).toEqual([2, "", 2]);
    expect(err).toContain(text);
  });
});
