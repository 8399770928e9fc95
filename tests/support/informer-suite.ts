import { strict as assert } from "node:assert";
import { createClientset } from "../../src/client/clientset.ts";
import { connect } from "../../src/client/connection/connect.ts";
import { gpus } from "../../src/client/device/v1alpha1/gpu.gen.ts";
import { InformerFactory } from "../../src/client/informers/informer-factory.ts";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";

/**
 * An informer as its users have it, on either runtime: bundled by the test that runs it. Prints "done", and then has to
 * end by itself: a timer or socket that is left would keep it. Argument: TARGET of a server that simulates three GPUs.
 */

const target = process.argv[2] ?? "";
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));

const nameOf = (gpu: Gpu): string => gpu.metadata?.name ?? "";

await using connection = connect({ target });
const client = createClientset(connection).deviceV1alpha1();
const faults: string[] = [];
await using factory = new InformerFactory({
  resyncMs: 1_000,
  onCallbackError: ({ during, key }) => faults.push(`${during} ${key}`),
});
const informer = factory.informerFor(gpus, client.gpus());
informer.addIndexers({ prefix: (gpu) => [nameOf(gpu).split("-")[0] ?? ""] });
const told: string[] = [];
let heard: () => void = () => {};
const tell = (what: string) => {
  told.push(what);
  heard();
};
informer.addEventHandler({
  onAdd: (gpu, isInInitialList) => tell(`+${nameOf(gpu)}${isInInitialList ? " initial" : ""}`),
  onUpdate: (old, gpu) => tell(old === gpu ? "resync" : `~${nameOf(gpu)}`),
  onDelete: () => tell("-"),
});
informer.addEventHandler({ onAdd: () => Promise.reject(new Error("a handler rejects")) });
factory.start();
await factory.waitForSync(AbortSignal.timeout(30_000));
assert.equal(informer.lister.size, 3);
assert.equal(informer.lister.byIndex("prefix", "gpu").length, 3);

const provider = client.providers("suite");
// One after the other: a handler is not promised every state.
await provider.register("other-0", { initialStatus: { conditions: [{ type: "Memory", status: "True" }] } });
await until("+other-0");
await provider.updateCondition("other-0", { type: "Memory", status: "False" });
await until("~other-0");
await provider.unregister("OTHER-0");
await until("-");
await until("resync");
assert.deepEqual(told.slice(0, 3).sort(), ["+gpu-0 initial", "+gpu-1 initial", "+gpu-2 initial"]);
assert.deepEqual(
  told.slice(3).filter((line) => line !== "resync"),
  ["+other-0", "~other-0", "-"],
);
assert.equal(informer.lister.get("other-0"), undefined);
assert.deepEqual(faults.sort(), ["onAdd gpu-0", "onAdd gpu-1", "onAdd gpu-2", "onAdd other-0"]);
assert.deepEqual(unhandled, []);
console.log("done");

/** The first handler has been told that. */
function until(what: string): Promise<void> {
  return new Promise((resolve) => {
    heard = () => {
      if (told.includes(what)) resolve();
    };
    heard();
  });
}
