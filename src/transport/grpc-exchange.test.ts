import { afterEach, describe, expect, test } from "bun:test";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { eventually } from "../../tests/support/eventually.ts";
import { frame } from "../../tests/support/http2-client.ts";
import { type Http2Fixture, type Http2FixtureOptions, startHttp2Fixture } from "../../tests/support/http2-fixture.ts";
import { encodeFrame, type Frame } from "../../tests/support/http2-frames.ts";
import { bytesOf, given, headers, ofType, reset, window } from "../../tests/support/http2-talk.ts";
import { StatusError } from "../base/status-error.ts";
import { type ExchangeOptions, GrpcExchange } from "./grpc-exchange.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { Flag, FrameType } from "./http2-frames.ts";

const MIB = 2 ** 20;
const LIMIT = 4 * MIB;
const { endStream } = Flag;

/** An exchange over a real connection, on stream 1, and what it has told. */
interface Play extends Http2Fixture {
  readonly exchange1: GrpcExchange;
  readonly told: string[];
  readonly hooks: { message: (text: string) => void };
}

const fixtures: Http2Fixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function start(options: Partial<ExchangeOptions> = {}, http2: Http2FixtureOptions = {}): Promise<Play> {
  const told: string[] = [];
  const hooks = { message: (_text: string) => {} };
  let exchange1: GrpcExchange | undefined;
  const fixture = await startHttp2Fixture({
    ...http2,
    events(stream) {
      const events = {
        message(bytes: Buffer) {
          const text = bytes.length > 100 ? `${bytes.length} bytes` : bytes.toString();
          told.push(text);
          hooks.message(text);
        },
        received: () => {},
        halfClose: () => void told.push("half-close"),
        broken: (status: StatusError) => void told.push(`broken ${status.code}`),
        drained: () => void told.push("drained"),
        closed: () => void told.push("closed"),
      };
      exchange1 = new GrpcExchange(stream, events, { encoding: "gzip", bytesMax: LIMIT, isSingle: false, ...options });
      return exchange1;
    },
  });
  fixtures.push(fixture);
  await fixture.exchange(headers(1));
  if (exchange1 === undefined) throw new Error("there is no exchange");
  return { ...fixture, exchange1, told, hooks };
}

const plain = (text: string) => frame(Buffer.from(text));
const packed = (text: string) => frame(gzipSync(text), { flag: 1 });
/** As DATA of stream 1, in frames of at most so many bytes. */
function dataOf(bytes: Buffer, flags = 0, most = 16_384): readonly Buffer[] {
  const frames = Math.max(1, Math.ceil(bytes.length / most));
  return Array.from({ length: frames }, (_, i) =>
    encodeFrame(FrameType.data, i === frames - 1 ? flags : 0, 1, bytes.subarray(i * most, (i + 1) * most)),
  );
}
const end = () => encodeFrame(FrameType.data, endStream, 1, Buffer.alloc(0));
const bomb = () => frame(gzipSync(Buffer.alloc(64 * MIB)), { flag: 1 });

