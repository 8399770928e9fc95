import { dlopen } from "bun:ffi";
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { createFakeNvml, cString, type FakeNvml, type FakeNvmlOptions } from "./fake-nvml.ts";

const GPU_IS_LOST = 15;
const TIMEOUT = 10;
const NOT_SUPPORTED = 3;
const XID = 0x8n;
/** A limit against hangs alone. */
const PATIENCE_MS = 20_000;

const open: FakeNvml[] = [];
afterEach(() => {
  for (const fake of open.splice(0)) fake[Symbol.dispose]();
});

function fakeWith(options: FakeNvmlOptions = {}): FakeNvml {
  const fake = createFakeNvml(options);
  open.push(fake);
  return fake;
}

const libraryOf = (fake: FakeNvml): string => join(fake.root, "usr/lib64/libnvidia-ml.so.1");

/** The library in this process, initialised. */
function load(fake: FakeNvml) {
  const libc = dlopen("libc.so.6", { setenv: { args: ["buffer", "buffer", "i32"], returns: "i32" } });
  libc.symbols.setenv(cString("FAKE_NVML_CONTROL"), cString(fake.controlPath), 1);
  const nvml = dlopen(libraryOf(fake), {
    nvmlInit_v2: { args: [], returns: "u32" },
    nvmlShutdown: { args: [], returns: "u32" },
    nvmlDeviceGetCount_v2: { args: ["buffer"], returns: "u32" },
    nvmlDeviceGetHandleByIndex_v2: { args: ["u32", "buffer"], returns: "u32" },
    nvmlDeviceGetUUID: { args: ["u64", "buffer", "u32"], returns: "u32" },
    nvmlDeviceGetName: { args: ["u64", "buffer", "u32"], returns: "u32" },
    nvmlDeviceGetTemperature: { args: ["u64", "u32", "buffer"], returns: "u32" },
    nvmlDeviceGetTotalEccErrors: { args: ["u64", "u32", "u32", "buffer"], returns: "u32" },
    nvmlDeviceGetNvLinkState: { args: ["u64", "u32", "buffer"], returns: "u32" },
    nvmlDeviceRegisterEvents: { args: ["u64", "u64", "u64"], returns: "u32" },
    nvmlEventSetCreate: { args: ["buffer"], returns: "u32" },
    nvmlEventSetWait_v2: { args: ["u64", "buffer", "u32"], returns: "u32" },
  }).symbols;
  expect(nvml.nvmlInit_v2()).toBe(0);
  return nvml;
}

type Nvml = ReturnType<typeof load>;

function count(nvml: Nvml): number {
  const out = new Uint32Array(1);
  expect(nvml.nvmlDeviceGetCount_v2(out)).toBe(0);
  return out[0] ?? 0;
}

function handleOf(nvml: Nvml, index: number): bigint {
  const out = new BigUint64Array(1);
  expect(nvml.nvmlDeviceGetHandleByIndex_v2(index, out)).toBe(0);
  return out[0] ?? 0n;
}

function textOf(call: (out: Uint8Array, length: number) => number): string {
  const out = new Uint8Array(96);
  expect(call(out, out.length)).toBe(0);
  return new TextDecoder().decode(out.subarray(0, out.indexOf(0)));
}

const uuidOf = (nvml: Nvml, index: number): string =>
  textOf((out, length) => nvml.nvmlDeviceGetUUID(handleOf(nvml, index), out, length));

function temperatureOf(nvml: Nvml, handle: bigint): { code: number; value: number } {
  const out = new Uint32Array(1);
  return { code: nvml.nvmlDeviceGetTemperature(handle, 0, out), value: out[0] ?? 0 };
}

interface Waited {
  readonly code: number;
  readonly device: bigint;
  readonly type: bigint;
  readonly data: bigint;
  readonly gpuInstance: number;
}

/** An event set with all Xids of all GPUs, and a way to wait on it. */
function listen(nvml: Nvml): (timeoutMs: number) => Waited {
  const set = new BigUint64Array(1);
  expect(nvml.nvmlEventSetCreate(set)).toBe(0);
  const id = set[0] ?? 0n;
  for (let i = 0; i < count(nvml); i++) expect(nvml.nvmlDeviceRegisterEvents(handleOf(nvml, i), XID, id)).toBe(0);
  const data = new DataView(new ArrayBuffer(32));
  return (timeoutMs) => ({
    code: nvml.nvmlEventSetWait_v2(id, data, timeoutMs),
    device: data.getBigUint64(0, true),
    type: data.getBigUint64(8, true),
    data: data.getBigUint64(16, true),
    gpuInstance: data.getUint32(24, true),
  });
}

