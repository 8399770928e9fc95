import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescFile } from "@bufbuild/protobuf";
import { compileProto } from "../testing/compile-proto.ts";
import { generate } from "./generate.ts";
import { parseOptions } from "./options.ts";

/** Which services get code, and what is said of those that cannot. */

const NIC = readFileSync(join(import.meta.dir, "../../tests/sdk/proto/acme/device/v1alpha1/nic.proto"), "utf8");

/** What was changed in nic.proto, and what is said of it. */
interface Fault {
  readonly from: string;
  readonly to: string;
  readonly problem: string;
}

const FAULTS: Readonly<Record<string, Fault>> = {
  "a List is missing": {
    from: "  rpc ListNics(ListNicsRequest) returns (ListNicsResponse);\n",
    to: "",
    problem: "has no method ListNics (unary), which a resource service needs",
  },
  "a Get is missing": {
    from: "rpc GetNic(",
    to: "rpc FetchNic(",
    problem: "has no method GetNic (unary), which a resource service needs",
  },
  "Watch does not stream": {
    from: "returns (stream WatchNicsResponse)",
    to: "returns (WatchNicsResponse)",
    problem: "WatchNics has to be server-streaming; it is unary",
  },
  "Watch streams in both directions": {
    from: "WatchNics(WatchNicsRequest)",
    to: "WatchNics(stream WatchNicsRequest)",
    problem: "WatchNics has to be server-streaming; it is streaming in both directions",
  },
  "List streams": {
    from: "returns (ListNicsResponse)",
    to: "returns (stream ListNicsResponse)",
    problem: "ListNics has to be unary; it is server-streaming",
  },
  "Get streams from the client": {
    from: "rpc GetNic(GetNicRequest)",
    to: "rpc GetNic(stream GetNicRequest)",
    problem: "GetNic has to be unary; it is client-streaming",
  },
  "Get asks by number": {
    from: "GetNicRequest {\n  string name",
    to: "GetNicRequest {\n  int64 name",
    problem: "GetNic: GetNicRequest.name has to be a string; it is int64",
  },
  "Get has no opts": {
    from: "  string name = 1;\n  Options opts = 2;",
    to: "  string name = 1;",
    problem: [
      "GetNic: GetNicRequest.opts has to be a message with resource_version and namespace; there is no",
      "such field",
    ].join(" "),
  },
  "the opts are repeated": {
    from: "ListNicsRequest {\n  Options",
    to: "ListNicsRequest {\n  repeated Options",
    problem: [
      "ListNics: ListNicsRequest.opts has to be a message with resource_version and namespace; it is",
      "repeated Options",
    ].join(" "),
  },
  "the opts have no namespace": {
    from: "message Options {\n  string resource_version = 1;\n  string namespace = 2;",
    to: "message Options {\n  string resource_version = 1;",
    problem: "WatchNics: Options.namespace has to be a string; there is no such field",
  },
  "the reply of Get has no object": {
    from: "  Nic nic = 1;",
    to: "  string nic = 1;",
    problem: "GetNic: GetNicResponse has to have one field of the message Nic, the object (not repeated, in no oneof)",
  },
  "the reply of Get has two objects": {
    from: "  Nic nic = 1;",
    to: "  Nic nic = 1;\n  Nic old = 2;",
    problem: "GetNic: GetNicResponse has to have one field of the message Nic, the object (not repeated, in no oneof)",
  },
  "the object is in a oneof": {
    from: "  Nic nic = 1;",
    to: "  oneof found {\n    Nic nic = 1;\n  }",
    problem: "GetNic: GetNicResponse has to have one field of the message Nic, the object (not repeated, in no oneof)",
  },
  "the object has no metadata": {
    from: "  ObjectMeta metadata = 1;",
    to: "  ObjectMeta meta = 1;",
    problem: "GetNic: Nic.metadata has to be a message with name and resource_version; there is no such field",
  },
  "the object's name may be absent": {
    from: "ObjectMeta {\n  string name",
    to: "ObjectMeta {\n  optional string name",
    problem: "GetNic: ObjectMeta.name has to be a string; it is optional string",
  },
  "the name is in a oneof": {
    from: "ObjectMeta {\n  string name = 1;",
    to: "ObjectMeta {\n  oneof id {\n    string name = 1;\n  }",
    problem: "GetNic: ObjectMeta.name has to be a string; it is string in the oneof id",
  },
  "the reply of List has no list": {
    from: "  NicList nic_list = 1;",
    to: "  repeated Nic nics = 1;",
    problem: [
      "ListNics: ListNicsResponse has to have one field with the list: a message with metadata (and in",
      "it resource_version) and repeated Nic items",
    ].join(" "),
  },
  "the list has other items": {
    from: "repeated Nic items",
    to: "repeated ObjectMeta items",
    problem: "ListNics: NicList.items has to be repeated Nic; it is repeated ObjectMeta",
  },
  "the list has numbers": {
    from: "repeated Nic items",
    to: "repeated int32 items",
    problem: "ListNics: NicList.items has to be repeated Nic; it is repeated int32",
  },
  "the list is a map": {
    from: "repeated Nic items",
    to: "map<string, Nic> items",
    problem: "ListNics: NicList.items has to be repeated Nic; it is a map",
  },
  "the list is one item": {
    from: "repeated Nic items",
    to: "Nic items",
    problem: "ListNics: NicList.items has to be repeated Nic; it is one Nic",
  },
  "the list has no version": {
    from: "ListMeta {\n  string resource_version",
    to: "ListMeta {\n  int64 resource_version",
    problem: "ListNics: ListMeta.resource_version has to be a string; it is int64",
  },
  "an event's type is an enum": {
    from: "message WatchNicsResponse {\n  string type",
    to: "enum Type {\n  NONE = 0;\n}\n\nmessage WatchNicsResponse {\n  Type type",
    problem: "WatchNics: WatchNicsResponse.type has to be a string; it is the enum Type",
  },
  "an event has another object": {
    from: "  Nic object = 2;",
    to: "  NicList object = 2;",
    problem: "WatchNics: WatchNicsResponse.object has to be one Nic; it is one NicList",
  },
  "an event has no object": {
    from: "  Nic object = 2;",
    to: "",
    problem: "WatchNics: WatchNicsResponse.object has to be one Nic; there is no such field",
  },
};

