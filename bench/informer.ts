/**
 * `bun bench/informer.ts [GPUS [EVENTS]]`: an informer over so many GPUs of the compiled binary, on Bun and on Node
 * side by side: how long it takes to sync, what it holds in memory, how many events a second it takes in. Needs the
 * binary (`just build`) and node.
 *
 * The events are read from the server's history, by a watch from a version before them: so many wait that the consumer
 * alone says how fast they go, and not the provider that writes them. Rounds take turns between the runtimes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClientset } from "../src/client/clientset.ts";
import { connect } from "../src/client/connection/connect.ts";
import { spawnBinary } from "../tests/support/binary.ts";

const gpuCount = Number(process.argv[2] ?? 1_000);
const eventCount = Number(process.argv[3] ?? 20_000);
const ROUNDS = 7;
const SYNCS_EACH_ROUND = 10;
const WRITERS = 16;
const CONDITIONS = ["Memory", "Thermal", "Power", "NvLink"];
const MIB = 1_024 * 1_024;

const folder = await mkdtemp(join(tmpdir(), "das-bench-"));
const entry = join(import.meta.dir, "informer-client.ts");
const built = await Bun.build({ entrypoints: [entry], target: "node", format: "esm", outdir: folder });
if (!built.success) throw new Error(built.logs.join("\n"));

await using binary = await spawnBinary([]);
await using connection = connect({ target: binary.unixTarget });
const provider = createClientset(connection).deviceV1alpha1().providers("bench");
await inParallel(gpuCount, async (i) => {
  const conditions = CONDITIONS.map((type) => ({ type, status: "True", reason: "Initialized", message: `by ${type}` }));
  await provider.register(`gpu-${i}`, { spec: { uuid: `GPU-${i}` }, initialStatus: { conditions } });
});

const runtimes = [process.execPath, "node"].map((name) => createRuntime(name));
for (const { ask } of runtimes) await ask("sync");
for (const { ask } of runtimes) await ask("mark");
await inParallel(eventCount, async (i) => {
  const condition = { type: "Memory", status: "True", reason: `Event${i}` };
  await provider.updateCondition(`gpu-${i % gpuCount}`, condition);
});
const version = (await createClientset(connection).deviceV1alpha1().gpus().list()).resourceVersion;
for (let round = 0; round < ROUNDS; round++) {
  for (const runtime of runtimes) {
    for (let i = 0; i < SYNCS_EACH_ROUND; i++) runtime.syncMs.push(Number(await runtime.ask("sync")));
    const { bytes, residentBytes } = (await runtime.ask("memory")) as { bytes: number; residentBytes: number };
    runtime.heapMib.push(bytes / MIB);
    runtime.residentMib.push(residentBytes / MIB);
    const { tookMs, told } = (await runtime.ask(`replay ${version}`)) as { tookMs: number; told: number };
    runtime.eventsPerS.push(eventCount / (tookMs / 1_000));
    runtime.toldShare.push(told / eventCount);
    const own = (await runtime.ask(`replay-own ${version}`)) as { tookMs: number };
    runtime.ownPerS.push(eventCount / (own.tookMs / 1_000));
  }
}
for (const { end } of runtimes) await end();
await rm(folder, { recursive: true });

const [bun, node] = runtimes;
if (bun === undefined || node === undefined) throw new Error("there are two runtimes");
// Whatever else runs on the machine can only make a round slower.
console.log(`${gpuCount} GPUs, ${eventCount} events, the best of ${ROUNDS} rounds:`);
console.log(`| | bun ${Bun.version} | node ${await versionOfNode()} | bun / node |`);
console.log("| --- | --: | --: | --: |");
print("until a handler has synced, ms", bun.syncMs, node.syncMs, Math.min);
print("heap for each informer, MiB", bun.heapMib, node.heapMib, Math.min);
print("resident with ten informers, MiB", bun.residentMib, node.residentMib, Math.min);
print("events a second from the history", bun.eventsPerS, node.eventsPerS, Math.max);
print("share of them that the handler was told", bun.toldShare, node.toldShare, Math.max);
print("events a second from memory", bun.ownPerS, node.ownPerS, Math.max);

function print(
  what: string,
  ofBun: readonly number[],
  ofNode: readonly number[],
  best: (...values: readonly number[]) => number,
): void {
  const [left, right] = [best(...ofBun), best(...ofNode)];
  const show = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(2));
  console.log(`| ${what} | ${show(left)} | ${show(right)} | ${(left / right).toFixed(2)} |`);
}

function createRuntime(name: string) {
  const command = [name, "--expose-gc", join(folder, "informer-client.js"), binary.unixTarget];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const replies = readLines(child.stdout);
  return {
    async ask(line: string): Promise<unknown> {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
      const { value } = await replies.next();
      if (value === undefined) throw new Error(`${name} ended at ${line}`);
      return JSON.parse(value);
    },
    async end(): Promise<void> {
      child.stdin.end();
      await child.exited;
    },
    syncMs: [] as number[],
    heapMib: [] as number[],
    residentMib: [] as number[],
    eventsPerS: [] as number[],
    toldShare: [] as number[],
    ownPerS: [] as number[],
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}

async function inParallel(count: number, task: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: WRITERS }, worker));
}

async function versionOfNode(): Promise<string> {
  return (await new Response(Bun.spawn(["node", "--version"]).stdout).text()).trim().replace("v", "");
}
