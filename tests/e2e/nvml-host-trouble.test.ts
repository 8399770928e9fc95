import { expect, test } from "bun:test";
import { createFakeMachine, NvmlHost } from "../support/nvml-host.ts";

const FAST = ["--period-ms=50"];
const WAITING = "nvmlEventSetWait_v2";

test("of 100,000 events at once each is either there, in order, or counted as lost", async () => {
  using machine = createFakeMachine(8);
  await using host = new NvmlHost(machine);
  await host.message("pulse", ({ eventThread }) => eventThread?.name === WAITING);
  machine.control("xid 0 31 count=100000");
  const accounted = () => host.all("event").length + host.all("gap").reduce((sum, { dropped }) => sum + dropped, 0);
  await host.until(() => accounted() >= 100_000);
  expect(accounted()).toBe(100_000);
  let expected = 0n;
  for (const message of host.messages) {
    if (message.kind === "gap") expected += BigInt(message.dropped);
    if (message.kind !== "event") continue;
    expect(message.event.seq).toBe(expected);
    expected += 1n;
  }
  await host.nextRound();
});

test("a reader that pauses finds the newest round and the count of events that it has missed", async () => {
  using machine = createFakeMachine(8);
  await using host = new NvmlHost(machine, ["--period-ms=10"]);
  await host.message("pulse", ({ eventThread }) => eventThread?.name === WAITING);
  host.pause();
  machine.control("xid 0 31 count=200000");
  machine.control("gpu 0 temperature=77");
  await Bun.sleep(2_000);
  machine.control("gpu 0 temperature=78");
  await Bun.sleep(500);
  const before = host.all("round").length;
  host.resume();
  await host.nextRound(({ gpus }) => gpus[0]?.temperatureC === 78);
  const accounted = () => host.all("event").length + host.all("gap").reduce((sum, { dropped }) => sum + dropped, 0);
  await host.until(() => accounted() === 200_000);
  expect(host.all("gap").length).toBeGreaterThan(0);
  // 2.5 s of 10 ms rounds were not kept: only what the pipe held.
  const rounds = host.all("round").slice(before, -1);
  expect(rounds.filter(({ round }) => round.gpus[0]?.temperatureC !== 78).length).toBeLessThan(15);
});

test("a lost event set is said, built anew, and followed by a fresh round", async () => {
  using machine = createFakeMachine(2);
  await using host = new NvmlHost(machine, ["--period-ms=3600000"]);
  await host.message("pulse", ({ eventThread }) => eventThread?.name === WAITING);
  const rounds = host.all("round").length;
  machine.control(`fault ${WAITING} code=999 times=1`);
  await host.message("events", ({ running }) => running);
  expect(host.all("events")).toEqual([
    { kind: "events", running: false, code: 999 },
    { kind: "events", running: true, code: 0 },
  ]);
  await host.until(() => host.all("round").length > rounds);
  machine.control("xid 1 79");
  await host.message("event");
});

test("a GPU that is lost says so, and one that goes and comes back has its events again", async () => {
  using machine = createFakeMachine(3);
  await using host = new NvmlHost(machine, FAST);
  const { round } = await host.message("round");
  const uuids = round.gpus.map(({ uuid }) => uuid);
  machine.control("gpu 1 lost=1");
  const lost = await host.nextRound(({ gpus }) => gpus[1]?.lost === true);
  expect(lost.gpus.map(({ uuid }) => uuid)).toEqual(uuids);
  machine.control("gpu 1 lost=0");
  await host.nextRound(({ gpus }) => gpus[1]?.lost === false);
  machine.control("gpu 2 present=0");
  await host.nextRound(({ gpus }) => gpus.length === 2);
  machine.control("gpu 2 present=1");
  await host.nextRound(({ gpus }) => gpus.length === 3);
  // Registration takes a look-up of the event thread.
  await host.until(() => {
    machine.control("xid 2 48");
    return host.all("event").length > 0;
  });
  expect(host.all("event")[0]?.event.uuid).toBe(uuids[2] ?? "");
});

test("a GPU that cannot be opened any more keeps its name", async () => {
  using machine = createFakeMachine(3);
  await using host = new NvmlHost(machine, FAST);
  const { round } = await host.message("round");
  machine.control("fault nvmlDeviceGetHandleByIndex_v2 code=15 gpu=1");
  const after = await host.nextRound(({ gpus }) => gpus[1]?.lost === true);
  expect(after.gpus.map(({ uuid }) => uuid)).toEqual(round.gpus.map(({ uuid }) => uuid));
});

for (const absurd of ["unterminated", "not_utf8", "empty_uuid", "same_uuid", "null_handle", "value_type"]) {
  test(`a library that answers nonsense (${absurd}) harms nothing, and is believed again afterwards`, async () => {
    using machine = createFakeMachine(4);
    await using host = new NvmlHost(machine, FAST);
    await host.message("round");
    machine.control(`set absurd=${absurd}`);
    for (let i = 0; i < 3; i++) await host.nextRound();
    machine.control("set absurd=none");
    const round = await host.nextRound(({ gpus }) => gpus.length === 4 && gpus.every((gpu) => !gpu.failures.length));
    expect(round.gpus.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });
}

test("a count of GPUs that no node has is an error of the round", async () => {
  using machine = createFakeMachine(4);
  await using host = new NvmlHost(machine, FAST);
  await host.message("round");
  machine.control("set count=4000000000");
  expect(await host.nextRound(({ code }) => code !== 0)).toMatchObject({ code: 999, gpus: [] });
});

test("256 GPUs fit", async () => {
  using machine = createFakeMachine(256);
  await using host = new NvmlHost(machine, FAST);
  const { round } = await host.message("round");
  expect(new Set(round.gpus.map(({ uuid }) => uuid)).size).toBe(256);
});

test("a wait that comes back at once does not keep the processor busy", async () => {
  using machine = createFakeMachine(2);
  machine.control("set absurd=early_timeout");
  await using host = new NvmlHost(machine);
  await host.message("ready");
  machine.control("calls reset");
  const started = performance.now();
  await Bun.sleep(1_000);
  const calls = Number(machine.control(`calls ${WAITING}`).split(" ")[1]);
  expect(calls / ((performance.now() - started) / 1_000)).toBeLessThan(400);
  expect(calls).toBeGreaterThan(0);
});

test("starts and stops leave no descriptor and no thread", async () => {
  using machine = createFakeMachine(8);
  const command = [process.execPath, "tests/support/nvml-cycles.ts", "25"];
  const cycles = Bun.spawn(command, { env: machine.env, stdout: "pipe" });
  expect(JSON.parse(await new Response(cycles.stdout).text())).toEqual({ fds: 0, threads: 0 });
  expect(await cycles.exited).toBe(0);
});
