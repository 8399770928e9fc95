import { UNBOUNDED } from "../base/cancel-scope.ts";
import type { StoreView } from "../store/store.ts";
import type { Command, VisibleGpu } from "./commands.ts";
import { BOUND } from "./generate.ts";
import { HandedOut } from "./handed-out.ts";
import { Model } from "./model.ts";
import { CONTRACT_RULES } from "./model-status.ts";
import { encodedListBytes, StoreHarness } from "./store-harness.ts";
import { readGet, readList } from "./wire-view.ts";

type Write = Extract<Command, { do: "write" }>;

export const LEASE_MS = 10_000;
/** The store's own limit on a transaction. */
const TRANSACTION_MAX_MS = 5_000;

/** Store and model abreast: every command goes to both, and after each both must say the same. */
export class Duel implements Disposable {
  readonly harness: StoreHarness;
  readonly model: Model;
  readonly handedOut = new HandedOut();
  #compared = -1;
  readonly #count: (what: string) => void;

  constructor(count: (what: string) => void) {
    this.#count = count;
    this.harness = new StoreHarness({ leaseMs: LEASE_MS, bound: BOUND, history: { events: 64, bytes: 1 << 24 } });
    const startVersion = this.harness.time.wallUs();
    const options = { startVersion, rules: CONTRACT_RULES, leaseMs: LEASE_MS, bound: BOUND };
    this.model = new Model(options, encodedListBytes);
    this.#compare();
  }

  [Symbol.dispose](): void {
    this.harness[Symbol.dispose]();
  }

  /** Throws where store and model differ. */
  play(command: Command): void {
    switch (command.do) {
      case "pass":
        this.#pass(command.ms);
        break;
      case "leap":
        this.harness.time.wallOffsetUs += command.seconds * 1_000_000;
        break;
      case "write":
        if (command.heldMs === undefined) this.#write(command);
        else this.#writeHeld(command, command.heldMs);
        break;
    }
    this.#compare();
  }

  /** Compares everything once more; throws where anything that was handed out has changed since. */
  finish(): void {
    this.#compared = -1;
    this.#compare();
    this.handedOut.verify();
  }

  #write(command: Write): void {
    const at = this.#at(0);
    const answer = this.harness.write(command);
    this.#count("code" in answer ? answer.code : "OK");
    if (!("code" in answer) && answer.some(({ forgotten }) => (forgotten?.gpus ?? 0) > 0)) this.#count("forgotten");
    this.#same(answer, this.model.write(command, at).answer, "answer");
  }

  #writeHeld(command: Write, heldMs: number): void {
    const at = this.#at(0);
    const openMs = Math.min(heldMs, TRANSACTION_MAX_MS);
    let seen: number | undefined;
    const answer = this.harness.writeHeld(command, heldMs, () => {
      const read = this.harness.store.read(UNBOUNDED, (view) => view.version);
      // A section that threw at once is over, and readers need not wait.
      if (read instanceof Promise) read.then((version) => (seen = version));
      else seen = read;
    });
    this.#count("code" in answer ? `held ${answer.code}` : "held OK");
    const expected = this.model.write(command, at, heldMs < TRANSACTION_MAX_MS);
    this.#same(answer, expected.answer, "answer of the held transaction");
    this.#same(seen, this.model.version, "version that a waiting reader saw");
    const threwAtOnce = "code" in expected.answer && expected.answer.code !== "ABORTED";
    // Leases that ran out meanwhile had to wait for the lock.
    const start = this.#at(-heldMs);
    this.#expire(start, threwAtOnce ? 0 : openMs, heldMs);
  }

  #pass(ms: number): void {
    const start = this.#at(0);
    this.harness.pass(ms);
    this.#expire(start, 0, ms);
  }

  /** Lets the model's leases run out as they do between `fromMs` and `toMs` after `start`. */
  #expire(start: { wallUs: number; nowMs: number }, fromMs: number, toMs: number): void {
    for (;;) {
      const dueMs = Math.max(this.model.nextLeaseEndMs - start.nowMs, fromMs);
      if (dueMs > toMs) return;
      this.#count("expiries");
      this.model.expireLeases({ wallUs: start.wallUs + dueMs * 1_000, nowMs: start.nowMs + dueMs });
    }
  }

  #at(offsetMs: number): { wallUs: number; nowMs: number } {
    const { time } = this.harness;
    return { wallUs: time.wallUs() + offsetMs * 1_000, nowMs: time.monotonicMs() + offsetMs };
  }

  #compare(): void {
    const { store, faults } = this.harness;
    this.#same(faults, [], "faults");
    const outcome = store.read(UNBOUNDED, (view) => this.#compareView(view));
    if (outcome instanceof Promise) throw new Error("a read without a writer had to wait");
  }

  #compareView(view: StoreView): void {
    this.#same(view.version, this.model.version, "version");
    const snapshot = view.snapshot();
    this.handedOut.check(view, "view");
    this.handedOut.check(snapshot, "snapshot");
    if (this.#compared === view.version) return;
    const comparedBefore = this.#compared;
    this.#compared = view.version;
    const expected = this.model.gpus;
    this.handedOut.check(snapshot.reply);
    const list = readList(snapshot.reply);
    this.#same(list, { version: this.model.version, gpus: expected }, "list");
    // The others were compared when they changed, and are once more at the end.
    for (const gpu of expected) if (gpu.version > comparedBefore) this.#compareGet(view, gpu);
    this.#same(view.get("no-such-gpu"), undefined, "unknown name");
    const healths = expected.map(({ conditions: [ready] }) => ready?.status);
    const count = (...statuses: (string | undefined)[]) => healths.filter((health) => statuses.includes(health)).length;
    const gpus = { healthy: count("True"), unhealthy: count("False"), unknown: count("Unknown", undefined) };
    this.#same(this.harness.store.stats().gpus, gpus, "counts by health");
  }

  #compareGet(view: StoreView, expected: VisibleGpu): void {
    const object = view.get(expected.name.toUpperCase());
    if (object === undefined) throw new Error(`${expected.name} is in the list and cannot be read`);
    this.handedOut.check(object.getReply);
    this.#same(readGet(object.getReply), expected, `Get of ${expected.name}`);
  }

  #same(store: unknown, model: unknown, what: string): void {
    if (!Bun.deepEquals(store, model, true)) {
      throw new Error(`${what}: the store says ${Bun.inspect(store)}, the model ${Bun.inspect(model)}`);
    }
  }
}

/** Undefined where store and model agree all the way, otherwise what they differ in. `count` is told of each answer. */
export function playHistory(history: readonly Command[], count: (what: string) => void = () => {}): string | undefined {
  using duel = new Duel(count);
  let i = 0;
  try {
    for (const command of history) {
      duel.play(command);
      i++;
    }
    duel.finish();
    return undefined;
  } catch (error) {
    return `at command ${i}: ${error instanceof Error ? error.message : error}`;
  }
}
