/** What is measured, as a table: each scenario once for one server gives some figures. */
import type { Load, LoadResult } from "./load.ts";
import type { Plan } from "./plan.ts";
import type { Server, Subject, Transport } from "./subject.ts";

export interface Figure {
  /** With its unit. */
  readonly what: string;
  readonly value: number;
  /** What is to be reached, in words: a ratio to the reference, or a figure of ours. */
  readonly aim?: string;
}

export interface Scenario {
  readonly name: string;
  readonly section: string;
  /** What its figures are of, in words. */
  readonly subject: string;
  readonly repetitions: number;
  measure(subject: Subject, load: Load): Promise<readonly Figure[]>;
}

const CALLS = ["list", "get", "update"] as const;
type CallKind = (typeof CALLS)[number];
const IN_FLIGHT = 16;
/** Connections with one call in flight each, where the latency is measured. */
const LATENCY_CONNECTIONS = 4;
const GPUS = 8;
const MB = 1e6;
const KB = 1e3;
const SECTIONS: Readonly<Record<Transport, string>> = { unix: "Over the unix socket", tcp: "Over TCP" };
const AT_REST = "Start and rest";
const GROWTH = "Growth";
const RATE_AIMS: Readonly<Record<CallKind, string>> = { list: "≥ 1.5×", get: "≥ 1.2×", update: "≥ 1.0×" };
const P99_AIM = "≤ 1.0×";

export const SCENARIO_NAMES: readonly string[] = [
  ...CALLS,
  ...["paced", "burst", "watches", "start", "idle", "growth-gpus", "growth-watchers"],
];

export function scenarios(plan: Plan, transports: readonly Transport[]): readonly Scenario[] {
  return [
    ...transports.flatMap((transport) => [
      ...CALLS.map((kind) => calls(plan, transport, kind)),
      paced(plan, transport),
      burst(plan, transport),
      watches(plan, transport),
    ]),
    start(plan),
    idle(plan),
    growthWithGpus(plan),
    growthWithWatchers(plan),
  ];
}

/** Rate and CPU with many calls in flight; latency with few, where the queue in the client is not what is measured. */
function calls(plan: Plan, transport: Transport, kind: CallKind): Scenario {
  return over(transport, kind, kind, plan.repetitions.calls, async (server, load) => {
    const full = await load(server, transport, kind, { ...coldTimes(plan), outstanding: IN_FLIGHT });
    const few = await load(server, transport, kind, { ...warmTimes(plan), connections: LATENCY_CONNECTIONS });
    return [
      { what: "calls/s", value: full.calls / full.seconds, aim: RATE_AIMS[kind] },
      ...latencies(few),
      { what: "CPU s per 1,000 calls", value: (full.serverCpuSeconds / full.calls) * 1_000 },
      resident(full),
    ];
  });
}

function paced(plan: Plan, transport: Transport): Scenario {
  const { updates, perSecond } = plan.paced;
  const subject = `paced, ${perSecond} updates/s to ${plan.fanOutWatchers} watchers`;
  return over(transport, "paced", subject, plan.repetitions.calls, async (server, load) => {
    const done = await load(server, transport, "fanout", { ...fanOut(plan), updates, rate: perSecond });
    return [...latencies(done, "≤ 0.7×"), cpuForEvents(done), resident(done)];
  });
}

function burst(plan: Plan, transport: Transport): Scenario {
  const updates = plan.burstUpdates;
  const subject = `burst, ${counted(updates)} updates to ${plan.fanOutWatchers} watchers`;
  return over(transport, "burst", subject, plan.repetitions.calls, async (server, load) => {
    const done = await load(server, transport, "fanout", { ...fanOut(plan), updates });
    const rate = { what: "events/s", value: done.events / done.seconds, aim: "≥ 2×" };
    return [rate, ...latencies(done), cpuForEvents(done), resident(done)];
  });
}

function watches(plan: Plan, transport: Transport): Scenario {
  const watchers = plan.idleWatches;
  const subject = `watches, ${counted(watchers)} idle`;
  const measure = async (server: Server, load: Load) => {
    const done = await load(server, transport, "watches", { watchers, duration: `${plan.idleMs / 10}ms` });
    return [
      { what: "s until all are open", value: done.seconds },
      { what: "MB resident before", value: done.before.residentBytes / MB },
      { ...resident(done), aim: "ours ≤ 400" },
      { what: "kB for each", value: (done.after.residentBytes - done.before.residentBytes) / watchers / KB },
      { what: "ms until one update is everywhere", value: done.latencyUs.max / 1_000 },
    ];
  };
  return over(transport, "watches", subject, plan.repetitions.calls, measure, watchers);
}

function start(plan: Plan): Scenario {
  return {
    name: "start",
    section: AT_REST,
    subject: "start",
    repetitions: plan.repetitions.start,
    async measure(subject) {
      await using server = await subject.start();
      return [
        { what: "ms until ready", value: server.readyMs, aim: "ours ≤ 80" },
        { what: "MB of the binary", value: subject.binaryBytes / MB },
      ];
    },
  };
}

