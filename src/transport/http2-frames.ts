/** RFC 9113, section 6. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** END_STREAM and ACK share a bit: they are of different frames. */
export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** RFC 9113, section 7. */
export const ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

/** A peer that breaks the protocol: the whole connection ends with GOAWAY. The message is its debug data. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const FRAME_HEADER_BYTES = 9;
/** What every endpoint has to accept, and what we accept. */
export const FRAME_BYTES_MAX = 16_384;
export const WINDOW_MAX = 2 ** 31 - 1;
export const WINDOW_DEFAULT = 65_535;

export function writeFrameHeader(
  to: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number {
  to[at] = length >>> 16;
  to[at + 1] = length >>> 8;
  to[at + 2] = length;
  to[at + 3] = type;
  to[at + 4] = flags;
  to[at + 5] = stream >>> 24;
  to[at + 6] = stream >>> 16;
  to[at + 7] = stream >>> 8;
  to[at + 8] = stream;
  return at + FRAME_HEADER_BYTES;
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(frame, 0, payload.length, type, flags, stream);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

export const SETTINGS_ACK: Buffer = encodeFrame(FrameType.settings, Flag.ack, 0, Buffer.alloc(0));

/** RST_STREAM with an error code, or WINDOW_UPDATE with an increment. */
export function encodeNumber(type: number, stream: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return encodeFrame(type, 0, stream, payload);
}

export function encodeGoaway(lastStream: number, code: number, debug: string): Buffer {
  const payload = Buffer.alloc(8 + debug.length);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(code, 4);
  payload.write(debug, 8, "latin1");
  return encodeFrame(FrameType.goaway, 0, 0, payload);
}

/** A header block as HEADERS, and CONTINUATION where it is longer than one frame may be. */
export function encodeHeaders(stream: number, block: Uint8Array, endStream: boolean): Buffer {
  const end = endStream ? Flag.endStream : 0;
  if (block.length <= FRAME_BYTES_MAX) return encodeFrame(FrameType.headers, end | Flag.endHeaders, stream, block);
  const frames: Buffer[] = [];
  for (let at = 0; at < block.length; at += FRAME_BYTES_MAX) {
    const piece = block.subarray(at, at + FRAME_BYTES_MAX);
    const flags = at + FRAME_BYTES_MAX >= block.length ? Flag.endHeaders : 0;
    if (at === 0) frames.push(encodeFrame(FrameType.headers, flags | end, stream, piece));
    else frames.push(encodeFrame(FrameType.continuation, flags, stream, piece));
  }
  return Buffer.concat(frames);
}
