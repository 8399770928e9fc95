import {
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonObject,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";

/** The suite's messages in their JSON form, as far as its service needs them; bytes are base64, and stay it. */

export interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

export interface ErrorDefinition {
  /** CODE_NOT_FOUND */
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly JsonObject[];
}

export interface ResponseDefinition {
  readonly responseHeaders?: readonly Header[];
  readonly responseTrailers?: readonly Header[];
  /** One of a unary answer, a list of a stream. */
  readonly responseData?: string | readonly string[];
  readonly error?: ErrorDefinition;
  readonly responseDelayMs?: number;
}

export interface Request {
  readonly responseDefinition?: ResponseDefinition;
  readonly fullDuplex?: boolean;
}

export interface RequestInfo {
  readonly requestHeaders?: readonly Header[];
  readonly timeoutMs?: string;
  readonly requests: readonly JsonObject[];
}

export interface Payload {
  readonly data?: string;
  readonly requestInfo?: RequestInfo;
}

const PACKAGE = "connectrpc.conformance.v1";

/** Between bytes and JSON, by the suite's own descriptors. */
export class Messages {
  readonly #registry: FileRegistry;

  constructor(registry: FileRegistry) {
    this.#registry = registry;
  }

  decode(type: string, bytes: Uint8Array): JsonObject {
    const message = this.#message(type);
    return toJson(message, fromBinary(message, bytes), { registry: this.#registry }) as JsonObject;
  }

  encode(type: string, json: object): Uint8Array {
    const message = this.#message(type);
    return toBinary(message, fromJson(message, json as JsonObject, { registry: this.#registry }));
  }

  /** google.rpc.Status, as grpc-status-details-bin has it. */
  encodeStatus(code: number, message: string, details: readonly JsonObject[]): Uint8Array {
    const status = this.#registry.getMessage("google.rpc.Status");
    if (status === undefined) throw new Error("google.rpc.Status is missing");
    return toBinary(status, fromJson(status, { code, message, details: [...details] }, { registry: this.#registry }));
  }

  /** As an Any. */
  any(type: string, json: object): JsonObject {
    return { "@type": `type.googleapis.com/${PACKAGE}.${type}`, ...(json as JsonObject) };
  }

  #message(type: string): DescMessage {
    const message = this.#registry.getMessage(`${PACKAGE}.${type}`);
    if (message === undefined) throw new Error(`${type} is missing`);
    return message;
  }
}
