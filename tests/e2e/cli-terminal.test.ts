import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { BINARY, type RunningBinary, spawnBinary } from "../support/binary.ts";
import { InTerminal, shows } from "../support/in-terminal.ts";
import { runBinary } from "../support/run-binary.ts";
import { TestClient } from "../support/test-client.ts";

/** The compiled binary in a real terminal: a pseudo-terminal of our own, and tmux where it is installed. */

const { simulateBreak, simulateHeal } = AdminService.method;
const CTRL_C = "\x03";
const CTRL_Z = "\x1a";

let server: RunningBinary;
let client: TestClient;

beforeAll(async () => {
  server = await spawnBinary(["--simulate=64"]);
  client = new TestClient(server.unixTarget);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await server.stop();
});

afterEach(async () => {
  await client.call(simulateHeal, { name: "gpu-40" });
});

const inTerminal = (command: readonly string[], columns?: number, rows?: number) =>
  new InTerminal(command, { NVIDIA_DEVICE_API_TARGET: server.unixTarget }, columns, rows);
const breakOne = () => client.call(simulateBreak, { name: "gpu-40", xid: 79 });

describe("status --follow", () => {
  test("draws 64 GPUs on 24 rows in place, the broken one first as soon as it breaks", async () => {
    await using run = inTerminal([BINARY, "status", "--follow"], 120, 24);
    await run.until(shows("64 GPUs: 64 ready, 0 not ready, 0 unknown"), "the screen");
    const { screen } = run;
    expect([screen.isAlternate, screen.hasCursor, screen.wraps]).toEqual([true, false, false]);
    expect(screen.text).toContain("… and ");
    await breakOne();
    await run.until(shows("64 GPUs: 63 ready, 1 not ready, 0 unknown"), "the change");
    const lines = screen.text.split("\n");
    expect(lines[4]).toMatch(/^gpu-40 +False +XidError +RESTART_BM +\d+s$/);
    await run.until(shows("Ready True -> False (XidError), by an operator: SimulateBreak by uid"), "the event");
    expect(run.raw).toContain("\x1b[31mFalse\x1b[0m");
    // In place: what stood there is written over, and never scrolled.
    expect(screen.text.split("\n").length).toBeLessThanOrEqual(24);
  });

  test("takes the size of its terminal, again when that changes", async () => {
    await using run = inTerminal([BINARY, "status", "--follow"], 120, 80);
    await run.until(shows("gpu-63 "), "all GPUs");
    run.resize(40, 10);
    await run.until((screen) => !screen.text.includes("gpu-63 ") && screen.text.includes("… and "), "the small screen");
    const lines = run.screen.text.split("\n");
    expect(lines.length).toBeLessThanOrEqual(10);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(40);
    run.resize(120, 80);
    await run.until(shows("gpu-63 "), "all GPUs again");
  });

  test("gives the terminal back on Ctrl-C, with cursor and what was there, and ends with status 0", async () => {
    await using run = inTerminal([
      "sh",
      "-c",
      'trap : INT; echo before; "$0" status --follow; echo "after $?"',
      BINARY,
    ]);
    await run.until(shows("64 GPUs"), "the screen");
    run.type(CTRL_C);
    await run.until(shows("after 0"), "the end");
    const { screen } = run;
    expect([screen.isAlternate, screen.hasCursor, screen.wraps]).toEqual([false, true, true]);
    expect(run.raw.endsWith("\x1b[?1049lafter 0\r\n")).toBe(true);
  });

  test("gives the terminal back on Ctrl-Z, and takes it again with fg", async () => {
    await using run = inTerminal(["bash", "--norc", "-i"]);
    run.type(`PS1='READY> '; ${BINARY} status --follow\r`);
    await run.until(shows("64 GPUs"), "the screen");
    run.type(CTRL_Z);
    await run.until((screen) => !screen.isAlternate && screen.text.includes("READY>"), "the shell");
    expect([run.screen.hasCursor, run.screen.wraps]).toEqual([true, true]);
    run.type("fg\r");
    await run.until((screen) => screen.isAlternate && screen.text.includes("64 GPUs"), "the screen again");
    run.type(CTRL_C);
    await run.until((screen) => !screen.isAlternate && screen.hasCursor, "the end");
  });
});

