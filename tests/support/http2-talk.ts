import { ErrorCode, encodeNumber, Flag, FrameType } from "../../src/transport/http2-frames.ts";
import { encodeFrame, encodeHeaders, type Frame } from "./http2-frames.ts";

/** What a client says to the HTTP/2 fixture, and what it makes of the answers. */

type Fields = Parameters<typeof encodeHeaders>[0];

export const REQUEST: readonly (readonly [name: string, value: string])[] = [
  [":method", "POST"],
  [":path", "/p.S/M"],
];

/** Its stream ends where `flags` say so. */
export function headers(stream: number, flags = 0, fields: Fields = REQUEST): Buffer {
  return encodeFrame(FrameType.headers, flags | Flag.endHeaders, stream, encodeHeaders(fields));
}

export function data(stream: number, bytes: number, flags = 0): Buffer {
  return encodeFrame(FrameType.data, flags, stream, Buffer.alloc(bytes));
}

/** So many bytes in frames of the longest. */
export function upload(stream: number, bytes: number): readonly Buffer[] {
  const frames = Math.ceil(bytes / 16_384);
  return Array.from({ length: frames }, (_, i) => data(stream, Math.min(16_384, bytes - i * 16_384)));
}

export function window(stream: number, by: number): Buffer {
  return encodeNumber(FrameType.windowUpdate, stream, by);
}

export function reset(stream: number): Buffer {
  return encodeNumber(FrameType.rstStream, stream, ErrorCode.cancel);
}

export function setting(id: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(id, 0);
  payload.writeUInt32BE(value, 2);
  return encodeFrame(FrameType.settings, 0, 0, payload);
}

/** The error code of a RST_STREAM, the increment of a WINDOW_UPDATE. */
export function numberOf(frame: Frame): number {
  return frame.payload.readUInt32BE(0);
}

export function ofType(frames: readonly Frame[], type: number): readonly Frame[] {
  return frames.filter((frame) => frame.type === type);
}

export function resets(frames: readonly Frame[]): readonly (readonly [stream: number, code: number])[] {
  return ofType(frames, FrameType.rstStream).map((frame) => [frame.stream, numberOf(frame)]);
}

/** Their error codes. */
export function goaways(frames: readonly Frame[]): readonly number[] {
  return ofType(frames, FrameType.goaway).map(({ payload }) => payload.readUInt32BE(4));
}

/** What WINDOW_UPDATEs of the stream give, 0 for the connection. */
export function given(frames: readonly Frame[], stream: number): number {
  const updates = ofType(frames, FrameType.windowUpdate).filter((frame) => frame.stream === stream);
  return updates.reduce((sum, frame) => sum + numberOf(frame), 0);
}

/** The stream's data. */
export function bytesOf(frames: readonly Frame[], stream: number): number {
  const ofStream = ofType(frames, FrameType.data).filter((frame) => frame.stream === stream);
  return ofStream.reduce((sum, { payload }) => sum + payload.length, 0);
}

/** Streams whose responses end. */
export function endsOf(frames: readonly Frame[]): readonly number[] {
  return ofType(frames, FrameType.headers)
    .filter(({ flags }) => (flags & Flag.endStream) !== 0)
    .map(({ stream }) => stream);
}
