import { expect, test } from "bun:test";
import { version } from "../../package.json";
import { CLIENT_VERSION } from "./version.ts";

test("the user agent says the version that the package has", () => {
  expect(CLIENT_VERSION).toBe(version);
});
