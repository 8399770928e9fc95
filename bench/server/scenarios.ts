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
  /** "" where there is nothing to say beside the name. */
  readonly detail: string;
  readonly repetitions: number;
  measure(subject: Subject, load: Load): Promise<readonly Figure[]>;
}

const CALLS = ["list", "get", "update"] as const;
const IN_FLIGHT = 16;
/** Connections with one call in flight each, where the latency is measured. */
const LATENCY_CONNECTIONS = 4;
const GPUS = 8;
const MIB = 1_024 * 1_024;
const SECTIONS: Readonly<Record<Transport, string>> = { unix: "Over the unix socket", tcp: "Over TCP" };
const RATE_AIMS: Readonly<Record<string, string>> = { list: "≥ 1.5×", get: "≥ 1.2×", update: "≥ 1.0×" };
const P99_AIM = "≤ 1.0×";

export const SCENARIO_NAMES: readonly string[] = [
  ...CALLS,
  ...["paced", "burst", "watches", "start", "idle", "growth-gpus", "growth-watchers"],
];

export function scenarios(plan: Plan): readonly Scenario[] {
  return [
    ...(["unix", "tcp"] as const).flatMap((transport) => [
      ...CALLS.map((kind) => calls(plan, transport, kind)),
      paced(plan, transport),
      burst(plan, transport),
      watches(plan, transport),
    ]),
    start(plan),
    idle(plan),
    ...plan.gpuCounts.map((gpus) => growthWithGpus(plan, gpus)),
    ...plan.watcherCounts.map((watchers) => growthWithWatchers(plan, watchers)),
  ];
}

/** Rate and CPU with many calls in flight; latency with few, where it is not the queue in the client that is measured. */
function calls(plan: Plan, transport: Transport, kind: (typeof CALLS)[number]): Scenario {
  return over(transport, kind, plan.repetitions.calls, "", async (server, load) => {
    const times = { warmup: `${plan.warmupMs}ms`, duration: `${plan.measureMs}ms` };
    const full = await load(server, transport, kind, { ...times, outstanding: IN_FLIGHT });
    const few = await load(server, transport, kind, { ...times, connections: LATENCY_CONNECTIONS });
    return [
      { what: "calls/s", value: full.calls / full.seconds, aim: RATE_AIMS[kind] ?? "" },
      ...latencies(few),
      { what: "CPU s per 1,000 calls", value: (full.serverCpuSeconds / full.calls) * 1_000 },
      resident(full),
    ];
  });
}

function paced(plan: Plan, transport: Transport): Scenario {
  const { updates, perSecond } = plan.paced;
  const detail = `${perSecond} updates/s to ${plan.fanOutWatchers} watchers`;
  return over(transport, "paced", plan.repetitions.calls, detail, async (server, load) => {
    const done = await load(server, transport, "fanout", {
      watchers: plan.fanOutWatchers,
      updates,
      rate: perSecond,
      outstanding: IN_FLIGHT,
    });
    return [...latencies(done, "≤ 0.7×"), cpuForEvents(done), resident(done)];
  });
}

function burst(plan: Plan, transport: Transport): Scenario {
  const detail = `${plan.burstUpdates.toLocaleString("en-US")} updates to ${plan.fanOutWatchers} watchers`;
  return over(transport, "burst", plan.repetitions.calls, detail, async (server, load) => {
    const done = await load(server, transport, "fanout", {
      watchers: plan.fanOutWatchers,
      updates: plan.burstUpdates,
      outstanding: IN_FLIGHT,
    });
    return [
      { what: "events/s", value: done.events / done.seconds, aim: "≥ 2×" },
      ...latencies(done),
      cpuForEvents(done),
      resident(done),
    ];
  });
}

function watches(plan: Plan, transport: Transport): Scenario {
  const watchers = plan.idleWatches;
  const detail = `${watchers.toLocaleString("en-US")} idle`;
  const measure = async (server: Server, load: Load) => {
    const done = await load(server, transport, "watches", { watchers, duration: `${plan.idleMs / 10}ms` });
    return [
      { what: "s until all are open", value: done.seconds },
      { what: "MiB resident before", value: done.before.residentBytes / MIB },
      { ...resident(done), aim: "ours ≤ 400" },
      { what: "KiB for each", value: (done.after.residentBytes - done.before.residentBytes) / watchers / 1_024 },
      { what: "ms until one update is everywhere", value: done.latencyUs.max / 1_000 },
    ];
  };
  return over(transport, "watches", plan.repetitions.calls, detail, measure, watchers);
}

