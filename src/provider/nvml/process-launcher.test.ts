import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemScheduler } from "../../base/clock.ts";
import { type LogFields, type Logger, silentLogger } from "../../base/log.ts";
import { createFrameDecoder, encodeGap, encodeHello } from "./frames.ts";
import type { HostExit } from "./host-launcher.ts";
import { createProcessLauncher } from "./process-launcher.ts";
import type { HostMessage } from "./sample.ts";

const GAP = Buffer.from(encodeGap(7n)).toString("base64");
const LIMIT_MS = 60_000;

/** Of a process that has said which build it is of. */
function createGreetedDecoder() {
  const decoder = createFrameDecoder();
  decoder.push(encodeHello("0.0.0-test"));
  return decoder;
}

/** A server that starts a host process and then does nothing. */
const SERVER = `
  const { createProcessLauncher } = await import(process.env.SOURCE + "/process-launcher.ts");
  const { createFrameDecoder } = await import(process.env.SOURCE + "/frames.ts");
  const { systemClock, systemScheduler } = await import(process.env.SOURCE + "/../../base/clock.ts");
  const { silentLogger } = await import(process.env.SOURCE + "/../../base/log.ts");
  createProcessLauncher({
    command: ["sh", "-c", 'touch "$FOLDER/started"; cat > /dev/null; touch "$FOLDER/ended"'],
    env: process.env,
    createDecoder: createFrameDecoder,
    clock: systemClock,
    scheduler: systemScheduler,
    log: silentLogger,
  }).launch({ messages() {}, corrupt() {}, exited() {} });
  await new Promise(() => setInterval(() => {}, 1000));
`;

/** Runs a shell script as the host process; `$GAP` is a frame in base64. */
function play(script: string, log: Logger = silentLogger) {
  const messages: HostMessage[] = [];
  const problems: string[] = [];
  const exited = Promise.withResolvers<HostExit>();
  const spoke = Promise.withResolvers<void>();
  const launcher = createProcessLauncher({
    command: ["sh", "-c", script],
    env: { PATH: Bun.env["PATH"], GAP },
    createDecoder: createGreetedDecoder,
    clock: systemClock,
    scheduler: systemScheduler,
    log,
  });
  const host = launcher.launch({
    messages(batch) {
      messages.push(...batch);
      spoke.resolve();
    },
    corrupt: (problem) => problems.push(problem),
    exited: exited.resolve,
  });
  return { host, messages, problems, exited: exited.promise, spoke: spoke.promise };
}

describe("a host process", () => {
  test("is heard to its last word before its exit is told", async () => {
    const { messages, exited } = play(
      'echo "$GAP$GAP" | sed "s/==/==\\n/" | while read f; do echo "$f" | base64 -d; done; exit 3',
    );
    expect(await exited).toMatchObject({ code: 3, signal: undefined });
    expect(messages).toEqual([
      { kind: "gap", dropped: 7 },
      { kind: "gap", dropped: 7 },
    ]);
  });

  test("is heard also where its last word is still under way when it ends", async () => {
    const { messages, exited } = play('(sleep 0.02; echo "$GAP" | base64 -d) & exit 3');
    expect((await exited).code).toBe(3);
    expect(messages).toEqual([{ kind: "gap", dropped: 7 }]);
  });

  test("whose pipe is held open by a helper has ended all the same", async () => {
    expect((await play("sleep 3 & exit 3").exited).code).toBe(3);
  });

  test(
    "that does not end is killed, and its signal is told",
    async () => {
      const { host, exited, spoke } = play('echo "$GAP" | base64 -d; sleep 1000 & wait');
      await spoke;
      host.kill("SIGKILL");
      expect(await exited).toMatchObject({ code: undefined, signal: "SIGKILL" });
    },
    LIMIT_MS,
  );

  test("that writes to standard error without an end is logged up to a limit, and the rest is counted", async () => {
    const said: LogFields[] = [];
    const untold = Promise.withResolvers<LogFields>();
    const info = (message: string, fields: LogFields = {}) => {
      if (message === "the NVML host process says") said.push(fields);
      if (message === "the NVML host process said more than is logged") untold.resolve(fields);
    };
    // More than a busy machine, which reads several lines as one piece, gets below the limit.
    const script = 'for i in $(seq 400); do echo "line $i" >&2; sleep 0.005; done; exit 3';
    const { exited } = play(script, { ...silentLogger, info });
    expect((await exited).code).toBe(3);
    const { leftOut } = await untold.promise;
    expect(said.length).toBe(30);
    expect(String(said[0]?.["text"])).toStartWith("line 1");
    expect(Number(leftOut)).toBeWithin(1, 371);
  });

  test("that crashes tells the signal", async () => {
    expect(await play("kill -SEGV $$").exited).toMatchObject({ code: undefined, signal: "SIGSEGV" });
  });

  test("that sends garbage is told once, and nothing after it is heard", async () => {
    const { problems, messages, exited } = play('echo "not a frame at all"; echo "$GAP" | base64 -d; echo more');
    await exited;
    expect(problems.length).toBe(1);
    expect(messages).toEqual([]);
  });

  test(
    "sees its input end when the server is killed, and not before",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "nvml-launcher-"));
      const server = Bun.spawn({
        cmd: [process.execPath, "-e", SERVER],
        env: { ...Bun.env, FOLDER: folder, SOURCE: import.meta.dir },
        stdout: "ignore",
      });
      const fileAppears = async (name: string) => {
        while (!(await Bun.file(join(folder, name)).exists())) await Bun.sleep(10);
      };
      await fileAppears("started");
      await Bun.sleep(100);
      expect(await Bun.file(join(folder, "ended")).exists()).toBe(false);
      server.kill("SIGKILL");
      await fileAppears("ended");
      await rm(folder, { recursive: true });
    },
    LIMIT_MS,
  );

  test("that cannot be started is an error at once", () => {
    const launcher = createProcessLauncher({
      command: ["/nowhere/nothing"],
      env: {},
      createDecoder: createGreetedDecoder,
      clock: systemClock,
      scheduler: systemScheduler,
      log: silentLogger,
    });
    expect(() => launcher.launch({ messages() {}, corrupt() {}, exited() {} })).toThrow();
  });
});

test("a host process that never pauses leaves a turn to others between two pieces", async () => {
  // Three frames of 16 bytes are base64 without padding, so that it can go on for ever.
  const frames = Buffer.from(Buffer.concat([encodeGap(1n), encodeGap(2n), encodeGap(3n)])).toString("base64");
  const exited = Promise.withResolvers<HostExit>();
  const launcher = createProcessLauncher({
    command: ["sh", "-c", 'yes "$FRAMES" | base64 -d'],
    env: { PATH: Bun.env["PATH"], FRAMES: frames },
    createDecoder: createGreetedDecoder,
    clock: systemClock,
    scheduler: systemScheduler,
    log: silentLogger,
  });
  let [pieces, sinceTurn, most] = [0, 0, 0];
  const host = launcher.launch({
    messages() {
      pieces++;
      sinceTurn++;
      most = Math.max(most, sinceTurn);
      // Slower than the process: the pipe is full all the time.
      for (const startedMs = performance.now(); performance.now() - startedMs < 2; );
      if (pieces === 100) host.kill("SIGKILL");
    },
    corrupt: () => {},
    exited: exited.resolve,
  });
  const turns = setInterval(() => {
    sinceTurn = 0;
  }, 0);
  await exited.promise;
  clearInterval(turns);
  expect(pieces).toBeGreaterThanOrEqual(100);
  expect(most).toBeLessThan(30);
});
