import type { CancelScope } from "../base/cancel-scope.ts";
import type { Watcher, WatchSink } from "../store/watch-hub.ts";
import type { VisibleEvent, VisibleGpu } from "./commands.ts";
import type { HandedOut } from "./handed-out.ts";
import { codeOf } from "./store-harness.ts";
import type { WatchRecord } from "./watch-record.ts";

/** What a consumer asks about the run that it is part of. */
export interface ConsumerHost {
  readonly handedOut: HandedOut;
  readonly oldestCursor: number;
  decode(message: Uint8Array): VisibleEvent;
  /** Whether a reader sees now what the event tells, or something newer. */
  isReadable(message: Uint8Array): boolean;
}

/** A consumer with a will of its own, which notes all it is sent. */
export class Consumer implements WatchSink, CancelScope {
  readonly deadlineMs = undefined;
  readonly raw: Uint8Array[] = [];
  readonly problems: string[] = [];
  outcome: WatchRecord["end"];
  cancelled = false;
  blocked = false;
  room: number;
  cancelAfter = Number.POSITIVE_INFINITY;
  watcher: Watcher | undefined;
  /** What a watch that had to wait was refused with. */
  refusal: string | undefined;
  #onCancel: () => void = () => {};
  startVersion = -1;
  startList: readonly VisibleGpu[] = [];

  constructor(
    readonly name: string,
    readonly after: number | undefined,
    room: number,
    readonly run: ConsumerHost,
  ) {
    this.room = room;
  }

  send(message: Uint8Array): boolean {
    if (this.cancelled) this.problems.push("a message after the consumer went away");
    if (this.outcome !== undefined) this.problems.push("a message after the end");
    if (this.blocked) this.problems.push("a message to a consumer that said no");
    this.raw.push(message);
    this.run.handedOut.check(message);
    if (!this.run.isReadable(message)) this.problems.push("an event before its commit");
    if (--this.cancelAfter <= 0) this.leave();
    if (--this.room <= 0) this.blocked = true;
    return !this.blocked;
  }

  end(error: unknown): void {
    if (this.outcome !== undefined || this.cancelled) this.problems.push("an end after the end");
    this.outcome = { code: codeOf(error).code, oldestCursor: this.run.oldestCursor };
  }

  onCancel(listener: () => void): void {
    this.#onCancel = listener;
  }

  leave(): void {
    this.cancelled = true;
    this.#onCancel();
    this.watcher?.[Symbol.dispose]();
  }

  resume(room: number): void {
    this.room = room;
    if (!this.blocked) return;
    this.blocked = false;
    this.watcher?.resume();
  }

  /** The version that it knows everything up to. */
  get cursor(): number {
    const last = this.raw.at(-1);
    const shown = this.after === undefined ? this.startList.length : 0;
    if (last === undefined || this.raw.length <= shown) return this.after ?? this.startVersion;
    return this.run.decode(last).version;
  }

  /** What of the snapshot it has not been shown. */
  get unseen(): readonly VisibleGpu[] {
    return this.after === undefined ? this.startList.slice(this.raw.length) : [];
  }

  record(messages: readonly VisibleEvent[]): WatchRecord {
    const { name, after, startVersion, startList, cancelled, blocked } = this;
    return { name, after, startVersion, startList, messages, end: this.outcome, cancelled, blocked };
  }
}
