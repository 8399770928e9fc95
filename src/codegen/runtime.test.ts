import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRuntime, RUNTIME } from "./runtime.ts";

const CLIENT = join(import.meta.dir, "../client");

test.each(Object.entries(RUNTIME))("the runtime exports %s, and so does its entry point", (name, properties) => {
  const { entry, file, ...rest } = properties;
  const text = readFileSync(join(CLIENT, `${file}.ts`), "utf8");
  const kinds = "isType" in rest ? "interface|type|class" : "function|class|const";
  expect(text).toMatch(new RegExp(`^export (?:${kinds}) ${name}\\b`, "m"));
  const exported = readFileSync(join(CLIENT, `entry/${entry}.ts`), "utf8");
  expect(exported).toMatch(new RegExp(`\\b${name}\\b[^;]*\\} from "\\.\\./${file}\\.ts";`));
});

test.each([
  ["device-api-client", "device-api-client/informers"],
  ["@acme/device", "@acme/device/informers"],
  [".", "./informers/informer-factory.js"],
  ["../client", "../client/informers/informer-factory.js"],
])("of runtime_import=%s an informer factory comes from %s", (runtimeImport, from) => {
  expect(createRuntime(runtimeImport)("InformerFactory").from).toBe(from);
});
