import { posix } from "node:path";
import { findImports, lineOf } from "./imports.ts";
import { maskWords } from "./mask.ts";

/** A text file of the repository. Its path is relative to the root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  /** Which files the rule reads. */
  readonly applies: (path: string) => boolean;
  readonly check: (file: SourceFile) => { readonly line: number; readonly message: string }[];
}

/** From the top down; a file imports from its own layer and from those after it. */
const LAYERS: readonly string[] = [
  "main",
  "cli",
  "server",
  "transport",
  "service",
  "provider",
  "store",
  "metrics",
  "native",
  "gen",
  "base",
];

/** Outside the column of layers: what each may import beside itself, and which layers may import it. */
const BESIDE: Readonly<Record<string, { readonly imports: readonly string[]; readonly usedBy: readonly string[] }>> = {
  client: { imports: ["gen", "base"], usedBy: ["main", "cli"] },
  page: { imports: ["base"], usedBy: [] },
  codegen: { imports: ["gen", "base"], usedBy: [] },
  testing: { imports: [...LAYERS, "client", "codegen"], usedBy: [] },
};

/** Which registry is asked is the user's choice and stands in their own settings. */
const REGISTRY_HOST =
  /\b(?:registry\.(?:npmjs|yarnpkg)\.(?:org|com)|pypi\.org|files\.pythonhosted\.org|(?:proxy|sum)\.golang\.org)\b/i;

const MAX_FILE_LINES = 400;
const MAX_LINE_COLUMNS = 120;

const isTypeScript = (path: string): boolean => path.endsWith(".ts");
const isGenerated = (path: string): boolean => path.startsWith("src/gen/") || path.endsWith(".gen.ts");
const isTest = (path: string): boolean => path.endsWith(".test.ts") || /^(tests|src\/testing)\//.test(path);
const isProductCode = (path: string): boolean =>
  isTypeScript(path) && path.startsWith("src/") && !isTest(path) && !isGenerated(path);
const isCode = (path: string): boolean =>
  (/\.(ts|zig|sh|proto)$/.test(path) || ["dev", "justfile", ".ci/run"].includes(path)) && !isGenerated(path);
/** Where the SDK takes its defaults from the process; everything else there gets them as parameters. */
const CLIENT_SYSTEM = "src/client/system.ts";
/** What the package of the SDK installs; and what who runs the generator has beside it. */
const CLIENT_PACKAGES = /^(?:@bufbuild\/protobuf(?:\/|$)|@grpc\/grpc-js$)/;
const CODEGEN_PACKAGES = /^@bufbuild\/(?:protobuf|protoplugin)(?:\/|$)/;
/** The two programs, and that. */
const READS_PROCESS = ["src/main.ts", "src/codegen/protoc-gen-device-client.ts", CLIENT_SYSTEM];
const isIn = (path: string, ...layers: string[]): boolean => layers.includes(layerOf(path) ?? "");

