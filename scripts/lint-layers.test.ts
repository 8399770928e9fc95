import { describe, expect, test } from "bun:test";
import { findImports } from "./lint/imports.ts";
import { maskWords } from "./lint/mask.ts";
import { checkFile, RULES } from "./lint/rules.ts";

/** Words that the rules look for are put together here, or this file would break them. */
const joined = (...parts: string[]): string => parts.join("");

interface Case {
  readonly rule: string;
  readonly path: string;
  readonly text: string;
  readonly line?: number;
}

const BAD: readonly Case[] = [
  { rule: "layers", path: "src/store/a.ts", text: 'import { x } from "../service/call.ts";' },
  { rule: "layers", path: "src/base/a.ts", text: 'import type { X } from "../gen/device/v1alpha1/gpu_pb.ts";' },
  { rule: "layers", path: "src/store/a.ts", text: 'export {\n  x,\n} from "../server/app.ts";', line: 3 },
  { rule: "layers", path: "src/service/a.ts", text: 'const late = await import("../transport/grpc-server.ts");' },
  { rule: "layers", path: "src/provider/simulated/a.ts", text: 'import { x } from "../../service/decode.ts";' },
  { rule: "layers", path: "src/server/a.ts", text: 'import { x } from "../main.ts";' },
  { rule: "layers", path: "src/client/a.ts", text: 'import { x } from "../store/types.ts";' },
  { rule: "layers", path: "src/server/a.ts", text: 'import { x } from "../client/client.ts";' },
  { rule: "layers", path: "src/main.ts", text: 'import { x } from "./testing/simulated-time.ts";' },
  { rule: "layers", path: "src/novel/a.ts", text: 'import { x } from "../base/log.ts";' },
  { rule: "layers", path: "src/cli/a.ts", text: 'import { x } from "../../scripts/build.ts";' },
  { rule: "process", path: "src/server/a.ts", text: "const home = process.env.HOME;" },
  { rule: "process", path: "src/cli/a.ts", text: 'process["exit"](1);' },
  { rule: "process", path: "src/base/a.ts", text: "const port = Bun.env.PORT;" },
  { rule: "process-import", path: "src/base/a.ts", text: 'import { env } from "node:process";' },
  { rule: "time-and-chance", path: "src/store/a.ts", text: "const a = 1;\nconst now = Date.now();", line: 2 },
  { rule: "time-and-chance", path: "src/client/a.ts", text: "const jitter = Math.random();" },
  { rule: "time-and-chance", path: "src/service/a.ts", text: "const now = new Date();" },
  { rule: "time-and-chance", path: "src/service/a.ts", text: "setTimeout(run, 5);" },
  { rule: "time-and-chance", path: "src/store/a.ts", text: "const now = performance.now();" },
  { rule: "timers-import", path: "src/store/a.ts", text: 'import { setTimeout } from "node:timers/promises";' },
  { rule: "grpc-js", path: "src/service/a.ts", text: 'import { status } from "@grpc/grpc-js";' },
  { rule: "grpc-js", path: "src/transport/http.ts", text: 'import { status } from "@grpc/grpc-js";' },
  { rule: "layers", path: "src/client/a.gen.ts", text: 'import { x } from "../service/call.ts";' },
  { rule: "sdk-packages", path: "src/client/a.ts", text: 'import { x } from "@bufbuild/protoplugin";' },
  { rule: "sdk-packages", path: "src/client/a.gen.ts", text: 'import { x } from "prom-client";' },
  { rule: "sdk-packages", path: "src/codegen/a.ts", text: 'import { x } from "prom-client";' },
  { rule: "file-length", path: "src/store/a.test.ts", text: "a;\n".repeat(401), line: 401 },
  { rule: "line-length", path: "dev", text: `short\n# ${"x".repeat(119)}\n`, line: 2 },
  { rule: "registry-hosts", path: "bun.lock", text: joined("https://registry.", "npmjs.org/x") },
  { rule: "machine-paths", path: "README.md", text: joined("see /ho", "me/ann/notes") },
  { rule: "unfinished", path: "docs/a.md", text: joined("one\n\n// TO", "DO later"), line: 3 },
];

