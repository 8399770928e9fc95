import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { anchorsOf, brokenLinks, type Repository } from "./links.ts";
import { markdownPages, readPage } from "./pages.ts";

const ROOT = join(import.meta.dir, "../..");

const here: Repository = { has: (path) => existsSync(join(ROOT, path)), text: readPage };

test.each(markdownPages())("%s links to what is there", (page) => {
  expect(brokenLinks(page, here)).toEqual([]);
});

describe("a link", () => {
  const pages: Readonly<Record<string, string>> = {
    "README.md": "# Top",
    "docs/a.md": "## Two words\n",
    "docs/b.md": "",
  };
  const brokenIn = (text: string) => {
    const all = { ...pages, "docs/b.md": text };
    const texts = new Map(Object.entries(all));
    return brokenLinks("docs/b.md", {
      has: (path) => texts.has(path) || path === "docs",
      text: (path) => texts.get(path),
    });
  };

  test.each(["a.md", "../README.md", "a.md#two-words", "../docs", "#own", "https://example.org/x"])(
    "to %s leads there",
    (to) => {
      expect(brokenIn(`# Own\n[x](${to}) and ![y](a.md)`)).toEqual([]);
    },
  );

  test.each(["c.md", "README.md", "../../outside.md", "a.md#two", "#other", "a.md#"])("to %s is found broken", (to) => {
    expect(brokenIn(`# Own\n[x](${to})`)).toEqual([to]);
  });

  test("in code is no link, and a path in code has to be there", () => {
    expect(brokenIn("`[x](c.md)` and `docs/a.md`\n```\n[x](d.md) `src/e.ts`\n```\n")).toEqual([]);
    expect(brokenIn("`src/gone.ts`, `src/*.ts`, `src/NAME/…`")).toEqual(["src/gone.ts"]);
  });
});

test("headings get the anchors that GitHub gives them", () => {
  const text = "# A: `b/c`, d\n```\n# no\n```\n## SimulateBreak, SimulateHeal\n## [x](y.md) z\n## Twice\n## Twice\n";
  expect([...anchorsOf(text)]).toEqual(["a-bc-d", "simulatebreak-simulateheal", "x-z", "twice", "twice-1"]);
});
