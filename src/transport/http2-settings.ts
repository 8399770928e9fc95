import {
  ConnectionError,
  ErrorCode,
  encodeFrame,
  encodeNumber,
  FRAME_BYTES_MAX,
  FrameType,
  Setting,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from "./http2-frames.ts";

const TABLE_BYTES_DEFAULT = 4_096;
const FRAME_BYTES_LIMIT = 2 ** 24 - 1;

export interface Http2Limits {
  readonly streamsMax: number;
  /** Of a request's headers, as HPACK counts them. */
  readonly headerBytesMax: number;
  /** What a request may send before its bytes are consumed. */
  readonly streamWindow: number;
  /** What may be under way on a connection; it does not bound what is held. */
  readonly connectionWindow: number;
  /** What may be granted beyond their windows to requests of one connection that have longer messages. */
  readonly grantedBytesMax: number;
}

/** What a server says first: its limits, and a window for the connection beyond the default. */
export function encodeGreeting(limits: Http2Limits): Buffer {
  const settings = [
    [Setting.maxConcurrentStreams, limits.streamsMax],
    [Setting.initialWindowSize, limits.streamWindow],
    [Setting.maxHeaderListSize, limits.headerBytesMax],
  ] as const;
  const payload = Buffer.alloc(settings.length * 6);
  for (const [i, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return Buffer.concat([
    encodeFrame(FrameType.settings, 0, 0, payload),
    encodeNumber(FrameType.windowUpdate, 0, limits.connectionWindow - WINDOW_DEFAULT),
  ]);
}

/** What the peer has said in SETTINGS, as far as it matters to a server that pushes nothing. */
export class PeerSettings {
  /** Of a new stream. */
  initialWindow = WINDOW_DEFAULT;
  /** The peer takes a smaller HPACK table than the default; ours is empty, but that has to be said (RFC 7541, 4.2). */
  wantsTableUpdate = false;

  /** Throws ConnectionError. */
  apply(payload: Buffer): void {
    if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.frameSize, "SETTINGS of no whole number");
    for (let at = 0; at < payload.length; at += 6) this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  }

  #set(id: number, value: number): void {
    switch (id) {
      case Setting.headerTableSize:
        if (value < TABLE_BYTES_DEFAULT) this.wantsTableUpdate = true;
        return;
      case Setting.enablePush:
        if (value > 1) throw new ConnectionError(ErrorCode.protocol, "ENABLE_PUSH is 0 or 1");
        return;
      case Setting.initialWindowSize:
        if (value > WINDOW_MAX) throw new ConnectionError(ErrorCode.flowControl, "a window over the limit");
        this.initialWindow = value;
        return;
      case Setting.maxFrameSize:
        if (value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT) {
          throw new ConnectionError(ErrorCode.protocol, "MAX_FRAME_SIZE out of its range");
        }
      // Ours keep to the smallest limit: larger ones would only make neighbours on the connection wait longer.
    }
  }
}

/** Frames of a fixed length. */
export function checkLength(what: string, payload: Buffer, bytes: number): void {
  if (payload.length !== bytes) throw new ConnectionError(ErrorCode.frameSize, `${what} has ${bytes} bytes`);
}

/** What is wrong with a PRIORITY frame, as RST_STREAM says it; priorities themselves mean nothing here. */
export function priorityError(id: number, payload: Buffer): number | undefined {
  if (payload.length !== 5) return ErrorCode.frameSize;
  return (payload.readUInt32BE(0) & WINDOW_MAX) === id ? ErrorCode.protocol : undefined;
}
