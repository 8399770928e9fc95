import { describe, expect, test } from "bun:test";
import { at, CHART, hasHelm, helm, ofKind, render } from "./helm.ts";

/** What `helm install` says at its end. */

async function notesOf(...args: readonly string[]): Promise<string> {
  const { ok, out, err } = await helm("install", "gpu", CHART, "--namespace=gpu-ns", "--dry-run=client", ...args);
  expect([ok, err.includes("Error")]).toEqual([true, false]);
  return out.slice(out.indexOf("\nNOTES:\n") + 1);
}

const commandsIn = (notes: string) => [...notes.matchAll(/^ {2}((?:kubectl|helm) .*)$/gm)].map(([, line = ""]) => line);

describe.skipIf(!hasHelm)("the notes", () => {
  test("have commands for the objects that there are", async () => {
    const objects = await render();
    const { name } = ofKind(objects, "DaemonSet").metadata;
    const [key, value] =
      Object.entries(at(ofKind(objects, "DaemonSet"), "spec.template.spec.nodeSelector") ?? {})[0] ?? [];
    const [binary] = at(
      ofKind(objects, "DaemonSet"),
      "spec.template.spec.containers.0.startupProbe.exec.command",
    ) as string[];
    const labels = at(ofKind(objects, "DaemonSet"), "spec.template.metadata.labels");
    expect(labels).toHaveProperty(["app.kubernetes.io/instance"], "gpu");
    expect(at(ofKind(objects, "Pod"), "metadata.annotations")).toHaveProperty(["helm.sh/hook"], "test");
    expect(commandsIn(await notesOf())).toEqual([
      `kubectl get nodes --selector ${key}=${value}`,
      `kubectl rollout status daemonset/${name} --namespace gpu-ns`,
      `kubectl exec daemonset/${name} --namespace gpu-ns -- ${binary} get`,
      "kubectl get pods --namespace gpu-ns --selector app.kubernetes.io/instance=gpu " +
        "--field-selector spec.nodeName=NODE",
      "kubectl port-forward pod/POD --namespace gpu-ns 8082:8082",
      "helm test gpu --namespace gpu-ns --logs",
      "helm upgrade gpu CHART --namespace gpu-ns --reuse-values --set nvml.enabled=true",
      "kubectl label namespace gpu-ns pod-security.kubernetes.io/enforce=privileged",
    ]);
    expect(await notesOf()).toContain(`kubectl describe daemonset/${name} --namespace gpu-ns`);
  });

  test("go by the names that are set, and take each selector", async () => {
    const set = "fullnameOverride=state,nodeSelector.zone=a,nodeSelector.nvidia\\.com/gpu\\.present=null";
    const commands = commandsIn(await notesOf("--set", set));
    expect(commands.slice(0, 2)).toEqual([
      "kubectl get nodes --selector zone=a",
      "kubectl rollout status daemonset/state --namespace gpu-ns",
    ]);
    expect(commandsIn(await notesOf("--set", "nodeSelector=null"))[0]).toBe("kubectl get nodes");
  });

  test("say where consumers connect, and as whom", async () => {
    expect(await notesOf("--set", "socket.group=77,server.unixSocket=/run/gpus/api.sock")).toContain(
      "need group 77 (socket.group):\n\n" +
        "  unix:///run/gpus/api.sock\n  unix:///var/run/nvidia-device-api/device-api.sock\n",
    );
    const none = await notesOf("--set", "server.unixSocket=,socket.legacyPath=");
    expect(none).not.toMatch(/unix:\/\/|helm test|socket\.group/);
  });

  test("lead to the page for people at the port that it has, where there is one", async () => {
    expect(await notesOf("--set", "server.uiAddress=127.0.0.1:1234")).toContain(" gpu-ns 8082:1234\n");
    expect(await notesOf("--set", "server.uiAddress=")).not.toContain("browser");
  });

  test("name the runtime class that NVML needs, and what there is instead", async () => {
    const on = await notesOf("--set", "nvml.enabled=true");
    expect(on).toContain("  kubectl get runtimeclass nvidia\n");
    expect(on).toMatch(/runtimeClassName=none.*nvml\.hostDriverRoot/s);
    expect(on).not.toContain("NVML is off");
    const another = await notesOf("--set", "nvml.enabled=true,runtimeClassName=other");
    expect(another).toContain("  kubectl get runtimeclass other\n");
    for (const instead of ["runtimeClassName=none", "nvml.hostDriverRoot=/"]) {
      expect(await notesOf("--set", `nvml.enabled=true,${instead}`)).not.toContain("runtime class");
    }
  });

  test("say that an address of older values files is bound to loopback", async () => {
    expect(await notesOf("--set", "server.grpcAddress=:50051")).toContain(
      "server.grpcAddress :50051 is bound to 127.0.0.1",
    );
    for (const open of ["server.grpcAddress=127.0.0.1:1", "server.grpcAddress=:1,server.insecureBind=true"]) {
      expect(await notesOf("--set", open)).not.toContain("is bound to 127.0.0.1");
    }
  });
});
