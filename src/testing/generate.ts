import type { Command, PlainCondition, PlainStatus, PlainWriter, Step } from "./commands.ts";
import type { Prng } from "./prng.ts";

/** What a history is made of: few names and words, so that commands meet on the same ones. */
export interface Vocabulary {
  readonly names: readonly string[];
  readonly uuids: readonly string[];
  readonly types: readonly string[];
  readonly messages: readonly string[];
  /** The most conditions in one status. */
  readonly conditionsMax: number;
  readonly writers: readonly PlainWriter[];
}

/** The wall clock at which simulated time starts, in seconds. */
const START_SECONDS = 1_790_000_000;

export const BOUND: readonly (readonly [string, string])[] = [["tied", "uid:1000"]];

const peer = (uid: number, id: string): PlainWriter => ({ identity: `uid:${uid}`, superuser: uid === 0, id });

/** Mostly those who may; … */
const RIGHTFUL: readonly PlainWriter[] = [
  { identity: "", superuser: false, id: "nvml-provider" },
  { identity: "", superuser: false, id: "simulated" },
  ...["", "dcgm", "tied", "uid:1000"].map((id) => peer(0, id)),
  ...["", "dcgm", "dcgm", "tied", "xid-watch", "xid-watch"].map((id) => peer(1000, id)),
  ...["", "mine", "mine"].map((id) => peer(1001, id)),
  { identity: "tcp", superuser: false, id: "" },
];

/** … the others claim what is the server's own, tied, another's name, or what may be taken. */
const CLAIMING: readonly PlainWriter[] = [
  peer(0, "operator"),
  peer(0, "mine"),
  peer(1000, "nvml-provider"),
  ...["tied", "uid:1000", "dcgm", "xid-watch"].map((id) => peer(1001, id)),
  { identity: "tcp", superuser: false, id: "mine" },
];

const WRITERS = [...RIGHTFUL, ...RIGHTFUL, ...RIGHTFUL, ...CLAIMING];

const USUAL: Vocabulary = {
  names: ["gpu-2", "gpu-2", "GPU-2", "gpu-10", "gpu-10", "Gpu-10", "gpu-10", "gpu-2", "gpu-02"],
  uuids: ["", "", "", "GPU-aa", "gpu-AA", "GPU-bb", "GPU-cc", "GPU-dd"],
  types: ["Ready", "MemoryHealthy", "XidError", "GpuNvLinkWatch", "ThermalHealthy", "PowerHealthy", "PcieFault", "A"],
  messages: ["", "m", "ä€😀"],
  conditionsMax: 3,
  writers: WRITERS,
};

/** So many conditions that the limit of a GPU is in reach. */
const WIDE: Vocabulary = {
  ...USUAL,
  names: ["gpu-0", "gpu-1"],
  types: Array.from({ length: 45 }, (_, i) => `Type${i}${i % 5 === 0 ? "Error" : ""}`),
  conditionsMax: 45,
};

/** So large that four GPUs fill the list: 64 messages of 4,096 characters of 4 bytes are 1 MiB. */
const HEAVY: Vocabulary = {
  ...WIDE,
  names: ["gpu-0", "gpu-1", "gpu-2", "gpu-3", "gpu-4", "gpu-5"],
  messages: ["", "😀".repeat(4_000), "😀".repeat(4_096)],
  writers: WRITERS.filter(({ identity }) => identity === "uid:0" || identity === ""),
};

/** More ids than the server remembers. */
const MANY_PROVIDERS: Vocabulary = {
  ...USUAL,
  writers: [...WRITERS, ...Array.from({ length: 30 }, (_, i) => peer(1_000 + (i % 3), `late-${i}`))],
};

const COMMANDS = { one: 58, several: 18, throwing: 4, held: 3, pass: 12, leap: 5 };
const STEPS = { register: 26, unregister: 4, status: 24, condition: 32, heartbeat: 14, forget: 3 };
const PASS_MS = [1, 10, 500, 9_000, 9_999, 10_000, 10_001, 25_000];
const HELD_MS = [1, 40, 4_999, 5_001, 12_000];
const LEAP_SECONDS = [-3_600, -60, -1, 1, 60, 3_600];
const ACTIONS = ["", "", "NONE", "RESTART_APP", "COMPONENT_RESET", "RESTART_BM", "CALL_HOME", "PRAY", "REPLACE_VM"];

export type Flavour = "usual" | "wide" | "heavy" | "crowded" | "many providers";

