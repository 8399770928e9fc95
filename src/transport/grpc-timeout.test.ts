import { expect, test } from "bun:test";
import { parseTimeout } from "./grpc-timeout.ts";

test.each([
  ["0n", 0],
  ["1n", 1e-6],
  ["1u", 1e-3],
  ["1m", 1],
  ["1S", 1_000],
  ["1M", 60_000],
  ["1H", 3_600_000],
  ["00000001S", 1_000],
  ["99999999n", 99.999999],
  ["2147484S", 2_147_484_000],
  ["2592000S", 2_592_000_000],
  ["99999999H", 99_999_999 * 3_600_000],
])("%s is %d ms", (text, ms) => {
  expect(parseTimeout(text)).toBeCloseTo(ms, 9);
});

test.each([
  ...["", "S", "1", "1x", "1s", "1h", "-1S", "+1S", " 1S", "1S ", "1 S", "1.5S", "1e3S", "0x1S", "100000000S", "1SS"],
  ...["1S\n", "١S", "1S,2S"],
])("%p is none", (text) => {
  expect(parseTimeout(text)).toBeUndefined();
});
