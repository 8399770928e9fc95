import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import { truncate } from "../base/log-text.ts";
import { StatusError } from "../base/status-error.ts";
import { NAME_MAX } from "../store/limits.ts";
import type { Call } from "./call.ts";

/** What an operator asked for. */
export interface Request {
  /** The method's own name. */
  readonly method: string;
  readonly kind: "gpu" | "provider";
  /** The name of the GPU, or the id of the provider. */
  readonly target: string;
  /** The operator's words. */
  readonly reason: string;
}

/** What a request changed: GPUs by name in lower case, and the range of versions in which they changed. */
export interface AuditedChange {
  readonly gpus: ReadonlySet<string>;
  /** The versions after this one … */
  readonly after: number;
  /** … up to this one. */
  readonly upTo: number;
  /** Only where one of these conditions left this status, by type: the range may hold other news of the GPU. */
  readonly ended?: ReadonlyMap<string, string>;
}

/** What came of a request. */
export interface Audited<T> {
  readonly reply: T;
  readonly outcome: string;
  readonly change?: AuditedChange | undefined;
}

/** What was asked, by whom, and what came of it. */
export interface AuditEntry extends Request {
  /** Microseconds since 1970. */
  readonly wallUs: number;
  readonly uid: number;
  readonly pid: number;
  readonly outcome: string;
  readonly change: AuditedChange | undefined;
}

/** Under 2 kB each, and the names of the GPUs that are changed; the log has all of them. */
export const AUDIT_ENTRIES_MAX = 100;

/** An outcome may name many GPUs. */
const OUTCOME_MAX = 512;

/** Writes down who administered this server: each call is a line of the log, and the last ones are remembered. */
export class AuditLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #entries: AuditEntry[] = [];

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** The oldest first. */
  get entries(): readonly AuditEntry[] {
    return this.#entries;
  }

  /** Runs what was asked for and writes it down, whatever comes of it. */
  async audit<T>(call: Call, request: Request, run: () => Promise<Audited<T>>): Promise<T> {
    try {
      const { reply, outcome, change } = await run();
      this.#add(call, request, outcome, change);
      return reply;
    } catch (error) {
      const outcome = error instanceof StatusError ? `${error.code}: ${error.message}` : "INTERNAL";
      this.#add(call, request, outcome, undefined);
      throw error;
    }
  }

  #add({ peer }: Call, request: Request, outcome: string, change: AuditedChange | undefined): void {
    const { method, kind, target, reason } = request;
    assert(peer.kind === "unix", "administration comes over the unix socket");
    const { uid, pid } = peer;
    const words = { target: truncate(target, NAME_MAX), reason, outcome: truncate(outcome, OUTCOME_MAX) };
    this.#log.info("operator action", { method, ...words, uid, pid });
    if (this.#entries.length >= AUDIT_ENTRIES_MAX) this.#entries.shift();
    this.#entries.push({ wallUs: this.#clock.wallUs(), uid, pid, method, kind, ...words, change });
  }
}
