/**
 * The consumer of bench/informer.ts, in a process of its own, on Bun or on Node. Arguments: TARGET. Takes a command a
 * line and answers each with a line of JSON.
 */
import { createInterface } from "node:readline";
import { createClientset } from "../src/client/clientset.ts";
import { connect } from "../src/client/connection/connect.ts";
import { gpus } from "../src/client/device/v1alpha1/gpu.gen.ts";
import { createSharedInformer, type SharedInformer } from "../src/client/informers/shared-informer.ts";
import type { ListerWatcher, ResourceList, WatchEvent } from "../src/client/resource/types.ts";
import type { Gpu } from "../src/gen/device/v1alpha1/gpu_pb.ts";

const client = createClientset(connect({ target: process.argv[2] ?? "" }))
  .deviceV1alpha1()
  .gpus();
const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
/** What is measured in memory has to be held. */
const held: SharedInformer<Gpu>[] = [];
let before: ResourceList<Gpu> | undefined;

const COMMANDS: Readonly<Record<string, (argument: string) => Promise<unknown>>> = {
  /** From the start of an informer until a handler has been told of everything, in ms. */
  async sync() {
    const startedMs = performance.now();
    const informer = createSharedInformer(client, gpus);
    const registration = informer.addEventHandler({});
    informer.start();
    await registration.waitForSync();
    const tookMs = performance.now() - startedMs;
    await informer.stop();
    return tookMs;
  },
  /** Bytes on the heap for each of ten informers that are synced. */
  async memory() {
    const emptyBytes = heapBytes();
    for (let i = 0; i < 10; i++) {
      const informer = createSharedInformer(client, gpus);
      informer.start();
      await informer.waitForSync();
      held.push(informer);
    }
    const bytes = (heapBytes() - emptyBytes) / held.length;
    for (const informer of held) await informer.stop();
    held.length = 0;
    return { bytes, residentBytes: process.memoryUsage().rss };
  },
  /** Keeps the present list, for `replay` to go on from. */
  async mark() {
    before = await client.list();
    return before.resourceVersion;
  },
  /** From the list that was kept through everything after it: reads the server's history as fast as it can, in ms. */
  async replay(version) {
    return await follow(version, (options) => client.watch(options));
  },
  /** The same with events that are in memory already: what the informer itself takes. */
  async "replay-own"(version) {
    const events: WatchEvent<Gpu>[] = [];
    for await (const event of client.watch({ resourceVersion: before?.resourceVersion ?? "" })) {
      events.push(event);
      if (event.object.metadata?.resourceVersion === version) break;
    }
    return await follow(version, async function* () {
      yield* events;
    });
  },
};

async function follow(version: string, watch: ListerWatcher<Gpu>["watch"]) {
  const from = before;
  if (from === undefined) throw new Error("mark first");
  const informer = createSharedInformer({ list: () => Promise.resolve(from), watch }, gpus);
  let told = 0;
  const startedMs = performance.now();
  // Promise.withResolvers came with Node 22.
  await new Promise<void>((resolve) => {
    informer.addEventHandler({
      onUpdate(_, gpu) {
        told++;
        if (gpu.metadata?.resourceVersion === version) resolve();
      },
    });
    informer.start();
  });
  const tookMs = performance.now() - startedMs;
  await informer.stop();
  return { tookMs, told };
}

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command = "", argument = ""] = line.split(" ");
  console.log(JSON.stringify((await COMMANDS[command]?.(argument)) ?? null));
}
process.exit(0);
