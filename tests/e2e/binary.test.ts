import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import packageJson from "../../package.json" with { type: "json" };

const BINARY = resolve(import.meta.dir, "../../dist/device-api-server");

/** Against hangs only: the commands below take some 50 ms. */
const RUN_MAX_MS = 30_000;

let folder: string;

beforeAll(() => {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: run \`just build\` first`);
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "device-api-binary-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  return new Promise((done, reject) => {
    const child = spawn(BINARY, args, { cwd: folder, env: { PATH: "/usr/bin:/bin", TMPDIR: folder, ...env } });
    const limit = setTimeout(() => child.kill("SIGKILL"), RUN_MAX_MS);
    let out = "";
    let err = "";
    child.stdout.on("data", (bytes: Buffer) => (out += bytes));
    child.stderr.on("data", (bytes: Buffer) => (err += bytes));
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(limit);
      done({ status, out, err });
    });
  });
}

/** Binds nothing outside the test's folder but what is given. */
const serve = (...args: readonly string[]) =>
  run(["serve", "--grpc-address=", "--ui-address=", `--unix-socket=${folder}/device.sock`, ...args]);

describe("the binary", () => {
  test("shows its help, its flags and its exit statuses", async () => {
    const { status, out, err } = await run(["--help"]);
    expect([status, err]).toEqual([0, ""]);
    for (const text of ["Usage: device-api-server", "healthcheck", "--unix-socket", "$DEVICE_API_HEALTH_PORT"]) {
      expect(out).toContain(text);
    }
  });

  test("tells the version of the package", async () => {
    expect((await run(["version"])).out).toStartWith(`device-api-server ${packageJson.version} `);
    expect((await run(["--version"])).out).toStartWith(`device-api-server ${packageJson.version} `);
  });

  test.each([
    [["--bogus"], 'unknown flag "--bogus"'],
    [["--helth-port=1"], "did you mean --health-port?"],
    [["--health-port=http"], '--health-port: "http" is not a port number'],
    [["--shutdown-timeout=fast"], '--shutdown-timeout: "fast" is not a duration'],
    [["--grpc-address=nonsense"], '--grpc-address: "nonsense" is not HOST:PORT'],
    [["--grpc-address=0.0.0.0:0"], "say --insecure-bind"],
    [["--unix-socket=relative.sock"], "is not an absolute path"],
    [["--nvml-period=0.01"], "--nvml-period"],
    [["nonsense"], 'unknown command "nonsense"'],
  ])("%p ends with status 2 and one line", async (args, text) => {
    const { status, out, err } = await run(args);
    expect([status, out]).toEqual([2, ""]);
    expect(err).toContain(text);
    expect(err).toMatch(/^device-api-server: [^\n]+\n$/);
  });

  test("names the variable that cannot be read", async () => {
    const { status, err } = await run([], { DEVICE_API_METRICS_PORT: "tcp://10.0.0.1:9090" });
    expect([status, err]).toEqual([2, expect.stringContaining("device-api-server: DEVICE_API_METRICS_PORT: ")]);
  });

  test("ends with status 3 where no server is", async () => {
    const { status, err } = await run(["get", "--target", `unix://${folder}/none.sock`]);
    expect([status, err]).toEqual([3, expect.stringContaining("there is no such socket")]);
  });

  test("fails with one line where its output cannot be written, and not where its reader has gone", async () => {
    const shell = (line: string) => Bun.spawnSync(["bash", "-c", line, BINARY], { stderr: "pipe" });
    const full = shell('exec "$0" version >/dev/full');
    expect(full.stderr.toString()).toMatch(/^device-api-server: the output cannot be written: [^\n]+\n$/);
    expect(full.exitCode).toBe(1);
    const gone = shell('set -o pipefail; (sleep 0.2; exec "$0" version) | true');
    expect([gone.exitCode, gone.stderr.toString()]).toEqual([0, ""]);
  });

  test("reports a health check that fails by status 1", async () => {
    expect((await run(["healthcheck", "--target", `unix://${folder}/none.sock`])).status).toBe(1);
  });
});

describe("a port that another process uses", () => {
  let other: Server;
  let port: number;

  beforeEach(async () => {
    other = createServer();
    port = await new Promise((done) => {
      other.listen({ host: "::", port: 0 }, () => {
        const address = other.address();
        done(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });

  afterEach(() => {
    other.close();
  });

  test.each(["--health-port", "--metrics-port"])("is named with %s, and the start ends with status 2", async (flag) => {
    const free = flag === "--health-port" ? "--metrics-port=0" : "--health-port=0";
    const { status, err } = await serve(free, `${flag}=${port}`);
    const lines = err.trim().split("\n");
    expect(lines.at(-1)).toBe(
      `device-api-server: ${flag}: cannot listen on port ${port}: another process uses it; choose another port`,
    );
    expect(status).toBe(2);
  });
});

describe("a hostile working directory", () => {
  test("a .env file changes nothing", async () => {
    writeFileSync(join(folder, ".env"), "NVIDIA_DEVICE_API_TARGET=nonsense\n");
    const { status, err } = await run(["get"], { DEVICE_API_UNIX_SOCKET: `${folder}/none.sock` });
    expect([status, err]).toEqual([3, expect.stringContaining("none.sock")]);
  });

  test("a bunfig.toml with a preload runs nothing", async () => {
    const mark = join(folder, "mark");
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
    writeFileSync(join(folder, "preload.ts"), `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "ran");\n`);
    expect((await run(["version"])).status).toBe(0);
    expect(existsSync(mark)).toBe(false);
  });

  test("a package.json and a tsconfig.json change nothing", async () => {
    writeFileSync(join(folder, "package.json"), '{ "version": "9.9.9", "type": "commonjs" }');
    writeFileSync(join(folder, "tsconfig.json"), "{ broken");
    expect((await run(["version"])).out).toStartWith(`device-api-server ${packageJson.version} `);
  });
});
