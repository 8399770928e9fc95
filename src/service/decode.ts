import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { StatusError } from "../base/status-error.ts";

/**
 * Reads one protobuf message. Whatever is wrong with the bytes (cut short, a bad tag, a string that is not UTF-8,
 * nesting deeper than 100) is the caller's mistake: INVALID_ARGUMENT.
 *
 * Unknown fields are dropped: kept ones would go along into the store and be memory that nobody counts.
 */
export function decodeMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch {
    // The library's own text names offsets and internals; the type is what the caller can act on.
    throw new StatusError("INVALID_ARGUMENT", `malformed ${schema.typeName}`);
  }
}