describe("messages", () => {
  test("compressed ones come in their place among others, whatever unpacking takes", async () => {
    const { exchange, told } = await start();
    const large = gzipSync(Buffer.alloc(3 * MIB, "x"));
    const all = [plain("a"), frame(large, { flag: 1 }), plain("b"), packed("c"), packed("d"), plain("e")];
    await exchange(...dataOf(Buffer.concat(all), endStream));

    await eventually(() => told.includes("half-close"), "the request is over");
    expect(told).toEqual(["a", `${3 * MIB} bytes`, "b", "c", "d", "e", "half-close"]);
  });

  test("come in their order, whatever is compressed, paused, and wherever the frames of them end", async () => {
    const message = fc.record({ text: fc.string({ maxLength: 90 }), isPacked: fc.boolean(), isPause: fc.boolean() });
    const run = fc.asyncProperty(
      fc.array(message, { maxLength: 12 }),
      fc.integer({ min: 1, max: 60 }),
      async (sent, most) => {
        const play = await start();
        const { exchange, exchange1, told, hooks } = play;
        let seen = 0;
        hooks.message = () => {
          if (sent[seen++]?.isPause !== true) return;
          exchange1.pause();
          if (seen % 2 === 0) exchange1.resume();
          else setTimeout(() => exchange1.resume(), 1);
        };
        const bytes = Buffer.concat(sent.map(({ text, isPacked }) => (isPacked ? packed(text) : plain(text))));
        await exchange(...dataOf(bytes, endStream, most));
        await eventually(() => told.includes("half-close"), "the request is over");
        await Bun.sleep(2);
        expect(told).toEqual([...sent.map(({ text }) => Buffer.from(text).toString()), "half-close"]);
        await fixtures.pop()?.[Symbol.asyncDispose]();
      },
    );
    await fc.assert(run, { numRuns: 60 });
  });

  test("may be compressed by deflate", async () => {
    const { exchange, told } = await start({ encoding: "deflate" });
    await exchange(...dataOf(frame(deflateSync("a"), { flag: 1 }), endStream));
    await eventually(() => told.length === 2, "the request is over");
    expect(told).toEqual(["a", "half-close"]);
  });

  test("of a call that takes one are not unpacked before the request is complete", async () => {
    const { exchange, told } = await start({ isSingle: true });
    await exchange(...dataOf(bomb()));
    await Bun.sleep(100);
    expect(told).toEqual([]);

    await exchange(end());
    await eventually(() => told.length > 0, "it is unpacked");
    expect(told).toEqual(["broken RESOURCE_EXHAUSTED"]);
  });

  test("of a call that takes one are one after the other all the same", async () => {
    const { exchange, told } = await start({ isSingle: true });
    await exchange(...dataOf(Buffer.concat([packed("a"), packed("b"), plain("c")]), endStream));
    await eventually(() => told.includes("half-close"), "the request is over");
    expect(told).toEqual(["a", "b", "c", "half-close"]);
  });

  test("of a stream are unpacked when they come, and no further than the limit", async () => {
    const { exchange, told } = await start();
    await exchange(...dataOf(bomb()));
    await eventually(() => told.length > 0, "it is unpacked");
    expect(told).toEqual(["broken RESOURCE_EXHAUSTED"]);
  });
});

describe("a request is broken, and nothing follows it, by", () => {
  const cases: readonly (readonly [string, Buffer, string, Partial<ExchangeOptions>])[] = [
    ["a flag that is none", frame(Buffer.from("x"), { flag: 2 }), "INVALID_ARGUMENT", {}],
    ["a message over the limit", frame(Buffer.alloc(0), { length: LIMIT + 1 }), "RESOURCE_EXHAUSTED", {}],
    ["a message that is not in its encoding", frame(Buffer.from("x"), { flag: 1 }), "INTERNAL", {}],
    ["a compressed message without an encoding", packed("x"), "INVALID_ARGUMENT", { encoding: "identity" }],
    ["an encoding that we do not have", packed("x"), "UNIMPLEMENTED", { encoding: "snappy" }],
    ["an end in the middle of a message", frame(Buffer.from("x"), { length: 2 }), "INVALID_ARGUMENT", {}],
    ["an end in the middle of a prefix", Buffer.alloc(3), "INVALID_ARGUMENT", {}],
  ];
  test.each(cases)("%s", async (_, bytes, code, options) => {
    const { exchange, told, client } = await start(options);
    const good = plain("good");
    await exchange(...dataOf(Buffer.concat([good, bytes]), endStream));
    await eventually(() => told.length > 1, "it is broken");
    expect(told).toEqual(["good", `broken ${code}`]);
    client[Symbol.dispose]();
    await eventually(() => told.includes("closed"), "it is closed");
    expect(told).toEqual(["good", `broken ${code}`, "closed"]);
  });

  test("what is broken, for messages behind it", async () => {
    const { exchange, told } = await start();
    const bad = frame(Buffer.from("x"), { flag: 2 });
    await exchange(...dataOf(Buffer.concat([plain("a"), bad, plain("b")])), ...dataOf(plain("c"), endStream));
    expect(told).toEqual(["a", "broken INVALID_ARGUMENT"]);
  });

  test("its end, for a message that is being unpacked", async () => {
    const { exchange, told } = await start();
    await exchange(...dataOf(Buffer.concat([packed("a"), plain("b")])), reset(1));
    await Bun.sleep(50);
    expect(told).toEqual(["closed"]);
  });
});

