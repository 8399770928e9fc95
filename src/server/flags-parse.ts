import {
  type Flag,
  type FlagTable,
  type FlagValues,
  formOf,
  parseValue,
  quoted,
  UsageError,
  variableOf,
} from "./flags-kinds.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ParsedFlags<T extends FlagTable> {
  readonly values: FlagValues<T>;
  /** What is not a flag, in order. */
  readonly positionals: readonly string[];
}

type RawValue = string | number | boolean | readonly string[];

/**
 * Go's syntax: one dash or two, `--name=value` or `--name value`, a bool without a value; and `-ojson`. Flags and other
 * arguments may stand in any order, and `--` ends the flags. A flag wins over its variable; of a flag given twice the
 * last counts, but a list grows. Throws UsageError. Reading stops at --help or --version, as in Go: they work beside a
 * mistake.
 */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[], env: Environment): ParsedFlags<T> {
  const given = new Map<string, RawValue>();
  const positionals: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") {
      positionals.push(...args.slice(i + 1));
      break;
    }
    const match = FLAG.exec(arg);
    if (match === null) {
      positionals.push(arg);
      continue;
    }
    const [, written = "", inline] = joined(table, arg) ?? match;
    const [name, flag] = findFlag(table, written);
    if (inline === undefined && flag.kind === "bool") {
      given.set(name, true);
    } else {
      // The value is the next argument, whatever it looks like: Go does the same.
      const text = inline ?? args[++i];
      if (text === undefined) throw new UsageError(`--${name}: a value is missing; it takes ${formOf(flag)}`);
      keep(given, name, read(flag, text, `--${name}`));
    }
    if (ENDS_READING.has(name) && given.get(name) === true) {
      return { values: complete(table, given, {}), positionals };
    }
  }
  return { values: complete(table, given, env), positionals };
}

/** A letter and its value in one word, as kubectl takes -ojson: of flags with a choice, where nothing is so called. */
function joined(table: FlagTable, arg: string): readonly [string, string, string] | undefined {
  const [, letter = "", value = ""] = /^-([a-zA-Z])([^-=].*)$/.exec(arg) ?? [];
  const flag = Object.values(table).find(({ short }) => short === letter);
  return flag?.kind === "enum" && !Object.hasOwn(table, letter + value) ? [arg, letter, value] : undefined;
}

const FLAG = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/;
const ENDS_READING: ReadonlySet<string> = new Set(["help", "version"]);

function keep(given: Map<string, RawValue>, name: string, value: RawValue): void {
  const before = given.get(name);
  given.set(name, Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value);
}

function read(flag: Flag, text: string, source: string): RawValue {
  const value = parseValue(flag, text);
  if (value === undefined) throw new UsageError(`${source}: ${quoted(text)} is not ${formOf(flag)}${hint(text)}`);
  return value;
}

/** Kubernetes gives every pod variables of the Services beside it: device-api-health makes DEVICE_API_HEALTH_PORT. */
function hint(text: string): string {
  return text.startsWith("tcp://") ? "; set by a Kubernetes Service? Then give the pod enableServiceLinks: false" : "";
}

function complete<T extends FlagTable>(
  table: T,
  given: ReadonlyMap<string, RawValue>,
  env: Environment,
): FlagValues<T> {
  const values: Record<string, RawValue> = {};
  for (const [name, flag] of Object.entries(table)) {
    values[name] = given.get(name) ?? fromVariable(name, flag, env) ?? flag.default;
  }
  return Object.freeze(values) as FlagValues<T>;
}

/** An empty variable is an empty text or list, and for any other kind as good as none: manifests set them so. */
function fromVariable(name: string, flag: Flag, env: Environment): RawValue | undefined {
  const variable = variableOf(name, flag);
  const text = variable === "" ? undefined : env[variable];
  const mayBeEmpty = flag.kind === "list" || (flag.kind === "string" && flag.form === undefined);
  if (text === undefined || (text === "" && !mayBeEmpty)) return undefined;
  return read(flag, text, variable);
}

function findFlag(table: FlagTable, written: string): readonly [string, Flag] {
  for (const [name, flag] of Object.entries(table)) {
    if (name === written || flag.short === written) return [name, flag];
  }
  const near = nearest(written, Object.keys(table));
  throw new UsageError(
    `unknown flag ${quoted(`--${written}`)}${near === undefined ? "." : `; did you mean --${near}?`} See --help`,
  );
}

/** Beyond this many edits a guess helps nobody. */
const GUESS_EDITS_MAX = 3;
/** A name longer than any flag needs no guess, and the distance costs the product of both lengths. */
const GUESS_LENGTH_MAX = 64;

/** The closest of the names, or the only one that begins with what was written. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  if (written.length > GUESS_LENGTH_MAX) return undefined;
  const edits = (name: string) => editDistance(written, name);
  const best = names.reduce<string | undefined>((a, b) => (a === undefined || edits(b) < edits(a) ? b : a), undefined);
  if (best !== undefined && edits(best) <= Math.min(GUESS_EDITS_MAX, Math.floor(best.length / 2))) return best;
  const longer = names.filter((name) => name.startsWith(written));
  return longer.length === 1 ? longer[0] : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
