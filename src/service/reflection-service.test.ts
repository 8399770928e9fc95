import { describe, expect, test } from "bun:test";
import { create, createFileRegistry, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "../base/status-error.ts";
import { file_device_v1alpha1_gpu } from "../gen/device/v1alpha1/gpu_pb.ts";
import { file_device_v1alpha1_provider } from "../gen/device/v1alpha1/provider_pb.ts";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import type { DuplexMethod, DuplexStream } from "./call.ts";
import { createReflectionService } from "./reflection-service.ts";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

const GPU_FILES = ["device/v1alpha1/gpu.proto", "google/protobuf/timestamp.proto"];
const PROVIDER_FILES = ["device/v1alpha1/provider.proto", ...GPU_FILES];
const service = createReflectionService([file_device_v1alpha1_provider, file_device_v1alpha1_gpu]);

/** Opens a stream, and gives what its service has listened for. */
function open(version: "v1" | "v1alpha" = "v1") {
  const name = `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const method = service.methods.find((one) => one.name === name) as DuplexMethod;
  const sent: Uint8Array[] = [];
  const state = { ended: false, onMessage: (_message: Uint8Array) => {}, onHalfClose: () => {} };
  const stream: DuplexStream = {
    method: name,
    peer: { kind: "tcp", connection: 1, address: "127.0.0.1:1", loopback: true },
    deadlineMs: undefined,
    cancelled: false,
    onCancel: () => {},
    send: (message) => sent.push(message) > 0,
    onDrain: () => {},
    end() {
      state.ended = true;
    },
    onMessage(listener) {
      state.onMessage = listener;
    },
    onHalfClose(listener) {
      state.onHalfClose = listener;
    },
  };
  method.handle(stream);
  const ask = (question: Question | { readonly case: undefined }) => {
    const request = create(ServerReflectionRequestSchema, { host: "h", messageRequest: question });
    state.onMessage(toBinary(ServerReflectionRequestSchema, request));
    return fromBinary(ServerReflectionResponseSchema, sent.pop() ?? new Uint8Array());
  };
  return { state, ask };
}

/** The names of the files that came, or the code of the error. */
function filesFor(question: Question): string[] | number {
  const { messageResponse } = open().ask(question);
  if (messageResponse.case === "errorResponse") return messageResponse.value.errorCode;
  if (messageResponse.case !== "fileDescriptorResponse") throw new Error(`got ${messageResponse.case}`);
  return messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe("reflection", () => {
  test.each(["v1", "v1alpha"] as const)("%s lists the services, its own among them", (version) => {
    const reply = open(version).ask({ case: "listServices", value: "" });

    expect(reply.validHost).toBe("h");
    expect(reply.originalRequest?.messageRequest.case).toBe("listServices");
    const names = reply.messageResponse.case === "listServicesResponse" ? reply.messageResponse.value.service : [];
    expect(names.map((one) => one.name)).toEqual([
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "nvidia.device.v1alpha1.GpuService",
      "nvidia.device.v1alpha1.ProviderService",
    ]);
  });

  test.each([
    ["nvidia.device.v1alpha1.Gpu", GPU_FILES],
    ["nvidia.device.v1alpha1.GpuService", GPU_FILES],
    ["nvidia.device.v1alpha1.GpuService.WatchGpus", GPU_FILES],
    ["nvidia.device.v1alpha1.Condition.last_transition_time", GPU_FILES],
    ["nvidia.device.v1alpha1.ProviderService", PROVIDER_FILES],
    ["google.protobuf.Timestamp", ["google/protobuf/timestamp.proto"]],
    ["google.protobuf.Timestamp.nanos", ["google/protobuf/timestamp.proto"]],
    ["grpc.reflection.v1.ServerReflectionRequest.message_request", ["grpc/reflection/v1/reflection.proto"]],
  ])("finds the symbol %s, with all that its file imports", (symbol, files) => {
    expect(filesFor({ case: "fileContainingSymbol", value: symbol })).toEqual(files);
  });

  test.each(PROVIDER_FILES)("finds the file %s", (name) => {
    const files = filesFor({ case: "fileByFilename", value: name });

    expect(Array.isArray(files) && files[0]).toBe(name);
  });

  test.each<Question>([
    { case: "fileContainingSymbol", value: "nvidia.device.v1alpha1.Nope" },
    { case: "fileContainingSymbol", value: "" },
    { case: "fileContainingSymbol", value: "constructor" },
    { case: "fileByFilename", value: "device/v1alpha1/gpu" },
    { case: "fileByFilename", value: "../../etc/passwd" },
    { case: "fileContainingExtension", value: { containingType: "nvidia.device.v1alpha1.Gpu", extensionNumber: 1 } },
    { case: "allExtensionNumbersOfType", value: "nvidia.device.v1alpha1.Nope" },
  ])("answers %j with NOT_FOUND, and the stream goes on", (question) => {
    const { ask, state } = open();
    const { messageResponse } = ask(question);

    expect(messageResponse.case === "errorResponse" && messageResponse.value.errorCode).toBe(Code.NOT_FOUND);
    expect(state.ended).toBe(false);
    expect(ask({ case: "listServices", value: "" }).messageResponse.case).toBe("listServicesResponse");
  });

  test("answers a request that asks nothing with INVALID_ARGUMENT", () => {
    const { messageResponse } = open().ask({ case: undefined });

    expect(messageResponse.case === "errorResponse" && messageResponse.value.errorCode).toBe(Code.INVALID_ARGUMENT);
  });

  test("knows that a message has no extensions", () => {
    const { messageResponse } = open().ask({ case: "allExtensionNumbersOfType", value: "nvidia.device.v1alpha1.Gpu" });

    expect(messageResponse).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: "nvidia.device.v1alpha1.Gpu", extensionNumber: [] },
    });
  });

  test("serves files that a client can link: every import is there", () => {
    const { messageResponse } = open().ask({ case: "fileByFilename", value: "device/v1alpha1/provider.proto" });
    const bytes = messageResponse.case === "fileDescriptorResponse" ? messageResponse.value.fileDescriptorProto : [];
    const file = bytes.map((one) => fromBinary(FileDescriptorProtoSchema, one)).reverse();

    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));

    expect(registry.getMessage("nvidia.device.v1alpha1.Condition")?.fields[2]?.message?.typeName).toBe(
      "google.protobuf.Timestamp",
    );
  });

  test("ends when its client does, and refuses bytes that are no request", () => {
    const { state } = open();
    expect(() => state.onMessage(Buffer.from([0x0a]))).toThrow("malformed grpc.reflection.v1.ServerReflectionRequest");

    state.onHalfClose();

    expect(state.ended).toBe(true);
  });
});
