import { drainMicrotasks } from "bun:jsc";
import { create, toBinary } from "@bufbuild/protobuf";
import { UNBOUNDED } from "../base/cancel-scope.ts";
import { StatusError } from "../base/status-error.ts";
import { ListGpusResponseSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { DEFAULT_RULES } from "../store/condition-rules.ts";
import type { HistoryLimits } from "../store/history.ts";
import { Store } from "../store/store.ts";
import type { Transaction } from "../store/transaction.ts";
import type { ConditionInput, StatusInput, Writer } from "../store/types.ts";
import type {
  Answer,
  Command,
  PlainCondition,
  PlainStatus,
  PlainWriter,
  Step,
  StepAnswer,
  VisibleGpu,
} from "./commands.ts";
import { SimulatedTime } from "./simulated-time.ts";
import { gpuMessage } from "./wire-view.ts";

type Write = Extract<Command, { do: "write" }>;

export interface HarnessOptions {
  readonly leaseMs: number;
  readonly bound: readonly (readonly [id: string, identity: string])[];
  readonly history: HistoryLimits;
}

/** Far more than any stretch of a history has: a timer that sets itself again without end is a fault, not a hang. */
const TASKS_MAX = 10_000;

/** A store in simulated time that plays plain commands; nothing in it waits for the event loop. */
export class StoreHarness implements Disposable {
  readonly time = new SimulatedTime();
  readonly store: Store;
  /** What the store's own work failed with; must stay empty. */
  readonly faults: string[] = [];
  #tasks = 0;

  constructor({ leaseMs, bound, history }: HarnessOptions) {
    this.time.afterTask = () => {
      drainMicrotasks();
      if (++this.#tasks > TASKS_MAX) throw new Error(`more than ${TASKS_MAX} tasks in one stretch of time`);
    };
    this.store = new Store({
      clock: this.time,
      scheduler: this.time,
      observer: {
        eventSent: () => {},
        watcherExpired: () => {},
        providerLost: () => {},
        // That a transaction took too long is its own fault, and its answer says so.
        rolledBack: (code, message) => void (code === "ABORTED" || this.faults.push(`${code}: ${message}`)),
      },
      rules: DEFAULT_RULES,
      leaseMs,
      bound: new Map(bound),
      history,
    });
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }

  /** Runs what is due after `ms`, and everything that follows from it at once. */
  pass(ms: number): void {
    this.#tasks = 0;
    this.time.advance(ms);
    drainMicrotasks();
  }

  /** One transaction in the caller's stack. */
  write(command: Write): Answer {
    return settled(() =>
      this.store.write(UNBOUNDED, (transaction) => {
        const answers = draft(transaction, command);
        return () => answers.map((answer) => answer());
      }),
    );
  }

  /**
   * A transaction that stays open for `heldMs`, and then either commits or has been taken back; `meanwhile` runs while
   * it is open.
   */
  writeHeld(command: Write, heldMs: number, meanwhile: () => void): Answer {
    let answer: Answer | undefined;
    const gate = Promise.withResolvers<void>();
    const outcome = this.store.write(UNBOUNDED, async (transaction) => {
      const answers = draft(transaction, command);
      await gate.promise;
      return () => answers.map((each) => each());
    });
    if (!(outcome instanceof Promise)) throw new Error("an asynchronous section was over at once");
    outcome.then(
      (read) => (answer = read()),
      (error) => (answer = codeOf(error)),
    );
    drainMicrotasks();
    meanwhile();
    this.pass(heldMs);
    gate.resolve();
    drainMicrotasks();
    if (answer === undefined) throw new Error("the transaction is not over after its section");
    return answer;
  }
}

/** The error's code; anything but a StatusError is a fault of the store. */
export function codeOf(error: unknown): { readonly code: string } {
  if (error instanceof StatusError) return { code: error.code };
  throw error;
}

function settled(write: () => (() => Answer) | Promise<unknown>): Answer {
  try {
    const read = write();
    if (read instanceof Promise) throw new Error("a write without rivals had to wait");
    return read();
  } catch (error) {
    return codeOf(error);
  }
}

function draft(transaction: Transaction, { steps, throws }: Write): readonly (() => StepAnswer)[] {
  const answers = steps.map((step) => draftStep(transaction, step));
  if (throws) throw new StatusError("FAILED_PRECONDITION", "a later command failed");
  return answers;
}

function draftStep(transaction: Transaction, step: Step): () => StepAnswer {
  if (step.do === "forget") {
    const { gpus, conditions, deleted } = transaction.forgetProvider(step.id, step.force);
    return () => ({ forgotten: { gpus: gpus.length, conditions, deleted: deleted.toSorted() } });
  }
  const writer = writerOf(step.as);
  switch (step.do) {
    case "register": {
      const status = step.status && statusOf(step.status);
      const outcome = transaction.register(writer, { name: step.name, uuid: step.uuid, status });
      return () => ({ created: outcome.created, version: outcome.resourceVersion });
    }
    case "unregister": {
      const outcome = transaction.unregister(writer, step.name);
      return () => ({ deleted: outcome.deleted });
    }
    case "status": {
      const outcome = transaction.updateStatus(writer, step.name, statusOf(step.status));
      return () => ({ version: outcome.resourceVersion });
    }
    case "condition": {
      const outcome = transaction.updateCondition(writer, step.name, conditionOf(step.condition));
      return () => ({ version: outcome.resourceVersion });
    }
    case "heartbeat": {
      if (writer.kind === "builtin") throw new Error("a built-in provider sends no heartbeats");
      const outcome = transaction.heartbeat(writer);
      return () => ({ acknowledged: outcome.acknowledged });
    }
  }
}

function writerOf({ identity, superuser, id }: PlainWriter): Writer {
  return identity === "" ? { kind: "builtin", id } : { kind: "peer", identity, superuser, claimedId: id };
}

function statusOf({ conditions, action }: PlainStatus): StatusInput {
  return { conditions: conditions.map(conditionOf), action };
}

function conditionOf({ at, ...rest }: PlainCondition): ConditionInput {
  return { ...rest, at: at && { seconds: BigInt(at.seconds), nanos: at.nanos } };
}

/** The size of the encoded list; 0 where it cannot come near any limit. */
export function encodedListBytes(gpus: readonly VisibleGpu[]): number {
  let most = 0;
  for (const { name, uuid, action, conditions } of gpus) {
    most += 100 + 4 * (name.length + uuid.length + action.length);
    for (const { type, reason, message } of conditions) most += 60 + 4 * (type.length + reason.length + message.length);
  }
  if (most < 1024 * 1024) return 0;
  const items = gpus.map(gpuMessage);
  const version = String(gpus[0]?.version ?? 0);
  const reply = create(ListGpusResponseSchema, { gpuList: { metadata: { resourceVersion: version }, items } });
  return toBinary(ListGpusResponseSchema, reply).length;
}
