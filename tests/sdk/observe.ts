import type { Clientset, DeviceV1alpha1 } from "../../src/client/clientset.ts";
import { ApiError } from "../../src/client/errors.ts";
import type { WatchEvent, WatchOptions } from "../../src/client/resource/types.ts";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";

/** What the wire contract promises of a few calls. */
export interface ConformanceCase {
  /** Returns what a client sees. */
  readonly run: (observer: Observer) => Promise<unknown>;
  readonly expected: unknown;
}

/**
 * A client of a backend, and what it sees in a form that is the same with every backend: versions count from where the
 * backend stood, and of times only those that a test wrote are shown.
 */
export interface Observer {
  readonly device: DeviceV1alpha1;
  readonly show: Show;
  /** The version of the nth change, for a request. */
  versionAt(change: number): string;
  /**
   * The first so many events, and then the stream is left; fewer where it ends before. `between` is called with the
   * number of events so far, from 0, when the stream is open.
   */
  events(count: number, options: WatchOptions, between?: (seen: number) => Promise<void>): Promise<readonly string[]>;
}

export interface Show {
  /** 3 for the version of the third change. */
  version(version: string | bigint): number;
  gpu(gpu: Gpu): string;
  event(event: WatchEvent<Gpu>): string;
}

export async function observe(clientset: Clientset): Promise<Observer> {
  const device = clientset.deviceV1alpha1();
  const base = BigInt((await device.gpus().list()).resourceVersion);
  const show = createShow(base);
  return {
    device,
    show,
    versionAt: (change) => String(base + BigInt(change)),
    async events(count, options, between = async () => {}) {
      const events: string[] = [];
      // Not awaited before the first event, for there may be none until it does something.
      const first = between(0);
      for await (const event of device.gpus().watch(options)) {
        events.push(show.event(event));
        if (events.length === count) break;
        await between(events.length);
      }
      await first;
      return events;
    },
  };
}

function createShow(base: bigint): Show {
  const version = (of: string | bigint) => Number(BigInt(of) - base);
  const gpu = (object: Gpu) => {
    const { metadata, spec, status } = object;
    const at = version(metadata?.resourceVersion ?? "0");
    const isConsistent = at === version(object.resourceVersion) && metadata?.namespace === "";
    const conditions = (status?.conditions ?? []).map(
      ({ type, status, reason, message, lastTransitionTime }) =>
        `${type}=${status}(${[reason, message, told(lastTransitionTime?.seconds)].join("|")})`,
    );
    const words = [`${metadata?.name}@${at}`, spec?.uuid ?? "", ...conditions, status?.recommendedAction ?? ""];
    return [...words, isConsistent ? "" : "INCONSISTENT"].filter((word) => word !== "").join(" ");
  };
  return { version, gpu, event: ({ type, object }) => `${type} ${gpu(object)}` };
}

/** Times that tests write lie before 2025; the others come from the clock of the backend. */
function told(seconds: bigint | undefined): string {
  if (seconds === undefined) return "no time";
  return seconds < 1_735_689_600n ? String(seconds) : "now";
}

/** The code of a call that must fail, and the method that the error names. */
export async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.method.slice(error.method.lastIndexOf(".") + 1)}`;
    throw error;
  }
  return "OK";
}
