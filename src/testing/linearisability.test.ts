import { describe, expect, test } from "bun:test";
import { type Conditions, GPU_REGISTER, type GpuCall, type GpuState, shown } from "./gpu-register.ts";
import { type Operation, whyNotLinearisable } from "./linearisability.ts";
import { Prng } from "./prng.ts";

const SEEDS = 10;
const CLIENTS = 8;
const CALLS = 200;

/** A GPU as it is while a faulty answer is given, and what nobody else writes. */
interface Moment {
  readonly version: number;
  readonly conditions: Conditions;
}
const OWN: Conditions = { A: "True own" };
const OTHER: Conditions = { A: "False other" };

const says = (conditions: Conditions, version: number): GpuCall => ({ do: "status", conditions, version });
const sees = (conditions: Conditions, version: number): GpuCall => {
  return { do: "read", gpu: { version, conditions: shown(conditions) } };
};

/**
 * What a broken server would answer to one client that calls one by one, while others call it too. No order of calls
 * explains any of these, whatever the others do, as long as they take nothing away at that time.
 */
const FAULTS: Readonly<Record<string, (now: Moment) => GpuCall[]>> = {
  "a read of what was replaced": ({ version, conditions }) => [says(OWN, version + 1), sees(conditions, version)],
  "a read that goes back": ({ version }) => [
    says(OWN, version + 1),
    says(OTHER, version + 2),
    sees(OTHER, version + 2),
    sees(OWN, version + 1),
  ],
  "an update that is lost": ({ version, conditions }) => [
    { do: "condition", type: "A", says: "False own", version: version + 1 },
    sees(conditions, version),
  ],
  "an update that is taken back by the next one": ({ version }) => [
    says({ A: "True own", B: "True own" }, version + 1),
    { do: "condition", type: "A", says: "False own", version: version + 2 },
    sees({ A: "False own", B: "False own" }, version + 2),
  ],
  "a read of what is written later": ({ version }) => [sees(OWN, version + 1), says(OWN, version + 1)],
  "a read of half a write": ({ version }) => [
    says({ A: "True own", B: "True own" }, version + 1),
    sees({ A: "True own" }, version + 1),
  ],
  "a verdict that lags behind": ({ version }) => [
    says(OTHER, version + 1),
    { do: "read", gpu: { version: version + 1, conditions: { ...OTHER, Ready: "True" } } },
  ],
  "a change without a version": ({ version }) => [says(OWN, version)],
  "a version without a change": ({ version }) => [says(OWN, version + 1), says(OWN, version + 2)],
  "a deletion that does nothing": ({ version }) => [
    says(OWN, version + 1),
    { do: "unregister", deleted: true },
    sees(OWN, version + 1),
  ],
  "a deletion that says it did nothing": ({ version }) => [
    says(OWN, version + 1),
    { do: "unregister", deleted: false },
    sees(OWN, version + 1),
  ],
  "a GPU that is created twice": ({ version }) => [
    { do: "register", conditions: {}, created: true, version: version + 1 },
  ],
  "a GPU that is not found": ({ version }) => [says(OWN, version + 1), { do: "read", gpu: undefined }],
  "an update that does not find it": ({ version }) => [
    says(OWN, version + 1),
    { do: "condition", type: "A", says: "True own", version: undefined },
  ],
};

test("a right history is taken, whatever calls overlap", () => {
  for (let seed = 0; seed < 4 * SEEDS; seed++) expect(why(new Prng(seed))).toBeUndefined();
});

describe("there is no order for", () => {
  test.each(Object.entries(FAULTS))("%s", (_, fault) => {
    for (let seed = 0; seed < SEEDS; seed++) expect(why(new Prng(seed), fault)).toContain("cannot follow");
  });
});

