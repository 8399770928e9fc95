import { StatusError } from "../base/status-error.ts";

/**
 * Unpacks a message, away from the main thread, and no further than the limit. `encoding` is grpc-encoding as it came.
 * Rejects with the call's status: UNIMPLEMENTED for what we cannot read, RESOURCE_EXHAUSTED beyond the limit, INTERNAL
 * for what is not in its encoding, which the wire contract has as the one INTERNAL that a caller can cause.
 */
export async function inflateMessage(bytes: Buffer, encoding: string, bytesMax: number): Promise<Buffer> {
  if (encoding === "identity") {
    throw new StatusError("INVALID_ARGUMENT", "a message is compressed, and grpc-encoding does not say how");
  }
  // Not at the top: hardly a client compresses, and every start would pay for it.
  const { gunzip, inflate } = await import("node:zlib");
  const unpack = encoding === "gzip" ? gunzip : encoding === "deflate" ? inflate : undefined;
  if (unpack === undefined) {
    throw new StatusError("UNIMPLEMENTED", `grpc-encoding "${encoding.slice(0, 64)}" is not supported`);
  }
  await turn();
  try {
    return await unpacked(unpack, bytes, encoding, bytesMax);
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

type Unpack = typeof import("node:zlib").gunzip;

function unpacked(unpack: Unpack, bytes: Buffer, encoding: string, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    unpack(bytes, { maxOutputLength: bytesMax }, (error, message) => {
      if (error === null) resolve(message);
      else if ("code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
        reject(new StatusError("RESOURCE_EXHAUSTED", `a message is longer than ${bytesMax} bytes once it is unpacked`));
      } else reject(new StatusError("INTERNAL", `a message is not in its encoding, ${encoding}`));
    });
  });
}

/** Each may become the longest message there is; more at once would be memory and no gain. */
const UNPACKING_MAX = 2;
let running = 0;
const waiting: (() => void)[] = [];

/** Resolves when there is room for one more, at once or when another one hands its place over. */
async function turn(): Promise<void> {
  if (running < UNPACKING_MAX) running++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
}
