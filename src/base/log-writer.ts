import type { Clock } from "./clock.ts";
import type { LogFields, Logger, LogValue } from "./log.ts";
import { printable, printableJsonString, truncate } from "./log-text.ts";

export type LogFormat = "json" | "text";

export interface LogWriterOptions {
  readonly format: LogFormat;
  /** -v: debug lines up to this level are written. */
  readonly verbosity: number;
  readonly clock: Clock;
  /** Takes one line, without its end. What it throws is swallowed: a lost line must not cost a call. */
  readonly sink: (line: string) => void;
}

/**
 * Holds a whole condition reason (1,024 characters, the longest text a provider may send but one) and keeps a line
 * with ten such fields under 64 KiB, which is what log collectors take as one line.
 */
export const LOG_VALUE_CODE_POINTS_MAX = 1_024;

type Level = "debug" | "info" | "warn" | "error";

/** One call, one line, whatever the text holds. */
export function createLogWriter(options: LogWriterOptions): Logger {
  const { clock, sink, verbosity } = options;
  const render = options.format === "json" ? renderJson : renderText;
  const write = (level: Level, message: string, fields: LogFields | undefined): void => {
    try {
      sink(render(timestamp(clock), level, truncate(message, LOG_VALUE_CODE_POINTS_MAX), fields ?? {}));
    } catch {
      // There is nowhere left to say it.
    }
  };
  return {
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
    debug: (level, message, fields) => {
      if (level <= verbosity) write("debug", message, fields);
    },
    enabled: (level) => level <= verbosity,
  };
}

function timestamp(clock: Clock): string {
  return new Date(clock.wallUs() / 1_000).toISOString();
}

/** The keys that every line has; a field of the same name gets an underscore, so that no key stands twice. */
const RESERVED: ReadonlySet<string> = new Set(["ts", "level", "msg"]);

const keyOf = (name: string): string => (RESERVED.has(name) ? `${name}_` : name);

function renderJson(ts: string, level: Level, message: string, fields: LogFields): string {
  let line = `{"ts":"${ts}","level":"${level}","msg":${printableJsonString(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += `,${printableJsonString(keyOf(name))}:${jsonValue(value)}`;
  }
  return `${line}}`;
}

function jsonValue(value: NonNullable<LogValue>): string {
  if (typeof value === "string") return printableJsonString(truncate(value, LOG_VALUE_CODE_POINTS_MAX));
  // JSON knows neither NaN nor infinities, and a bigint as a bare number loses digits in most readers.
  if (typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))) return `"${value}"`;
  return String(value);
}

/** A value that needs no quotes: nothing in it can be taken for another field. */
const PLAIN_VALUE = /^[^\s"=\\]+$/u;
/** The same of the message, which may hold spaces. */
const PLAIN_MESSAGE = /^[^"=\\]*$/u;

function renderText(ts: string, level: Level, message: string, fields: LogFields): string {
  let line = `${ts} ${level.toUpperCase().padEnd(5)} ${textOf(message, PLAIN_MESSAGE)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = truncate(String(value), LOG_VALUE_CODE_POINTS_MAX);
    line += ` ${textOf(keyOf(name), PLAIN_VALUE)}=${textOf(text, PLAIN_VALUE)}`;
  }
  return line;
}

function textOf(text: string, plain: RegExp): string {
  return plain.test(text) && printable(text) === text ? text : printableJsonString(text);
}