export function generateHistory(prng: Prng, flavour: Flavour, length: number): readonly Command[] {
  switch (flavour) {
    case "usual":
      return commands(prng, USUAL, length);
    case "wide":
      return commands(prng, WIDE, length);
    case "heavy":
      return [fill(), ...commands(prng, HEAVY, length - 1)];
    case "crowded":
      return [crowd(), ...commands(prng, USUAL, length - 1)];
    case "many providers":
      return [claims(), ...commands(prng, MANY_PROVIDERS, length - 1)];
  }
}

const commands = (prng: Prng, words: Vocabulary, length: number): readonly Command[] =>
  Array.from({ length }, () => generateCommand(prng, words));

const ROOT = peer(0, "");

/** Close to the limit of GPUs. */
function crowd(): Command {
  const steps = Array.from({ length: 4_095 }, (_, i): Step => ({ do: "register", as: ROOT, name: `n${i}`, uuid: "" }));
  return { do: "write", steps };
}

/** Close to the limit of the list: three GPUs of 1 MiB each. */
function fill(): Command {
  const message = "😀".repeat(4_096);
  const steps = ["gpu-0", "gpu-1", "gpu-2"].map((name): Step => {
    const conditions = Array.from({ length: 60 }, (_, i) => ({ type: `T${i}`, status: "True", reason: "", message }));
    return { do: "register", as: ROOT, name, uuid: "", status: { conditions, action: "" } as PlainStatus };
  });
  return { do: "write", steps };
}

/** Close to the limit of providers. */
function claims(): Command {
  const steps = Array.from({ length: 1_015 }, (_, i): Step => ({ do: "heartbeat", as: peer(0, `early-${i}`) }));
  return { do: "write", steps };
}

export function generateCommand(prng: Prng, words: Vocabulary): Command {
  const steps = (count: number) => Array.from({ length: count }, () => generateStep(prng, words));
  switch (prng.weighted(COMMANDS)) {
    case "one":
      return { do: "write", steps: steps(1) };
    case "several":
      return { do: "write", steps: steps(2 + prng.below(3)) };
    case "throwing":
      return { do: "write", steps: steps(1 + prng.below(3)), throws: true };
    case "held":
      return { do: "write", steps: steps(1 + prng.below(3)), heldMs: prng.pick(HELD_MS) };
    case "pass":
      return { do: "pass", ms: prng.pick(PASS_MS) };
    case "leap":
      return { do: "leap", seconds: prng.pick(LEAP_SECONDS) };
  }
}

function generateStep(prng: Prng, words: Vocabulary): Step {
  const as = prng.pick(words.writers);
  const name = prng.pick(words.names);
  switch (prng.weighted(STEPS)) {
    case "register": {
      const step = { do: "register", as, name, uuid: prng.pick(words.uuids) } as const;
      return prng.chance(50) ? { ...step, status: generateStatus(prng, words) } : step;
    }
    case "unregister":
      return { do: "unregister", as, name };
    case "status":
      return { do: "status", as, name, status: generateStatus(prng, words) };
    case "condition":
      return { do: "condition", as, name, condition: generateCondition(prng, words, prng.pick(words.types)) };
    case "heartbeat": {
      const sender = as.identity === "" || as.id === "" ? peer(1000, "dcgm") : as;
      return { do: "heartbeat", as: sender };
    }
    case "forget":
      return { do: "forget", id: as.id || as.identity, force: prng.chance(50) };
  }
}

function generateStatus(prng: Prng, words: Vocabulary): PlainStatus {
  const types = new Set(Array.from({ length: prng.below(words.conditionsMax + 1) }, () => prng.pick(words.types)));
  return {
    conditions: [...types].map((type) => generateCondition(prng, words, type)),
    action: prng.pick(ACTIONS),
  };
}

function generateCondition(prng: Prng, words: Vocabulary, type: string): PlainCondition {
  const status = prng.pick(["True", "False", "Unknown"] as const);
  const condition = { type, status, reason: prng.pick(["", "r", "s"]), message: prng.pick(words.messages) };
  if (prng.chance(60)) return condition;
  const seconds = START_SECONDS + prng.pick([-7_200, -60, 0, 30, 59, 60, 61, 3_600, -600_000_000]);
  return { ...condition, at: { seconds, nanos: prng.pick([0, 5, 999_999_999, -1, 1_000_000_000]) } };
}
