import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import { BINARY } from "../support/binary.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { type StreamReader, TestClient } from "../support/test-client.ts";

/**
 * The compiled binary as a hardened container runs it: a root of nothing but the binary, what it is linked with and
 * /proc, all of it read-only, no /tmp and no /dev, a user without any capability. The tools are those of util-linux.
 */

const USER = 65_532;
const GPUS = 8;
const DRIVER_ROOT = "/run/nvidia/driver";
const SOCKET_FOLDER = "/run/device-api";
const SOCKET = `${SOCKET_FOLDER}/device.sock`;
/** Against hangs only. */
const WAIT_MS = 30_000;

const { listGpus, watchGpus } = GpuService.method;

/** $1 is the root to be, $2 the driver's files, $3 the binary, the rest a command in that root. */
const ENTER = `
set -eu
root=$1 driver=$2 binary=$3
shift 3
mount -t tmpfs -o mode=0755,size=1m tmpfs "$root"
mkdir -p "$root/proc" "$root${SOCKET_FOLDER}" "$root${DRIVER_ROOT}"
show() { mkdir -p "$root\${2%/*}"; : >"$root$2"; mount --bind "$1" "$root$2"; mount -o remount,bind,ro "$root$2"; }
show "$binary" /device-api-server
# The loader and the libraries: every path that ldd prints.
for file in $(ldd "$binary" | grep -o '/[^ ]*'); do show "$file" "$file"; done
mount --bind /proc "$root/proc"
mount -o remount,bind,ro "$root/proc"
mount --bind "$driver" "$root${DRIVER_ROOT}"
mount -o remount,bind,ro "$root${DRIVER_ROOT}"
# The scripted library's own state; a driver has its devices there.
mount --bind "$driver/control" "$root${DRIVER_ROOT}/control"
mount -t tmpfs -o mode=0750,uid=${USER},gid=${USER},size=64k,noexec,nosuid,nodev tmpfs "$root${SOCKET_FOLDER}"
mount -o remount,ro "$root"
exec setpriv --no-new-privs unshare --root "$root" --wd / --setgid ${USER} --setuid ${USER} -- "$@"
`;

const PRIVATE = ["unshare", "--mount", "--propagation", "private", "--"];

/** A machine may forbid namespaces or mounts, also to root; without them the tests are skipped, and counted as such. */
const isPossible =
  process.getuid?.() === 0 &&
  Bun.spawnSync([...PRIVATE, "mount", "-t", "tmpfs", "tmpfs", tmpdir()], { stderr: "ignore" }).success;

const cleanup = new AsyncDisposableStack();
let fake: FakeNvml;
let server: Bun.Subprocess<"ignore", "ignore", "pipe">;
let client: TestClient;
let watch: StreamReader<WatchGpusResponse>;
const logLines: string[] = [];

const procOf = (pid: number, what: string) => `/proc/${pid}/${what}`;
/** A path in the server's own root. */
const inside = (path: string) => procOf(server.pid, `root${path}`);

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!holds()) {
    const problem = server.exitCode === null ? "not in time" : `exit ${server.exitCode}`;
    const isOver = server.exitCode !== null || performance.now() > deadline;
    if (isOver) throw new Error(`${what}: ${problem}; the server said\n${logLines.join("\n")}`);
    await Bun.sleep(50);
  }
}

async function collectLog(): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of server.stderr) logLines.push(decoder.decode(chunk, { stream: true }).trimEnd());
}

function hostPid(): number | undefined {
  const children = readFileSync(procOf(server.pid, `task/${server.pid}/children`), "utf8")
    .trim()
    .split(" ");
  const isHost = (pid: string) => readFileSync(procOf(Number(pid), "cmdline"), "utf8").includes("nvml-host");
  const pid = children.find((child) => child !== "" && isHost(child));
  return pid === undefined ? undefined : Number(pid);
}

/** Runs a command where the server is, as a probe in the container would. */
function exec(...command: readonly string[]) {
  const user = ["--setgid", String(USER), "--setuid", String(USER)];
  const enter = ["nsenter", "--target", String(server.pid), "--mount", "--root", "--wd", ...user, "--"];
  const { exitCode, stdout, stderr } = Bun.spawnSync([...enter, ...command], { env: {}, stderr: "pipe" });
  return { exitCode, said: `${stdout}${stderr}` };
}

const conditionsOf = (type: string) => {
  const latest = new Map(watch.messages.map(({ object }) => [object?.metadata?.name ?? "", object]));
  return [...latest.values()].map((gpu) => gpu?.status?.conditions.find((condition) => condition.type === type));
};
const ready = () => conditionsOf("Ready").filter((condition) => condition?.status === "True").length;

