import { expect, test } from "bun:test";
import { COLOURED } from "./paint.ts";
import { cell, renderTable } from "./table.ts";

test("columns line up, and lines have no spaces at their end", () => {
  expect(
    renderTable([
      ["NAME", "READY"],
      ["a-long-name", "True"],
      ["b", ""],
    ]),
  ).toBe("NAME         READY\na-long-name  True\nb\n");
});

test("colours take no width, and characters as many columns as the terminal gives them", () => {
  const table = renderTable(
    [
      ["日本", "x"],
      [COLOURED.bad("abc"), "y"],
      ["e\u0301", "z"],
    ],
    "  ",
  );
  expect(Bun.stripANSI(table)).toBe("  日本  x\n  abc   y\n  e\u0301     z\n");
});

test("a cell stays on its line, shows what it has, and ends", () => {
  expect(cell("")).toBe("-");
  expect(cell("a\u001b[31m\nb\u202ec")).toBe("a\\u001b[31m\\nb\\u202ec");
  expect(cell("😀".repeat(100))).toBe(`${"😀".repeat(64)}… (of 200)`);
  expect(cell("abcdef", 3)).toBe("abc… (of 6)");
});