/** Compiled together, each in a package of its own: fault0.device.v1alpha1, … */
const COMPILED = compileProto(
  Object.fromEntries(
    Object.values(FAULTS).map(({ from, to }, i) => {
      if (!NIC.includes(from)) throw new Error(`nic.proto has no ${from}`);
      return [`fault${i}/nic.proto`, NIC.replace(from, to).replace("package acme.", `package fault${i}.`)];
    }),
  ),
);

function generateFrom(files: readonly (DescFile | undefined)[], ...options: readonly (readonly [string, string])[]) {
  const raw = options.map(([key, value]) => ({ key, value }));
  const found = files.filter((file) => file !== undefined);
  expect(found).toHaveLength(files.length);
  return generate(found, parseOptions(raw)).map(({ path }) => path);
}

test.each(Object.entries(FAULTS).map(([name, { problem }], i) => [name, problem, i] as const))(
  "%s: the service is refused, by name",
  (_, problem, i) => {
    const file = COMPILED.getFile(`fault${i}/nic.proto`);
    expect(() => generateFrom([file])).toThrow(`fault${i}.device.v1alpha1.NicService: ${problem}`);
  },
);

/** nic.proto about another kind, in another package. */
const about = (kind: string, plural: string, packageName: string) =>
  NIC.replace("package acme.device.v1alpha1;", `package ${packageName};`)
    .replaceAll("Nics", plural)
    .replaceAll("Nic", kind);

/** The same, with the messages that it shares from nic.proto. */
const beside = (kind: string, plural: string) =>
  about(kind, plural, "acme.device.v1alpha1")
    .replace(/^message (?:ObjectMeta|ListMeta|Options) [^}]*}\n/gm, "")
    .replace(/^service CablingService [^}]*}\n/m, "")
    .replace("import ", 'import "nic.proto";\nimport ');

