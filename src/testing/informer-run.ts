import { drainMicrotasks } from "bun:jsc";
import { getEventListeners } from "node:events";
import type { HandlerRegistration } from "../client/informers/event-handler.ts";
import type { ObjectAccess } from "../client/informers/object-cache.ts";
import { createSharedInformer, type SharedInformer } from "../client/informers/shared-informer.ts";
import { playFault } from "./informer-faults.ts";
import { CheckedHandler, type HandlerHabits } from "./informer-handlers.ts";
import { type SimObject, SimulatedServer } from "./informer-server.ts";
import { Prng } from "./prng.ts";
import { SimulatedTime } from "./simulated-time.ts";

const ACCESS: ObjectAccess<SimObject> = {
  kind: "Sim",
  nameOf: ({ name }) => name,
  resourceVersionOf: ({ resourceVersion }) => resourceVersion,
};

/** Some are one name in two spellings. */
const NAMES = ["gpu-0", "GPU-0", "gpu-1", "gpu-2", "gpu-3", "gpu-4", "gpu-10", "Nic-a", "nic-A"];

const SLOWEST_MS = 60_000;

const HABITS: readonly HandlerHabits[] = [
  { name: "quick" },
  { name: "throwing", failing: 30 },
  { name: "slow", slowMs: 3_000 },
  { name: "slow and rejecting", slowMs: 2_000, failing: 30 },
  { name: "very slow", slowMs: SLOWEST_MS },
  { name: "resynced", resyncMs: 20_000 },
  { name: "slow and resynced", slowMs: 1_000, resyncMs: 30_000 },
];

/** What SharedInformer promises; not from the code that has to keep it. */
const MAX_BACKOFF_MS = 30_000;

/** What the four to eight messages from the end of a wait to the state after it take at most, at 20 ms each. */
const CALLS_MS = 500;

type Count = (what: string, times?: number) => void;

