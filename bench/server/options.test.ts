import { expect, test } from "bun:test";
import { HELP, parseOptions, UsageError } from "./options.ts";
import { SCENARIO_NAMES } from "./scenarios.ts";

test("without options everything of dist/device-api-server is measured beside the reference", () => {
  expect(parseOptions([])).toEqual({
    quick: false,
    format: "text",
    scenarios: SCENARIO_NAMES,
    transports: ["unix", "tcp"],
    binary: "dist/device-api-server",
    peer: undefined,
    repetitions: undefined,
  });
});

test("options choose what is measured, how often, and how it is shown", () => {
  const args = ["--quick", "--json", "--scenario=get", "--scenario", "list", "--transport=tcp", "--repetitions=3"];
  expect(parseOptions([...args, "--binary=a", "--peer=b"])).toEqual({
    quick: true,
    format: "json",
    scenarios: ["get", "list"],
    transports: ["tcp"],
    binary: "a",
    peer: "b",
    repetitions: 3,
  });
});

test("what is not understood is said in words", () => {
  for (const [args, words] of [
    [["--scenario=lists"], "unknown scenario lists; one of list, "],
    [["--transport=udp"], "--transport: udp is not one of unix, tcp"],
    [["--repetitions=0"], "--repetitions: 0 is not a number from 1 to 999"],
    [["--json", "--markdown"], "--json or --markdown, not both"],
    [["--slow"], "--slow"],
  ] as const) {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(words);
  }
});

test("the help names every scenario", () => {
  expect(parseOptions(["--help"])).toBe("help");
  for (const name of SCENARIO_NAMES) expect(HELP).toContain(name);
});
