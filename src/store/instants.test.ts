import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compareInstants, instantNow, isPlausible, laterOf } from "./instants.ts";

const NOW = { seconds: 1_790_000_000n, nanos: 500 };
const instant = fc.record({ seconds: fc.bigInt({ min: -5n, max: 5n }), nanos: fc.nat({ max: 3 }) });

describe("instants", () => {
  test("are the wall clock's microseconds, also before 1970", () => {
    const at = (us: number) => instantNow({ wallUs: () => us, monotonicMs: () => 0 });
    expect(at(1_790_000_000_123_456)).toEqual({ seconds: 1_790_000_000n, nanos: 123_456_000 });
    expect(at(0)).toEqual({ seconds: 0n, nanos: 0 });
    expect(at(-1)).toEqual({ seconds: -1n, nanos: 999_999_000 });
  });

  test("compare by seconds and then by nanoseconds, and the later of two is one of them", () => {
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        const nanos = (x: typeof a) => Number(x.seconds) * 10 + x.nanos;
        expect(Math.sign(compareInstants(a, b))).toBe(Math.sign(nanos(a) - nanos(b)));
        expect(nanos(laterOf(a, b))).toBe(Math.max(nanos(a), nanos(b)));
      }),
    );
    expect(laterOf(NOW, undefined)).toBe(NOW);
  });

  test.each([
    ["now", NOW, true],
    ["the first second of 2010", { seconds: 1_262_304_000n, nanos: 0 }, true],
    ["the second before", { seconds: 1_262_303_999n, nanos: 999_999_999 }, false],
    ["the epoch, which an unset clock shows", { seconds: 0n, nanos: 0 }, false],
    ["60 s ahead", { seconds: NOW.seconds + 60n, nanos: 0 }, true],
    ["61 s ahead", { seconds: NOW.seconds + 61n, nanos: 0 }, false],
    ["negative nanoseconds", { ...NOW, nanos: -1 }, false],
    ["a whole second of nanoseconds", { ...NOW, nanos: 1_000_000_000 }, false],
    ["the largest int64", { seconds: 2n ** 63n - 1n, nanos: 0 }, false],
  ])("%s is plausible: %#", (_name, at, plausible) => {
    expect(isPlausible(at, NOW)).toBe(plausible);
  });
});
