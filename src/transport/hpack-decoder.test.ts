import { describe, expect, test } from "bun:test";
import { HpackDecoder, HpackError } from "./hpack-decoder.ts";

const LIMIT = 16_384;
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

function decode(decoder: HpackDecoder, block: Uint8Array) {
  return decoder.decode(block)?.map(({ name, value }) => [name, value]);
}

/** Every block in turn, on one connection. */
function decodeAll(blocks: readonly string[]) {
  const decoder = new HpackDecoder(LIMIT);
  return blocks.map((block) => decode(decoder, hex(block)));
}

const REQUESTS = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES = [
  [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", COOKIE],
  ],
];
/** "The table holds 256 bytes", as the RFC has it for its responses. */
const TABLE_OF_256 = "3fe101";

describe("the examples of RFC 7541, appendix C:", () => {
  test.each([
    ["C.2.1", "400a637573746f6d2d6b65790d637573746f6d2d686561646572", ["custom-key", "custom-header"]],
    ["C.2.2", "040c2f73616d706c652f70617468", [":path", "/sample/path"]],
    ["C.2.3", "100870617373776f726406736563726574", ["password", "secret"]],
    ["C.2.4", "82", [":method", "GET"]],
  ])("%s", (_, block, field) => {
    expect(decodeAll([block])).toEqual([[field]]);
  });

  test("C.3, requests", () => {
    expect(
      decodeAll([
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ]),
    ).toEqual(REQUESTS);
  });

  test("C.4, the same with Huffman's code", () => {
    expect(
      decodeAll([
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ]),
    ).toEqual(REQUESTS);
  });

  test("C.5, responses, of which some fields leave the table", () => {
    expect(
      decodeAll([
        `${TABLE_OF_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54
         6e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
        "4803333037c1c0bf",
        `88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738
         666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d33363030
         3b2076657273696f6e3d31`,
      ]),
    ).toEqual(RESPONSES);
  });

  test("C.6, the same with Huffman's code", () => {
    expect(
      decodeAll([
        `${TABLE_OF_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff
         6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
        "4883640effc1c0bf",
        `88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960
         d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007`,
      ]),
    ).toEqual(RESPONSES);
  });
});

describe("a block is no HPACK where it", () => {
  test.each([
    ["has the index 0", "80"],
    ["has an index beyond the static table, while the other is empty", "be"],
    ["takes a name from beyond the table, to be kept", "7e0161"],
    ["takes a name from beyond the table, not to be kept", "0f2f0161"],
    ["takes a name from beyond the table, never to be kept", "1f2f0161"],
    ["ends in an index", "ff"],
    ["ends in the further bytes of an index", "ff80"],
    ["ends before a name", "00"],
    ["ends in a name", "000561"],
    ["ends before a value", "000161"],
    ["ends in a value", "0001610261"],
    ["ends in the length of a value", "0001617f"],
    ["has a length beyond any", "00ffffffff7f"],
    ["has a length of many bytes that say nothing", `007f80808080808000${"61".repeat(127)}0161`],
    ["has a name that is not Huffman coded", "0081ff0161"],
    ["has a value that is not Huffman coded", "00016184ffffffff"],
    ["changes the table's size after a field", "8220"],
    ["changes the table's size to more than there is", "3fe21f"],
  ])("%s", (_, block) => {
    expect(() => decodeAll([block])).toThrow(HpackError);
  });
});

test.each([
  ["once, to what it is", ["3fe11f82"]],
  ["to nothing, and back", ["203fe11f82"]],
  ["and nothing else", ["20", "82"]],
])("a block may change the table's size %s", (_, blocks) => {
  expect(decodeAll(blocks).at(-1)).toEqual([[":method", "GET"]]);
});

describe("the table", () => {
  const kept = (name: string, value: string) =>
    Buffer.concat([
      Buffer.from([0x40, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);

  test("loses its oldest fields first, once names, values and 32 for each are more than it holds", () => {
    const decoder = new HpackDecoder(LIMIT);
    // 34 bytes each, in 2 · 34.
    decoder.decode(Buffer.concat([hex("3f25"), kept("a", "1"), kept("b", "2"), kept("c", "3")]));

    expect(decode(decoder, hex("bebf"))).toEqual([
      ["c", "3"],
      ["b", "2"],
    ]);
    expect(() => decoder.decode(hex("c0"))).toThrow(HpackError);
  });

  test("is empty after a field that is larger than it, which is a field all the same", () => {
    const decoder = new HpackDecoder(LIMIT);
    decoder.decode(Buffer.concat([hex("3f25"), kept("a", "1")]));

    expect(decode(decoder, kept("b", "2".repeat(40)))).toEqual([["b", "2".repeat(40)]]);
    expect(() => decoder.decode(hex("be"))).toThrow(HpackError);
  });

  test("is empty once it holds 0 bytes, and takes fields again when it holds more", () => {
    const decoder = new HpackDecoder(LIMIT);
    decoder.decode(kept("a", "1"));
    decoder.decode(hex("20"));
    expect(() => decoder.decode(hex("be"))).toThrow(HpackError);

    decoder.decode(Buffer.concat([hex("3fe11f"), kept("b", "2")]));
    expect(decode(decoder, hex("be"))).toEqual([["b", "2"]]);
  });

  test("gives the name of a field whose place the new one takes", () => {
    const decoder = new HpackDecoder(LIMIT);
    decoder.decode(Buffer.concat([hex("3f03"), kept("a", "1")]));

    expect(decode(decoder, hex("7e0132"))).toEqual([["a", "2"]]);
    expect(decode(decoder, hex("be"))).toEqual([["a", "2"]]);
  });
});

describe("a block's fields", () => {
  const field = (valueBytes: number) =>
    Buffer.concat([hex("400161"), Buffer.from([valueBytes]), Buffer.alloc(valueBytes, "x")]);

  test("may count as much as the limit, and not a byte more", () => {
    expect(new HpackDecoder(100).decode(Buffer.concat([field(17), field(17)]))).toHaveLength(2);
    expect(new HpackDecoder(100).decode(Buffer.concat([field(17), field(18)]))).toBeUndefined();
  });

  test("that are over the limit are in the table, so that the next block can be read", () => {
    const decoder = new HpackDecoder(100);
    expect(decoder.decode(Buffer.concat([field(100), field(1)]))).toBeUndefined();

    expect(decode(decoder, hex("be"))).toEqual([["a", "x"]]);
  });

  test("count by what they are, and not by the bytes that say so", () => {
    const decoder = new HpackDecoder(1_000);
    expect(decoder.decode(field(100))).toHaveLength(1);

    expect(decoder.decode(hex("be".repeat(7)))).toHaveLength(7);
    expect(decoder.decode(hex("be".repeat(8)))).toBeUndefined();
  });
});

describe("HTTP/2 allows", () => {
  const isValid = (name: string, value: string) => {
    const block = [0, name.length, ...Buffer.from(name, "latin1"), value.length, ...Buffer.from(value, "latin1")];
    return new HpackDecoder(LIMIT).decode(Buffer.from(block))?.[0]?.isValid;
  };

  test.each([":path", "te", "x-!#$%&'*+-.^_`|~09"])("the name %s", (name) => {
    expect(isValid(name, "v")).toBe(true);
  });
  test.each(["", ":", "X", "a b", "a:b", "::a", "a\0", "a\n", "é", "a\x7f"])("no name like %p", (name) => {
    expect(isValid(name, "v")).toBe(false);
  });
  test.each(["", "a b", "a\tb", "\x01", "\x7f", "\x80\xff"])("the value %p", (value) => {
    expect(isValid("a", value)).toBe(true);
  });
  test.each([" a", "a ", "\ta", "a\t", "a\0b", "a\rb", "a\nb", "a\n"])("no value like %p", (value) => {
    expect(isValid("a", value)).toBe(false);
  });
});
