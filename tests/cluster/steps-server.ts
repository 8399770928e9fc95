import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createFakeNvml, type FakeNvml } from "../../src/testing/fake-nvml.ts";
import type { Cluster } from "./node.ts";
import { run, until } from "./processes.ts";
import { Reflector } from "./reflector.ts";

export interface Scene {
  readonly cluster: Cluster;
  readonly bin: string;
  /** What was made before, images among it. */
  readonly folder: string;
  /** What the cluster writes. */
  readonly run: string;
}

export interface Step {
  readonly name: string;
  play(scene: Scene): Promise<void>;
}

export const RELEASE = "device-api-server";
export const NAMESPACE = "device-api";
export const CHART = "charts/device-api-server";
const SOCKET = "/var/run/device-api/device.sock";
const IMAGE = ["--set=image.repository=localhost/device-api-server", "--set=image.tag=test"];
const WHERE = ["--namespace", NAMESPACE];
const SERVER_PODS = [...WHERE, "--selector", "app.kubernetes.io/name=device-api-server"];
/** `--wait` of Helm waits for Ready. */
const WAIT = ["--wait", "--timeout=120s"];

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly status: {
      readonly podIP?: string;
      readonly containerStatuses?: readonly { readonly containerID?: string; readonly restartCount: number }[];
    };
  }[];
}

export async function helmUpgrade({ cluster }: Scene, ...values: readonly string[]): Promise<void> {
  await cluster.helm(
    "upgrade",
    "--install",
    RELEASE,
    CHART,
    ...WHERE,
    "--create-namespace",
    ...IMAGE,
    ...WAIT,
    ...values,
  );
}

export async function serverPod({ cluster }: Scene): Promise<PodList["items"][number]> {
  const { items } = await cluster.json<PodList>("get", "pods", ...SERVER_PODS);
  if (items[0] === undefined || items.length !== 1) throw new Error(`${items.length} pods of the server`);
  return items[0];
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

let driver: FakeNvml | undefined;
let informer: Reflector | undefined;

/** Once the scripted library is the driver. */
export function playOnDriver(command: string): void {
  driver?.command(command);
}

export const serverSteps: readonly Step[] = [
  {
    name: "the images are there, and the node is Ready",
    async play({ cluster, folder }) {
      for (const archive of readdirSync(join(folder, "images"))) {
        await cluster.importImage(join(folder, "images", archive));
      }
      const [image] = readdirSync("dist/image").filter((name) => name.endsWith(".tar") && name.startsWith(RELEASE));
      await cluster.importImage(join("dist/image", image ?? ""));
      await cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s");
    },
  },
  {
    name: "helm install, with no value but the image's: the pod is Ready",
    async play(scene) {
      await scene.cluster.helm("install", RELEASE, CHART, ...WHERE, "--create-namespace", ...IMAGE, ...WAIT);
      await serverPod(scene);
    },
  },
  { name: "the server runs as uid 65532, without capabilities, on a read-only root", play: checkConfinement },
  { name: "helm test: a consumer's pod lists the GPUs", play: helmTest },
  {
    name: "helm upgrade to the NVML provider, with the scripted library as the host's driver",
    async play(scene) {
      driver = await prepareDriver(scene);
      await helmUpgrade(scene, ...nvmlValues(scene));
      const names = await until("8 GPUs", async () => {
        const names = await gpuNames(scene);
        return names.length === 8 ? names : undefined;
      });
      must(
        names.every((name) => name.startsWith("GPU-")),
        `GPUs are ${names}`,
      );
    },
  },
  { name: "an Xid turns up in the watch of a consumer's pod", play: watchFromPod },
  { name: "an informer open over upgrade and rollback misses nothing", play: upgradeAndRollback },
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
    },
  },
];

/** Runs last: the other steps need the release. */
export const goodbye: Step = {
  name: "helm uninstall leaves nothing behind",
  async play(scene) {
    informer?.[Symbol.dispose]();
    const { cluster } = scene;
    await cluster.kubectl("delete", "pod", "watcher", ...WHERE, "--ignore-not-found", "--wait");
    await cluster.helm("uninstall", RELEASE, ...WHERE, "--wait");
    await until("no pod", async () => {
      const { items } = await cluster.json<PodList>("get", "pods", ...SERVER_PODS);
      return items.length === 0 || undefined;
    });
    const kinds = await cluster.kubectl("api-resources", "--verbs=list", "--output=name");
    const left: string[] = [];
    for (const kind of kinds.trim().split("\n")) {
      if (kind.startsWith("events")) continue;
      const selector = ["--all-namespaces", "--ignore-not-found", "--output=name"];
      left.push(
        await cluster.kubectl("get", kind, "--selector=app.kubernetes.io/instance=device-api-server", ...selector),
      );
    }
    must(left.join("") === "", `left in the cluster: ${left.join("")}`);
    must(!existsSync(SOCKET), "the socket is still there");
    const processes = await run(["pgrep", "-f", "^/usr/bin/device-api-server"]).catch(() => "");
    must(processes === "", `processes: ${processes}`);
    driver?.[Symbol.dispose]();
  },
};

async function helmTest({ cluster }: Scene): Promise<void> {
  await cluster.helm("test", RELEASE, ...WHERE, "--timeout=60s");
}