test("two writes at once may be seen in either order, but not in both", () => {
  const write = (conditions: Conditions, version: number) => at(0, 9, says(conditions, version));
  const register = at(-2, -1, { do: "register", conditions: {}, created: true, version: 1 });
  const inTurn = [register, write(OWN, 2), write(OTHER, 3), at(10, 11, sees(OTHER, 3))];
  const inBoth = [register, write(OWN, 2), write(OTHER, 3), at(4, 5, sees(OTHER, 3)), at(6, 7, sees(OWN, 2))];
  expect(whyNotLinearisable(inTurn, GPU_REGISTER)).toBeUndefined();
  expect(whyNotLinearisable(inBoth, GPU_REGISTER)).toContain("cannot follow");
});

function at(invokedAt: number, returnedAt: number, call: GpuCall): Operation<GpuCall> {
  return { call, invokedAt, returnedAt };
}

function why(prng: Prng, fault?: (now: Moment) => GpuCall[]): string | undefined {
  return whyNotLinearisable(simulate(prng, fault), GPU_REGISTER);
}

/** Clients of a server that takes each call at one moment, and once answers one client wrongly. */
function simulate(prng: Prng, fault: ((now: Moment) => GpuCall[]) | undefined): readonly Operation<GpuCall>[] {
  const history: Operation<GpuCall>[] = [];
  const underWay: { readonly invokedAt: number; readonly asks: GpuCall["do"]; answer: GpuCall | undefined }[] = [];
  let [time, state, version] = [0, GPU_REGISTER.initial, 0];
  let faultyFrom = fault === undefined ? Number.POSITIVE_INFINITY : prng.below(CALLS);
  while (history.length < CALLS || underWay.length > 0 || faultyFrom <= CALLS) {
    const isSafe = !underWay.some(({ asks }) => asks === "unregister");
    if (history.length >= faultyFrom && isSafe && state.conditions !== undefined && fault !== undefined) {
      const answers = fault({ version: state.version, conditions: state.conditions });
      history.push(...answers.map((answer) => at(time++, time++, answer)));
      faultyFrom = Number.POSITIVE_INFINITY;
    }
    const one = underWay[prng.below(CLIENTS)];
    if (one === undefined) {
      const mayAsk = history.length < CALLS || faultyFrom <= CALLS;
      if (mayAsk) underWay.push({ invokedAt: time++, asks: prng.weighted(ASKED), answer: undefined });
    } else if (one.answer === undefined) {
      one.answer = answer(prng, one.asks, state, version + 1);
      state = GPU_REGISTER.step(state, one.answer) as GpuState;
      version = Math.max(version, state.version);
    } else {
      history.push(at(one.invokedAt, time++, one.answer));
      underWay.splice(underWay.indexOf(one), 1);
    }
  }
  return history;
}

const ASKED = { register: 3, unregister: 1, status: 4, condition: 6, read: 6 };

/** The right one: whichever of all the answers there are fits the state. */
function answer(prng: Prng, asks: GpuCall["do"], state: GpuState, next: number): GpuCall {
  const words = () => `${prng.pick(["True", "False", "Unknown"])} ${prng.pick(["x", "y"])}`;
  const [conditions, type, one] = [{ A: words(), B: words() }, prng.pick(["A", "B"]), words()];
  const versions = [undefined, state.version, next];
  const answers: Record<GpuCall["do"], GpuCall[]> = {
    register: [true, false].flatMap((created) =>
      [state.version, next].map((version) => ({ do: "register", conditions, created, version }) as const),
    ),
    unregister: [true, false].map((deleted) => ({ do: "unregister", deleted })),
    status: versions.map((version) => ({ do: "status", conditions, version })),
    condition: versions.map((version) => ({ do: "condition", type, says: one, version })),
    read: [state.conditions === undefined ? { do: "read", gpu: undefined } : sees(state.conditions, state.version)],
  };
  const right = answers[asks].filter((each) => GPU_REGISTER.step(state, each) !== undefined);
  if (right.length !== 1) throw new Error(`${right.length} answers to ${asks} fit ${GPU_REGISTER.textOf(state)}`);
  return right[0] as GpuCall;
}
