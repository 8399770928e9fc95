import { printableJsonString } from "../../base/log-text.ts";
import { EVENTS_AT_ONCE } from "../../native/nvml.ts";
import {
  MAX_GPUS,
  NVML_ABI,
  NVML_EVENT,
  NVML_GPU,
  NVML_PULSE,
  NVML_ROUND,
  NVML_STATUS,
} from "../../native/nvml-abi.gen.ts";
import { MalformedFrame, readFrame } from "./frame-messages.ts";
import type { HostMessage } from "./sample.ts";

/**
 * How the host process speaks over its pipe: frames of a head (mark, kind, length of what follows) and structs of the
 * shim as they are. Reading them is the server's work, so that the host has next to none.
 */
export const FRAME_KIND = { status: 1, round: 2, events: 3, gap: 4, eventThread: 5, pulse: 6, hello: 7 } as const;
type WireKind = keyof typeof FRAME_KIND;
/** The first frame is a hello, which says which build the others are of; it and the heads are the same in every one. */
export type FrameKind = Exclude<WireKind, "hello">;

/** Raised with every change of a frame; the structs of the shim have a number of their own. */
const FRAMES_VERSION = 1;

export const HEAD_BYTES = 8;
/** "NV": anything else on the pipe is not from the host. */
const MARK = 0x56_4e;
const GAP_BYTES = 8;
const EVENT_THREAD_BYTES = 8;
/** The numbers of frames and structs, and the program's version as text. */
const HELLO_NUMBERS_BYTES = 8;
const HELLO_VERSION_MAX = 64;

/** The longest payload of each kind: what a decoder may have to hold is below 500 KiB. */
const LONGEST: Readonly<Record<WireKind, number>> = {
  status: NVML_STATUS.size,
  round: NVML_ROUND.size + MAX_GPUS * NVML_GPU.size,
  events: EVENTS_AT_ONCE * NVML_EVENT.size,
  gap: GAP_BYTES,
  eventThread: EVENT_THREAD_BYTES,
  pulse: NVML_PULSE.size,
  hello: HELLO_NUMBERS_BYTES + HELLO_VERSION_MAX,
};

const KIND_OF: ReadonlyMap<number, WireKind> = new Map(
  (Object.keys(FRAME_KIND) as WireKind[]).map((kind) => [FRAME_KIND[kind], kind]),
);

/** A frame around these bytes, which are copied. */
export function encodeFrame(kind: WireKind, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + payload.length);
  const head = new DataView(frame.buffer);
  head.setUint16(0, MARK, true);
  head.setUint16(2, FRAME_KIND[kind], true);
  head.setUint32(4, payload.length, true);
  frame.set(payload, HEAD_BYTES);
  return frame;
}

/** What a host process says first. `version` is the program's. */
export function encodeHello(version: string, frames = FRAMES_VERSION, structs = NVML_ABI): Uint8Array {
  const text = Buffer.from(version).subarray(0, HELLO_VERSION_MAX);
  const payload = Buffer.alloc(HELLO_NUMBERS_BYTES + text.length);
  payload.writeUInt32LE(frames, 0);
  payload.writeUInt32LE(structs, 4);
  payload.set(text, HELLO_NUMBERS_BYTES);
  return encodeFrame("hello", payload);
}

export function encodeGap(dropped: bigint): Uint8Array {
  const payload = new DataView(new ArrayBuffer(GAP_BYTES));
  payload.setBigUint64(0, dropped, true);
  return encodeFrame("gap", new Uint8Array(payload.buffer));
}

export function encodeEventThread(running: boolean, code: number): Uint8Array {
  const payload = new DataView(new ArrayBuffer(EVENT_THREAD_BYTES));
  payload.setUint32(0, running ? 1 : 0, true);
  payload.setInt32(4, code, true);
  return encodeFrame("eventThread", new Uint8Array(payload.buffer));
}

export interface FrameDecoder {
  /** The messages that these bytes complete. Never throws; after a fault nothing more comes. */
  push(chunk: Uint8Array): readonly HostMessage[];
  /** What was wrong with the bytes so far; whoever sent them is not to be listened to any more. */
  readonly fault: string | undefined;
}

/** For the bytes of one host process, however they are cut. */
export function createFrameDecoder(): FrameDecoder {
  const head = new Uint8Array(HEAD_BYTES);
  let filled = 0;
  let open: { readonly kind: WireKind; readonly payload: Uint8Array } | undefined;
  let greeted = false;
  let fault: string | undefined;

  /** Takes what is missing in `target`: how many bytes. */
  function fill(target: Uint8Array, chunk: Uint8Array, from: number): number {
    const taken = Math.min(target.length - filled, chunk.length - from);
    target.set(chunk.subarray(from, from + taken), filled);
    filled += taken;
    return taken;
  }

  function decode(chunk: Uint8Array, messages: HostMessage[]): void {
    for (let at = 0; ; ) {
      const target: Uint8Array = open?.payload ?? head;
      at += fill(target, chunk, at);
      if (filled < target.length) return;
      filled = 0;
      if (open === undefined) open = readHead(head);
      else {
        const { kind, payload } = open;
        open = undefined;
        if ((kind === "hello") === greeted) throw new MalformedFrame(`a ${kind} frame out of turn`);
        if (kind === "hello") expectOurs(payload);
        greeted = true;
        if (kind !== "hello") for (const message of readFrame(kind, payload)) messages.push(message);
      }
    }
  }

  return {
    push(chunk) {
      if (fault !== undefined) return [];
      const messages: HostMessage[] = [];
      try {
        decode(chunk, messages);
      } catch (error) {
        if (!(error instanceof MalformedFrame)) throw error;
        fault = error.message;
      }
      return messages;
    },
    get fault() {
      return fault;
    },
  };
}

/** Throws MalformedFrame where the frames that follow are not of this build. */
function expectOurs(hello: Uint8Array): void {
  const payload = Buffer.from(hello);
  if (payload.length < HELLO_NUMBERS_BYTES) throw new MalformedFrame(`a hello of ${payload.length} bytes`);
  const [frames, structs] = [payload.readUInt32LE(0), payload.readUInt32LE(4)];
  if (frames === FRAMES_VERSION && structs === NVML_ABI) return;
  const version = printableJsonString(payload.toString("utf8", HELLO_NUMBERS_BYTES));
  throw new MalformedFrame(
    `it is another build of this program, of version ${version} (frames ${frames}, structs ${structs}; ` +
      `the server has ${FRAMES_VERSION} and ${NVML_ABI}): restart the server`,
  );
}

function readHead(head: Uint8Array): { readonly kind: WireKind; readonly payload: Uint8Array } {
  const view = new DataView(head.buffer);
  const kind = KIND_OF.get(view.getUint16(2, true));
  if (view.getUint16(0, true) !== MARK || kind === undefined) {
    const bytes = Buffer.from(head);
    const text = printableJsonString(bytes.toString("latin1"));
    throw new MalformedFrame(`no frame begins with ${bytes.toString("hex")}, as text ${text}`);
  }
  const length = view.getUint32(4, true);
  if (length > LONGEST[kind]) throw new MalformedFrame(`a ${kind} frame of ${length} bytes is too long`);
  return { kind, payload: new Uint8Array(length) };
}
