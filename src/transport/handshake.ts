import type { Socket } from "node:net";

/** What every HTTP/2 client sends first (RFC 9113, 3.4); its first frame follows. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const FRAME_HEADER_BYTES = 9;
const FRAME_TYPE_SETTINGS = 4;
/** The frame size that every endpoint accepts; with the preface it is all that one connection can make us hold. */
const FRAME_BYTES_MAX = 16_384;

/**
 * Calls `onReady` once, when the preface and a whole SETTINGS frame have come, with everything that has come so far;
 * or `onForeign`, as soon as it is clear that they will not. Nobody else may read the socket until then.
 *
 * A client that says nothing, or half of what it should, has cost nothing but its socket by then.
 */
export function awaitHandshake(socket: Socket, onReady: (received: Buffer) => void, onForeign: () => void): void {
  const chunks: Buffer[] = [];
  let received = 0;
  let needed = PREFACE.length + FRAME_HEADER_BYTES;
  const done = () => socket.off("data", onData);
  const onData = (chunk: Buffer): void => {
    if (!continuesPreface(chunk, received)) {
      done();
      onForeign();
      return;
    }
    chunks.push(chunk);
    received += chunk.length;
    if (received < needed) return;
    const all = Buffer.concat(chunks);
    const frameBytes = settingsBytes(all);
    if (frameBytes === undefined) {
      done();
      onForeign();
      return;
    }
    needed = PREFACE.length + FRAME_HEADER_BYTES + frameBytes;
    if (received < needed) return;
    done();
    onReady(all);
  };
  socket.on("data", onData);
}

function continuesPreface(chunk: Buffer, at: number): boolean {
  const overlap = Math.min(chunk.length, PREFACE.length - at);
  return overlap <= 0 || chunk.subarray(0, overlap).equals(PREFACE.subarray(at, at + overlap));
}

/** The length of the SETTINGS frame's payload; undefined where another frame stands in its place. */
function settingsBytes(received: Buffer): number | undefined {
  const bytes = received.readUIntBE(PREFACE.length, 3);
  const type = received[PREFACE.length + 3];
  return type === FRAME_TYPE_SETTINGS && bytes <= FRAME_BYTES_MAX ? bytes : undefined;
}
