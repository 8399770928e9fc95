import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Processes, run, tryRun, until } from "./processes.ts";

/** A Kubernetes cluster of one node: the real control plane, kubelet, containerd and runc, in namespaces of its own. */
export interface Cluster {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  kubectl(...args: readonly string[]): Promise<string>;
  /** The reply of a kubectl command with `-o json`. */
  json<T>(...args: readonly string[]): Promise<T>;
  apply(manifest: string): Promise<void>;
  helm(...args: readonly string[]): Promise<string>;
  importImage(archive: string): Promise<void>;
  check(): void;
}

export const NODE_NAME = "node-a";
const ETCD = "http://127.0.0.1:12379";
const API = "https://127.0.0.1:16443";
const TOKEN = "admin-token";
export const PAUSE_IMAGE = "localhost/pause:3.10";

/**
 * Expects namespaces of its own for mounts, processes and network, whose end is the cluster's. `bin` holds the binaries
 * of parts.ts; `driver` is the root of the scripted library.
 */
export async function startCluster(bin: string, folder: string, driver: string): Promise<Cluster> {
  const env = { KUBECONFIG: join(folder, "kubeconfig"), PATH: `${bin}:${process.env["PATH"]}`, HOME: folder };
  const processes = new Processes(folder);
  await network();
  await startControlPlane(processes, bin, folder);
  await startNode(processes, bin, folder, driver);
  const kubectl = (...args: readonly string[]) => run([join(bin, "kubectl"), ...args], env);
  const ctr = ["ctr", "--address", join(folder, "containerd.sock"), "--namespace", "k8s.io"];
  return {
    folder,
    env,
    kubectl,
    json: async (...args) => JSON.parse(await kubectl(...args, "-o", "json")),
    async apply(manifest) {
      await run([join(bin, "kubectl"), "apply", "--server-side", "-f", "-"], env, manifest);
    },
    helm: (...args) => run([join(bin, "helm"), ...args], env),
    async importImage(archive) {
      await run([...ctr, "images", "import", "--snapshotter", "native", archive]);
    },
    check: () => processes.check(),
  };
}

/** Of the namespaces: the node's address is on the loopback device, which is enough for what runs here. */
async function network(): Promise<void> {
  // Volumes that follow the host's mounts need shared ones; these are shared with nobody outside.
  await run(["mount", "--make-rshared", "/"]);
  await run(["ip", "link", "set", "lo", "up"]);
  await run(["ip", "address", "add", "10.77.0.1/32", "dev", "lo"]);
  await run(["ip", "route", "add", "default", "dev", "lo"]);
}

