import { describe, expect, test } from "bun:test";
import { gravestAction } from "./actions.ts";

/** Rising, as in the contract; SOMETHING_ELSE stands for any word not known. */
const RISING = [
  "",
  "NONE",
  "SOMETHING_ELSE",
  "RESTART_APP",
  "COMPONENT_RESET",
  "RESTART_VM",
  "RESTART_BM",
  "RUN_DCGMEUD",
  "RUN_FIELDDIAG",
  "CONTACT_SUPPORT",
  "REPLACE_VM",
];

describe("the gravest action", () => {
  for (const [i, graver] of RISING.entries()) {
    for (const lesser of RISING.slice(0, i)) {
      test(`of ${JSON.stringify(lesser)} and ${graver} is ${graver}, in either order`, () => {
        expect(gravestAction([lesser, graver])).toBe(graver);
        expect(gravestAction([graver, lesser])).toBe(graver);
      });
    }
  }

  test("of none is no action, and among equals the first", () => {
    expect(gravestAction([])).toBe("");
    expect(gravestAction(["", ""])).toBe("");
    expect(gravestAction(["ONE_WORD", "OTHER_WORD"])).toBe("ONE_WORD");
  });

  test("ranks words that every object knows like any other unknown word", () => {
    for (const word of ["__proto__", "constructor", "toString", "hasOwnProperty", "none", "restart_app"]) {
      expect(gravestAction(["NONE", word])).toBe(word);
      expect(gravestAction([word, "RESTART_APP"])).toBe("RESTART_APP");
    }
  });
});