/** One history from one seed; returns what is wrong, if anything. */
export function playInformer(seed: number, count: Count): string | undefined {
  const run = new InformerRun(new Prng(seed), count);
  try {
    run.play();
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

class InformerRun {
  readonly #time = new SimulatedTime();
  readonly #prng: Prng;
  readonly #count: Count;
  readonly #latency: () => number;
  readonly #server: SimulatedServer;
  readonly #informer: SharedInformer<SimObject>;
  readonly #handlers = new Map<CheckedHandler, HandlerRegistration>();
  readonly #removed: HandlerRegistration[] = [];
  #lastFaultMs = 0;
  #writing = true;

  constructor(prng: Prng, count: Count) {
    this.#time.afterTask = drainMicrotasks;
    this.#prng = prng;
    this.#count = count;
    this.#latency = () => 1 + prng.below(20);
    const hasHistory = !prng.chance(20);
    if (!hasHistory) count("servers without history");
    this.#server = new SimulatedServer(this.#time, this.#latency, hasHistory);
    const runtime = { clock: this.#time, scheduler: this.#time, random: () => prng.next() / 2 ** 32 };
    const failHook = () => {
      if (prng.chance(10)) throw new Error("a hook throws");
      return prng.chance(10) ? Promise.reject(new Error("a hook rejects")) : undefined;
    };
    const options = { onWatchError: failHook, onCallbackError: failHook };
    this.#informer = createSharedInformer(this.#server, ACCESS, options, runtime);
  }

  play(): void {
    this.#refill();
    for (const habits of HABITS) if (this.#prng.chance(60)) this.#add(habits);
    this.#informer.start();
    this.#write();
    this.#trouble();
    if (!this.#prng.chance(10)) {
      this.#settle();
      this.#checkConverged();
      this.#checkHandled();
    }
    this.#stop();
  }

  /** Faults, and handlers that come and go meanwhile. Mostly a minute or two; sometimes until watches are renewed. */
  #trouble(): void {
    const untilMs = this.#prng.chance(10) ? 900_000 : this.#prng.below(150_000);
    while (this.#time.monotonicMs() < untilMs) {
      // Some right after each other, some long after the informer has got over the one before.
      this.#pass(this.#prng.below(this.#prng.chance(50) ? 500 : 40_000));
      if (this.#prng.chance(10)) this.#add(this.#prng.pick(HABITS));
      if (this.#prng.chance(5)) this.#removeOne();
      const lastsMs = playFault({
        server: this.#server,
        time: this.#time,
        prng: this.#prng,
        latency: this.#latency,
        refill: () => this.#refill(),
        count: this.#count,
      });
      this.#lastFaultMs = Math.max(this.#lastFaultMs, this.#time.monotonicMs() + lastsMs);
    }
  }

  /** Until one maximum backoff after the last fault. */
  #settle(): void {
    this.#server.troubles.length = 0;
    this.#writing = this.#prng.chance(50);
    const lastFaultMs = Math.max(this.#lastFaultMs, this.#server.unansweredUntilMs, this.#time.monotonicMs());
    this.#pass(lastFaultMs + MAX_BACKOFF_MS - this.#time.monotonicMs());
    this.#writing = false;
    this.#pass(CALLS_MS);
  }

  #checkConverged(): void {
    const problem = differences(this.#server.objects, this.#informer.lister.list());
    if (problem !== undefined) throw new Error(`the cache did not converge: ${problem}`);
    if (!this.#informer.hasSynced) throw new Error("the informer has not synced");
    for (const handler of this.#handlers.keys()) if (handler.habits.slowMs === undefined) this.#checkHandler(handler);
  }

  /** The slow ones too, in their own time. */
  #checkHandled(): void {
    const waits = () => [...this.#handlers.values()].some(({ pending }) => pending > 0);
    for (let round = 0; round < 100 && waits(); round++) this.#pass(SLOWEST_MS);
    // The last call of each.
    this.#pass(SLOWEST_MS);
    for (const handler of this.#handlers.keys()) this.#checkHandler(handler);
  }

  #checkHandler(handler: CheckedHandler): void {
    const problem = differences(this.#server.objects, [...handler.known.values()]);
    if (problem !== undefined) throw new Error(`${handler.habits.name} did not converge: ${problem}`);
    if (this.#handlers.get(handler)?.hasSynced !== true) throw new Error(`${handler.habits.name} has not synced`);
  }

  #stop(): void {
    let stopped = false;
    this.#writing = false;
    const registrations = [...this.#handlers.values(), ...this.#removed];
    for (const handler of this.#handlers.keys()) handler.ended = true;
    void this.#informer.stop().then(() => {
      stopped = true;
    });
    let ended = 0;
    for (const registration of registrations) void registration.ended.then(() => ended++);
    drainMicrotasks();
    if (!stopped) throw new Error("stop does not end while nothing is under way but handlers");
    if (this.#server.openCalls > 0) throw new Error(`${this.#server.openCalls} calls are open after stop`);
    for (const signal of this.#server.signals) {
      const listeners = getEventListeners(signal, "abort").length;
      if (listeners > 0) throw new Error(`${listeners} listeners after stop`);
    }
    // What the world still has to do, and the calls of handlers that are under way.
    this.#pass(2 * SLOWEST_MS);
    if (ended < registrations.length) throw new Error(`${registrations.length - ended} handlers have not ended`);
    if (this.#time.pending > 0) throw new Error(`${this.#time.pending} timers after stop`);
    this.#checkHandlers();
  }

  #add(habits: HandlerHabits): void {
    const handler = new CheckedHandler(habits, this.#prng, this.#time, this.#count);
    this.#handlers.set(handler, this.#informer.addEventHandler(handler, { resyncMs: habits.resyncMs ?? 0 }));
  }

  #removeOne(): void {
    const [handler, registration] = [...this.#handlers][0] ?? [];
    if (handler === undefined || registration === undefined) return;
    handler.ended = true;
    registration.remove();
    this.#removed.push(registration);
    this.#checkProblems(handler);
    this.#handlers.delete(handler);
  }

  #refill(): void {
    for (const name of NAMES) if (this.#prng.chance(60)) this.#server.put(name);
  }

  /** Goes on by itself, slowly and in bursts, while there is to be written. */
  #write(): void {
    if (!this.#writing) return;
    for (let writes = this.#prng.chance(10) ? 20 : 1; writes > 0; writes--) {
      const name = this.#prng.pick(NAMES);
      if (this.#prng.chance(25)) this.#server.remove(name);
      else this.#server.put(name);
    }
    this.#time.setTimer(() => this.#write(), this.#prng.below(this.#prng.chance(70) ? 500 : 8_000));
  }

  #pass(ms: number): void {
    // What was done right now is noticed now, and not with the next thing that time brings.
    drainMicrotasks();
    this.#time.advance(ms);
    drainMicrotasks();
    this.#checkHandlers();
  }

  #checkHandlers(): void {
    const size = this.#informer.lister.size;
    for (const [handler, { pending }] of this.#handlers) {
      this.#checkProblems(handler);
      const bound = handler.known.size + size;
      if (pending > bound) throw new Error(`${handler.habits.name}: ${pending} objects wait, more than ${bound}`);
    }
  }

  #checkProblems(handler: CheckedHandler): void {
    if (handler.problems.length > 0) throw new Error(handler.problems.join("; "));
  }
}

function differences(expected: ReadonlyMap<string, SimObject>, actual: readonly SimObject[]): string | undefined {
  const show = (objects: Iterable<SimObject>) =>
    [...objects]
      .map(({ name, index }) => `${name}@${index}`)
      .sort()
      .join(" ");
  const [there, here] = [show(expected.values()), show(actual)];
  return there === here ? undefined : `the server has ${there || "nothing"}; here is ${here || "nothing"}`;
}