async function startControlPlane(processes: Processes, bin: string, folder: string): Promise<void> {
  const certs = join(folder, "certs");
  mkdirSync(certs);
  await run(["openssl", "genrsa", "-out", join(certs, "sa.key"), "2048"]);
  await run(["openssl", "rsa", "-in", join(certs, "sa.key"), "-pubout", "-out", join(certs, "sa.pub")]);
  writeFileSync(join(certs, "tokens.csv"), `${TOKEN},admin,admin,system:masters\n`);
  processes.start("etcd", [
    join(bin, "etcd"),
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
    "--listen-peer-urls=http://127.0.0.1:12380",
    "--unsafe-no-fsync",
  ]);
  processes.start("kube-apiserver", [
    join(bin, "kube-apiserver"),
    `--etcd-servers=${ETCD}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=10.77.0.1",
    "--secure-port=16443",
    `--cert-dir=${certs}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${certs}/sa.pub`,
    `--service-account-signing-key-file=${certs}/sa.key`,
    `--token-auth-file=${certs}/tokens.csv`,
    "--authorization-mode=Node,RBAC",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--endpoint-reconciler-type=none",
    "--allow-privileged=true",
    "--kubelet-preferred-address-types=InternalIP",
  ]);
  writeFileSync(join(folder, "kubeconfig"), kubeconfig());
  await until("the API server", async () => {
    processes.check();
    const { out } = await tryRun(["curl", "-sk", "-H", `Authorization: Bearer ${TOKEN}`, `${API}/readyz`]);
    return out === "ok" ? true : undefined;
  });
  const common = [`--kubeconfig=${folder}/kubeconfig`, "--bind-address=127.0.0.1", "--leader-elect=false"];
  processes.start("kube-controller-manager", [
    join(bin, "kube-controller-manager"),
    ...common,
    "--secure-port=16257",
    `--service-account-private-key-file=${certs}/sa.key`,
    `--root-ca-file=${certs}/apiserver.crt`,
    "--node-monitor-grace-period=24h",
  ]);
  processes.start("kube-scheduler", [join(bin, "kube-scheduler"), ...common, "--secure-port=16259"]);
}

function kubeconfig(): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "here", cluster: { server: API, "insecure-skip-tls-verify": true } }],
    users: [{ name: "admin", user: { token: TOKEN } }],
    contexts: [{ name: "here", context: { cluster: "here", user: "admin" } }],
    "current-context": "here",
  });
}

async function startNode(processes: Processes, bin: string, folder: string, driver: string): Promise<void> {
  writeFileSync(join(folder, "nvidia-runtime"), nvidiaRuntime(driver), { mode: 0o755 });
  writeFileSync(join(folder, "containerd.toml"), containerdConfig(folder));
  mkdirSync(join(folder, "cni"));
  writeFileSync(join(folder, "cni/10-bridge.conflist"), JSON.stringify(CNI));
  writeFileSync(join(folder, "kubelet.json"), JSON.stringify(kubeletConfig(folder)));
  await hideHost(folder);
  processes.start("containerd", ["containerd", "--config", join(folder, "containerd.toml")]);
  await until("containerd", async () => {
    processes.check();
    return (await tryRun(["ctr", "--address", join(folder, "containerd.sock"), "version"])).code === 0 || undefined;
  });
  processes.start("kubelet", [
    join(bin, "kubelet"),
    `--config=${folder}/kubelet.json`,
    `--kubeconfig=${folder}/kubeconfig`,
    `--hostname-override=${NODE_NAME}`,
    "--node-ip=10.77.0.1",
    "--node-labels=nvidia.com/gpu.present=true",
  ]);
}

/** kubelet and containerd write kernel settings and below /var and /run: all into this run's folder instead. */
async function hideHost(folder: string): Promise<void> {
  const settings: Readonly<Record<string, string>> = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
  };
  for (const [name, value] of Object.entries(settings)) {
    const file = join(folder, `sysctl-${name.replaceAll("/", "-")}`);
    writeFileSync(file, value);
    await run(["mount", "--bind", file, `/proc/sys/${name}`]);
  }
  for (const path of ["/var/lib", "/var/log", "/run"]) {
    const own = join(folder, path.slice(1).replaceAll("/", "-"));
    mkdirSync(own);
    await run(["mount", "--bind", own, path]);
  }
}

function containerdConfig(folder: string): string {
  return `version = 2
root = "${folder}/containerd/root"
state = "${folder}/containerd/state"
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
        BinaryName = "${folder}/nvidia-runtime"
`;
}

/** What stands in the place of NVIDIA's container runtime. */
function nvidiaRuntime(driver: string): string {
  const edit = ["bun", join(import.meta.dir, "nvidia-runtime.ts"), driver].map((word) => `'${word}'`).join(" ");
  return `#!/bin/sh\n${edit} "$@" && exec runc "$@"\n`;
}

const CNI = {
  cniVersion: "1.0.0",
  name: "pods",
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.88.0.0/24" }]], routes: [{ dst: "0.0.0.0/0" }] },
    },
  ],
};

function kubeletConfig(folder: string): object {
  return {
    kind: "KubeletConfiguration",
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    address: "10.77.0.1",
    port: 16250,
    readOnlyPort: 0,
    healthzPort: 0,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    failSwapOn: false,
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${folder}/containerd.sock`,
    makeIPTablesUtilChains: false,
    localStorageCapacityIsolation: false,
    resolvConf: "",
    nodeStatusUpdateFrequency: "2s",
    evictionHard: { "memory.available": "1Mi" },
    imageGCHighThresholdPercent: 100,
  };
}