/** The server's process as the host sees it. */
async function serverProcess(scene: Scene): Promise<{ readonly pid: number; readonly status: string }> {
  const [container] = (await serverPod(scene)).status.containerStatuses ?? [];
  const id = container?.containerID?.replace("containerd://", "") ?? "";
  const tasks = await run([
    "ctr",
    "--address",
    join(scene.run, "containerd.sock"),
    "--namespace",
    "k8s.io",
    "tasks",
    "list",
  ]);
  const pid = Number(
    tasks
      .split("\n")
      .find((line) => line.startsWith(id))
      ?.split(/\s+/)[1],
  );
  if (!(pid > 0)) throw new Error(`no task of container ${id}:\n${tasks}`);
  return { pid, status: readFileSync(`/proc/${pid}/status`, "utf8") };
}

async function checkConfinement(scene: Scene): Promise<void> {
  const { pid, status } = await serverProcess(scene);
  must(/^Uid:\t65532\t65532\t65532\t65532$/m.test(status), "the uid is another");
  must(/^CapEff:\t0+$/m.test(status) && /^CapBnd:\t0+$/m.test(status), "there are capabilities");
  must(/^NoNewPrivs:\t1$/m.test(status), "new privileges can be had");
  must(/^Seccomp:\t2$/m.test(status), "no seccomp filter");
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n");
  const root = mounts.find((line) => line.split(" ")[4] === "/");
  must(root?.split(" ")[5]?.split(",").includes("ro") === true, `the root is ${root}`);
  must(!mounts.some((line) => line.includes("kubernetes.io/serviceaccount")), "a service account's token is mounted");
}

/** The library and its control file in a folder of the node, as a driver's installation would be. */
async function prepareDriver({ run: folder }: Scene): Promise<FakeNvml> {
  const fake = createFakeNvml({ gpus: 8 });
  mkdirSync(join(folder, "driver"));
  await run(["cp", "-r", `${fake.root}/.`, join(folder, "driver")]);
  await run(["chmod", "-R", "a+rwX", fake.root, join(folder, "driver")]);
  return fake;
}

/** The scripted library counts in its control file, so that lies in a writable mount of its own. */
function nvmlValues({ run: folder }: Scene): readonly string[] {
  const control = driver?.root ?? "";
  const values = {
    nvml: { enabled: true, hostDriverRoot: join(folder, "driver") },
    env: [{ name: "FAKE_NVML_CONTROL", value: "/script/control" }],
    extraVolumes: [{ name: "script", hostPath: { path: control, type: "Directory" } }],
    extraVolumeMounts: [{ name: "script", mountPath: "/script" }],
  };
  return Object.entries(values).map(([name, value]) => `--set-json=${name}=${JSON.stringify(value)}`);
}

const GRPCURL = ["-plaintext", "-unix"];
const SERVICE = "nvidia.device.v1alpha1.GpuService";

async function gpuNames(scene: Scene): Promise<readonly string[]> {
  const reply = await run([join(scene.bin, "grpcurl"), ...GRPCURL, SOCKET, `${SERVICE}/ListGpus`]);
  const { gpuList } = JSON.parse(reply) as { gpuList?: { items?: { metadata: { name: string } }[] } };
  return gpuList?.items?.map(({ metadata }) => metadata.name) ?? [];
}

async function watchFromPod({ cluster }: Scene): Promise<void> {
  await cluster.apply(JSON.stringify(consumerPod()));
  const logs = () => cluster.kubectl("logs", "watcher", ...WHERE);
  await until("8 GPUs in the consumer's log", async () => {
    return (await logs()).split('"ADDED"').length - 1 === 8 || undefined;
  });
  driver?.command("xid 2 79");
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

/** A fault that comes while a server is exchanged for the next is seen after it; versions rise all along. */
async function upgradeAndRollback(scene: Scene): Promise<void> {
  informer = new Reflector(`unix://${SOCKET}`);
  await converges(scene);
  const before = await serverPod(scene);
  const upgrade = helmUpgrade(scene, ...nvmlValues(scene), "--set=logging.verbosity=1");
  await Bun.sleep(1_000);
  driver?.command("gpu 3 remap_pending=1");
  await upgrade;
  const after = await serverPod(scene);
  must(after.metadata.name !== before.metadata.name, "the pod is the same");
  await converges(scene);
  await scene.cluster.helm("rollback", RELEASE, ...WHERE, ...WAIT);
  await converges(scene);
  must(informer.faults.length === 0, `versions did not rise: ${informer.faults}`);
  must(informer.lists >= 3, `the informer listed ${informer.lists} times`);
}

/** What the informer holds is what the server answers now. */
async function converges(scene: Scene): Promise<void> {
  await until("an informer that holds what the server has", async () => {
    const reply = await run([join(scene.bin, "grpcurl"), ...GRPCURL, SOCKET, `${SERVICE}/ListGpus`]);
    const { gpuList } = JSON.parse(reply) as { gpuList?: { items?: { metadata: Record<string, string> }[] } };
    const wanted = (gpuList?.items ?? []).map(({ metadata }) => `${metadata["name"]} ${metadata["resourceVersion"]}`);
    const held = [...(informer?.gpus ?? [])].map(([name, { version }]) => `${name} ${version}`);
    return wanted.length === 8 && wanted.sort().join() === held.sort().join() ? true : undefined;
  });
}