export const RULES: readonly Rule[] = [
  {
    name: "layers",
    applies: (path) => isTypeScript(path) && path.startsWith("src/") && !isTest(path),
    check: (file) =>
      findImports(file.text).flatMap(({ specifier, line }) => {
        const message = layerFault(file.path, specifier);
        return message === undefined ? [] : [{ line, message }];
      }),
  },
  {
    name: "process",
    applies: (path) => isProductCode(path) && !READS_PROCESS.includes(path),
    check: forbidCode(
      [
        /(?<![.\w])process\s*(?=\??[.[])/,
        /\bglobalThis\s*\.\s*process\b/,
        /\bBun\s*\.\s*(?:env|argv|main)\b/,
        /\bimport\.meta\.env\b/,
      ],
      (found) => `${found} is read in src/main.ts only: take the value as a parameter`,
    ),
  },
  {
    name: "process-import",
    applies: isProductCode,
    check: forbidImport(/^(node:)?process$/, () => "node:process is not imported: src/main.ts has the global one"),
  },
  {
    name: "time-and-chance",
    applies: (path) => isProductCode(path) && isIn(path, "store", "client", "service") && path !== CLIENT_SYSTEM,
    check: forbidCode(
      [
        /\bDate\s*\.\s*now\b/,
        /\bnew\s+Date\s*(?:\(\s*\)|(?![\w\s(]))/,
        /(?<![.\w]|new\s+)Date\s*\(/,
        /\bperformance\s*\.\s*now\b/,
        /\bMath\s*\.\s*random\b/,
        /\bcrypto\s*\.\s*(?:randomUUID|getRandomValues|randomBytes)\b/,
        /(?<![.\w])set(?:Timeout|Interval|Immediate)\s*\(/,
        /\bBun\s*\.\s*(?:sleep|sleepSync|nanoseconds)\b/,
      ],
      (found) => `${found} is not used here: clock, timers and random come in as parameters (src/base/clock.ts)`,
    ),
  },
  {
    name: "timers-import",
    applies: (path) => isProductCode(path) && isIn(path, "store", "client", "service"),
    check: forbidImport(
      /^(node:)?(timers|perf_hooks)(\/|$)/,
      (s) => `${s} is not used here: take a Clock (src/base/clock.ts)`,
    ),
  },
  {
    name: "grpc-js",
    applies: (path) => isProductCode(path) && !/^src\/(transport\/grpc-[^/]*\.ts$|client\/)/.test(path),
    check: forbidImport(
      /^@grpc\/grpc-js(\/|$)/,
      (s) => `${s} is known to src/transport/grpc-*.ts and src/client only, so that the transport can be replaced`,
    ),
  },
  {
    name: "sdk-packages",
    applies: (path) => isTypeScript(path) && !isTest(path) && isIn(path, "client", "codegen"),
    check: (file) => {
      const allowed = isIn(file.path, "client") ? CLIENT_PACKAGES : CODEGEN_PACKAGES;
      return findImports(file.text)
        .filter(({ specifier }) => !/^(?:\.|node:)/.test(specifier) && !allowed.test(specifier))
        .map(({ specifier, line }) => ({
          line,
          message: `${specifier} is not what this part of the SDK depends on: see scripts/sdk/manifest.ts`,
        }));
    },
  },
  {
    name: "file-length",
    applies: isCode,
    check: (file) => {
      const lines = file.text.replace(/\n$/, "").split("\n").length;
      return lines > MAX_FILE_LINES
        ? [{ line: MAX_FILE_LINES + 1, message: `${lines} lines; at most ${MAX_FILE_LINES}: split the file` }]
        : [];
    },
  },
  {
    name: "line-length",
    applies: isCode,
    check: eachLine((text) => {
      const columns = [...text].length;
      return columns > MAX_LINE_COLUMNS ? `${columns} columns; at most ${MAX_LINE_COLUMNS}` : undefined;
    }),
  },
  {
    name: "registry-hosts",
    applies: () => true,
    check: eachLine((text) => {
      const found = REGISTRY_HOST.exec(text)?.[0];
      return found === undefined ? undefined : `names the package registry ${found}: leave that to the user's settings`;
    }),
  },
  {
    name: "machine-paths",
    applies: () => true,
    check: eachLine((text) => {
      const found = /(?<![\w.\-/}])\/(?:work|root|home|Users)\/[\w.-]*/.exec(text)?.[0];
      return found === undefined ? undefined : `${found} is a path of one machine: use one relative to the repository`;
    }),
  },
  {
    name: "unfinished",
    applies: () => true,
    check: eachLine((text) => {
      const found = /\b(?:TO(?:DO)|FIX(?:ME))\b/.exec(text)?.[0];
      return found === undefined ? undefined : `${found}: finish it, or file an issue and take the mark away`;
    }),
  },
];

export function checkFile(file: SourceFile): Finding[] {
  return RULES.filter((rule) => rule.applies(file.path)).flatMap((rule) =>
    rule.check(file).map(({ line, message }) => ({ path: file.path, line, message: `${rule.name}: ${message}` })),
  );
}

/** `src/store/limits.ts` is of the layer store, `src/main.ts` of main; files outside src have none. */
function layerOf(path: string): string | undefined {
  return /^src\/([^/.]+)(?:\/|\.ts$)/.exec(path)?.[1];
}

function layerFault(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const from = layerOf(path);
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  const to = layerOf(target);
  if (from === undefined || from === to) return undefined;
  // Data made by the build (the shim) and package.json stand outside src and know no layers.
  if (to === undefined) return target.endsWith(".ts") ? `imports ${target}, which is outside src` : undefined;

  const beside = BESIDE[from];
  if (beside !== undefined) {
    return beside.imports.includes(to) ? undefined : `src/${from} imports only ${beside.imports.join(", ")}; not ${to}`;
  }
  const wanted = BESIDE[to];
  if (wanted !== undefined) {
    if (wanted.usedBy.includes(from)) return undefined;
    const users = wanted.usedBy.length > 0 ? wanted.usedBy.join(", ") : "tests";
    return `src/${to} is imported by ${users} only; not by ${from}`;
  }
  const rank = (layer: string): number => LAYERS.indexOf(layer);
  if (rank(from) === -1) return `src/${from} is not a known layer: give it a place in scripts/lint/rules.ts`;
  if (rank(to) === -1) return `src/${to} is not a known layer: give it a place in scripts/lint/rules.ts`;
  return rank(to) > rank(from) ? undefined : `${from} imports ${to}, which is above it (${LAYERS.join(" > ")})`;
}

function forbidCode(patterns: readonly RegExp[], message: (found: string) => string): Rule["check"] {
  const pattern = new RegExp(patterns.map((part) => part.source).join("|"), "g");
  return (file) => {
    const masked = maskWords(file.text);
    return [...masked.matchAll(pattern)].map((match) => ({
      line: lineOf(file.text, match.index),
      message: message(match[0].trim()),
    }));
  };
}

function forbidImport(pattern: RegExp, message: (specifier: string) => string): Rule["check"] {
  return (file) =>
    findImports(file.text)
      .filter(({ specifier }) => pattern.test(specifier))
      .map(({ specifier, line }) => ({ line, message: message(specifier) }));
}

function eachLine(judge: (text: string) => string | undefined): Rule["check"] {
  return (file) =>
    file.text.split("\n").flatMap((text, index) => {
      const message = judge(text);
      return message === undefined ? [] : [{ line: index + 1, message }];
    });
}
