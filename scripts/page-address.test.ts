import { expect, test } from "bun:test";
import { pageAddress } from "./page-address.ts";

test.each([
  [["--ui-address=127.0.0.1:8082"], "http://127.0.0.1:8082/"],
  [["--ui-address=127.0.0.1:8082", "-ui-address", "127.0.0.1:9000"], "http://127.0.0.1:9000/"],
  [["--ui-address=:9000", "--insecure-bind"], "http://127.0.0.1:9000/"],
  [["--ui-address=[::1]:9000"], "http://[::1]:9000/"],
  [["--ui-address=127.0.0.1:8082", "--ui-address="], undefined],
  [["--ui-address=127.0.0.1:0"], "ui=… of the line above"],
  [["--simulate=8"], undefined],
])("of %j the page is at %p", (args, expected) => {
  expect(pageAddress(args)).toBe(expected);
});