describe("whoever takes messages", () => {
  /** The fixture's. */
  const WINDOW = 70_000;
  const KIB = plain("x".repeat(1_019));

  test("may pause: nothing is taken, the client's window closes, and all comes when it resumes", async () => {
    const { exchange, exchange1, told } = await start();
    exchange1.pause();
    const some = Buffer.concat(Array.from({ length: 60 }, () => KIB));
    const paused = await exchange(...dataOf(some, endStream));
    expect([told, given(paused, 1)]).toEqual([[], 0]);

    exchange1.resume();
    expect(told).toEqual([...Array.from({ length: 60 }, () => "1019 bytes"), "half-close"]);
  });

  test("gives the client its window back by taking them", async () => {
    const { exchange, exchange1 } = await start();
    exchange1.pause();
    const held = await exchange(...dataOf(Buffer.concat(Array.from({ length: 40 }, () => KIB))));
    exchange1.resume();
    const taken = await exchange();
    expect([given(held, 1), given(taken, 1)]).toEqual([0, 35 * KIB.length]);
  });

  test("may pause at a message, and resume at it, and has each once", async () => {
    const { exchange, exchange1, told, hooks } = await start();
    hooks.message = () => {
      exchange1.pause();
      exchange1.resume();
    };
    // More of them than the stack has room for calls.
    const many = Array.from({ length: 10_000 }, () => plain(""));
    await exchange(...dataOf(Buffer.concat([packed("a"), ...many, packed("b")]), endStream));
    await eventually(() => told.includes("half-close"), "the request is over");
    await Bun.sleep(10);
    expect(told).toEqual(["a", ...many.map(() => ""), "b", "half-close"]);
  });

  test("has messages that are longer than any window, behind short ones that have left some of it open", async () => {
    const { exchange, told, client } = await start();
    await exchange(...dataOf(plain("x".repeat(30_000))));
    const long = frame(Buffer.alloc(MIB));
    await exchange(...dataOf(long.subarray(0, WINDOW - 30_005)));
    const rest = long.subarray(WINDOW - 30_005);
    expect(given(client.frames, 1)).toBe(rest.length);
    await exchange(...dataOf(rest));
    expect(told).toEqual(["30000 bytes", `${MIB} bytes`]);
  });

  test("asks for no more of a message while it pauses", async () => {
    const { exchange, exchange1 } = await start();
    exchange1.pause();
    const paused = await exchange(...dataOf(frame(Buffer.alloc(10), { length: MIB })));
    exchange1.resume();
    const resumed = await exchange();
    expect([given(paused, 1), given(resumed, 1)]).toEqual([0, MIB + 5 - WINDOW]);
  });
});

function fieldsOf(frames: readonly Frame[]): readonly (readonly [string, string])[] {
  return ofType(frames, FrameType.headers).flatMap(
    ({ payload }) => new HpackDecoder(16_384).decode(payload)?.map(({ name, value }) => [name, value] as const) ?? [],
  );
}
const shape = (frames: readonly Frame[]) => frames.map(({ type, flags }) => [type, (flags & endStream) !== 0]);

