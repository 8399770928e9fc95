import { expect, test } from "bun:test";
import { SimulatedTime } from "../testing/simulated-time.ts";
import { LimitedLog } from "./limited-log.ts";
import { type LogFields, silentLogger } from "./log.ts";

function setUp(linesPerMinute: number) {
  const time = new SimulatedTime();
  const lines: [string, LogFields | undefined][] = [];
  const log = { ...silentLogger, info: (message: string, fields?: LogFields) => void lines.push([message, fields]) };
  return { time, lines, limited: new LimitedLog(log, time, linesPerMinute) };
}

test("lines beyond the limit are counted, and the first one of the next minute tells how many they were", () => {
  const { time, lines, limited } = setUp(2);
  for (let i = 0; i < 5; i++) limited.write("info", `line ${i}`, { i });
  time.advance(59_999);
  limited.write("info", "still this minute", {});
  time.advance(1);
  for (const message of ["third", "fourth", "fifth"]) limited.write("info", message, {});
  expect(lines).toEqual([
    ["line 0", { i: 0, leftOut: undefined }],
    ["line 1", { i: 1, leftOut: undefined }],
    ["third", { leftOut: 4 }],
    ["fourth", { leftOut: undefined }],
  ]);
  expect([limited.takeLeftOut(), limited.takeLeftOut()]).toEqual([1, undefined]);
});

test("a minute begins with its first line, and a quiet hour saves up nothing", () => {
  const { time, lines, limited } = setUp(1);
  time.advance(3_600_000);
  for (let i = 0; i < 10; i++) {
    limited.write("info", "again", {});
    time.advance(30_000);
  }
  expect(lines.length).toBe(5);
});
