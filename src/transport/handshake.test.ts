import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { awaitHandshake } from "./handshake.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const SETTINGS = Buffer.concat([Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0]), Buffer.from([0, 3, 0, 0, 0, 100])]);

type Outcome = "waiting" | "foreign" | Buffer;

function play(chunks: readonly Buffer[]): { outcome: Outcome; calls: number; listeners: number } {
  const socket = new EventEmitter();
  let outcome: Outcome = "waiting";
  let calls = 0;
  const settle = (result: Outcome) => {
    outcome = result;
    calls++;
  };
  awaitHandshake(socket as Socket, settle, () => settle("foreign"));
  for (const chunk of chunks) socket.emit("data", chunk);
  return { outcome, calls, listeners: socket.listenerCount("data") };
}

const bytewise = (bytes: Buffer): Buffer[] => [...bytes].map((byte) => Buffer.from([byte]));

test.each([
  ["in one piece", [Buffer.concat([PREFACE, SETTINGS])]],
  ["in two", [PREFACE, SETTINGS]],
  ["byte by byte", bytewise(Buffer.concat([PREFACE, SETTINGS]))],
  ["with empty settings", [PREFACE, EMPTY_SETTINGS]],
  ["with more behind it", [Buffer.concat([PREFACE, SETTINGS, Buffer.from("headers and all")])]],
])("a handshake %s is ready, and nothing of it is lost", (_, chunks) => {
  const { outcome, calls, listeners } = play(chunks);
  expect(outcome).toEqual(Buffer.concat(chunks));
  expect([calls, listeners]).toEqual([1, 0]);
});

test.each([
  ["nothing", []],
  ["half a preface", [PREFACE.subarray(0, 12)]],
  ["the preface alone", [PREFACE]],
  ["the head of SETTINGS", [PREFACE, SETTINGS.subarray(0, 9)]],
  ["all but the last byte", [Buffer.concat([PREFACE, SETTINGS]).subarray(0, -1)]],
])("%s is not enough", (_, chunks) => {
  expect(play(chunks)).toEqual({ outcome: "waiting", calls: 0, listeners: 1 });
});

test.each([
  ["another protocol", [Buffer.from("G")]],
  ["a preface that goes wrong later", [PREFACE.subarray(0, 20), Buffer.from("x")]],
  ["another frame first", [PREFACE, Buffer.from([0, 0, 0, 6, 0, 0, 0, 0, 0])]],
  ["SETTINGS larger than a frame may be", [PREFACE, Buffer.from([0, 0x40, 1, 4, 0, 0, 0, 0, 0])]],
])("%s is foreign at once, and said so once", (_, chunks) => {
  expect(play([...chunks, Buffer.from("more")])).toEqual({ outcome: "foreign", calls: 1, listeners: 0 });
});