describe("a response", () => {
  const RESPONSE = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ] as const;
  const { headers: ofHeaders, data, rstStream } = FrameType;

  test("of one message and OK is headers, data and trailers", async () => {
    const { exchange, exchange1, told } = await start();
    await exchange(end());
    expect(exchange1.takesReply(2)).toBe(true);
    exchange1.reply(Buffer.from("hi"));
    const frames = await exchange();
    expect(shape(frames)).toEqual([
      [ofHeaders, false],
      [data, false],
      [ofHeaders, true],
    ]);
    expect(frames[1]?.payload).toEqual(plain("hi"));
    expect(fieldsOf(frames)).toEqual([...RESPONSE, ["grpc-status", "0"]]);
    expect(told).toEqual(["half-close", "closed"]);
  });

  test("of one message behind its headers has no others", async () => {
    const { exchange, exchange1 } = await start();
    exchange1.sendHeaders();
    expect(exchange1.takesReply(2)).toBe(false);
    exchange1.reply(Buffer.from("hi"));
    expect(fieldsOf(await exchange())).toEqual([...RESPONSE, ["grpc-status", "0"]]);
  });

  test("of one message that is longer than the window waits for it", async () => {
    const { exchange, exchange1, told } = await start();
    await exchange(end());
    expect(exchange1.takesReply(65_531)).toBe(false);
    exchange1.reply(Buffer.alloc(65_531));
    const first = await exchange();
    expect([bytesOf(first, 1), told]).toEqual([65_535, ["half-close"]]);
    const last = await exchange(window(1, 1), window(0, 1));
    expect([bytesOf(last, 1), fieldsOf(last), told]).toEqual([1, [["grpc-status", "0"]], ["half-close", "closed"]]);
  });

  test("of nothing but a status is one block of headers", async () => {
    const { exchange, exchange1 } = await start();
    await exchange(end());
    exchange1.finish(new StatusError("NOT_FOUND", "100 %"));
    const frames = await exchange();
    expect(shape(frames)).toEqual([[ofHeaders, true]]);
    expect(fieldsOf(frames)).toEqual([...RESPONSE, ["grpc-status", "5"], ["grpc-message", "100 %25"]]);
  });

  test("of UNIMPLEMENTED and nothing else says which encodings there are", async () => {
    const { exchange, exchange1 } = await start();
    exchange1.finish(new StatusError("UNIMPLEMENTED", ""));
    const frames = await exchange();
    expect(fieldsOf(frames)).toContainEqual(["grpc-accept-encoding", "identity,gzip,deflate"]);
    expect(shape(frames)).toEqual([[ofHeaders, true], [rstStream, true].map((it, i) => (i === 0 ? it : false))]);
  });

  test("of OK without a message has headers and trailers", async () => {
    const { exchange, exchange1 } = await start();
    exchange1.finish(undefined);
    expect(fieldsOf(await exchange())).toEqual([...RESPONSE, ["grpc-status", "0"]]);
  });

  test("of messages has its status in the trailers, and nothing follows that", async () => {
    const { exchange, exchange1 } = await start();
    await exchange(end());
    exchange1.sendHeaders();
    exchange1.sendHeaders();
    for (const text of ["a", "b"]) expect(exchange1.send(Buffer.from(text))).toBe(true);
    exchange1.finish(new StatusError("OUT_OF_RANGE", "too old"));
    expect(exchange1.send(Buffer.from("late"))).toBe(false);
    exchange1.finish(undefined);
    const frames = await exchange();
    expect(ofType(frames, data).map(({ payload }) => payload)).toEqual([plain("a"), plain("b")]);
    expect(fieldsOf(frames)).toEqual([...RESPONSE, ["grpc-status", "11"], ["grpc-message", "too old"]]);
  });

  test("says stop at 16 messages that wait, and go on when all have left", async () => {
    const { exchange, exchange1, told } = await start();
    // Fills the window to the last byte.
    expect(exchange1.send(Buffer.alloc(65_530 - 16_384 * 3))).toBe(true);
    for (let i = 0; i < 3; i++) expect(exchange1.send(Buffer.alloc(16_379))).toBe(true);
    const answers = Array.from({ length: 17 }, () => exchange1.send(Buffer.from("x")));
    expect(answers.indexOf(false)).toBe(15);
    expect(told).toEqual([]);
    await exchange(window(1, 17 * 6), window(0, 17 * 6));
    expect(told).toEqual(["drained"]);
  });

  test("says stop at 64 KiB that wait", async () => {
    const { exchange1 } = await start();
    expect(exchange1.send(Buffer.alloc(65_530 + 60_000))).toBe(true);
    expect(exchange1.send(Buffer.alloc(5_530))).toBe(true);
    expect(exchange1.send(Buffer.alloc(0))).toBe(false);
  });
});
