import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { FakeNvml } from "../../src/testing/fake-nvml.ts";
import type { Cluster } from "./node.ts";
import { run, until } from "./processes.ts";

export interface Scene {
  readonly cluster: Cluster;
  readonly bin: string;
  /** What was made before, images among it. */
  readonly folder: string;
  /** What the cluster writes. */
  readonly run: string;
  /** The scripted library, as the node's driver. */
  readonly driver: FakeNvml;
}

export interface Step {
  readonly name: string;
  play(scene: Scene): Promise<void>;
}

export const RELEASE = "device-api-server";
export const NAMESPACE = "device-api";
export const CHART = "charts/device-api-server";
export const SOCKET = "/var/run/device-api/device.sock";
const IMAGE = ["--set=image.repository=localhost/device-api-server", "--set=image.tag=test"];
export const WHERE = ["--namespace", NAMESPACE];
const SERVER_PODS = [...WHERE, "--selector", "app.kubernetes.io/name=device-api-server"];
/** `--wait` of Helm waits for Ready. */
export const WAIT = ["--wait", "--timeout=120s"];

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
    readonly status: {
      readonly podIP?: string;
      readonly containerStatuses?: readonly { readonly containerID?: string; readonly restartCount: number }[];
    };
  }[];
}

export async function helmInstall({ cluster }: Scene, ...values: readonly string[]): Promise<void> {
  await cluster.helm("install", RELEASE, CHART, ...WHERE, "--create-namespace", ...IMAGE, ...WAIT, ...values);
}

export async function helmUninstall({ cluster }: Scene): Promise<void> {
  await cluster.helm("uninstall", RELEASE, ...WHERE, "--wait");
  await until("no pod", async () => {
    const { items } = await cluster.json<PodList>("get", "pods", ...SERVER_PODS);
    return items.length === 0 || undefined;
  });
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

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

export const images: Step = {
  name: "the images are there, and the node is Ready",
  async play({ cluster, folder }) {
    const archives = readdirSync(join(folder, "images")).filter((name) =>
      /^(context|device-api-server)-.*\.tar$/.test(name),
    );
    for (const archive of archives) await cluster.importImage(join(folder, "images", archive));
    await cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s");
  },
};

export const serverSteps: readonly Step[] = [
  {
    name: "helm install, with no value but the image's: the pod is Ready",
    async play(scene) {
      await helmInstall(scene);
      await serverPod(scene);
    },
  },
  { name: "the server runs as uid 65532, without capabilities, on a read-only root", play: checkConfinement },
  { name: "helm test: a consumer's pod lists the GPUs", play: helmTest },
];

/** Runs last: the other steps need the release. */
export const goodbye: Step = {
  name: "helm uninstall leaves nothing behind",
  async play(scene) {
    const { cluster } = scene;
    await cluster.kubectl("delete", "pod", "watcher", ...WHERE, "--ignore-not-found", "--wait");
    await helmUninstall(scene);
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
  },
};

async function helmTest({ cluster }: Scene): Promise<void> {
  await cluster.helm("test", RELEASE, ...WHERE, "--timeout=60s");
}

/** The server's process as the host sees it. */
export async function serverProcess(scene: Scene): Promise<{ readonly pid: number; readonly status: string }> {
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
