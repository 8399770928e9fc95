import type { NvmlHandle } from "../../../native/nvml.ts";
import {
  NVML_EVENT,
  NVML_STAGE,
  NVML_STATE,
  NVML_STATUS,
  readNvmlPulse,
  readNvmlStatus,
} from "../../../native/nvml-abi.gen.ts";
import { encodeEventThread, encodeFrame, encodeGap } from "../frames.ts";

/**
 * What there is to say, as frames. Nothing is kept here: what nobody takes stays in the shim, which keeps the newest
 * round and counts the events that it has to drop.
 */
export interface FrameSource {
  /** At most EVENTS_AT_ONCE events, and at most one of everything else; none where there is nothing new. */
  take(): readonly Uint8Array[];
  /** Where the calls are now. */
  pulse(): Uint8Array;
  /** `failed` and `ended` are the last. */
  readonly state: "starting" | "running" | "failed" | "ended";
}

export function createFrameSource(handle: NvmlHandle): FrameSource {
  let state: FrameSource["state"] = "starting";
  let nextSeq = 0n;
  let losses = 0;
  let eventsRunning: boolean | undefined;

  function takeStatus(frames: Uint8Array[]): void {
    const bytes = handle.status();
    const found = stateOf(new DataView(bytes.buffer, bytes.byteOffset).getUint32(NVML_STATUS.state, true));
    if (found === state) return;
    // One that ended before anybody looked was running once, and there is nobody left to be told.
    state = found;
    if (state !== "ended") frames.push(encodeFrame("status", bytes));
  }

  function takeEventThread(frames: Uint8Array[]): void {
    const bytes = handle.pulse();
    const { eventsRunning: running, eventsLosses, eventsCode } = readNvmlPulse(viewOf(bytes), 0);
    const now = running !== 0;
    // Lost and found again since the last look is two messages all the same: events in between are missing.
    if (eventsLosses !== losses) {
      losses = eventsLosses;
      eventsRunning = false;
      frames.push(encodeEventThread(false, eventsCode));
    }
    if (now && eventsRunning === false) frames.push(encodeEventThread(true, 0));
    if (now) eventsRunning = true;
  }

  function takeEvents(frames: Uint8Array[]): void {
    const { bytes, count, complete } = handle.takeEvents();
    const view = viewOf(bytes);
    let from = 0;
    for (let i = 0; i < count; i++) {
      const seq = view.getBigUint64(i * NVML_EVENT.size + NVML_EVENT.seq, true);
      if (seq > nextSeq) {
        if (i > from) frames.push(encodeFrame("events", slice(bytes, from, i)));
        from = i;
        takeGap(frames, seq - nextSeq);
      }
      nextSeq = seq + 1n;
    }
    if (count > from) frames.push(encodeFrame("events", slice(bytes, from, count)));
    if (complete !== undefined && complete > nextSeq) {
      takeGap(frames, complete - nextSeq);
      nextSeq = complete;
    }
  }

  function takeGap(frames: Uint8Array[], dropped: bigint): void {
    frames.push(encodeGap(dropped));
    handle.wake();
  }

  return {
    take() {
      const frames: Uint8Array[] = [];
      // Before looking: what comes from here on raises the signal again.
      handle.lowerSignal();
      takeStatus(frames);
      if (state === "starting" || state === "failed") return frames;
      takeEventThread(frames);
      takeEvents(frames);
      const round = handle.takeRound();
      if (round !== undefined) frames.push(encodeFrame("round", round));
      return frames;
    },
    pulse: () => encodeFrame("pulse", handle.pulse()),
    get state() {
      return state;
    },
  };
}

/** Why it failed, for people. */
export function failureOf(handle: NvmlHandle): string {
  const { stage, message } = readNvmlStatus(viewOf(handle.status()), 0);
  return stage === NVML_STAGE.load ? `no usable NVML library: ${message}` : message;
}

function stateOf(state: number): FrameSource["state"] {
  switch (state) {
    case NVML_STATE.running:
      return "running";
    case NVML_STATE.failed:
      return "failed";
    case NVML_STATE.ended:
      return "ended";
    default:
      return "starting";
  }
}

function slice(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return bytes.subarray(from * NVML_EVENT.size, to * NVML_EVENT.size);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
