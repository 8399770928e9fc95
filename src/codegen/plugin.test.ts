import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema } from "@bufbuild/protobuf/wkt";
import packageJson from "../../package.json" with { type: "json" };
import { compileProto } from "../testing/compile-proto.ts";
import { deviceClientPlugin, PLUGIN_VERSION } from "./plugin.ts";

const PROTO = "acme/device/v1alpha1/nic.proto";
const NIC = readFileSync(join(import.meta.dir, "../../tests/sdk/proto", PROTO), "utf8");
const PROTO_FILES = [...compileProto({ [PROTO]: NIC }).files].map((file) => file.proto);

/** What the plugin answers a compiler: contents by path. */
function run(parameter: string): ReadonlyMap<string, string> {
  const request = create(CodeGeneratorRequestSchema, { fileToGenerate: [PROTO], protoFile: PROTO_FILES, parameter });
  const { file } = deviceClientPlugin.run(request);
  return new Map(file.map(({ name, content }) => [name, content]));
}

/** The code without the head, which quotes the .proto file. */
function codeOf(files: ReadonlyMap<string, string>, path: string): string {
  const content = files.get(path) ?? "";
  const start = content.indexOf("\nimport ");
  expect(start).toBeGreaterThan(0);
  return content.slice(start + 1);
}

const FOLDER = "acme/device/v1alpha1";

test("the definition says where in the messages things stand, and nothing more", () => {
  expect(codeOf(run("target=ts,import_extension=js"), `${FOLDER}/nic.gen.ts`)).toBe(`\
import type { ResourceClient, ResourceDefinition } from "device-api-client/client";
import { defineResource } from "device-api-client/client";
import type { Nic } from "./nic_pb.js";
import { NicSchema, NicService } from "./nic_pb.js";
import type { Lister, SharedInformer } from "device-api-client/informers";

/**
 * How a Nic is read and followed.
 *
 * @generated from service acme.device.v1alpha1.NicService
 */
export const nics: ResourceDefinition<Nic> = /*@__PURE__*/ defineResource({
  kind: "Nic",
  plural: "nics",
  schema: NicSchema,
  metadataOf: (object) => object.metadata,
  get: {
    method: NicService.method.getNic,
    request: (name, opts) => ({ name, opts }),
    objectOf: (reply) => reply.nic,
  },
  list: {
    method: NicService.method.listNics,
    request: (opts) => ({ opts }),
    listOf: (reply) => reply.nicList,
  },
  watch: {
    method: NicService.method.watchNics,
    request: (opts) => ({ opts }),
    eventOf: (reply) => reply,
  },
});

/**
 * Calls for objects of the kind Nic.
 */
export type NicClient = ResourceClient<Nic>;

/**
 * Reads an informer's cache of objects of the kind Nic.
 */
export type NicLister = Lister<Nic>;

/**
 * Follows the objects of the kind Nic.
 */
export type NicInformer = SharedInformer<Nic>;
`);
});

test.each([
  [`${FOLDER}/client.gen.ts`, "    nics: () => createResourceClient(connection, nics),"],
  [`${FOLDER}/client.gen.ts`, "export interface DeviceV1alpha1Client {\n  nics(): NicClient;\n}"],
  [`${FOLDER}/informers.gen.ts`, "    nics: () => accessInformer(factory, nics, client.nics()),"],
  ["clientset.gen.ts", "    deviceV1alpha1: () => createDeviceV1alpha1Client(connection),"],
  ["informer-factory.gen.ts", "createDeviceV1alpha1Informers(factory, source.deviceV1alpha1()),"],
  ["fake-clientset.gen.ts", "export function createFakeClientset(...objects: readonly Message[]): FakeClientset {"],
])("%s has the line %p", (path, line) => {
  expect(codeOf(run("target=ts"), path)).toContain(line);
});

test("twice the same input gives twice the same output", () => {
  expect(run("target=ts")).toEqual(run("target=ts"));
  expect([...run("target=ts").keys()]).toEqual([
    `${FOLDER}/nic.gen.ts`,
    `${FOLDER}/client.gen.ts`,
    `${FOLDER}/informers.gen.ts`,
    "clientset.gen.ts",
    "informer-factory.gen.ts",
    "fake-clientset.gen.ts",
  ]);
});

test("JavaScript and declarations come too, and are what a plugin without options gives", () => {
  const files = run("import_extension=js");
  expect([...files.keys()].filter((path) => path.includes("nic.gen"))).toEqual([
    `${FOLDER}/nic.gen.js`,
    `${FOLDER}/nic.gen.d.ts`,
  ]);
  expect(files.get(`${FOLDER}/nic.gen.d.ts`)).toContain("export declare const nics: ResourceDefinition<Nic>;");
});

test("an option that is not known is named, with those that are", () => {
  expect(() => run("target=ts,runtime=x")).toThrow(
    'invalid option "runtime=x": there is no option "runtime"; known are runtime_import=PACKAGE',
  );
  expect(() => run("target=ts,import_extension=tsx")).toThrow('invalid option "import_extension=tsx"');
});

test("the plugin has the package's version", () => {
  expect(PLUGIN_VERSION).toBe(packageJson.version);
});
