import { describe, expect, test } from "bun:test";
import type { JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { renderYaml } from "./yaml.ts";

/** What YAML 1.1 or 1.2 reads as something else where it stands without quotes. */
const TRAPS = [
  ...[
    "true",
    "False",
    "YES",
    "no",
    "On",
    "off",
    "y",
    "N",
    "null",
    "NULL",
    "~",
    "",
    " ",
    "NaN",
    ".nan",
    ".inf",
    "-.INF",
  ],
  ...["7", "-1", "+1", "1_000", "0x1F", "0o7", "012", "1e3", "1.", ".5", "12:30:45", "190:20:30", "0b11"],
  ...["2026-09-21", "2026-09-21T14:11:50Z", "=", "<<", "-", "?", ":", "---", "...", "- x", "? x", ": x", "a: b", "a:"],
  ...["#c", "a #c", "a#c", "*a", "&a", "!t", "%d", "@a", "`a", "'a'", '"a"', "[a]", "{a}", "a, b", "|", ">", "a\\b"],
  ...[
    " lead",
    "trail ",
    "a\nb",
    "a\n",
    "\ta",
    "a\tb",
    "\r\n",
    "\u0000",
    "\u0007",
    "\u0085",
    "\u2028",
    "\ufeff",
    "\ud800",
  ],
  ...["é😀", "\u202eabc", "a".repeat(5_000), "many words ".repeat(100), "Xid 79 (GPU has fallen off the bus), see: x"],
];

const readBack = (value: JsonValue): unknown => Bun.YAML.parse(renderYaml(value));

describe("a value as YAML", () => {
  test("is what kubectl's layout makes of it", () => {
    expect(
      renderYaml({
        metadata: { name: "gpu-0", resourceVersion: "7" },
        items: [{ type: "Ready", status: "True", list: [1, [2]] }, "x"],
        none: [],
        empty: {},
        flag: true,
        nothing: null,
        message: "GPU has fallen off the bus",
      }),
    ).toBe(`metadata:
  name: gpu-0
  resourceVersion: "7"
items:
- type: Ready
  status: "True"
  list:
  - 1
  - - 2
- x
none: []
empty: {}
flag: true
nothing: null
message: GPU has fallen off the bus
`);
  });

  test.each([[[]], [{}], ["x"], [""], [3], [null], [false], [[[]]], [[{}]], [{ a: [{ b: {} }] }]])(
    "%j reads back as it was",
    (value: JsonValue) => {
      expect(readBack(value)).toEqual(value);
    },
  );

  test("has no string that a reader takes for anything else, in a key as in a value", () => {
    // A lone surrogate has no form in UTF-8: it is written as an escape.
    for (const text of TRAPS.filter((trap) => trap !== "\ud800")) {
      // YAML's keys end at 1,024 characters; those of the mapping are names of fields.
      const key = text.slice(0, 1_000);
      expect(readBack({ [key]: text, list: [text] })).toEqual({ [key]: text, list: [text] });
    }
    expect(renderYaml(["\ud800"])).toBe('- "\\ud800"\n');
  });

  test("has no string in plain form that YAML 1.1 knows as a number, a truth, a time or nothing", () => {
    const plain = TRAPS.filter((text) => !renderYaml([text]).startsWith('- "'));
    expect(plain.filter((text) => !/^(?:NaN|many words|a{5})/.test(text))).toEqual([]);
  });

  test("shows no character that a terminal would act upon", () => {
    for (const text of TRAPS) expect(renderYaml([text])).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]*\n$/u);
  });

  test("reads back as it was, whatever it is", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom(...TRAPS.filter((trap) => trap !== "\ud800")));
    // The reader takes a "<<" for a merge also where it is quoted, and sets the prototype.
    const key = text.filter((one) => one !== "<<" && one !== "__proto__");
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(key, tie("value"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (one) => {
        expect(readBack(one)).toEqual(one);
      }),
      { numRuns: 300 },
    );
  });
});