function idle(plan: Plan): Scenario {
  return {
    name: "idle",
    section: AT_REST,
    subject: `idle, ${GPUS} GPUs, no calls`,
    repetitions: 1,
    async measure(subject, load) {
      await using server = await startWith(GPUS, subject, load);
      // What was compiled and thrown away at the start is the start's, not the rest's.
      await Bun.sleep(plan.settleMs);
      const done = await load(server, "unix", "watches", { watchers: 0, duration: `${plan.idleMs}ms` });
      const { residentBytes, anonymousBytes } = done.after;
      return [
        { what: "MB resident", value: residentBytes / MB, aim: "ours ≤ 60" },
        { what: "MB anonymous", value: anonymousBytes / MB, aim: "ours ≤ 20" },
        { what: "% of a CPU", value: (done.serverCpuSeconds / (plan.idleMs / 1_000)) * 100, aim: "ours ≤ 0.2" },
      ];
    },
  };
}

/** In one server, which gets more and more of them: it is warm from the second count on. */
function growthWithGpus(plan: Plan): Scenario {
  return {
    name: "growth-gpus",
    section: GROWTH,
    subject: "",
    repetitions: plan.repetitions.growth,
    async measure(subject, load) {
      await using server = await subject.start();
      const figures: Figure[] = [];
      let first = 0;
      for (const gpus of plan.gpuCounts) {
        await load(server, "unix", "register", { first, gpus, outstanding: IN_FLIGHT });
        const times = first === 0 ? coldTimes(plan) : warmTimes(plan);
        for (const kind of CALLS) {
          const done = await load(server, "unix", kind, { ...times, gpus, outstanding: LATENCY_CONNECTIONS });
          const what = `${kind} of ${counted(gpus)} GPUs: CPU µs per call`;
          figures.push({ what, value: cpuUsPerCall(done) });
          if (kind === "list") figures.push({ what: `list of ${counted(gpus)} GPUs: kB`, value: done.replyBytes / KB });
        }
        first = gpus;
      }
      return figures;
    },
  };
}

function growthWithWatchers(plan: Plan): Scenario {
  return {
    name: "growth-watchers",
    section: GROWTH,
    subject: "",
    repetitions: plan.repetitions.growth,
    async measure(subject, load) {
      await using server = await startWith(GPUS, subject, load, { connections: Math.max(...plan.watcherCounts) });
      const figures: Figure[] = [];
      for (const watchers of plan.watcherCounts) {
        const times = figures.length === 0 ? coldTimes(plan) : warmTimes(plan);
        const done = await load(server, "unix", "update", { ...times, watchers, outstanding: LATENCY_CONNECTIONS });
        const what = `update to ${watchers === 1 ? "1 watcher" : `${counted(watchers)} watchers`}: CPU µs per call`;
        figures.push({ what, value: cpuUsPerCall(done) });
      }
      return figures;
    },
  };
}

function over(
  transport: Transport,
  name: string,
  subject: string,
  repetitions: number,
  measure: (server: Server, load: Load) => Promise<readonly Figure[]>,
  connections?: number,
): Scenario {
  return {
    name,
    section: SECTIONS[transport],
    subject,
    repetitions,
    async measure(measured, load) {
      await using server = await startWith(GPUS, measured, load, { transport, connections });
      const figures = await measure(server, load);
      // The aims are for the unix socket.
      return transport === "unix" ? figures : figures.map(({ what, value }) => ({ what, value }));
    },
  };
}

/** Who registers a GPU is who may write it, and over TCP that is somebody else than on the socket. */
async function startWith(
  gpus: number,
  subject: Subject,
  load: Load,
  by: { readonly transport?: Transport; readonly connections?: number | undefined } = {},
): Promise<Server> {
  const server = await subject.start(by.connections);
  try {
    await load(server, by.transport ?? "unix", "register", { gpus, outstanding: IN_FLIGHT });
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

function latencies({ latencyUs }: LoadResult, p50Aim?: string): Figure[] {
  return [
    { what: "p50 µs", value: latencyUs.p50, ...(p50Aim === undefined ? {} : { aim: p50Aim }) },
    { what: "p99 µs", value: latencyUs.p99, aim: P99_AIM },
  ];
}

function resident({ after }: LoadResult): Figure {
  return { what: "MB resident after", value: after.residentBytes / MB };
}

function cpuForEvents({ serverCpuSeconds, events }: LoadResult): Figure {
  return { what: "CPU s per 1,000 events", value: (serverCpuSeconds / events) * 1_000 };
}

function cpuUsPerCall({ serverCpuSeconds, calls: made }: LoadResult): number {
  return (serverCpuSeconds / made) * 1e6;
}

function fanOut(plan: Plan) {
  return { watchers: plan.fanOutWatchers, "warm-updates": plan.warmUpdates, outstanding: IN_FLIGHT };
}

function coldTimes(plan: Plan) {
  return { warmup: `${plan.coldWarmupMs}ms`, duration: `${plan.measureMs}ms` };
}

function warmTimes(plan: Plan) {
  return { warmup: `${plan.warmupMs}ms`, duration: `${plan.measureMs}ms` };
}

function counted(count: number): string {
  return count.toLocaleString("en-US");
}
