import { afterEach, beforeEach, expect, test } from "bun:test";
import { ApiError } from "device-api-client";
import { createFakeClientset, type FakeClientset } from "device-api-client/fake";
import { type CordonLog, startCordonLog } from "../informer/cordon-log.ts";

/** Tests of the controller in ../informer, without a server. */

const never = new AbortController().signal;
let clientset: FakeClientset;
let controller: CordonLog;
let lines: string[];

const monitor = () => clientset.deviceV1alpha1().providers("monitor");

function report(name: string, status: string, reason: string) {
  return monitor().updateStatus(name, { conditions: [{ type: "Memory", status, reason }] });
}

async function untilLines(count: number): Promise<void> {
  while (lines.length < count) await Bun.sleep(1);
}

beforeEach(async () => {
  clientset = createFakeClientset();
  lines = [];
  for (const name of ["gpu-0", "gpu-1"]) {
    await monitor().register(name);
    await report(name, "True", "Sound");
  }
});

afterEach(() => controller[Symbol.asyncDispose]());

test("a GPU that turns bad is cordoned, and uncordoned when it is sound again", async () => {
  controller = await startCordonLog(clientset, (line) => lines.push(line), never);
  expect(controller.schedulable).toEqual(["gpu-0", "gpu-1"]);
  await report("gpu-1", "False", "DoubleBitError");
  await untilLines(1);
  expect(controller.schedulable).toEqual(["gpu-0"]);
  await report("gpu-1", "True", "Sound");
  await untilLines(2);
  expect(lines).toEqual(["cordon gpu-1: DoubleBitError, advice none", "uncordon gpu-1"]);
});

test("what it could not see is made good when the server answers again", async () => {
  controller = await startCordonLog(clientset, (line) => lines.push(line), never);
  const away = { handled: true, error: new ApiError("UNAVAILABLE", "not today") } as const;
  using _ = clientset.fake.prependReactor("watch", "gpus", () => away);
  clientset.fake.tracker.expire();
  await report("gpu-0", "Unknown", "Lost");
  await monitor().unregister("gpu-1");
  await untilLines(2);
  expect(lines.sort()).toEqual(["cordon gpu-0: Lost, advice none", "forget gpu-1"]);
});
