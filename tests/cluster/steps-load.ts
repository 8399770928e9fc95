import { type Load, type LoadResult, playLoad } from "./load.ts";
import { type Usage, usageOf } from "./pod-usage.ts";
import { helmUpgrade, must, RELEASE, type Scene, SOCKET, type Step, serverProcess, WHERE } from "./steps-server.ts";

/** A row of the table in docs/operations: what the server's container used meanwhile. */
export interface LoadRow {
  readonly state: string;
  readonly cpuMillis: number;
  /** Share of the periods in which it ran, where its limit ended that. */
  readonly throttled: number;
  /** The highest that was seen. */
  readonly memoryMiB: number;
  readonly anonMiB: number;
  readonly serverMiB: number;
  readonly hostMiB: number;
  readonly load: LoadResult | undefined;
}

interface Limits {
  readonly cpu?: string;
  readonly memory: string;
}

export interface LoadTable {
  readonly limits: Limits;
  readonly requests: Limits;
  readonly rows: readonly LoadRow[];
}

const SECONDS = 30;
/** Many consumers, and a provider that writes far more often than one does. */
const PACED: Load = { seconds: SECONDS, watchers: 100, callsPerSecond: { update: 20, list: 20, get: 20 } };
/** As fast as it answers: one who writes, one who lists and one who gets. */
const CLOSED: Load = { seconds: SECONDS, watchers: 100 };

const rows: LoadRow[] = [];
let resources: { readonly limits: Limits; readonly requests: Limits } | undefined;

export const loadSteps: readonly Step[] = [
  {
    name: "the pod under load, with the chart's limits",
    async play(scene) {
      resources = await resourcesOf(scene);
      await measure(scene, "idle", undefined);
      await measure(scene, "100 watches, 20 each of update, list and get a second", PACED);
      await measure(scene, "100 watches, update, list and get in closed loops", CLOSED);
      await measure(scene, "idle again", undefined);
    },
  },
  {
    name: "the pod under load, with another limit of CPU and with none",
    async play(scene) {
      for (const limit of ["200m", "null"]) {
        await helmUpgrade(scene, "--set=nvml.enabled=true", `--set=resources.limits.cpu=${limit}`);
        const { cpu } = (await resourcesOf(scene)).limits;
        must(cpu === (limit === "null" ? undefined : limit), `the limit of CPU is ${cpu}`);
        const words = limit === "null" ? "without a limit of CPU" : `with a CPU limit of ${limit}`;
        await measure(scene, `the closed loops ${words}`, CLOSED);
      }
    },
  },
];

export function loadResult(): LoadTable {
  if (resources === undefined) throw new Error("nothing was measured");
  return { ...resources, rows };
}

async function measure(scene: Scene, state: string, load: Load | undefined): Promise<void> {
  const { pid } = await serverProcess(scene);
  if (load === undefined) await Bun.sleep(IDLE_MS);
  const before = usageOf(pid);
  const seen: Usage[] = [];
  const sampling = setInterval(() => seen.push(usageOf(pid)), 1_000);
  try {
    const played = load === undefined ? undefined : await playLoad(`unix://${SOCKET}`, load);
    if (load === undefined) await Bun.sleep(SECONDS * 1_000);
    const row = rowOf(state, [before, ...seen, usageOf(pid)], played);
    rows.push(row);
    console.log(`         ${textOf(row)}`);
  } finally {
    clearInterval(sampling);
  }
}

/** A server that has just started, or had load, needs this long to come to rest. */
const IDLE_MS = 20_000;

function rowOf(state: string, usages: readonly Usage[], load: LoadResult | undefined): LoadRow {
  const [first, last] = [usages[0], usages.at(-1)];
  if (first === undefined || last === undefined) throw new Error("nothing was seen");
  const wallMs = last.atMs - first.atMs;
  const highest = (of: (usage: Usage) => number) => Math.round(Math.max(...usages.map(of)) / 2 ** 20);
  const resident = (command: string) =>
    highest(({ processes }) => processes.find((process) => process.command === command)?.residentBytes ?? 0);
  return {
    state,
    cpuMillis: Math.round((1_000 * (last.cpuMs - first.cpuMs)) / wallMs),
    throttled: (last.throttledPeriods - first.throttledPeriods) / Math.max(1, last.periods - first.periods),
    memoryMiB: highest(({ memoryBytes }) => memoryBytes),
    anonMiB: highest(({ anonBytes }) => anonBytes),
    serverMiB: resident("serve"),
    hostMiB: resident("nvml-host"),
    load,
  };
}

function textOf({ state, cpuMillis, throttled, memoryMiB, anonMiB, serverMiB, hostMiB, load }: LoadRow): string {
  const cpu = `${cpuMillis}m CPU, ${Math.round(throttled * 100)} % throttled`;
  const memory = `${memoryMiB} MiB (${anonMiB} anonymous)`;
  const processes = `server ${serverMiB} MiB, NVML host ${hostMiB} MiB`;
  const calls = load === undefined ? "" : `; ${load.calls} calls/s, ${load.events} events/s, p99 ${load.p99Ms} ms`;
  return `${state}: ${cpu}, ${memory}, ${processes}${calls}`;
}

async function resourcesOf({ cluster }: Scene): Promise<{ readonly limits: Limits; readonly requests: Limits }> {
  const { spec } = await cluster.json<{
    spec: { template: { spec: { containers: { resources: { limits: Limits; requests: Limits } }[] } } };
  }>("get", "daemonset", RELEASE, ...WHERE);
  const [container] = spec.template.spec.containers;
  if (container === undefined) throw new Error("the DaemonSet has no container");
  return container.resources;
}
