import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { runnableBlocks } from "./blocks.ts";
import { difference } from "./compare.ts";
import { type PageServer, startPageServer } from "./page-server.ts";

/** A page that is wrong has to be found: here are pages that are. */

const page = (body: string, kind = "console") => `Text.\n\n<!-- runnable -->\n\n\`\`\`${kind}\n${body}\n\`\`\`\n`;

describe("a page's blocks", () => {
  test("are read with their lines, continued commands, output and exit statuses", () => {
    const text = page("$ one \\\n  two\nout\n$ three '\n> four' # exit status 3\n$ five");
    expect(runnableBlocks("p.md", text)).toEqual([
      {
        line: 3,
        commands: [
          { line: 6, text: "one \\\n  two", exitStatus: 0, output: ["out"] },
          { line: 9, text: "three '\nfour' # exit status 3", exitStatus: 3, output: [] },
          { line: 11, text: "five", exitStatus: 0, output: [] },
        ],
      },
    ]);
  });

  test("of a script are commands without output", () => {
    const commands = runnableBlocks("p.md", page("one \\\n  two\nthree", "sh"))[0]?.commands;
    expect(commands?.map(({ text, output }) => [text, output])).toEqual([
      ["one \\\n  two", undefined],
      ["three", undefined],
    ]);
  });

  test("without a marker are left alone", () => {
    expect(runnableBlocks("p.md", "```console\n$ rm -rf /\n```\n")).toEqual([]);
  });

  test.each([
    ["<!-- runnable -->\n\nno block\n", "no console or sh block follows"],
    ["<!-- runnable -->\n```go\nx\n```\n", "no console or sh block follows"],
    ["<!-- runnable -->\n```console\n$ x\n", "no console or sh block follows"],
    ["<!--runnable-->\n```console\n$ x\n```\n", "a marker is a line of its own"],
    ["<!-- runable -->\n```console\n$ x\n```\n", "a marker is a line of its own"],
    [page("out\n$ x"), 'begins with "$ "'],
  ])("are refused in %j", (text, problem) => {
    expect(() => runnableBlocks("p.md", text)).toThrow(problem);
  });
});

describe("shown output", () => {
  test.each([
    ["the same", ["a", "b"], ["a", "b"]],
    ["any text within a line", ["a … c"], ["a b c"]],
    ["any lines", ["a", "…", "z"], ["a", "b", "c", "z"]],
    ["no lines at all", ["a", "…", "z"], ["a", "z"]],
    ["times", ["at 2026-11-26T11:08:36.901Z"], ["at 2027-01-01T00:00:00Z"]],
    ["versions of objects", ['"1795691316890001"'], ['"1895691316890777"']],
    ["versions of programs", ["bun 1.4.5"], ["bun 1.5.0"]],
    ["ages, and the columns they widen", ["gpu-0  True  0s", "x  1m30s"], ["gpu-0  True   2h", "x 3d"]],
    ["uids and pids", ["owner uid:0, pid 7"], ["owner uid:1000, pid 12345"]],
  ])("fits where only %s differs", (_, shown, came) => {
    expect(difference(shown, came)).toBeUndefined();
  });

  test.each([
    [["a"], ["b"], "no line for: a"],
    [["a"], [], "no line for: a"],
    [["a"], ["a", "b"], "there is more than is shown"],
    [[], ["a"], "there is more than is shown"],
    [["a", "b"], ["a", "c"], "no line for: b"],
    [["a", "…", "z"], ["a", "b"], "no line for: z"],
    [["a.c"], ["abc"], "no line for: a.c"],
    [["127.0.0.1"], ["127.0.0.2"], "no line for: 127.0.0.1"],
    [['"gpus": 8'], ['"gpus": 7'], 'no line for: "gpus": 8'],
    [["  a"], ["a"], "no line for:   a"],
  ])("%j is not %j", (shown, came, problem) => {
    expect(difference(shown, came)).toStartWith(problem);
  });
});

describe("a page whose", () => {
  let server: PageServer | undefined;
  const problemsOf = async (text: string) => {
    const [block] = runnableBlocks("p.md", text);
    return block === undefined || server === undefined ? [] : server.run(block);
  };

  beforeAll(async () => {
    server = await startPageServer();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test("commands do what it shows has no problem, and one command's variable is there for the next", async () => {
    const get =
      "$ device-api-server get gpu-$N\nNAME   READY  REASON       ACTION  AGE\ngpu-7  True   Initialized  -       0s";
    expect(await problemsOf(page(`$ N=7\n${get}\n$ device-api-server nonsense # exit status 2\n…`))).toEqual([]);
  });

  test.each([
    ["output is otherwise", "$ device-api-server get gpu-7\n…\ngpu-7  False …", "no line for: gpu-7  False …"],
    ["output goes on", "$ echo one; echo two\none", "there is more than is shown"],
    ["command fails", "$ device-api-server nonsense\n…", "exit status 2, not 0"],
    ["command should fail", "$ device-api-server get # exit status 3\n…", "exit status 0, not 3"],
    ["command is not there", "$ device-api-serve get\n…", "exit status 127, not 0"],
    ["command is cut short", "$ echo 'one", "exit status"],
  ])("%s is found", async (_, body, problem) => {
    const problems = await problemsOf(page(body));
    expect(problems.join("\n")).toContain(problem);
    expect(problems[0]).toStartWith(`line 6: ${body.split("\n")[0]?.slice(2)}`);
  });

  test("script fails is found", async () => {
    expect((await problemsOf(page("true\nfalse", "sh"))).join("\n")).toContain("line 7: false");
  });
});
