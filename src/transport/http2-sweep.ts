import type { Scheduler } from "../base/clock.ts";
import type { Http2Connection } from "./http2-connection.ts";
import { ErrorCode } from "./http2-frames.ts";

/**
 * Time is counted in sweeps and not by the clock: after a pause of this process the timer fires before the bytes that
 * came meanwhile are read, and every peer would look silent.
 */
const SWEEP_PERIOD_MS = 5_000;
/** 60 s without a byte: a peer that vanished without closing (a frozen virtual machine on TCP) is asked for one, … */
const PING_SWEEPS = 12;
/** … and has 20 s to answer. */
const SILENT_SWEEPS = PING_SWEEPS + 4;
/** 30 s: a frame has 16 KiB at most, so this is a peer that sends a part of one and no more. */
const MID_FRAME_SWEEPS = 6;
/** 10 s for the last bytes of a connection that has ended. */
const ENDING_SWEEPS = 2;
/** 30 minutes without a call. */
const IDLE_SWEEPS = 360;

/** For how many sweeps something has been so, and what stood at the last of them. */
interface Seen {
  ending: number;
  silent: number;
  midFrame: number;
  idle: number;
  reads: number;
  frames: number;
  lastStream: number;
  readonly onCut: (why: string) => void;
}

/** Looks after connections that do nothing. One timer for all of them, and none while there are none. */
export class ConnectionSweep implements Disposable {
  readonly #scheduler: Scheduler;
  readonly #connections = new Map<Http2Connection, Seen>();
  #timer: Disposable | undefined;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  get size(): number {
    return this.#connections.size;
  }

  connections(): readonly Http2Connection[] {
    return [...this.#connections.keys()];
  }

  /** `onCut` is told why a connection ends that was not asked to. */
  add(connection: Http2Connection, onCut: (why: string) => void = () => {}): void {
    const nothing = { ending: 0, silent: 0, midFrame: 0, idle: 0, reads: 0, frames: 0, lastStream: 0, onCut };
    this.#connections.set(connection, nothing);
    this.#arm();
  }

  delete(connection: Http2Connection): void {
    this.#connections.delete(connection);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #arm(): void {
    if (this.#connections.size > 0) this.#timer ??= this.#scheduler.setTimer(() => this.#sweep(), SWEEP_PERIOD_MS);
  }

  #sweep(): void {
    this.#timer = undefined;
    for (const [connection, seen] of [...this.#connections]) look(connection, seen);
    this.#arm();
  }
}

function look(connection: Http2Connection, seen: Seen): void {
  if (connection.isOver) {
    if (++seen.ending >= ENDING_SWEEPS) connection.destroy();
    return;
  }
  const { reads, frames, lastStream } = connection;
  seen.silent = reads === seen.reads ? seen.silent + 1 : 0;
  // A busy connection is nearly always in the middle of one, and of another one each time.
  seen.midFrame = connection.isMidFrame && frames === seen.frames ? seen.midFrame + 1 : 0;
  seen.idle = connection.openStreams === 0 && lastStream === seen.lastStream ? seen.idle + 1 : 0;
  Object.assign(seen, { reads, frames, lastStream });
  if (seen.silent >= SILENT_SWEEPS) cut(connection, seen, "a client has not answered a PING for 20 s");
  else if (seen.midFrame >= MID_FRAME_SWEEPS) cut(connection, seen, "a client has sent half a frame and no more");
  else if (seen.idle >= IDLE_SWEEPS) connection.goAway(ErrorCode.none, "idle");
  else if (seen.silent === PING_SWEEPS) connection.ping();
}

function cut(connection: Http2Connection, { onCut }: Seen, why: string): void {
  onCut(why);
  connection.destroy();
}
