import { printableJsonString, truncate } from "../base/log-text.ts";
import { DURATION_FORM, formatDuration, parseDurationMs } from "./duration.ts";

interface FlagBase<T> {
  readonly default: T;
  /** One line for --help. */
  readonly help: string;
  readonly group: string;
  /** The environment variable; "" for none. Undefined: DEVICE_API_ and the name in upper case. */
  readonly variable?: string;
  /** What --help shows where the default says too little. */
  readonly shownDefault?: string;
  /** What --help shows for the value. */
  readonly placeholder?: string;
  /** One letter that stands for the name. */
  readonly short?: string;
}

export interface StringFlag extends FlagBase<string> {
  readonly kind: "string";
  /** What it takes, in words, where an empty text is none of it; an empty variable is then as good as none. */
  readonly form?: string;
}
/** May be given several times, or comma-separated; an empty value is the empty list. */
export interface ListFlag extends FlagBase<readonly string[]> {
  readonly kind: "list";
}
export interface BoolFlag extends FlagBase<boolean> {
  readonly kind: "bool";
}
export interface IntFlag extends FlagBase<number> {
  readonly kind: "int";
  readonly min: number;
  readonly max: number;
}
export interface PortFlag extends FlagBase<number> {
  readonly kind: "port";
}
/** In milliseconds. */
export interface DurationFlag extends FlagBase<number> {
  readonly kind: "duration";
  readonly min: number;
  readonly max: number;
}
export interface EnumFlag<V extends string = string> extends FlagBase<V> {
  readonly kind: "enum";
  readonly values: readonly V[];
}

export type Flag = StringFlag | ListFlag | BoolFlag | IntFlag | PortFlag | DurationFlag | EnumFlag;
export type FlagTable = Readonly<Record<string, Flag>>;

export type FlagValue<F extends Flag> =
  F extends EnumFlag<infer V>
    ? V
    : F extends StringFlag
      ? string
      : F extends ListFlag
        ? readonly string[]
        : F extends BoolFlag
          ? boolean
          : number;

export type FlagValues<T extends FlagTable> = { readonly [N in keyof T]: FlagValue<T[N]> };

/** The command line or the environment says something that the program cannot follow. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function variableOf(name: string, flag: Flag): string {
  return flag.variable ?? `DEVICE_API_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** A value as it is shown in an error: quoted, escaped, and no longer than a line bears. */
export function quoted(value: string): string {
  return printableJsonString(truncate(value, 80));
}

const PORT_MAX = 65_535;

/** What the flag accepts, in words. */
export function formOf(flag: Flag): string {
  switch (flag.kind) {
    case "string":
      return flag.form ?? "text";
    case "list":
      return "a comma-separated list";
    case "bool":
      return "true or false";
    case "int":
      return `a whole number from ${flag.min} to ${flag.max}`;
    case "port":
      return `a port number from 0 to ${PORT_MAX}`;
    case "duration":
      return `${DURATION_FORM} from ${formatDuration(flag.min)} to ${formatDuration(flag.max)}`;
    case "enum":
      return flag.values.join(" or ");
  }
}

export function formatDefault(flag: Flag): string {
  if (flag.shownDefault !== undefined) return flag.shownDefault;
  switch (flag.kind) {
    case "list":
      return flag.default.join(",");
    case "duration":
      return formatDuration(flag.default);
    default:
      return String(flag.default);
  }
}

/** Go's spellings, all of them: existing manifests may use any. */
const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE: ReadonlySet<string> = new Set(["0", "f", "F", "false", "FALSE", "False"]);
const WHOLE_NUMBER = /^[+-]?\d+$/;

/** Undefined where the text is not of the flag's form. */
export function parseValue(flag: Flag, text: string): string | number | boolean | readonly string[] | undefined {
  switch (flag.kind) {
    case "string":
      return text === "" && flag.form !== undefined ? undefined : text;
    case "list":
      return splitList(text);
    case "bool":
      return TRUE.has(text) ? true : FALSE.has(text) ? false : undefined;
    case "int":
      return parseInteger(text, flag.min, flag.max);
    case "port":
      return parseInteger(text, 0, PORT_MAX);
    case "duration":
      return within(parseDurationMs(text), flag.min, flag.max);
    case "enum":
      return flag.values.find((value) => value === text);
  }
}

export function parseInteger(text: string, min: number, max: number): number | undefined {
  return WHOLE_NUMBER.test(text) ? within(Number(text), min, max) : undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function splitList(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
