import { createConnection, type Socket } from "node:net";

/** RFC 9113, section 6. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A connection that sends the bytes it is given, right or wrong, and records the frames that come back. */
export interface RawConnection extends Disposable {
  readonly socket: Socket;
  readonly frames: Frame[];
  readonly isClosed: boolean;
  send(...bytes: Uint8Array[]): void;
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The client's first bytes: preface and empty SETTINGS. */
export const HELLO = Buffer.concat([PREFACE, encodeFrame(FrameType.settings, 0, 0, Buffer.alloc(0))]);

export async function connectRaw(path: string): Promise<RawConnection> {
  const socket = createConnection(path);
  const frames: Frame[] = [];
  let pending = Buffer.alloc(0);
  let isClosed = false;
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 9) {
      const end = 9 + pending.readUIntBE(0, 3);
      if (pending.length < end) return;
      const [type, flags] = [pending.readUInt8(3), pending.readUInt8(4)];
      frames.push({ type, flags, stream: pending.readUInt32BE(5) & 0x7fffffff, payload: pending.subarray(9, end) });
      pending = pending.subarray(end);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    socket,
    frames,
    get isClosed() {
      return isClosed;
    },
    send: (...bytes) => void socket.write(Buffer.concat(bytes)),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK, literals without indexing and without Huffman: every byte goes out as it is. */
export function encodeHeaders(headers: readonly (readonly [name: string, value: string | Uint8Array])[]): Buffer {
  const parts = headers.map(([name, value]) =>
    Buffer.concat([Buffer.from([0]), encodeString(Buffer.from(name)), encodeString(Buffer.from(value))]),
  );
  return Buffer.concat(parts);
}

function encodeString(bytes: Uint8Array): Buffer {
  if (bytes.byteLength < 127) return Buffer.concat([Buffer.from([bytes.byteLength]), bytes]);
  const head = [127];
  let rest = bytes.byteLength - 127;
  for (; rest >= 128; rest >>= 7) head.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...head, rest]), bytes]);
}

/** The headers of a gRPC request; `path` may be any bytes. */
export function grpcHeaders(path: string | Uint8Array): (readonly [string, string | Uint8Array])[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
}
