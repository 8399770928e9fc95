/** A call of a client. It took effect at one moment between two places in the order of all that was observed. */
export interface Operation<Call> {
  /** What was asked, and what was answered. */
  readonly call: Call;
  readonly invokedAt: number;
  readonly returnedAt: number;
}

/** What one client after the other would see. */
export interface Specification<State, Call> {
  readonly initial: State;
  /** The state after the call; undefined if in this state it is not answered so. */
  step(state: State, call: Call): State | undefined;
  /** The same text for the same state. */
  textOf(state: State): string;
}

/** An invocation or a return, in a list of them by time. */
interface Entry {
  readonly operation: number;
  /** Of an invocation: where its call returned. */
  readonly match: Entry | undefined;
  before: Entry;
  after: Entry;
}

interface Step<State> {
  readonly entry: Entry;
  readonly from: State;
}

/**
 * Looks for an order in which all calls could have taken effect one by one: each between its invocation and its return,
 * and each with the answer that was given (Wing and Gong, 1993; with Lowe's memory of the places already searched).
 * Returns undefined if there is one, else what the search could not get past.
 */
export function whyNotLinearisable<State, Call>(
  operations: readonly Operation<Call>[],
  { initial, step, textOf }: Specification<State, Call>,
): string | undefined {
  const head = entriesOf(operations);
  const taken = new Uint32Array(Math.ceil(operations.length / 32));
  const searched = new Set<string>();
  const steps: Step<State>[] = [];
  let deepest = { calls: -1, obstacle: "" };
  let state = initial;
  let entry = head.after;
  while (entry !== head) {
    const call = operations[entry.operation]?.call as Call;
    if (entry.match !== undefined) {
      const next = step(state, call);
      flip(taken, entry.operation);
      if (next !== undefined && isNew(searched, `${taken.join()} ${textOf(next)}`)) {
        steps.push({ entry, from: state });
        state = next;
        lift(entry);
        entry = head.after;
      } else {
        flip(taken, entry.operation);
        entry = entry.after;
      }
      continue;
    }
    if (steps.length > deepest.calls) {
      deepest = { calls: steps.length, obstacle: `${JSON.stringify(call)} cannot follow ${textOf(state)}` };
    }
    const last = steps.pop();
    if (last === undefined) return `after ${deepest.calls} of ${operations.length} calls, ${deepest.obstacle}`;
    state = last.from;
    flip(taken, last.entry.operation);
    unlift(last.entry);
    entry = last.entry.after;
  }
  return undefined;
}

/** In a ring that begins and ends with an entry of its own. */
function entriesOf(operations: readonly Operation<unknown>[]): Entry {
  const timed = operations.flatMap(({ invokedAt, returnedAt }, operation) => {
    const match = newEntry(operation, undefined);
    return [
      { at: invokedAt, entry: newEntry(operation, match) },
      { at: returnedAt, entry: match },
    ];
  });
  timed.sort((a, b) => a.at - b.at);
  const head = newEntry(-1, undefined);
  for (const { entry } of timed) insert(entry, head.before, head);
  return head;
}

function newEntry(operation: number, match: Entry | undefined): Entry {
  const entry = { operation, match } as Entry;
  return Object.assign(entry, { before: entry, after: entry });
}

function insert(entry: Entry, before: Entry, after: Entry): void {
  entry.before = before;
  entry.after = after;
  before.after = entry;
  after.before = entry;
}

/** Takes the call out of the list; both of its entries still know their places. */
function lift(entry: Entry): void {
  for (const { before, after } of [entry, entry.match as Entry]) {
    before.after = after;
    after.before = before;
  }
}

/** In the opposite order, so that each finds its neighbours as it left them. */
function unlift(entry: Entry): void {
  for (const back of [entry.match as Entry, entry]) {
    back.before.after = back;
    back.after.before = back;
  }
}

function flip(bits: Uint32Array, index: number): void {
  const word = index >>> 5;
  bits[word] = ((bits[word] ?? 0) ^ (1 << (index & 31))) >>> 0;
}

function isNew(searched: Set<string>, place: string): boolean {
  if (searched.has(place)) return false;
  searched.add(place);
  return true;
}