test("the machine has the GPUs that were asked for, each with an identity of its own", () => {
  const nvml = load(fakeWith({ gpus: 256, profile: "gb200" }));
  expect(count(nvml)).toBe(256);
  const uuids = Array.from({ length: 256 }, (_, index) => uuidOf(nvml, index));
  expect(new Set(uuids).size).toBe(256);
  for (const uuid of uuids) expect(uuid).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(textOf((out, length) => nvml.nvmlDeviceGetName(handleOf(nvml, 0), out, length))).toBe("NVIDIA GB200");
});

test("a command shows in the next call, and is counted", () => {
  const fake = fakeWith();
  const nvml = load(fake);
  const gpu = handleOf(nvml, 2);
  expect(temperatureOf(nvml, gpu)).toEqual({ code: 0, value: 32 });
  fake.command("gpu 2 temperature=+60");
  expect(temperatureOf(nvml, gpu)).toEqual({ code: 0, value: 92 });
  expect(fake.command("get 2 temperature")).toBe("92\n");
  expect(fake.calls("nvmlDeviceGetTemperature")).toBe(2);
});

test("a T4 has no ECC and no NVLink", () => {
  const nvml = load(fakeWith({ gpus: 1, profile: "t4" }));
  const gpu = handleOf(nvml, 0);
  expect(nvml.nvmlDeviceGetTotalEccErrors(gpu, 1, 0, new BigUint64Array(1))).toBe(NOT_SUPPORTED);
  expect(nvml.nvmlDeviceGetNvLinkState(gpu, 0, new Uint32Array(1))).toBe(NOT_SUPPORTED);
});

test("an Xid arrives with its device and its instance, and without a device where it names none", () => {
  const fake = fakeWith();
  const nvml = load(fake);
  fake.command("xid 0 13");
  const wait = listen(nvml);
  expect(wait(0).code).toBe(TIMEOUT);
  fake.command("xid 3 79");
  expect(wait(1_000)).toEqual({ code: 0, device: handleOf(nvml, 3), type: XID, data: 79n, gpuInstance: 0xffff_ffff });
  fake.command("xid 3 94 gpu_instance=7 compute_instance=0");
  expect(wait(1_000)).toMatchObject({ data: 94n, gpuInstance: 7 });
  fake.command("xid none 31");
  expect(wait(1_000)).toMatchObject({ device: 0n, data: 31n });
  fake.command("event 1 0x100 0");
  expect(wait(0).code).toBe(TIMEOUT);
});

test("a storm has exactly the events that were asked for, over all GPUs", () => {
  const fake = fakeWith({ gpus: 8 });
  const nvml = load(fake);
  const wait = listen(nvml);
  fake.command("xid 0 31 count=100000 spread=1");
  const perDevice = new Map<bigint, number>();
  for (let next = wait(0); next.code === 0; next = wait(0)) {
    perDevice.set(next.device, (perDevice.get(next.device) ?? 0) + 1);
  }
  expect([...perDevice.values()]).toEqual(Array.from({ length: 8 }, () => 12_500));
});

test("a GPU that is lost answers from memory alone, and one that is taken out moves those behind it", () => {
  const fake = fakeWith({ gpus: 4 });
  const nvml = load(fake);
  const [gpu, last] = [handleOf(nvml, 1), uuidOf(nvml, 3)];
  fake.command("gpu 1 lost=1");
  expect(temperatureOf(nvml, gpu).code).toBe(GPU_IS_LOST);
  expect(uuidOf(nvml, 1)).toStartWith("GPU-");
  fake.command("gpu 1 lost=2");
  expect(nvml.nvmlDeviceGetHandleByIndex_v2(1, new BigUint64Array(1))).toBe(GPU_IS_LOST);
  fake.command("gpu 1 reset");
  expect(temperatureOf(nvml, gpu).code).toBe(0);
  fake.command("gpu 0 present=0");
  expect(count(nvml)).toBe(3);
  expect(uuidOf(nvml, 2)).toBe(last);
});

test("a fault strikes one function of one GPU, after and for so many calls", () => {
  const fake = fakeWith();
  const nvml = load(fake);
  fake.command("fault nvmlDeviceGetTemperature code=999 gpu=1 after=1 times=2");
  const [well, ill] = [handleOf(nvml, 0), handleOf(nvml, 1)];
  expect(Array.from({ length: 5 }, () => temperatureOf(nvml, ill).code)).toEqual([0, 999, 999, 0, 0]);
  expect(temperatureOf(nvml, well).code).toBe(0);
});