const GOOD: readonly Case[] = [
  { rule: "layers", path: "src/store/a.ts", text: 'import { x } from "../base/log.ts"; import { y } from "./b.ts";' },
  { rule: "layers", path: "src/store/a.test.ts", text: 'import { x } from "../testing/simulated-time.ts";' },
  { rule: "layers", path: "src/store/a.ts", text: '// import { x } from "../service/call.ts";' },
  { rule: "layers", path: "src/store/a.ts", text: "const hint = 'from \"../service/call.ts\"';" },
  {
    rule: "layers",
    path: "src/native/a.ts",
    text: 'import shim from "../../dist/native/shim.so" with { type: "file" };',
  },
  { rule: "sdk-packages", path: "src/client/a.ts", text: 'import { create } from "@bufbuild/protobuf/wkt";' },
  { rule: "sdk-packages", path: "src/client/a.ts", text: 'import * as grpc from "@grpc/grpc-js";' },
  { rule: "sdk-packages", path: "src/codegen/a.ts", text: 'import { x } from "@bufbuild/protoplugin";' },
  { rule: "sdk-packages", path: "src/service/a.ts", text: 'import { x } from "prom-client";' },
  { rule: "process", path: "src/main.ts", text: "process.exit(run(process.argv));" },
  { rule: "process", path: "src/store/a.ts", text: "// what process.env says\nhost.process.start();" },
  { rule: "time-and-chance", path: "src/base/clock.ts", text: "export const now = () => Date.now();" },
  { rule: "time-and-chance", path: "src/store/a.ts", text: "const text = new Date(us / 1_000).toISOString();" },
  { rule: "time-and-chance", path: "src/store/a.ts", text: "scheduler.setTimeout(run, 5); // not Date.now()" },
  { rule: "process", path: "src/client/system.ts", text: "export const env = process.env;" },
  { rule: "time-and-chance", path: "src/client/system.ts", text: "export const random = () => Math.random();" },
  { rule: "time-and-chance", path: "src/store/a.test.ts", text: "const started = Date.now();" },
  { rule: "grpc-js", path: "src/transport/grpc-server.ts", text: 'import { Server } from "@grpc/grpc-js";' },
  { rule: "grpc-js", path: "src/client/client.ts", text: 'import { Client } from "@grpc/grpc-js";' },
  { rule: "file-length", path: "src/store/a.ts", text: "a;\n".repeat(400) },
  { rule: "line-length", path: "src/gen/a_pb.ts", text: "x".repeat(500) },
  { rule: "line-length", path: "src/store/a.ts", text: "é".repeat(120) },
  { rule: "machine-paths", path: "README.md", text: "bench/work/a and http://host/work/b and $HOME/home/c" },
];

describe("the rules of the house", () => {
  for (const { rule, path, text, line } of BAD) {
    test(`${rule} refuses ${JSON.stringify(text.slice(0, 60))} in ${path}`, () => {
      const found = checkFile({ path, text });
      expect(found.map(({ message }) => message.split(":")[0])).toEqual([rule]);
      expect(found[0]?.line).toBe(line ?? 1);
    });
  }

  for (const { rule, path, text } of GOOD) {
    test(`${rule} allows ${JSON.stringify(text.slice(0, 60))} in ${path}`, () => {
      expect(checkFile({ path, text })).toEqual([]);
    });
  }

  test("every rule is seen to refuse something", () => {
    expect([...new Set(BAD.map(({ rule }) => rule))].sort()).toEqual(RULES.map(({ name }) => name).sort());
  });
});

describe("the scanner", () => {
  test("blanks comments and literals, and leaves code and line breaks", () => {
    const source = ['a("x"); // b', "/* c", "d */ e(/[/\"]/g, 'f');", "g = h / i / j;"].join("\n");
    const expected = ["a(   );     ", "    ", "     e(       ,    );", "g = h / i / j;"].join("\n");
    expect(maskWords(source)).toBe(expected);
  });

  test("sees the code inside a template and not its text", () => {
    const open = "$" + "{";
    const masked = maskWords(`x(\`Date.now ${open}\`a${open} {b: 1}.b } c\`} d\`, e)`);
    expect(masked.replace(/[\s`]+/g, "")).toBe(`x(${open}${open}{b:1}.b}},e)`);
  });

  test("finds every form of import with its line", () => {
    const source = 'import "./a.ts";\nimport { b } from "./b.ts";\nexport * from "./c.ts";\nawait import("./d.ts");\n';
    expect(findImports(source)).toEqual([
      { specifier: "./a.ts", line: 1 },
      { specifier: "./b.ts", line: 2 },
      { specifier: "./c.ts", line: 3 },
      { specifier: "./d.ts", line: 4 },
    ]);
  });
});