test("a server that hangs is noticed within 40 s by whoever watches it", async () => {
  await using other = await spawnBinary(["--simulate=1"]);
  const env = { NVIDIA_DEVICE_API_TARGET: other.unixTarget };
  await using screen = new InTerminal([BINARY, "status", "--follow"], env, 120, 24);
  await screen.until(shows("1 GPU: 1 ready"), "the screen");
  let watched = "";
  const watch = runBinary(["watch"], env, (out) => {
    watched = out;
  });
  while (!watched.includes("gpu-0")) await Bun.sleep(10);
  other.process.kill("SIGSTOP");
  try {
    const since = performance.now();
    await screen.until(shows("OLD, trying again: "), "the word", 60_000);
    expect(screen.screen.text).toContain("gpu-0  True");
    const { status, err } = await watch;
    expect([status, err]).toEqual([
      3,
      expect.stringContaining("the connection was lost: the server has ended, or hangs"),
    ]);
    expect(performance.now() - since).toBeLessThan(40_000);
  } finally {
    other.process.kill("SIGCONT");
  }
  await screen.until((drawn) => !drawn.text.includes("OLD"), "the fresh state");
});

describe("the other commands", () => {
  test("have colours on a terminal", async () => {
    await using run = inTerminal([BINARY, "get", "gpu-1"]);
    expect(await run.child.exited).toBe(0);
    await run.until(shows("gpu-1  True"), "the table");
    expect(run.raw).toContain("\x1b[32mTrue\x1b[0m");
  });

  test("watch ends on Ctrl-C with status 0", async () => {
    await using run = inTerminal([BINARY, "watch"]);
    await run.until(shows("gpu-63"), "the rows");
    run.type(CTRL_C);
    expect(await run.child.exited).toBe(0);
  });
});

describe.skipIf(Bun.which("tmux") === null)("in tmux", () => {
  const folder = mkdtempSync(join(tmpdir(), "tmux-"));
  const tmux = (...args: readonly string[]) => {
    const done = Bun.spawnSync(["tmux", "-S", join(folder, "tmux.sock"), "-f", "/dev/null", ...args], {
      env: { PATH: Bun.env["PATH"] ?? "", HOME: folder, TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
    });
    return done.stdout.toString();
  };
  const until = async (isThere: (screen: string) => boolean) => {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const screen = tmux("capture-pane", "-p", "-t", "it");
      if (isThere(screen)) return screen;
      if (performance.now() > deadline) throw new Error(`not there:\n${screen}`);
      await Bun.sleep(50);
    }
  };

  afterAll(() => {
    tmux("kill-server");
    rmSync(folder, { recursive: true, force: true });
  });

  test("status --follow stays within the window, also one that is made smaller, and leaves it as it was", async () => {
    tmux("new-session", "-d", "-s", "it", "-x", "100", "-y", "30", "bash --norc");
    tmux(
      "send-keys",
      "-t",
      "it",
      `PS1='READY'; clear; echo before; ${BINARY} status -f --target ${server.socket}`,
      "Enter",
    );
    const first = await until((screen) => screen.includes("64 GPUs: 64 ready"));
    expect(first).toContain("CHANGED");
    await breakOne();
    const second = await until((screen) => screen.includes("1 not ready"));
    expect(second.split("\n")[4]).toStartWith("gpu-40  False");
    tmux("resize-window", "-t", "it", "-x", "50", "-y", "12");
    const small = await until((screen) => screen.split("\n")[1]?.startsWith("64 GPUs") === true);
    expect(small.split("\n").findIndex((line) => line.startsWith("… and "))).toBeGreaterThan(4);
    tmux("send-keys", "-t", "it", "C-c");
    const after = await until((screen) => screen.includes("before") && screen.includes("READY"));
    expect(after).not.toContain("64 GPUs");
    expect(tmux("display-message", "-p", "-t", "it", "#{cursor_flag} #{alternate_on} #{wrap_flag}")).toBe("1 0 1\n");
  });
});
