import { describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { frame } from "../../tests/support/http2-client.ts";
import { StatusError } from "../base/status-error.ts";
import { MessageReader, type WireMessage } from "./grpc-messages.ts";

const LIMIT = 1_000;

function setUp() {
  const messages: unknown[] = [];
  const reader = new MessageReader(LIMIT);
  const read = (bytes: Buffer) => {
    for (const { isCompressed, bytes: of } of readAll(reader, bytes))
      messages.push([isCompressed, of.toString("latin1")]);
  };
  return { reader, messages, read };
}

function* readAll(reader: MessageReader, bytes: Buffer): Generator<WireMessage> {
  reader.add(bytes);
  for (let message = reader.next(); message !== undefined; message = reader.next()) yield message;
  reader.keep();
}

const bytesIn = (reader: MessageReader, bytes: Buffer) => [...readAll(reader, bytes)].map((message) => message.bytes);
const codeOf = (run: () => void) => {
  try {
    run();
  } catch (error) {
    return error instanceof StatusError ? error.code : error;
  }
  return undefined;
};

test("messages are what was sent, wherever the frames of it end", () => {
  const message = fc.record({ bytes: fc.uint8Array({ maxLength: LIMIT }), flag: fc.constantFrom(0, 1) });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(400), { maxLength: 40 }), (sent, cuts) => {
      const { reader, messages, read } = setUp();
      let rest = Buffer.concat(sent.map(({ bytes, flag }) => frame(bytes, { flag })));
      const whole = rest.length;
      for (const cut of cuts) {
        read(rest.subarray(0, cut));
        rest = rest.subarray(cut);
      }
      // Where no message has begun, and only there.
      const ends = sent.map((_, i) => sent.slice(0, i + 1).reduce((sum, { bytes }) => sum + 5 + bytes.length, 0));
      expect(reader.isEmpty).toBe([0, ...ends].includes(whole - rest.length));
      read(rest);

      expect(messages).toEqual(sent.map(({ bytes, flag }) => [flag === 1, Buffer.from(bytes).toString("latin1")]));
      expect(reader.isEmpty).toBe(true);
    }),
  );
});

test("so much is missing as the message that has begun is longer than what is here", () => {
  const { reader, read } = setUp();
  const bytes = frame(Buffer.alloc(500));
  const missing = [0, 4, 5, 300, 504, 505].map((at, i, all) => {
    read(bytes.subarray(all[i - 1] ?? 0, at));
    return reader.missingBytes;
  });
  expect(missing).toEqual([0, 0, 500, 205, 1, 0]);
});

test("what was added while nobody asked for messages is all there", () => {
  const { reader, messages, read } = setUp();
  const texts = Array.from({ length: 200 }, (_, i) => "x".repeat(i));
  for (const text of texts) {
    const bytes = frame(Buffer.from(text));
    for (const part of [bytes.subarray(0, 3), bytes.subarray(3)]) {
      reader.add(part);
      reader.keep();
      part.fill(0xff);
    }
  }
  read(Buffer.alloc(0));
  expect(messages).toEqual(texts.map((text) => [false, text]));
});

test("a message that comes byte by byte is whole in the end", () => {
  const { messages, read } = setUp();
  const text = Array.from({ length: LIMIT }, (_, i) => String.fromCharCode(i % 251)).join("");
  for (const byte of frame(Buffer.from(text, "latin1"))) read(Buffer.from([byte]));
  expect(messages).toEqual([[false, text]]);
});

describe("a message", () => {
  test("of the limit is taken, and one over it is not, before it is here", () => {
    const { messages, read } = setUp();
    read(frame(Buffer.alloc(LIMIT)));
    expect(messages).toHaveLength(1);
    expect(codeOf(() => read(frame(Buffer.alloc(0), { length: LIMIT + 1 })))).toBe("RESOURCE_EXHAUSTED");
    expect(codeOf(() => setUp().read(frame(Buffer.alloc(0), { length: 2 ** 32 - 1 })))).toBe("RESOURCE_EXHAUSTED");
  });

  test("over the limit whose prefix comes in pieces is not taken either", () => {
    const { read } = setUp();
    const head = frame(Buffer.alloc(0), { length: LIMIT + 1 });
    read(head.subarray(0, 4));
    expect(codeOf(() => read(head.subarray(4)))).toBe("RESOURCE_EXHAUSTED");
  });

  test.each([2, 3, 0x80, 0xff])("with flag %i is none, and those before it are", (flag) => {
    const { messages, read } = setUp();
    const bytes = Buffer.concat([frame(Buffer.from("a")), frame(Buffer.from("b"), { flag })]);
    expect(codeOf(() => read(bytes))).toBe("INVALID_ARGUMENT");
    expect(messages).toEqual([[false, "a"]]);
  });

  test("that waits for its rest holds no more than has come, give or take its doubling", () => {
    using allocate = spyOn(Buffer, "allocUnsafeSlow");
    const reader = new MessageReader(2 ** 30);
    for (const bytes of [frame(Buffer.alloc(995), { length: 2 ** 29 }), Buffer.alloc(1)]) {
      expect([...readAll(reader, bytes)]).toEqual([]);
    }
    expect(reader.missingBytes).toBe(2 ** 29 - 996);
    expect(allocate.mock.calls.map(([bytes]) => bytes)).toEqual([2_000]);
  });

  test("that waits for its rest does not hold on to what came with it", () => {
    const { messages, read } = setUp();
    const chunk = frame(Buffer.from("abcdef"));
    read(chunk.subarray(0, 8));
    chunk.fill(0xff, 0, 8);
    read(chunk.subarray(8));
    expect(messages).toEqual([[false, "abcdef"]]);
  });

  test("that came in pieces stays what it is when the next one comes", () => {
    const reader = new MessageReader(LIMIT);
    const kept: Buffer[] = [];
    for (const text of ["first", "other"]) {
      for (const byte of frame(Buffer.from(text))) kept.push(...bytesIn(reader, Buffer.from([byte])));
    }
    expect(kept.map(String)).toEqual(["first", "other"]);
  });
});
