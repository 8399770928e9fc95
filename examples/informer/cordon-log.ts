import { type Clientset, createInformerFactory, type Gpu, lastStateOf } from "device-api-client";
import { nameOf } from "../gpu-lines.ts";

export interface CordonLog extends AsyncDisposable {
  /** The GPUs that work may be placed on now, in the order of their names. */
  readonly schedulable: readonly string[];
}

/**
 * Takes GPUs that are not Ready out of use, and back in when they are: a controller whose world is a log. Resolves when
 * everything that was there at first has been dealt with.
 */
export async function startCordonLog(
  clientset: Clientset,
  write: (line: string) => void,
  signal: AbortSignal,
): Promise<CordonLog> {
  const factory = createInformerFactory(clientset);
  const informer = factory.deviceV1alpha1().gpus().informer();
  informer.addIndexers({ schedulable: (gpu) => [String(isSchedulable(gpu))] });

  const cordoned = new Set<string>();
  /** By the present state alone, whatever was told before: so it is right again after anything that was missed. */
  const settle = (gpu: Gpu) => {
    const name = nameOf(gpu);
    if (isSchedulable(gpu) === !cordoned.has(name)) return;
    if (cordoned.delete(name)) return write(`uncordon ${name}`);
    cordoned.add(name);
    write(`cordon ${name}: ${reasonOf(gpu)}`);
  };
  const registration = informer.addEventHandler({
    onAdd: settle,
    onUpdate: (_, gpu) => settle(gpu),
    onDelete(deleted) {
      const name = nameOf(lastStateOf(deleted));
      cordoned.delete(name);
      write(`forget ${name}`);
    },
  });

  factory.start();
  try {
    await registration.waitForSync(signal);
  } catch (error) {
    // Nobody has it yet who could stop it.
    await factory.stop();
    throw error;
  }
  return {
    get schedulable() {
      return informer.lister.byIndex("schedulable", "true").map(nameOf).sort();
    },
    [Symbol.asyncDispose]: () => factory.stop(),
  };
}

const readyOf = (gpu: Gpu) => gpu.status?.conditions.find(({ type }) => type === "Ready");

const isSchedulable = (gpu: Gpu): boolean => readyOf(gpu)?.status === "True";

function reasonOf(gpu: Gpu): string {
  const advice = gpu.status?.recommendedAction || "none";
  return `${readyOf(gpu)?.reason ?? "nothing was reported yet"}, advice ${advice}`;
}
