import { join } from "node:path";
import { shortOf } from "../support/gpu-watch.ts";
import { waitsForEvents } from "../support/nvml-events.ts";
import { run, until } from "./processes.ts";
import { Reflector } from "./reflector.ts";
import {
  helmInstall,
  helmUninstall,
  helmUpgrade,
  must,
  NAMESPACE,
  RELEASE,
  type Scene,
  SOCKET,
  type Step,
  serverPod,
  serverProcess,
  WAIT,
  WHERE,
} from "./steps-server.ts";

export const GPUS = 8;
const GRPCURL = ["-plaintext", "-unix"];
const SERVICE = "nvidia.device.v1alpha1.GpuService";

interface GpuReply {
  readonly gpuList?: { readonly items?: readonly { readonly metadata: Readonly<Record<string, string>> }[] };
}

let informer: Reflector | undefined;

export const nvmlSteps: readonly Step[] = [
  {
    name: "helm upgrade to the NVML provider, with the scripted library as the host's driver",
    async play(scene) {
      await helmUpgrade(scene, ...hostDriver(scene));
      await namesFromDriver(scene);
    },
  },
  { name: "an Xid turns up in the watch of a consumer's pod", play: watchFromPod },
  {
    name: "an informer open over upgrade and rollback sees each change that is made meanwhile",
    play: upgradeAndRollback,
  },
  {
    name: "kubelet restarts a server that is killed, and the informer sees all again",
    async play(scene) {
      const { pid } = await serverProcess(scene);
      process.kill(pid, "SIGKILL");
      await until("a restarted container", async () => {
        const { status } = await serverPod(scene);
        return status.containerStatuses?.[0]?.restartCount === 1 || undefined;
      });
      await converges(scene);
      informer?.[Symbol.dispose]();
    },
  },
];

/** After the others: takes the release away, and makes the driver's machine anew. */
export const freshNvml: Step = {
  name: "helm install --set nvml.enabled=true from nothing, with no other value than the image's: 8 GPUs",
  async play(scene) {
    const { cluster, driver } = scene;
    const releases = await cluster.helm("list", ...WHERE, "--short");
    if (releases.includes(RELEASE)) await helmUninstall(scene);
    driver.command(`gpus ${GPUS}`);
    // A node with GPUs has it: NVIDIA's operator or an administrator makes it.
    const runtimeClass = { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "nvidia" } };
    await cluster.apply(JSON.stringify({ ...runtimeClass, handler: "nvidia" }));
    await helmInstall(scene, "--set=nvml.enabled=true");
    await namesFromDriver(scene);
  },
};

/** The driver's library in a folder of the host; its control file in a writable mount of its own. */
function hostDriver({ driver }: Scene): readonly string[] {
  const values = {
    nvml: { enabled: true, hostDriverRoot: driver.root },
    env: [{ name: "FAKE_NVML_CONTROL", value: "/script/control" }],
    extraVolumes: [{ name: "script", hostPath: { path: driver.root, type: "Directory" } }],
    extraVolumeMounts: [{ name: "script", mountPath: "/script" }],
  };
  return Object.entries(values).map(([name, value]) => `--set-json=${name}=${JSON.stringify(value)}`);
}

async function list(scene: Scene): Promise<readonly Readonly<Record<string, string>>[]> {
  const reply = await run([join(scene.bin, "grpcurl"), ...GRPCURL, SOCKET, `${SERVICE}/ListGpus`]);
  return (JSON.parse(reply) as GpuReply).gpuList?.items?.map(({ metadata }) => metadata) ?? [];
}

/** What a consumer on the node lists, by the UUIDs of the library's GPUs. */
async function namesFromDriver(scene: Scene): Promise<void> {
  const names = await until(`${GPUS} GPUs`, async () => {
    const names = (await list(scene)).map(({ name }) => name ?? "");
    return names.length === GPUS ? names : undefined;
  }).catch(async (error) => {
    const log = await scene.cluster.kubectl("logs", `daemonset/${RELEASE}`, ...WHERE, "--tail=5");
    throw new Error(`${error}; the server says:\n${log}`);
  });
  must(
    names.every((name) => name.startsWith("GPU-")),
    `GPUs are ${names}`,
  );
}

async function watchFromPod({ cluster, driver }: Scene): Promise<void> {
  await cluster.apply(JSON.stringify(consumerPod()));
  const logs = () => cluster.kubectl("logs", "watcher", ...WHERE);
  await until(`${GPUS} GPUs in the consumer's log`, async () => {
    return (await logs()).split('"ADDED"').length - 1 === GPUS || undefined;
  });
  await waitsForEvents(driver);
  driver.command("xid 2 79");
  await until("the Xid in the consumer's log", async () => /"XidError"|Xid 79/.test(await logs()) || undefined, 20_000);
}

