import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, file_google_protobuf_go_features } from "@bufbuild/protobuf/wkt";
import { createDescriptorIndex } from "./descriptor-index.ts";

/** The richest files at hand: nested types, nested enums, extensions, an import. */
const index = createDescriptorIndex([file_google_protobuf_go_features]);
const OWN = "google/protobuf/go_features.proto";
const IMPORTED = "google/protobuf/descriptor.proto";

const names = (files: readonly Uint8Array[] | undefined) =>
  files?.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);

describe("a descriptor index", () => {
  test.each([
    ["a nested message", "google.protobuf.DescriptorProto.ExtensionRange"],
    ["a field of a nested message", "google.protobuf.DescriptorProto.ExtensionRange.start"],
    ["a nested enum", "google.protobuf.FieldDescriptorProto.Type"],
    ["a nested enum's value, beside the enum", "google.protobuf.FieldDescriptorProto.TYPE_DOUBLE"],
    ["an enum's value, beside the enum", "google.protobuf.EDITION_2023"],
  ])("finds %s in an imported file", (_what, symbol) => {
    expect(names(index.fileBySymbol(symbol))).toEqual([IMPORTED]);
  });

  test("does not find an enum's value inside the enum", () => {
    expect(index.fileBySymbol("google.protobuf.Edition.EDITION_2023")).toBeUndefined();
  });

  test("finds an extension by its name and by its number, the file's imports after the file", () => {
    const found = [index.fileBySymbol("pb.go"), index.fileByExtension("google.protobuf.FeatureSet", 1_002)];

    expect(found.map(names)).toEqual([
      [OWN, IMPORTED],
      [OWN, IMPORTED],
    ]);
  });

  test("lists the extensions of a message, none for one without, and undefined for none such", () => {
    const numbers = ["google.protobuf.FeatureSet", "google.protobuf.FileOptions", "google.protobuf.Nope"].map((name) =>
      index.extensionNumbers(name),
    );

    expect(numbers).toEqual([[1_002], [], undefined]);
  });

  test("lists no service where the files declare none", () => {
    expect(index.services).toEqual([]);
  });
});
