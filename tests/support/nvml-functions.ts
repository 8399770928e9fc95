import { readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { NVML_CALLS } from "../../src/native/nvml-abi.gen.ts";
import type { NvmlServer, NvmlServerOptions } from "./nvml-server.ts";

/** What makes a function be called, where that is not "by every host process in every round, on an H100". */
interface Reached {
  /** The machine on which it is called at all. */
  readonly options?: NvmlServerOptions;
  /** Makes the next call happen; `turn` counts from 0. */
  readonly reach?: (server: NvmlServer, turn: number) => void;
  /** Called while a host process starts, before its first round: the reading of GPUs has ended before it. */
  readonly atStart?: boolean;
}

/** How a function goes wrong, and how often; 0 for every time. */
export type Trouble = "hang" | "crash" | "abort";

/** One function that the shim calls, and how to bring a server into trouble with it. */
export interface NvmlFunction extends Required<Reached> {
  readonly name: string;
  /** From now on the next `times` calls. */
  readonly trouble: (server: NvmlServer, how: Trouble, times: number) => void;
  /** How many calls began to hang so far. */
  readonly hanging: (server: NvmlServer) => number;
  /** Calls are well again from now on; one that hangs may stay so. */
  readonly mend: (server: NvmlServer) => void;
}

/** Two GPUs that are not there yet. */
const LATE_GPUS: Reached = {
  options: { gpus: 5, prepare: ["gpu 3-4 present=0"] },
  reach: ({ fake }, turn) => fake.command(`gpu ${3 + turn} present=1`),
};
const LOST_EVENT_SET: Reached = { reach: ({ fake }) => fake.command("fault nvmlEventSetWait_v2 code=999 times=1") };
const NEW_HOST: Reached = {
  reach: (server) => {
    for (const pid of server.hosts()) process.kill(pid, "SIGKILL");
  },
  atStart: true,
};
const MIG: Reached = {
  options: { flags: ["--nvml-mig"], prepare: ["gpu 2 mig_current=1 mig_pending=1 mig_instances=0x3"] },
};
const without = (...symbols: readonly string[]): Reached => ({ options: { library: { kind: "without", symbols } } });

const REACHED: Readonly<Record<string, Reached>> = {
  dlopen: NEW_HOST,
  nvmlInit_v2: NEW_HOST,
  nvmlSystemGetDriverVersion: NEW_HOST,
  nvmlSystemGetNVMLVersion: NEW_HOST,
  nvmlDeviceGetName: LATE_GPUS,
  nvmlDeviceGetPciInfo_v3: LATE_GPUS,
  nvmlDeviceGetTemperatureThreshold: LATE_GPUS,
  nvmlDeviceGetSupportedEventTypes: LATE_GPUS,
  nvmlDeviceRegisterEvents: LATE_GPUS,
  nvmlEventSetCreate: LOST_EVENT_SET,
  nvmlEventSetFree: LOST_EVENT_SET,
  nvmlDeviceGetMaxMigDeviceCount: MIG,
  nvmlDeviceGetMigDeviceHandleByIndex: MIG,
  nvmlDeviceGetGpuInstanceId: MIG,
  nvmlDeviceGetComputeInstanceId: MIG,
  nvmlDeviceGetCurrentClocksThrottleReasons: without("nvmlDeviceGetCurrentClocksEventReasons"),
  nvmlDeviceGetNvLinkErrorCounter: without("nvmlDeviceGetFieldValues"),
  nvmlDeviceGetRetiredPagesPendingStatus: { options: { prepare: ["gpu all with=pages"] } },
};

type TroubleWith = Pick<NvmlFunction, "trouble" | "hanging" | "mend">;

function scripted(name: string): TroubleWith {
  return {
    trouble: ({ fake }, how, times) => {
      fake.command(`fault ${name} ${how}${times > 0 ? ` times=${times}` : ""}`);
    },
    hanging: ({ fake }) => fake.hangs(name),
    mend: ({ fake }) => fake.command(`clear ${name}`),
  };
}

/** Of the library's own loading: a file that never opens, as on a file system that is away, and one cut short. */
const DLOPEN: TroubleWith = {
  trouble: ({ fake }, how) => {
    const path = join(fake.root, "usr/lib64/libnvidia-ml.so.1");
    if (how === "hang") {
      rmSync(path);
      Bun.spawnSync(["mkfifo", path]);
    } else truncateSync(path, 8_192);
  },
  hanging: (server) => (server.hosts().some((pid) => waitsIn(pid, "wait_for_partner")) ? 1 : 0),
  mend: ({ fake }) => fake.install({ kind: "whole" }),
};

function waitsIn(pid: number, place: string): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.some((thread) => readFileSync(`/proc/${pid}/task/${thread}/wchan`, "utf8") === place);
  } catch {
    return false;
  }
}

/** Called when everything else has ended: its troubles are those of the stop, and have tests of their own. */
export const SHUTDOWN = "nvmlShutdown";

/** Every function in the shim's own table. A new one counts as called in each round until it is said how. */
export const NVML_FUNCTIONS: readonly NvmlFunction[] = NVML_CALLS.filter(
  (name) => name !== "none" && name !== SHUTDOWN,
).map((name) => {
  const { options = {}, reach = () => {}, atStart = false } = REACHED[name] ?? {};
  const how = name === "dlopen" ? DLOPEN : scripted(name);
  return { name, options, reach, atStart, ...how };
});