const MANY = compileProto({
  "nic.proto": NIC,
  "port.proto": beside("Port", "Ports"),
  "client.proto": beside("Client", "Clients"),
  "lower.proto": beside("NIC", "NICs"),
  "v2.proto": about("Nic", "Nics", "acme.device.v2"),
  "other.proto": about("Nic", "Nics", "other.device.v1alpha1"),
  "unversioned.proto": about("Nic", "Nics", "acme.device"),
  "chassis.proto": about("Chassis", "Chassis", "acme.rack.v1"),
  "empty.proto": 'syntax = "proto3"; package acme.empty.v1;',
});
const many = (...paths: readonly string[]) => paths.map((path) => MANY.getFile(path));

test("a file without a resource service gets no code", () => {
  expect(generateFrom(many("empty.proto"))).toEqual([]);
});

test("two kinds of one group share its files", () => {
  expect(generateFrom(many("nic.proto", "port.proto"), ["top_level", "none"])).toEqual([
    "nic.gen.ts",
    "port.gen.ts",
    "client.gen.ts",
    "informers.gen.ts",
  ]);
});

test("a package without a version is refused", () => {
  const wanted = "the package has to end in a group and a version, as in acme.device.v1alpha1";
  const message = `acme.device.NicService: ${wanted}; it is "acme.device"`;
  expect(() => generateFrom(many("unversioned.proto"))).toThrow(message);
});

test("a service that is named has to be suitable, and has to be there", () => {
  const named = (name: string) => () => generateFrom(many("nic.proto"), ["service", `acme.device.v1alpha1.${name}`]);
  expect(named("NicService")).not.toThrow();
  expect(named("CablingService")).toThrow(
    "acme.device.v1alpha1.CablingService: has no method GetCabling (unary), which a resource service needs",
  );
  expect(named("CableService")).toThrow(
    "CableService: there is no such service; there are acme.device.v1alpha1.NicService, acme.device.v1alpha1.Cabling",
  );
});

test("a named service alone gets code", () => {
  const files = many("nic.proto", "port.proto");
  const paths = generateFrom(files, ["service", "acme.device.v1alpha1.PortService"], ["top_level", "none"]);
  expect(paths).toEqual(["port.gen.ts", "client.gen.ts", "informers.gen.ts"]);
});

test("an irregular plural is told by an option, which has to be of use", () => {
  const file = many("chassis.proto");
  expect(() => generateFrom(file)).toThrow("acme.rack.v1.ChassisService: has no method ListChassises (unary)");
  expect(generateFrom(file, ["plural", "Chassis:Chassis"])).toContain("chassis.gen.ts");
  expect(() => generateFrom(many("nic.proto"), ["plural", "Chassis:Chassis"])).toThrow(
    "plural of Chassis: there is no ChassisService",
  );
});

test("names that would be taken twice are refused", () => {
  expect(() => generateFrom(many("nic.proto", "other.proto"))).toThrow(
    "other.device.v1alpha1.NicService: deviceV1alpha1() is taken by the package acme.device.v1alpha1",
  );
  expect(() => generateFrom(many("nic.proto", "lower.proto"))).toThrow(
    "acme.device.v1alpha1.NICService: deviceV1alpha1().nics() is taken by acme.device.v1alpha1.NicService",
  );
  expect(() => generateFrom(many("nic.proto", "client.proto"))).toThrow("client.gen.ts would be written twice");
  expect(() => generateFrom(many("nic.proto", "v2.proto"))).toThrow("nic.gen.ts would be written twice");
});

test("everything that is wrong is said at once", () => {
  const files = [COMPILED.getFile("fault0/nic.proto"), COMPILED.getFile("fault6/nic.proto")];
  const attempt = () => generateFrom(files, ["plural", "Chassis:Chassis"]);
  expect(attempt).toThrow("fault0.device.v1alpha1.NicService");
  expect(attempt).toThrow("fault6.device.v1alpha1.NicService");
  expect(attempt).toThrow("plural of Chassis");
});
