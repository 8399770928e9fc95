import { describe, expect, test } from "bun:test";
import { DEFAULT_THRESHOLDS, type Thresholds } from "../provider/nvml/thresholds.ts";
import { createNvmlConfig, type NvmlConfig } from "./config-nvml.ts";
import { SERVE_FLAGS } from "./flags.ts";
import { UsageError } from "./flags-kinds.ts";
import { parseFlags } from "./flags-parse.ts";

const configOf = (...args: readonly string[]): NvmlConfig => createNvmlConfig(parseFlags(SERVE_FLAGS, args, {}).values);

/** Each flag, a value, and the threshold that it is to become. */
const FLAGS: readonly (readonly [flag: string, key: keyof Thresholds, value: number])[] = [
  ["--nvml-thermal-margin=7", "thermalMarginC", 7],
  ["--nvml-thermal-quiet=41s", "thermalQuietMs", 41_000],
  ["--nvml-power-quiet=0", "powerQuietMs", 0],
  ["--nvml-link-quiet=1m30s", "linkQuietMs", 90_000],
  ["--nvml-link-errors=5", "linkErrorsMax", 5],
  ["--nvml-link-error-window=59s", "linkErrorWindowMs", 59_000],
  ["--nvml-link-error-quiet=61", "linkErrorQuietMs", 61_000],
  ["--nvml-fabric-quiet=44s", "fabricQuietMs", 44_000],
  ["--nvml-unattributed-quiet=45s", "unattributedQuietMs", 45_000],
  ["--nvml-retired-pages=12", "retiredPagesMax", 12],
  ["--nvml-unread-rounds=3", "unreadRoundsMax", 3],
  ["--nvml-gone-after=24h", "goneMs", 86_400_000],
];

describe("the thresholds", () => {
  test("are the rules' own where no flag says otherwise", () => {
    expect(configOf().thresholds).toEqual(DEFAULT_THRESHOLDS);
  });

  test.each(FLAGS)("%p changes %p alone", (flag, key, value) => {
    expect(configOf(flag).thresholds).toEqual({ ...DEFAULT_THRESHOLDS, [key]: value });
  });

  test("have a flag each", () => {
    expect(FLAGS.map(([, key]) => key).toSorted()).toEqual(
      (Object.keys(DEFAULT_THRESHOLDS) as (keyof Thresholds)[]).toSorted(),
    );
  });

  test.each([
    ["--nvml-thermal-margin=-1", "from 0 to 50"],
    ["--nvml-retired-pages=65", "from 1 to 64"],
    ["--nvml-retired-pages=0", "from 1 to 64"],
    ["--nvml-link-errors=0", "from 1 to 1000000000"],
    ["--nvml-unread-rounds=0", "from 1 to 1000"],
    ["--nvml-gone-after=500ms", "from 1s to 24h"],
    ["--nvml-unattributed-quiet=0", "from 1s to 24h"],
    ["--nvml-link-error-window=2h", "from 1s to 1h"],
    ["--nvml-hang-timeout=0", "from 1s to 1h"],
  ])("refuse %p, with the range", (arg, range) => {
    expect(() => configOf(arg)).toThrow(UsageError);
    expect(() => configOf(arg)).toThrow(range);
  });
});

describe("the limit for a call that hangs", () => {
  test("follows from the period unless it is given", () => {
    expect(configOf().hangTimeoutMs).toBeUndefined();
    expect(configOf("--nvml-period=30s").hangTimeoutMs).toBeUndefined();
    expect(configOf("--nvml-hang-timeout=1500ms").hangTimeoutMs).toBe(1_500);
  });
});

test.each([
  [
    ["--nvml-hang-timeout=2s", "--nvml-period=1s"],
    "--nvml-hang-timeout: 2s is less than 3 times --nvml-period (1s): a call that is merely slow has to have time to " +
      "return; give at least 3s",
  ],
  [["--nvml-link-error-window=50s", "--nvml-period=30s"], "--nvml-link-error-window: 50s is less than 2 times"],
  [["--nvml-period=60s"], "give at least 2m"],
  [["--nvml-link-error-quiet=30s"], "--nvml-link-error-quiet: 30s is less than --nvml-link-error-window (1m)"],
  [["--nvml-link-error-window=5m"], "--nvml-link-error-quiet: 2m is less than --nvml-link-error-window (5m)"],
])("%p contradict each other and are refused in one line", (args, message) => {
  const call = () => configOf(...args);
  expect(call).toThrow(UsageError);
  expect(call).toThrow(message);
  expect(call).not.toThrow("\n");
});

test.each([
  [["--nvml-hang-timeout=3s", "--nvml-period=1s"]],
  [["--nvml-link-error-window=2m", "--nvml-link-error-quiet=2m"]],
  [["--nvml-period=60s", "--nvml-link-error-window=2m"]],
])("%p go together", (args) => {
  expect(() => configOf(...args)).not.toThrow();
});
