import { describe, expect, test } from "bun:test";
import { clearCommand } from "../clear.ts";
import { getCommand } from "../get.ts";
import { providerCommand } from "../provider.ts";
import { simulateCommand } from "../simulate.ts";
import { versionCommand } from "../version.ts";
import { completionCommand } from "./command.ts";
import { type CompletionContext, complete } from "./engine.ts";

const COMMANDS = [
  { ...versionCommand, name: "serve" },
  getCommand,
  clearCommand,
  providerCommand,
  simulateCommand,
  completionCommand,
];

/** What the shell is offered for the last word; "+files" where file names are. */
async function offered(words: readonly string[], env: CompletionContext["env"] = {}) {
  const asked: string[] = [];
  const names = {
    gpus: async (target: string) => {
      asked.push(target);
      return ["gpu-0", "gpu-1", "other"];
    },
    providers: async () => ["monitor", "dcgm"],
    conditions: async (_: string, gpu: string | undefined) =>
      gpu === "gpu-1" ? ["NVMLReady", "MemoryHealthy"] : ["NVMLReady", "Other"],
  };
  const { candidates, files } = await complete(words, { commands: COMMANDS, names, env });
  return { texts: [...candidates.map(({ text }) => text), ...(files ? ["+files"] : [])], asked };
}

const FLAGS_OF_CLEAR = ["--type", "--reason", "--target", "--timeout", "--help"];

describe("the shell is offered", () => {
  test.each<[string[], string[]]>([
    [[""], ["serve", "get", "clear", "provider", "simulate", "completion", "help"]],
    [["c"], ["clear", "completion"]],
    [["-"], ["--output", "--help"]],
    [["nonsense", ""], []],
    [
      ["help", ""],
      ["serve", "get", "clear", "provider", "simulate", "completion", "help"],
    ],
    [["help", "get", ""], []],
    // Arguments.
    [
      ["get", ""],
      ["gpu-0", "gpu-1", "other"],
    ],
    [["get", "gpu-0", "gpu"], ["gpu-1"]],
    [
      ["clear", "g"],
      ["gpu-0", "gpu-1"],
    ],
    [["clear", "gpu-0", ""], []],
    [
      ["simulate", ""],
      ["break", "heal"],
    ],
    [
      ["simulate", "break", "gpu-"],
      ["gpu-0", "gpu-1"],
    ],
    [["simulate", "break", "gpu-0", ""], []],
    [["simulate", "nonsense", ""], []],
    [["simulate", "toString", ""], []],
    [["provider", "list", ""], []],
    [
      ["provider", "forget", ""],
      ["monitor", "dcgm"],
    ],
    [["completion", "z"], ["zsh"]],
    // Flags, in any place, each once.
    [["clear", "--"], FLAGS_OF_CLEAR],
    [["clear", "gpu-0", "--r"], ["--reason"]],
    [["clear", "--reason", "x", "--"], FLAGS_OF_CLEAR.filter((name) => name !== "--reason")],
    [
      ["clear", "--reason=x", "gpu-0", "-h", "--"],
      ["--type", "--target", "--timeout"],
    ],
    // Values.
    [
      ["get", "-o", ""],
      ["table", "wide", "json", "yaml", "name"],
    ],
    [["get", "--output", "j"], ["json"]],
    [["get", "--output=j"], ["--output=json"]],
    [
      ["get", "-o="],
      ["-o=table", "-o=wide", "-o=json", "-o=yaml", "-o=name"],
    ],
    [["get", "--check=t"], ["--check=true"]],
    [["get", "--nonsense=t"], []],
    [["get", "--timeout", ""], []],
    [
      ["clear", "gpu-1", "--type", ""],
      ["NVMLReady", "MemoryHealthy"],
    ],
    [["clear", "--type=O"], ["--type=Other"]],
    [["clear", "gpu-1", "--reason", ""], ["+files"]],
    [["get", "--target", "/tm"], ["+files"]],
    [["get", "--target=/tm"], ["+files"]],
    // A flag's value is no argument, and after "--" nothing is a flag.
    [
      ["clear", "--type", "gpu-0", ""],
      ["gpu-0", "gpu-1", "other"],
    ],
    [
      ["get", "--check", "gpu-0", ""],
      ["gpu-1", "other"],
    ],
    [
      ["get", "--nonsense", ""],
      ["gpu-0", "gpu-1", "other"],
    ],
    [["clear", "--", "-"], []],
    [["get", "--", "gpu-0", "gpu"], ["gpu-1"]],
  ])("for %j: %j", async (words, expected) => {
    expect((await offered(words)).texts).toEqual(expected);
  });

  test("names from the server that the line or the environment means", async () => {
    const env = { NVIDIA_DEVICE_API_TARGET: "/from-env.sock" };
    expect((await offered(["get", ""])).asked).toEqual([""]);
    expect((await offered(["get", ""], env)).asked).toEqual(["/from-env.sock"]);
    expect((await offered(["get", "--target", "/flag.sock", ""], env)).asked).toEqual(["/flag.sock"]);
    expect((await offered(["get", "-target=/flag.sock", ""], env)).asked).toEqual(["/flag.sock"]);
    expect((await offered(["get", "--"], env)).asked).toEqual([]);
  });
});