function start(plan: Plan): Scenario {
  return {
    name: "start",
    section: "Start and rest",
    detail: "",
    repetitions: plan.repetitions.start,
    async measure(subject) {
      await using server = await subject.start();
      return [
        { what: "ms until ready", value: server.readyMs, aim: "ours ≤ 80" },
        { what: "MiB of the binary", value: subject.binaryBytes / MIB },
      ];
    },
  };
}

function idle(plan: Plan): Scenario {
  return {
    name: "idle",
    section: "Start and rest",
    detail: `${GPUS} GPUs, no calls`,
    repetitions: 1,
    async measure(subject, load) {
      await using server = await startWith(GPUS, subject, load);
      const done = await load(server, "unix", "watches", { watchers: 0, duration: `${plan.idleMs}ms` });
      const { residentBytes, anonymousBytes } = done.after;
      return [
        { what: "MiB resident", value: residentBytes / MIB, aim: "ours ≤ 60" },
        { what: "MiB anonymous", value: anonymousBytes / MIB, aim: "ours ≤ 20" },
        { what: "% of a CPU", value: (done.serverCpuSeconds / (plan.idleMs / 1_000)) * 100, aim: "ours ≤ 0.2" },
      ];
    },
  };
}

function growthWithGpus(plan: Plan, gpus: number): Scenario {
  return {
    name: "growth-gpus",
    section: "Growth with the number of GPUs",
    detail: `${gpus.toLocaleString("en-US")} GPUs`,
    repetitions: plan.repetitions.growth,
    async measure(subject, load) {
      await using server = await startWith(gpus, subject, load);
      const figures: Figure[] = [];
      for (const kind of CALLS) {
        const done = await load(server, "unix", kind, { ...growthTimes(plan), gpus, outstanding: LATENCY_CONNECTIONS });
        figures.push({ what: `${kind}, CPU µs per call`, value: cpuUsPerCall(done) });
        if (kind === "list") figures.push({ what: "list, KiB", value: done.replyBytes / 1_024 });
      }
      return figures;
    },
  };
}

function growthWithWatchers(plan: Plan, watchers: number): Scenario {
  return {
    name: "growth-watchers",
    section: "Growth with the number of watchers",
    detail: `${watchers.toLocaleString("en-US")} watchers`,
    repetitions: plan.repetitions.growth,
    async measure(subject, load) {
      await using server = await startWith(GPUS, subject, load, { connections: watchers });
      const options = { ...growthTimes(plan), watchers, outstanding: LATENCY_CONNECTIONS };
      const done = await load(server, "unix", "update", options);
      const us = cpuUsPerCall(done);
      return [
        { what: "CPU µs per update", value: us },
        { what: "CPU µs per event", value: us / watchers },
      ];
    },
  };
}

function over(
  transport: Transport,
  name: string,
  repetitions: number,
  detail: string,
  measure: (server: Server, load: Load) => Promise<readonly Figure[]>,
  connections?: number,
): Scenario {
  return {
    name,
    section: SECTIONS[transport],
    detail,
    repetitions,
    async measure(subject, load) {
      await using server = await startWith(GPUS, subject, load, { transport, connections });
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
  return { what: "MiB resident after", value: after.residentBytes / MIB };
}

function cpuForEvents({ serverCpuSeconds, events }: LoadResult): Figure {
  return { what: "CPU s per 1,000 events", value: (serverCpuSeconds / events) * 1_000 };
}

function cpuUsPerCall({ serverCpuSeconds, calls: made }: LoadResult): number {
  return (serverCpuSeconds / made) * 1e6;
}

function growthTimes(plan: Plan) {
  return { warmup: `${plan.growthMs / 2}ms`, duration: `${plan.growthMs}ms` };
}
