import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, type RunningBinary, spawnBinary } from "../support/binary.ts";
import { InTerminal, shows } from "../support/in-terminal.ts";
import { runShell } from "../support/run-binary.ts";

/** The scripts of `completion` in the shells that they are for. */

const CTRL_U = "\x15";
let server: RunningBinary;
/** Has the binary under its own name, for the search path, and a home for the shells. */
let folder: string;

beforeAll(async () => {
  server = await spawnBinary(["--simulate=3"]);
  folder = mkdtempSync(join(tmpdir(), "completion-"));
  symlinkSync(BINARY, join(folder, "device-api-server"));
  writeFileSync(join(folder, "some-file"), "");
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({
  PATH: `${folder}:${Bun.env["PATH"]}`,
  HOME: folder,
  NVIDIA_DEVICE_API_TARGET: server.unixTarget,
  // Nothing of the machine's own set-up.
  INPUTRC: "/dev/null",
  XDG_CONFIG_HOME: folder,
});

/** What stands on the last line of the shell, after its prompt. */
const typed = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .at(-1)
    ?.replace(/^READY> ?/, "");

/** Types the beginning of a line and Tab until it reads so: a busy machine's server may be asked in vain at first. */
async function expectCompleted(run: InTerminal, begin: string, whole: string): Promise<void> {
  for (let attempts = 5; ; attempts--) {
    run.type(`${begin}\t`);
    const read = run.until(
      (screen) => typed(screen.text) === whole,
      `${begin} -> ${whole}`,
      attempts === 1 ? 20_000 : 3_000,
    );
    const isRead = await (attempts === 1
      ? read.then(() => true)
      : read.then(
          () => true,
          () => false,
        ));
    run.type(CTRL_U);
    await run.until((screen) => typed(screen.text) === "", "an empty line");
    if (isRead) return;
  }
}

/** The same for what a shell is offered. */
async function expectOffered(ask: () => Promise<readonly string[]>, expected: readonly unknown[]): Promise<void> {
  let offered = await ask();
  for (let attempts = 5; attempts > 1 && !Bun.deepEquals(offered, expected); attempts--) offered = await ask();
  expect(offered).toEqual([...expected] as string[]);
}

const LINES: readonly (readonly [string, string])[] = [
  ["device-api-server desc", "device-api-server describe"],
  ["device-api-server get --outp", "device-api-server get --output"],
  ["device-api-server get --output=ya", "device-api-server get --output=yaml"],
  ["device-api-server get -o wi", "device-api-server get -o wide"],
  ["device-api-server describe gp", "device-api-server describe gpu-"],
  ["device-api-server clear gpu-0 --type N", "device-api-server clear gpu-0 --type NVMLReady"],
  ["device-api-server simulate break gpu-", "device-api-server simulate break gpu-"],
  ["device-api-server get gpu-0 gpu-1 gp", "device-api-server get gpu-0 gpu-1 gpu-2"],
  ["device-api-server get --target some-f", "device-api-server get --target some-file"],
  ["device-api-server get --target=some-f", "device-api-server get --target=some-file"],
];

describe("bash", () => {
  test("completes commands, flags, values, names of GPUs and files on Tab", async () => {
    await using run = new InTerminal(["bash", "--norc", "--noprofile", "-i"], env());
    run.type(`cd ${folder}; source <(device-api-server completion bash); PS1='READY> '; clear\r`);
    await run.until(shows("READY>"), "the shell");
    for (const [begin, whole] of LINES) await expectCompleted(run, begin, whole);
  });

  test("offers what fits, where bash cuts words at = and :", async () => {
    const offered = async (...words: readonly string[]) => {
      const list = words.map((word) => `'${word}'`).join(" ");
      const line = [
        "source <(device-api-server completion bash)",
        `COMP_WORDS=(device-api-server ${list})`,
        `COMP_CWORD=${words.length}`,
        "_device_api_server device-api-server 2>/dev/null",
        "IFS=$'\\n'; echo \"$" + '{COMPREPLY[*]}"',
      ];
      return (await runShell(line.join("\n"), env())).out.trim().split("\n");
    };
    await expectOffered(() => offered("get", ""), ["gpu-0", "gpu-1", "gpu-2"]);
    await expectOffered(() => offered("get", "--output", "="), ["table", "wide", "json", "yaml", "name"]);
    await expectOffered(() => offered("get", "--output", "=", "j"), ["json"]);
    const [scheme = "", path = ""] = server.unixTarget.split(":");
    await expectOffered(() => offered("get", "--target", scheme, ":", path, "gpu-1", "gpu"), ["gpu-0", "gpu-2"]);
    await expectOffered(() => offered("get", "--target", "=", "/nowhere", "gpu"), [""]);
  });
});

describe.skipIf(Bun.which("zsh") === null)("zsh", () => {
  test("completes commands, flags, values, names of GPUs and files on Tab", async () => {
    await using run = new InTerminal(["zsh", "-f", "-i"], env());
    const quiet = "unsetopt prompt_sp zle_bracketed_paste list_ambiguous; bindkey -e; bindkey '^U' kill-whole-line";
    run.type(`cd ${folder}; autoload -U compinit; compinit -D; ${quiet}\r`);
    run.type("source <(device-api-server completion zsh); PS1='READY> '; clear\r");
    await run.until(shows("READY>"), "the shell");
    // A list of candidates below the line would be in the way of reading it.
    for (const [begin, whole] of LINES.filter(([, line]) => !line.endsWith("gpu-"))) {
      await expectCompleted(run, begin, whole);
    }
    run.type("device-api-server describe gp\t\t");
    await run.until(shows("gpu-0  gpu-1  gpu-2"), "the list");
  });
});

describe.skipIf(Bun.which("fish") === null)("fish", () => {
  test("is offered commands with their help, flags, values, names of GPUs and files", async () => {
    const offered = async (line: string) => {
      const script = `cd ${folder}; device-api-server completion fish | source; complete -C ${JSON.stringify(line)}`;
      const { out } = await runShell('fish --no-config -c "$SCRIPT"', { ...env(), SCRIPT: script });
      return out.trim().split("\n");
    };
    const [described, ...others] = await offered("device-api-server desc");
    expect([described, others]).toEqual([expect.stringMatching(/^describe\tshow all about a GPU/), []]);
    await expectOffered(() => offered("device-api-server get --outp"), ["--output\tform of the output"]);
    await expectOffered(() => offered("device-api-server get -o "), ["table", "wide", "json", "yaml", "name"]);
    await expectOffered(() => offered("device-api-server describe g"), ["gpu-0", "gpu-1", "gpu-2"]);
    await expectOffered(() => offered("device-api-server get gpu-1 "), ["gpu-0", "gpu-2"]);
    await expectOffered(() => offered("device-api-server get --target some-f"), ["some-file"]);
  });
});
