import { Code, type StatusError } from "../base/status-error.ts";
import { PREFIX_BYTES } from "./grpc-messages.ts";
import { boundText, percentEncode } from "./grpc-status.ts";
import { encodeFields } from "./hpack-encoder.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from "./http2-frames.ts";

/** Header blocks and frames of replies. */

type Fields = readonly (readonly [name: string, value: string])[];

const RESPONSE: Fields = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
export const RESPONSE_HEADERS: Buffer = encodeFields(RESPONSE);
export const OK_TRAILERS: Buffer = encodeFields([["grpc-status", "0"]]);
/** What a client may try instead of the encoding that it chose. */
export const ACCEPTED_ENCODINGS: Fields = [["grpc-accept-encoding", "identity,gzip,deflate"]];

export function statusTrailers(status: StatusError, more: Fields = []): Buffer {
  return encodeFields(statusFields(status, more));
}

/** A reply that is a status and nothing else. */
export function statusOnlyHeaders(status: StatusError, more: Fields = []): Buffer {
  return encodeFields([...RESPONSE, ...statusFields(status, more)]);
}

/** An answer to what is no gRPC request. */
export function httpHeaders(httpStatus: number, more: Fields = []): Buffer {
  return encodeFields([[":status", String(httpStatus)], ...more]);
}

function statusFields(status: StatusError, more: Fields): Fields {
  return [
    ["grpc-status", String(Code[status.code])],
    ["grpc-message", percentEncode(boundText(status.message))],
    ...more,
  ];
}

/** What stands before a message: that it is not compressed, and its length. */
export function messagePrefix(bytes: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(bytes, 1);
  return prefix;
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One message as one DATA frame. */
export function messageFrame(stream: number, message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + PREFIX_BYTES + message.length);
  const at = writeFrameHeader(frame, 0, PREFIX_BYTES + message.length, FrameType.data, 0, stream);
  writePrefixed(frame, at, message);
  return frame;
}

/** HEADERS, DATA and trailers of a unary reply that succeeded. */
export function wholeReply(stream: number, message: Uint8Array): Buffer {
  const dataBytes = PREFIX_BYTES + message.length;
  const frames = Buffer.allocUnsafe(3 * FRAME_HEADER_BYTES + RESPONSE_HEADERS.length + dataBytes + OK_TRAILERS.length);
  let at = writeFrameHeader(frames, 0, RESPONSE_HEADERS.length, FrameType.headers, Flag.endHeaders, stream);
  frames.set(RESPONSE_HEADERS, at);
  at = writeFrameHeader(frames, at + RESPONSE_HEADERS.length, dataBytes, FrameType.data, 0, stream);
  at = writePrefixed(frames, at, message);
  const flags = Flag.endHeaders | Flag.endStream;
  at = writeFrameHeader(frames, at, OK_TRAILERS.length, FrameType.headers, flags, stream);
  frames.set(OK_TRAILERS, at);
  return frames;
}

/** Where the message ends. */
function writePrefixed(to: Buffer, at: number, message: Uint8Array): number {
  to[at] = 0;
  to.writeUInt32BE(message.length, at + 1);
  to.set(message, at + PREFIX_BYTES);
  return at + PREFIX_BYTES + message.length;
}
