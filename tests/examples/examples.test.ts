import { afterAll, beforeAll, expect, test } from "bun:test";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { exampleCommand, runExample, shownOutput, simulate, startExample } from "./example.ts";

/** Each example runs as its README says, against the compiled binary, and writes what its README shows. */

let binary: RunningBinary;

beforeAll(async () => {
  // As many as `./dev run` has.
  binary = await spawnBinary(["--simulate=8"]);
});

afterAll(async () => {
  await binary?.stop();
});

test("client", async () => {
  const { code, stdout, stderr } = await runExample("client", binary.unixTarget);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(shownOutput("client", "./dev example client"));
});

test("client, where there is no server: one line that says so", async () => {
  const { code, stdout, stderr } = await runExample("client", "unix:///nowhere/device.sock");
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toStartWith("UNAVAILABLE: no connection to unix:///nowhere/device.sock");
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

/** Lines that the example has written: before the fault, with the fault, and when it is undone. */
test.each([
  ["watch", [1, 2, 3]],
  ["informer", [1, 2, 3]],
] as const)("%s, while a GPU breaks and is healed", async (name, [ready, broken, healed]) => {
  await using example = startExample(exampleCommand(name), binary.unixTarget);
  await example.untilLines(ready);
  await simulate(binary, "break", "gpu-0", "--xid", "79");
  await example.untilLines(broken);
  await simulate(binary, "heal", "gpu-0");
  await example.untilLines(healed);
  expect(await example.stop()).toBe(shownOutput(name, `./dev example ${name}`));
});

test("informer, where there is no server, ends by Ctrl-C without another word", async () => {
  await using example = startExample(exampleCommand("informer"), "unix:///nowhere/device.sock");
  await example.untilLines(1, "stderr");
  expect(await example.stop()).toBe("");
  for (const line of example.errors.trim().split("\n")) {
    expect(line).toMatch(/^device-api-client: list of Gpu failed, next try in .* no connection to unix:/);
  }
});

test("provider", async () => {
  const { code, stdout, stderr } = await runExample("provider", binary.unixTarget, "61\n97\n");
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(shownOutput("provider", "printf '61\\n97\\n' | ./dev example provider"));
});

test("fake-client", async () => {
  const { code, stdout, stderr } = await runExample("fake-client", "unix:///nowhere/device.sock");
  expect([code, stderr]).toEqual([0, expect.stringContaining(" 0 fail")]);
  const passed = (text: string) => text.match(/^\(pass\) .*(?= \[)/gm);
  expect(passed(`${stdout}${stderr}`)).toEqual(passed(shownOutput("fake-client", "./dev example fake-client")));
});

test("an example that there is not", async () => {
  const { code, stderr } = await runExample("nothing", binary.unixTarget);
  expect([code, stderr]).toEqual([
    2,
    "example: there is no nothing; there are client, fake-client, go, informer, provider, watch\n",
  ]);
});