test("absurd answers can be had", () => {
  const fake = fakeWith();
  const nvml = load(fake);
  const gpu = handleOf(nvml, 0);
  fake.command("set count=2147483648 absurd=unterminated,null_handle");
  expect(count(nvml)).toBe(2_147_483_648);
  expect(handleOf(nvml, 0)).toBe(0n);
  const name = new Uint8Array(96);
  expect(nvml.nvmlDeviceGetName(gpu, name, name.length)).toBe(0);
  expect(name.includes(0)).toBe(false);
});

/** Another process loads the library and calls these functions. */
function callInChild(fake: FakeNvml, ...names: string[]) {
  const script = join(import.meta.dir, "fake-nvml-child.ts");
  return Bun.spawn([process.execPath, script, libraryOf(fake), ...names], {
    env: { ...process.env, ...fake.env },
    stdout: "pipe",
    stderr: "pipe",
    timeout: PATIENCE_MS,
  });
}

async function outputOf(child: ReturnType<typeof callInChild>): Promise<string> {
  const output = await new Response(child.stdout).text();
  await child.exited;
  return output;
}

test("what was commanded outlives the process that loaded the library", async () => {
  const fake = fakeWith();
  fake.command("fault nvmlInit_v2 code=9 times=1");
  expect(await outputOf(callInChild(fake, "nvmlInit_v2"))).toBe("nvmlInit_v2 9\n");
  expect(await outputOf(callInChild(fake, "nvmlInit_v2"))).toBe("nvmlInit_v2 0\n");
  expect(fake.calls("nvmlInit_v2")).toBe(2);
});

test("a function hangs until it is let go", async () => {
  const fake = fakeWith();
  fake.command("fault nvmlDeviceGetPowerUsage hang");
  const child = callInChild(fake, "nvmlInit_v2", "nvmlDeviceGetPowerUsage");
  const deadline = performance.now() + PATIENCE_MS;
  while (fake.hangs("nvmlDeviceGetPowerUsage") === 0 && performance.now() < deadline) await Bun.sleep(5);
  expect(child.exitCode).toBeNull();
  fake.command("clear nvmlDeviceGetPowerUsage");
  expect(await outputOf(child)).toBe("nvmlInit_v2 0\nnvmlDeviceGetPowerUsage 0\n");
});

test("a function ends the process as it is told to", async () => {
  const fake = fakeWith();
  fake.command("fault nvmlDeviceGetPowerUsage exit=7");
  const ended = callInChild(fake, "nvmlInit_v2", "nvmlDeviceGetPowerUsage");
  expect(await outputOf(ended)).toBe("nvmlInit_v2 0\n");
  expect(ended.exitCode).toBe(7);
  fake.command("fault nvmlDeviceGetPowerUsage crash");
  const crashed = callInChild(fake, "nvmlInit_v2", "nvmlDeviceGetPowerUsage");
  expect(await outputOf(crashed)).toBe("nvmlInit_v2 0\n");
  expect(crashed.signalCode).toBe("SIGSEGV");
});

test("a library without a symbol, and one that is none", async () => {
  const fake = fakeWith({ library: { kind: "without", symbols: ["nvmlDeviceGetPowerUsage"] } });
  const without = callInChild(fake, "nvmlInit_v2", "nvmlDeviceGetPowerUsage");
  expect(await outputOf(without)).toBe("");
  expect(await new Response(without.stderr).text()).toContain("nvmlDeviceGetPowerUsage");
  expect(await outputOf(callInChild(fake, "nvmlInit_v2", "nvmlDeviceGetMigMode"))).toContain("nvmlDeviceGetMigMode 0");
  for (const kind of ["none", "empty", "not-a-library", "other-machine"] as const) {
    fake.install({ kind });
    expect(await outputOf(callInChild(fake, "nvmlInit_v2"))).toBe("");
  }
  fake.install({ kind: "whole" });
  expect(await outputOf(callInChild(fake, "nvmlInit_v2"))).toBe("nvmlInit_v2 0\n");
});

test("a command that is not understood is refused with its reason", () => {
  const fake = fakeWith();
  expect(() => fake.command("gpu 0 colour=red")).toThrow("NoSuchKey: gpu 0 colour=red");
  expect(() => fake.command("explode")).toThrow("NoSuchCommand");
});
