import { expect, test } from "bun:test";
import { parseOptions } from "./options.ts";

/** As the framework hands them over. */
const raw = (...options: readonly string[]) =>
  options.map((option) => ({ key: option.replace(/=.*/s, ""), value: option.replace(/^[^=]*=?/, "") }));

test("without options the package is imported, and every file written", () => {
  expect(parseOptions([])).toEqual({
    runtimeImport: "device-api-client",
    topLevel: ["clientset", "informers", "fake"],
    services: [],
    plurals: new Map(),
  });
});

test("every option is read", () => {
  const options = raw(
    "runtime_import=../sdk/",
    "top_level=informers",
    "service=a.v1.NicService",
    "service=a.v1.GpuService",
    "plural=Chassis:Chassis",
  );
  expect(parseOptions(options)).toEqual({
    runtimeImport: "../sdk",
    topLevel: ["informers"],
    services: ["a.v1.NicService", "a.v1.GpuService"],
    plurals: new Map([["Chassis", "Chassis"]]),
  });
  expect(parseOptions(raw("top_level=none")).topLevel).toEqual([]);
});

test.each([
  ["runtime-import=x", 'there is no option "runtime-import"; known are runtime_import='],
  ["constructor=x", 'there is no option "constructor"'],
  ["runtime_import", "runtime_import has no value; write runtime_import=PACKAGE"],
  ["runtime_import=a b", "runtime_import is a package or a folder"],
  ["top_level=clientset+informer", "top_level is none or of clientset+informers+fake"],
  ["top_level=fake", "needs clientset too"],
  ["service=", "service has no value"],
  ["plural=Chassis", "plural is KIND:PLURAL"],
  ["plural=chassis:chassis", "plural is KIND:PLURAL"],
])("%s is refused", (option, message) => {
  expect(() => parseOptions(raw(option))).toThrow(message);
});

test.each([
  [["service=a.B", "service=a.B"], "service a.B stands there twice"],
  [["plural=A:B", "plural=A:C"], "the plural of A stands there twice"],
])("%p is refused", (options, message) => {
  expect(() => parseOptions(raw(...options))).toThrow(message);
});