describe.skipIf(!isPossible)("a read-only root without /tmp and /dev, no capabilities", () => {
  beforeAll(async () => {
    fake = cleanup.use(createFakeNvml({ gpus: GPUS }));
    chmodSync(fake.root, 0o755);
    chmodSync(fake.controlPath, 0o666);
    const root = mkdtempSync(join(tmpdir(), "root-"));
    cleanup.defer(() => rmdirSync(root));
    const serve = ["/device-api-server", "serve", `--unix-socket=${SOCKET}`, "--grpc-address=", "--shutdown-delay=0"];
    const ports = ["--http-host=127.0.0.1", "--health-port=0", "--metrics-port=0", "--ui-address=127.0.0.1:0"];
    const nvml = ["--enable-nvml-provider", `--nvml-driver-root=${DRIVER_ROOT}`, "--nvml-period=200ms"];
    const command = ["sh", "-c", ENTER, "sh", root, fake.root, BINARY, ...serve, ...ports, ...nvml];
    server = Bun.spawn([...PRIVATE, ...command], {
      env: { PATH: process.env["PATH"], FAKE_NVML_CONTROL: `${DRIVER_ROOT}/control` },
      stdio: ["ignore", "ignore", "pipe"],
    });
    cleanup.defer(async () => {
      server.kill("SIGTERM");
      await server.exited;
    });
    void collectLog();
    await until(() => logLines.some((line) => line.includes('"serving"')), "serving");
    client = cleanup.use(new TestClient(`unix://${inside(SOCKET)}`));
    watch = client.stream(watchGpus, {});
    await until(() => ready() === GPUS, "every GPU is ready");
    await waitsForEvents(fake);
  });

  afterAll(() => cleanup.disposeAsync());

  test("the process is as confined as this file says", () => {
    const status = readFileSync(procOf(server.pid, "status"), "utf8");
    for (const line of [`Uid:\t${USER}\t${USER}\t${USER}\t${USER}`, "Groups:\t \n", "NoNewPrivs:\t1"]) {
      expect(status).toContain(line);
    }
    expect(status).toMatch(/CapPrm:\t0+\nCapEff:\t0+\n/);
    const writable = readFileSync(procOf(server.pid, "mountinfo"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, , , , , options = ""]) => options.split(",").includes("rw"));
    expect(writable.map(([, , , , place]) => place)).toEqual([`${DRIVER_ROOT}/control`, SOCKET_FOLDER]);
    expect(readdirSync(inside("/")).filter((name) => name.match(/^(tmp|var|dev|home|etc)$/))).toEqual([]);
  });

  test("the GPUs are listed over the socket, each from the scripted library", async () => {
    const items = (await client.call(listGpus, {})).gpuList?.items ?? [];
    expect(items.length).toBe(GPUS);
    for (const { metadata, spec } of items) expect([metadata?.name, spec?.uuid]).toEqual([spec?.uuid, spec?.uuid]);
  });

  test("the shim is loaded from memory, in the server and in the host process", () => {
    for (const pid of [server.pid, hostPid() ?? 0]) {
      const mapped = readFileSync(procOf(pid, "maps"), "utf8");
      expect(mapped).toMatch(/r-xp .* \/memfd:device-api-shim \(deleted\)/);
      expect(mapped).not.toMatch(/\/[^ ]*\.so[^/]*bun|libdevice_api_shim\.so/);
    }
  });

  test("a health check in the container passes", () => {
    expect(exec("/device-api-server", "healthcheck", "--target", `unix://${SOCKET}`)).toMatchObject({ exitCode: 0 });
  });

  test("an Xid arrives, also from the host process that replaces a killed one", async () => {
    fake.command("xid 3 79");
    await until(() => conditionsOf("NVMLReady").some((condition) => condition?.status === "False"), "Xid 79");
    const killed = hostPid() ?? 0;
    process.kill(killed, "SIGKILL");
    await until(() => ![undefined, killed].includes(hostPid()), "another host process");
    const waits = fake.calls("nvmlEventSetWait_v2");
    await until(() => ready() === GPUS - 1, "the others are ready again");
    await waitsForEvents(fake, waits);
    fake.command("xid 4 95");
    await until(() => ready() === GPUS - 2, "Xid 95");
    expect(conditionsOf("NVMLReady").filter((condition) => condition?.message.includes("95")).length).toBe(1);
  });

  test("nothing was written but the socket", () => {
    const socket = readdirSync(inside(SOCKET_FOLDER), { recursive: true });
    expect(socket.map(String).sort()).toEqual(["device.sock"]);
    expect(readdirSync(fake.root, { recursive: true }).map(String).sort()).toEqual([
      "control",
      "usr",
      "usr/lib64",
      "usr/lib64/libnvidia-ml.so.1",
    ]);
  });

  test("the server ends well when it is asked to", async () => {
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  });
});
