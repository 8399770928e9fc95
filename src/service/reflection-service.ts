import { create, type DescFile, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, type CodeName } from "../base/status-error.ts";
import {
  file_grpc_reflection_v1_reflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { file_grpc_reflection_v1alpha_reflection } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { type DuplexStream, type Method, SMALL_REQUEST_BYTES } from "./call.ts";
import { decodeMessage } from "./decode.ts";
import { createDescriptorIndex, type DescriptorIndex } from "./descriptor-index.ts";

export interface ReflectionService {
  readonly methods: readonly Method[];
}

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/**
 * Server reflection for the services of these files and for itself, so that grpcurl needs no .proto files. Whatever
 * the files import is served with them, well-known types too: a client cannot resolve a field's type otherwise.
 *
 * v1alpha has the same messages under another package name; one decoder serves both.
 */
export function createReflectionService(files: readonly DescFile[]): ReflectionService {
  const own = [file_grpc_reflection_v1_reflection, file_grpc_reflection_v1alpha_reflection];
  const index = createDescriptorIndex([...files, ...own]);
  const handle = (stream: DuplexStream): void => {
    stream.onMessage((bytes) => {
      const request = decodeMessage(ServerReflectionRequestSchema, bytes);
      const reply = { validHost: request.host, originalRequest: request, messageResponse: answer(index, request) };
      stream.send(toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, reply)));
    });
    stream.onHalfClose(() => stream.end());
  };
  const method = (version: string): Method => ({
    kind: "duplex",
    name: `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    access: "read",
    requestBytesMax: SMALL_REQUEST_BYTES,
    handle,
  });
  return { methods: [method("v1"), method("v1alpha")] };
}

function answer(index: DescriptorIndex, { messageRequest }: ServerReflectionRequest): Answer {
  const { case: kind, value } = messageRequest;
  switch (kind) {
    case "fileByFilename":
      return fileAnswer(index.fileByName(value), `file "${value}"`);
    case "fileContainingSymbol":
      return fileAnswer(index.fileBySymbol(value), `symbol "${value}"`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = value;
      const what = `extension ${extensionNumber} of "${containingType}"`;
      return fileAnswer(index.fileByExtension(containingType, extensionNumber), what);
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensionNumbers(value);
      if (numbers === undefined) return errorAnswer("NOT_FOUND", `message "${value}" is not known here`);
      const extensions = { baseTypeName: value, extensionNumber: [...numbers] };
      return { case: "allExtensionNumbersResponse", value: extensions };
    }
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    case undefined:
      return errorAnswer("INVALID_ARGUMENT", "message_request: not set");
  }
}

function fileAnswer(files: readonly Uint8Array[] | undefined, what: string): Answer {
  if (files === undefined) return errorAnswer("NOT_FOUND", `${what} is not known here`);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: [...files] } };
}

function errorAnswer(code: CodeName, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode: Code[code], errorMessage } };
}