/** Runs as any uid, in the group that the chart lets in, and has nothing but the folder of the socket. */
function consumerPod(): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "watcher", namespace: NAMESPACE },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 4242, runAsGroup: 0 },
      containers: [
        {
          name: "grpcurl",
          image: "localhost/grpcurl:test",
          imagePullPolicy: "Never",
          args: [...GRPCURL, SOCKET, `${SERVICE}/WatchGpus`],
          volumeMounts: [{ name: "socket", mountPath: "/var/run/device-api", readOnly: true }],
        },
      ],
      volumes: [{ name: "socket", hostPath: { path: "/var/run/device-api", type: "Directory" } }],
    },
  };
}

async function upgradeAndRollback(scene: Scene): Promise<void> {
  informer = new Reflector(`unix://${SOCKET}`);
  await converges(scene);
  await exchange(scene, informer, [0, 1, 2, 3], () =>
    helmUpgrade(scene, ...hostDriver(scene), "--set=logging.verbosity=1"),
  );
  await exchange(scene, informer, [4, 5, 6, 7], () => scene.cluster.helm("rollback", RELEASE, ...WHERE, ...WAIT));
  must(informer.faults.length === 0, `versions did not rise: ${informer.faults}`);
}

/**
 * One server gives way to the next, with a GPU's fault in each phase of it. Each must reach the informer while nothing
 * else has changed: on the watch that is open where a server runs, by the next list where none does.
 */
async function exchange(
  scene: Scene,
  informer: Reflector,
  gpus: readonly [number, number, number, number],
  replace: () => Promise<unknown>,
): Promise<void> {
  const before = await serverPod(scene);
  const [first, draining, absent, last] = gpus;
  await faultArrives(scene, informer, first, "before", "watch");

  const replaced = replace();
  // It is awaited below; a failure before that is no unhandled one.
  replaced.catch(() => {});
  await until("a pod that is to end", async () => (await podOf(scene, before.metadata.name))?.deletionTimestamp);
  await faultArrives(scene, informer, draining, "while the server drains", "watch");
  await until("no server", async () => (await canConnect()) === false || undefined);
  await faultArrives(scene, informer, absent, "while there is no server", "list");
  await replaced;
  must((await serverPod(scene)).metadata.name !== before.metadata.name, "the pod is the same");
  await converges(scene);
  await faultArrives(scene, informer, last, "after", "watch");
}

async function faultArrives(
  { driver }: Scene,
  informer: Reflector,
  gpu: number,
  when: string,
  by: "watch" | "list",
): Promise<void> {
  const faulty = () => [...informer.gpus.values()].filter((gpu) => shortOf(gpu, FAULT).startsWith("False/"));
  const lists = informer.lists;
  const count = faulty().length;
  driver.command(`gpu ${gpu} remap_pending=1`);
  await until(`the fault of GPU ${gpu}, ${when}, at the informer`, async () => faulty().length > count || undefined);
  must(faulty().length === count + 1, `${faulty().length} GPUs have the fault, ${count} had it before`);
  const listed = informer.lists > lists;
  must(listed === (by === "list"), `the fault ${when} came ${listed ? "by a list" : "on the watch"}`);
}

/** What a pending row remapping makes False. */
const FAULT = "MemoryHealthy";

interface PodMetadata {
  readonly deletionTimestamp?: string;
}

async function podOf({ cluster }: Scene, name: string): Promise<PodMetadata | undefined> {
  const { metadata } = await cluster.json<{ metadata: PodMetadata }>("get", "pod", name, ...WHERE);
  return metadata;
}

/** Asked directly: grpcurl would wait until one is there. */
async function canConnect(): Promise<boolean> {
  return Bun.connect({ unix: SOCKET, socket: { data() {} } }).then(
    (socket) => {
      socket.end();
      return true;
    },
    () => false,
  );
}

/** What the informer holds is what the server answers now. */
async function converges(scene: Scene): Promise<void> {
  await until("an informer that holds what the server has", async () => {
    const wanted = (await list(scene)).map(({ name, resourceVersion }) => `${name} ${resourceVersion}`);
    const held = [...(informer?.gpus ?? [])].map(([name, gpu]) => `${name} ${gpu.resourceVersion}`);
    return wanted.length === GPUS && wanted.sort().join() === held.sort().join() ? true : undefined;
  });
}
