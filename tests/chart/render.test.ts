import { describe, expect, test } from "bun:test";
import {
  at,
  CHART,
  hasHelm,
  helm,
  type KubeObject,
  mapsOf,
  objectsIn,
  ofKind,
  render,
  renderPod,
  renderServer,
  stringsAt,
  template,
} from "./helm.ts";
import type { Values } from "./values.ts";

/** T-CHART-1: what the chart renders. */

const BINARY = "/usr/bin/device-api-server";

/** Every object that the chart can make. */
const EVERYTHING: Values = {
  "metrics.serviceMonitor.enabled": true,
  "metrics.podMonitor.enabled": true,
  "metrics.prometheusRule.enabled": true,
  "metrics.dashboard.enabled": true,
};

const kindsOf = (objects: readonly KubeObject[]) => objects.map(({ kind }) => kind).sort();

describe.skipIf(!hasHelm)("the chart by default", () => {
  test("makes what it needs and no right", async () => {
    expect(kindsOf(await render())).toEqual([
      "DaemonSet",
      "NetworkPolicy",
      "Pod",
      "PriorityClass",
      "Service",
      "ServiceAccount",
    ]);
  });

  test("gives every object the version of its kind, and a name that begins with the release's", async () => {
    const found = (await render(EVERYTHING)).map((object) => [
      object.kind,
      at(object, "apiVersion"),
      object.metadata.name,
    ]);
    expect(found.sort()).toEqual([
      ["ConfigMap", "v1", "gpu-device-api-server-dashboard"],
      ["DaemonSet", "apps/v1", "gpu-device-api-server"],
      ["NetworkPolicy", "networking.k8s.io/v1", "gpu-device-api-server"],
      ["Pod", "v1", "gpu-device-api-server-test"],
      ["PodMonitor", "monitoring.coreos.com/v1", "gpu-device-api-server"],
      ["PriorityClass", "scheduling.k8s.io/v1", "gpu-device-api-server.gpu-ns-1000000000"],
      ["PrometheusRule", "monitoring.coreos.com/v1", "gpu-device-api-server"],
      ["Service", "v1", "gpu-device-api-server-metrics"],
      ["ServiceAccount", "v1", "gpu-device-api-server"],
      ["ServiceMonitor", "monitoring.coreos.com/v1", "gpu-device-api-server"],
    ]);
  });

  test("puts every object into the release's namespace, under the release's labels", async () => {
    for (const { kind, metadata } of await render(EVERYTHING)) {
      if (kind !== "PriorityClass") expect([kind, metadata.namespace]).toEqual([kind, "gpu-ns"]);
      const { version } = await Bun.file(`${CHART}/../../package.json`).json();
      const labels = { "helm.sh/chart": `device-api-server-${version}`, "app.kubernetes.io/instance": "gpu" };
      expect(at(metadata, "labels")).toMatchObject(
        kind === "Pod"
          ? { ...labels, "app.kubernetes.io/name": "device-api-server-test" }
          : {
              ...labels,
              "app.kubernetes.io/name": "device-api-server",
              "app.kubernetes.io/version": version,
              "app.kubernetes.io/managed-by": "Helm",
            },
      );
    }
  });

  test("runs the server as a user without any right", async () => {
    const pod = await renderPod();
    expect(at(pod, "securityContext")).toEqual({
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(at(pod, "containers.0.securityContext")).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect([at(pod, "automountServiceAccountToken"), at(pod, "enableServiceLinks")]).toEqual([false, false]);
    expect([at(pod, "hostNetwork"), at(pod, "hostPID"), at(pod, "runtimeClassName")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("prepares both folders as root with one capability, in the group that may connect", async () => {
    const pod = await renderPod({ "socket.group": 4_321 });
    expect(at(pod, "initContainers.0.args")).toEqual([
      "prepare-socket-dir",
      "--uid=65532",
      "--gid=4321",
      "/var/run/device-api",
      "/var/run/nvidia-device-api",
    ]);
    expect(at(pod, "initContainers.0.securityContext")).toEqual({
      runAsUser: 0,
      runAsGroup: 4_321,
      runAsNonRoot: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["CHOWN"] },
    });
    const mounts = ["/var/run/device-api", "/var/run/nvidia-device-api"].map((mountPath, i) => {
      return { name: `socket-${i}`, mountPath };
    });
    expect(at(pod, "initContainers.0.volumeMounts")).toEqual(mounts);
    expect(at(pod, "containers.0.volumeMounts")).toEqual(mounts);
    const hostPath = (path: string) => ({ path, type: "DirectoryOrCreate" });
    expect(at(pod, "volumes")).toEqual(mounts.map(({ name, mountPath }) => ({ name, hostPath: hostPath(mountPath) })));
  });

  test("lets uid 0 alone write, and listens on both sockets and loopback", async () => {
    const args = stringsAt(await renderServer(), "args");
    expect(args).toContain("--provider-uids=0");
    expect(args).toContain("--grpc-address=127.0.0.1:50051");
    expect(args).toContain("--unix-socket=/var/run/device-api/device.sock,/var/run/nvidia-device-api/device-api.sock");
  });

  test("runs nothing but the binary, in no hook, probe or container: the image has no shell", async () => {
    const everything = { "metrics.serviceMonitor.enabled": true, "nvml.enabled": true };
    for (const [path, map] of mapsOf(await render(everything))) {
      if ("command" in map) expect([path, stringsAt(map, "command")[0]]).toEqual([path, BINARY]);
      expect(Object.keys(map)).not.toContain("preStop");
    }
  });

  test("empties the two variables that would run other code, in every container", async () => {
    const containers = [...mapsOf(await render())].filter(([, map]) => "image" in map);
    expect(containers.length).toBe(3);
    for (const [, { env }] of containers) {
      expect(env).toEqual(
        expect.arrayContaining([
          { name: "BUN_OPTIONS", value: "" },
          { name: "BUN_BE_BUN", value: "" },
        ]),
      );
    }
  });

  test("gives the pod the drain's time and 10 s", async () => {
    expect(at(await renderPod(), "terminationGracePeriodSeconds")).toBe(45);
  });

  test.each([
    [90, "59m1s", 3_541 + 90 + 10],
    ["45", 0, 55],
    ["1h", "1m30s", 3_600 + 90 + 10],
  ])("a delay of %p and a timeout of %p make %d s of grace", async (delay, timeout, grace) => {
    const pod = await renderPod({ "server.shutdownDelay": delay, "server.shutdownTimeout": timeout });
    expect(at(pod, "terminationGracePeriodSeconds")).toBe(grace);
  });

  test("replaces one pod at a time, and never runs two on a node", async () => {
    expect(at(ofKind(await render(), "DaemonSet"), "spec.updateStrategy")).toEqual({
      type: "RollingUpdate",
      rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
    });
  });

  test("lets in scrapes and probes, and nothing out", async () => {
    expect(at(ofKind(await render(), "NetworkPolicy"), "spec")).toEqual({
      podSelector: {
        matchLabels: { "app.kubernetes.io/name": "device-api-server", "app.kubernetes.io/instance": "gpu" },
      },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ ports: [{ port: "health" }] }, { ports: [{ port: "metrics" }] }],
      egress: [],
    });
  });

  test("runs on nodes with GPUs, also where these are kept for pods that ask for some", async () => {
    const objects = await render();
    for (const spec of [at(ofKind(objects, "DaemonSet"), "spec.template.spec"), at(ofKind(objects, "Pod"), "spec")]) {
      expect(at(spec, "nodeSelector")).toEqual({ "nvidia.com/gpu.present": "true" });
      expect(at(spec, "tolerations")).toEqual([{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }]);
    }
  });

  test("probes what kubelet can tell: life, readiness, and once that consumers can connect", async () => {
    const server = await renderServer();
    const get = (path: string) => ({ httpGet: { path, port: "health" }, initialDelaySeconds: 5, periodSeconds: 10 });
    expect(at(server, "livenessProbe")).toEqual(get("/healthz"));
    expect(at(server, "readinessProbe")).toEqual(get("/readyz"));
    expect(at(server, "startupProbe.exec.command")).toEqual([BINARY, "healthcheck"]);
    expect(at(server, "ports")).toContainEqual({ name: "health", containerPort: 8081 });
  });

  test("tests as a consumer: another user, with the group and nothing else", async () => {
    const pod = ofKind(await render({ "socket.group": 77 }), "Pod");
    expect(at(pod, "metadata.annotations")).toEqual({
      "helm.sh/hook": "test",
      "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    });
    expect(at(pod, "spec")).toMatchObject({
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65_533,
        runAsGroup: 77,
        seccompProfile: { type: "RuntimeDefault" },
      },
      volumes: [{ name: "socket", hostPath: { path: "/var/run/device-api", type: "Directory" } }],
    });
    expect(at(pod, "spec.containers.0")).toMatchObject({
      args: ["get", "--target=unix:///var/run/device-api/device.sock"],
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      volumeMounts: [{ name: "socket", mountPath: "/var/run/device-api", readOnly: true }],
    });
  });
});

describe.skipIf(!hasHelm)("values", () => {
  test.each([[false], [true]])(
    "a token is mounted where that is asked for: %p, and never in the test",
    async (mounted) => {
      const objects = await render({ "serviceAccount.automountServiceAccountToken": mounted });
      expect(at(ofKind(objects, "ServiceAccount"), "automountServiceAccountToken")).toBe(mounted);
      expect(at(ofKind(objects, "DaemonSet"), "spec.template.spec.automountServiceAccountToken")).toBe(mounted);
      expect(at(ofKind(objects, "Pod"), "spec.automountServiceAccountToken")).toBe(false);
    },
  );

  test("the socket's own resources are those of the container that prepares it, else the server's", async () => {
    const resources = { limits: { memory: "1Gi" } };
    const own = { limits: { memory: "32Mi" } };
    const prepares = async (values: Values) => at(await renderPod(values), "initContainers.0.resources.limits.memory");
    expect(await prepares({ resources })).toBe("1Gi");
    expect(await prepares({ resources, "socket.prepare.resources": own })).toBe("32Mi");
  });

  test("SELinux options reach both pods", async () => {
    const objects = await render({ "podSecurityContext.seLinuxOptions": { type: "spc_t" } });
    for (const [kind, path] of [
      ["DaemonSet", "spec.template.spec"],
      ["Pod", "spec"],
    ] as const) {
      expect(at(ofKind(objects, kind), `${path}.securityContext.seLinuxOptions`)).toEqual({ type: "spc_t" });
    }
  });

  test("a wildcard address of older values files is bound to loopback", async () => {
    const args = stringsAt(await renderServer({ "server.grpcAddress": ":50051" }), "args");
    expect(args).toContain("--grpc-address=127.0.0.1:50051");
    expect(args.filter((arg) => arg.startsWith("--insecure-bind"))).toEqual([]);
  });

  test("an open address has a port for the network, and the policy lets in who may read", async () => {
    const from = [{ podSelector: {} }];
    const open = { "server.grpcAddress": "0.0.0.0:6000", "server.insecureBind": true, "networkPolicy.grpcFrom": from };
    const objects = await render(open);
    expect(at(ofKind(objects, "DaemonSet"), "spec.template.spec.containers.0.ports.2")).toEqual({
      name: "grpc",
      containerPort: 6_000,
    });
    expect(at(ofKind(objects, "NetworkPolicy"), "spec.ingress.2")).toEqual({ ports: [{ port: "grpc" }], from });
  });

  test("sockets in one folder share its volume", async () => {
    const pod = await renderPod({ "socket.legacyPath": "/var/run/device-api/old.sock" });
    expect((at(pod, "volumes") as object[]).length).toBe(1);
  });

  test("without a socket nothing is prepared or mounted, and commands go by TCP", async () => {
    const objects = await render({ "server.unixSocket": "", "socket.legacyPath": "" });
    const pod = at(ofKind(objects, "DaemonSet"), "spec.template.spec");
    expect([at(pod, "initContainers"), at(pod, "volumes")]).toEqual([undefined, undefined]);
    expect(at(pod, "containers.0.env")).toEqual(
      expect.arrayContaining([{ name: "NVIDIA_DEVICE_API_TARGET", value: "127.0.0.1:50051" }]),
    );
    expect(kindsOf(objects)).not.toContain("Pod");
  });

  test.each([
    [{ podSecurityContext: { runAsUser: 1_000 } }, "--uid=1000"],
    [{ podSecurityContext: { runAsUser: 1_000 }, securityContext: { runAsUser: 2_000_000 } }, "--uid=2000000"],
  ])("the folders are given to the uid that %p says", async (values, flag) => {
    expect(stringsAt(await renderPod(values), "initContainers.0.args")).toContain(flag);
  });

  test("a priority class of its own is found by the pods", async () => {
    const objects = await render({ "priorityClass.value": -7 });
    const own = ofKind(objects, "PriorityClass");
    expect(own).toMatchObject({ metadata: { name: "gpu-device-api-server.gpu-ns--7" }, value: -7 });
    expect(own).not.toHaveProperty("globalDefault");
    expect(at(ofKind(objects, "DaemonSet"), "spec.template.spec.priorityClassName")).toBe(own.metadata.name);
  });

  test("another value or namespace makes another class: none can be changed, and none is in a namespace", async () => {
    const nameOf = async (...of: Parameters<typeof render>) =>
      ofKind(await render(...of), "PriorityClass").metadata.name;
    const names = [await nameOf(), await nameOf({ "priorityClass.value": 5 }), await nameOf({}, "--namespace=other")];
    expect(new Set(names).size).toBe(3);
  });

  test("an existing priority class takes the place of the chart's", async () => {
    const objects = await render({ priorityClassName: "system-node-critical" });
    expect(kindsOf(objects)).not.toContain("PriorityClass");
    expect(at(ofKind(objects, "DaemonSet"), "spec.template.spec.priorityClassName")).toBe("system-node-critical");
  });

  test("a release of the chart's name gives its name to the objects once", async () => {
    const { out } = await helm("template", "my-device-api-server", CHART);
    expect(ofKind(objectsIn(out), "DaemonSet").metadata.name).toBe("my-device-api-server");
  });

  test.each([
    [{}, "gpu-device-api-server"],
    [{ "serviceAccount.name": "own" }, "own"],
    [{ "serviceAccount.create": false }, "default"],
    [{ "serviceAccount.create": false, "serviceAccount.name": "there" }, "there"],
  ])("with %p the service account is %s", async (values, name) => {
    const objects = await render(values);
    expect(at(ofKind(objects, "DaemonSet"), "spec.template.spec.serviceAccountName")).toBe(name);
    const made = objects.filter(({ kind }) => kind === "ServiceAccount").map(({ metadata }) => metadata.name);
    expect(made).toEqual("serviceAccount.create" in values ? [] : [name]);
  });

  test("long names give names and labels that an API server takes", async () => {
    const objects = await render({ fullnameOverride: "g".repeat(63), nameOverride: "n".repeat(63) });
    for (const { kind, metadata } of objects) {
      const labels = Object.values(at(metadata, "labels") as Record<string, string>);
      // A priority class has a subdomain's name.
      expect([kind, metadata.name.length <= (kind === "PriorityClass" ? 253 : 63)]).toEqual([kind, true]);
      for (const text of labels) expect([kind, text, text.length <= 63]).toEqual([kind, text, true]);
    }
  });

  test("a namespace of its own and older clusters make no difference", async () => {
    const { ok } = await template({}, "--kube-version=1.25.0");
    const refused = await template({}, "--kube-version=1.24.9");
    expect([ok, refused.ok]).toEqual([true, false]);
    expect(refused.err).toContain("1.25");
  });
});
