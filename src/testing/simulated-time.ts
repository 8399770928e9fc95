import type { Clock, Scheduler } from "../base/clock.ts";

interface Task {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A clock and a scheduler that move only when told to. Tasks run in the order of their due time, equal ones in the
 * order in which they were set. `wallOffsetUs` lets the wall clock leap; the monotonic clock never does.
 */
export class SimulatedTime implements Clock, Scheduler {
  #nowMs = 0;
  #order = 0;
  readonly #tasks = new Set<Task>();
  wallOffsetUs = 1_790_000_000_000_000;
  /** Runs after each task: a test that must stay synchronous drains the microtasks here. */
  afterTask: () => void = () => {};

  wallUs(): number {
    return Math.floor(this.#nowMs * 1_000) + this.wallOffsetUs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(run: () => void, delayMs: number): Disposable {
    const task = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#tasks.add(task);
    return { [Symbol.dispose]: () => void this.#tasks.delete(task) };
  }

  defer(run: () => void): void {
    this.setTimer(run, 0);
  }

  /** Timers and deferred tasks that have not run yet. */
  get pending(): number {
    return this.#tasks.size;
  }

  /** Runs everything that is due up to `ms` from now, tasks that these set included. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let task = this.#next(untilMs); task !== undefined; task = this.#next(untilMs)) {
      this.#tasks.delete(task);
      this.#nowMs = Math.max(this.#nowMs, task.dueMs);
      task.run();
      this.afterTask();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Task | undefined {
    let next: Task | undefined;
    for (const task of this.#tasks) {
      if (task.dueMs > untilMs) continue;
      if (next === undefined || task.dueMs < next.dueMs || (task.dueMs === next.dueMs && task.order < next.order))
        next = task;
    }
    return next;
  }
}
