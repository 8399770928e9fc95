import { join } from "node:path";
import { followStream } from "../support/event-stream.ts";
import { until } from "./processes.ts";
import { NAMESPACE, type Scene, type Step, serverPod } from "./steps-server.ts";

const LOCAL_PORT = 18_082;
const UI_PORT = 8_082;

export const pageSteps: readonly Step[] = [
  { name: "kubectl port-forward reaches the page, live, and nothing else outside the pod does", play: forward },
];

async function forward(scene: Scene): Promise<void> {
  const { cluster, bin, driver } = scene;
  const { metadata, status } = await serverPod(scene);
  const command = ["port-forward", "--namespace", NAMESPACE, `pod/${metadata.name}`, `${LOCAL_PORT}:${UI_PORT}`];
  const child = Bun.spawn([join(bin, "kubectl"), ...command], {
    env: { ...process.env, ...cluster.env },
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    const url = `http://localhost:${LOCAL_PORT}`;
    const html = await until("the page", async () => (await fetch(url)).text());
    if (!html.includes("<title>GPUs</title>")) throw new Error(`the page is ${html.slice(0, 200)}`);
    using stream = await followStream(url);
    await stream.until(() => stream.data("synced").length === 1 && stream.data("ADDED").length === 8, "8 GPUs");
    driver.command("gpu 5 temperature=90");
    await stream.until(() => stream.data("MODIFIED").length > 0, "a fault that is played now");
    const direct = await fetch(`http://${status.podIP}:${UI_PORT}/`, { signal: AbortSignal.timeout(5_000) }).then(
      () => "answered",
      () => "refused",
    );
    if (direct !== "refused") throw new Error("the page answers on the pod's own address");
  } finally {
    child.kill();
    await child.exited;
  }
}
