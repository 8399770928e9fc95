import type { Scheduler } from "../../../base/clock.ts";
import type { NvmlHandle } from "../../../native/nvml.ts";
import { encodeHello } from "../frames.ts";
import { createFrameSource, type FrameSource } from "./frame-source.ts";

/** What the host process has of its surroundings. */
export interface HostSurroundings {
  readonly handle: NvmlHandle;
  /** The version of this build. */
  readonly version: string;
  /** The signal pipe of the handle. */
  readonly signals: ReadableStream<Uint8Array>;
  /** From the server: its end is the server's end, and any byte asks for a round now. */
  readonly input: ReadableStream<Uint8Array>;
  /** To the server: resolves when the bytes are gone, and fails when nobody reads any more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Calls back when the process is asked to end. */
  onStop(listener: () => void): void;
  readonly scheduler: Scheduler;
}

/** Why the host process is done: the library cannot be used, or nobody needs it any more. */
export type HostEnding = "failed" | "stopped";

/** The server looks for a call that hangs this often; each pulse is also a look for what a signal might have missed. */
const PULSE_MS = 100;
/** From the request to end to the end: the threads look up every 250 ms, and one that hangs is not waited for. */
const STOP_MAX_MS = 500;

/** Between two looks at whether the threads have ended. */
const STOP_POLL_MS = 10;

/** Forwards what the shim finds until it is told to stop. It never waits for a call of the library. */
export async function runHost({ handle, version, scheduler, ...io }: HostSurroundings): Promise<HostEnding> {
  const source = createFrameSource(handle);
  const stopped = Promise.withResolvers<void>();
  let woken = Promise.withResolvers<void>();
  const greeting = [encodeHello(version)];
  let stopping = false;
  let pulseDue = true;

  const stop = () => {
    stopping = true;
    stopped.resolve();
  };
  const beat = () => {
    pulseDue = true;
    woken.resolve();
    timer = scheduler.setTimer(beat, PULSE_MS);
  };
  let timer = scheduler.setTimer(beat, PULSE_MS);
  io.onStop(stop);
  void follow(io.input, () => handle.wake()).then(stop);
  void follow(io.signals, () => woken.resolve());

  while (!stopping && source.state !== "failed") {
    // Before looking: a wake-up from here on is for what comes after.
    woken = Promise.withResolvers<void>();
    const frames = [...greeting.splice(0), ...source.take()];
    if (pulseDue) frames.push(source.pulse());
    pulseDue = false;
    // While a slow reader lets this wait, rounds replace each other in the shim, and events fill its ring.
    const next = frames.length > 0 ? io.write(Buffer.concat(frames)).catch(stop) : woken.promise;
    await Promise.race([next, stopped.promise]);
  }
  timer[Symbol.dispose]();
  if (source.state === "failed") return "failed";
  await endThreads(handle, source, scheduler);
  return "stopped";
}

/** Resolves when nothing more comes, for whatever reason. */
async function follow(stream: ReadableStream<Uint8Array>, listener: () => void): Promise<void> {
  try {
    for await (const _ of stream) listener();
  } catch {
    // A stream that fails has ended.
  }
}

async function endThreads(handle: NvmlHandle, source: FrameSource, scheduler: Scheduler): Promise<void> {
  handle.stop();
  for (let waited = 0; waited < STOP_MAX_MS; waited += STOP_POLL_MS) {
    source.take();
    if (source.state === "ended" || source.state === "failed") return;
    await new Promise<void>((resolve) => scheduler.setTimer(resolve, STOP_POLL_MS));
  }
}
