import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compareNatural, compareText } from "./natural-order.ts";

/** Short texts of few characters, so that digit runs, leading zeros and common beginnings meet often. */
const name = fc.string({ unit: fc.constantFrom("0", "1", "2", "9", "a", "b", "-", "."), maxLength: 6 });

describe("natural order", () => {
  test.each([
    ["gpu-2", "gpu-10"],
    ["gpu-9", "gpu-10"],
    ["gpu-10", "gpu-10a"],
    ["a", "a1"],
    ["a1b2", "a1b10"],
    ["a1", "b0"],
    ["1", "a"],
    ["", "a"],
    ["a01", "a2"],
    ["a01", "a1"],
    ["a99999999999999999998", "a99999999999999999999"],
    ["a9", "a00000000000000000000010"],
  ])("puts %s before %s", (first, second) => {
    expect(compareNatural(first, second)).toBeLessThan(0);
    expect(compareNatural(second, first)).toBeGreaterThan(0);
  });

  test("is a total order: antisymmetric, transitive, and equal for equal names alone", () => {
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compareNatural(a, b))).toBe(-Math.sign(compareNatural(b, a)) + 0);
        expect(compareNatural(a, b) === 0).toBe(a === b);
        if (compareNatural(a, b) <= 0 && compareNatural(b, c) <= 0) {
          expect(compareNatural(a, c)).toBeLessThanOrEqual(0);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("orders numbers with one beginning by their value", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        expect(Math.sign(compareNatural(`gpu-${a}`, `gpu-${b}`))).toBe(Math.sign(a - b));
      }),
    );
  });
});

test("compareText orders by code unit", () => {
  expect([compareText("a", "b"), compareText("b", "a"), compareText("a", "a"), compareText("B", "a")]).toEqual([
    -1, 1, 0, -1,
  ]);
});
