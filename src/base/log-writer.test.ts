import { describe, expect, test } from "bun:test";
import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";
import { createLogWriter, LOG_VALUE_CODE_POINTS_MAX, type LogFormat } from "./log-writer.ts";

const clock: Clock = { wallUs: () => 1_790_000_000_123_456, monotonicMs: () => 0 };

function capture(format: LogFormat, verbosity = 0): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: createLogWriter({ format, verbosity, clock, sink: (line) => lines.push(line) }), lines };
}

const HOSTILE: readonly (readonly [string, string])[] = [
  ["a line feed", "a\nb"],
  ["a carriage return", "a\rb"],
  ["NUL", "a\0b"],
  ["a colour sequence", "\u001b[31mred"],
  ["a one-byte control sequence introducer", "\u009b31mred"],
  ["delete", "a\u007fb"],
  ["a line separator", "a\u2028b"],
  ["a paragraph separator", "a\u2029b"],
  ["next line", "a\u0085b"],
  ["a direction override", "a\u202eb"],
  ["a byte order mark", "\ufeffa"],
  ["a high surrogate alone", "a\ud800b"],
  ["a low surrogate alone", "a\udc00b"],
  ["a tag character outside the basic plane", "a\u{e0041}b"],
  ["quotes and braces", '","level":"error","x":{"'],
  ["fields of its own", "x level=error msg=fake"],
  ["a backslash", "a\\nb"],
];

// Written as code points: the test must not share the expression that it checks.
function mayStandInALine(character: string): boolean {
  const point = character.codePointAt(0) ?? 0;
  const control = point < 0x20 || (point >= 0x7f && point <= 0x9f);
  const separator = point === 0x2028 || point === 0x2029;
  const direction = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point === 0xfeff;
  const surrogate = point >= 0xd800 && point <= 0xdfff;
  const tag = point >= 0xe0000 && point <= 0xe007f;
  return !(control || separator || direction || surrogate || tag);
}

describe.each(["json", "text"] as const)("a %s line", (format) => {
  test.each(HOSTILE)("stays one plain line with %s in message, field and key", (_, text) => {
    const { log, lines } = capture(format);
    log.warn(text, { field: text, [text]: 1 });
    expect(lines).toHaveLength(1);
    expect([...(lines[0] ?? "")].filter((character) => !mayStandInALine(character))).toEqual([]);
  });

  test("holds a long value cut between code points", () => {
    const { log, lines } = capture(format);
    log.info("m", { field: "😀".repeat(LOG_VALUE_CODE_POINTS_MAX + 1) });
    expect(lines[0]).toContain(`${"😀".repeat(LOG_VALUE_CODE_POINTS_MAX)}… (of 2050)`);
    expect(lines[0]?.isWellFormed()).toBe(true);
  });

  test("is not written for a debug level above the verbosity", () => {
    const { log, lines } = capture(format, 2);
    log.debug(2, "shown");
    log.debug(3, "hidden");
    expect(lines).toHaveLength(1);
    expect([log.enabled(2), log.enabled(3)]).toEqual([true, false]);
  });
});

test.each(HOSTILE)("a JSON line gives back a text with %s unchanged", (_, text) => {
  const { log, lines } = capture("json");
  log.info(text, { field: text });
  const parsed = JSON.parse(lines[0] ?? "");
  expect([parsed.msg, parsed.field]).toEqual([text, text]);
});

test("a JSON line has time, level and message first, then the fields", () => {
  const { log, lines } = capture("json");
  log.info("served", { port: 8081, version: 2n ** 60n, ok: true, none: undefined, nan: Number.NaN });
  expect(lines).toEqual([
    '{"ts":"2026-09-21T14:13:20.123Z","level":"info","msg":"served","port":8081,' +
      '"version":"1152921504606846976","ok":true,"nan":"NaN"}',
  ]);
});

test("a field named like one of the fixed keys does not stand twice", () => {
  const { log, lines } = capture("json");
  log.error("m", { msg: "other", level: "info", ts: "never" });
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "error", msg: "m", msg_: "other", level_: "info" });
});

test("a text line quotes what could be taken for another field", () => {
  const { log, lines } = capture("text");
  log.info("ready to serve", { path: "/run/a.sock", text: "two words", fake: "a=b", empty: "" });
  expect(lines).toEqual([
    '2026-09-21T14:13:20.123Z INFO  ready to serve path=/run/a.sock text="two words" fake="a=b" empty=""',
  ]);
});

test("a text line quotes a message that could be taken for fields", () => {
  const { log, lines } = capture("text");
  log.info("x level=error");
  expect(lines).toEqual(['2026-09-21T14:13:20.123Z INFO  "x level=error"']);
});

test("a sink that throws costs the line and nothing else", () => {
  const sink = () => {
    throw new Error("disk full");
  };
  const log = createLogWriter({ format: "json", verbosity: 0, clock, sink });
  const fields: LogFields = { a: 1 };
  expect(() => log.info("m", fields)).not.toThrow();
});
