import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { runnableBlocks } from "./blocks.ts";
import { DOC_PATH, type PageServer, startPageServer } from "./page-server.ts";
import { markdownPages, readPage } from "./pages.ts";

/** Every block that a page marks as runnable is run, against the compiled binary; each page has a server of its own. */

/** Not part of the project or of every machine: a block that asks for one that is missing is skipped by name. */
const TOOLS = ["grpcurl", "curl", "jq"];
/** Pages that would be wrong without anybody noticing, if they lost their markers. */
const MARKED = [
  ...["README.md", "docs/api/device-api-server.md"],
  ...["cli", "page", "runbooks"].map((name) => `docs/operations/${name}.md`),
];

const pages = markdownPages()
  .map((page) => ({ page, blocks: runnableBlocks(page, readPage(page)) }))
  .filter(({ blocks }) => blocks.length > 0);

test("the pages that show how to use the server have runnable blocks", () => {
  expect(pages.map(({ page }) => page)).toEqual(expect.arrayContaining(MARKED));
});

describe.each(pages)("$page", ({ blocks }) => {
  let server: PageServer | undefined;

  beforeAll(async () => {
    server = await startPageServer();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  for (const block of blocks) {
    const missing = missingTools(block.commands.map(({ text }) => text).join("\n"));
    const why = missing.length === 0 ? "" : ` (${missing.join(", ")} is missing)`;
    test.skipIf(missing.length > 0)(`the block at line ${block.line} does what it shows${why}`, async () => {
      expect((await server?.run(block))?.join("\n\n")).toBe("");
    });
  }
});

function missingTools(commands: string): readonly string[] {
  const asked = TOOLS.filter((tool) => new RegExp(`\\b${tool}\\b`).test(commands));
  return asked.filter((tool) => Bun.which(tool, { PATH: DOC_PATH }) === null);
}
