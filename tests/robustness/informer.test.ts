import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { createClientset } from "../../src/client/clientset.ts";
import { connect } from "../../src/client/connection/connect.ts";
import { gpus } from "../../src/client/device/v1alpha1/gpu.gen.ts";
import type { ResourceEventHandler } from "../../src/client/informers/event-handler.ts";
import { InformerFactory } from "../../src/client/informers/informer-factory.ts";
import { type Deleted, DeletedFinalStateUnknown, lastStateOf } from "../../src/client/informers/tombstone.ts";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { Prng } from "../../src/testing/prng.ts";
import { runSettings } from "../../src/testing/run-settings.ts";
import type { RunningBinary } from "../support/binary.ts";
import { eventually } from "../support/grpc-fixture.ts";
import { InformerWorld, numberOf, show } from "../support/informer-world.ts";

/** T-SDK-1 on real sockets, against the compiled binary. */

const RUNS = 20;
const FAULTS = 3;
/** Each run mostly waits. */
const AT_ONCE = 4;
/** One maximum backoff, which is promised, and what calls and processes take on a busy machine. */
const CONVERGENCE_LIMIT_MS = 30_000 + 10_000;
/** Against hangs only. */
const TIMEOUT_MS = 600_000;

/** What may happen to an informer that dials the server's own socket, and to one that dials the proxy's. */
const SERVER_FAULTS = ["killed", "terminated", "socket replaced"];
const PROXY_FAULTS = ["dropped", "delayed", "refused", "killed"];

const { seed } = runSettings(process.env);

/** Checks that each object's states come in the order in which they were written, and keeps the newest. */
class Checker implements ResourceEventHandler<Gpu> {
  readonly known = new Map<string, Gpu>();
  readonly problems: string[] = [];
  readonly #newest = new Map<string, { readonly number: number; readonly version: bigint }>();
  readonly #then: () => unknown;

  constructor(then: () => unknown) {
    this.#then = then;
  }

  onAdd(gpu: Gpu): unknown {
    this.#expect(!this.known.has(nameOf(gpu)), `${show(gpu)} was added twice`);
    this.#advance(gpu, 1);
    return this.#then();
  }

  onUpdate(old: Gpu, gpu: Gpu): unknown {
    this.#expect(this.known.get(nameOf(gpu)) === old, `${show(old)} was not told before ${show(gpu)}`);
    this.#advance(gpu, 1);
    return this.#then();
  }

  onDelete(deleted: Deleted<Gpu>): unknown {
    const gpu = lastStateOf(deleted);
    this.#expect(this.known.has(nameOf(gpu)), `${show(gpu)} was deleted and had not been there`);
    if (!(deleted instanceof DeletedFinalStateUnknown)) this.#advance(gpu, 0);
    this.known.delete(nameOf(gpu));
    return this.#then();
  }

  /** A deletion carries the last state under a version of its own. */
  #advance(gpu: Gpu, step: number): void {
    const newest = this.#newest.get(nameOf(gpu)) ?? { number: 0, version: 0n };
    this.#expect(numberOf(gpu) >= newest.number + step, `state ${numberOf(gpu)} came after ${newest.number}`);
    this.#expect(gpu.resourceVersion > newest.version, `${show(gpu)} came after version ${newest.version}`);
    this.#newest.set(nameOf(gpu), { number: numberOf(gpu), version: gpu.resourceVersion });
    this.known.set(nameOf(gpu), gpu);
  }

  #expect(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }
}

const nameOf = (gpu: Gpu): string => gpu.metadata?.name ?? "";
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function createCheckers(prng: Prng): Readonly<Record<string, Checker>> {
  return {
    quick: new Checker(() => {}),
    slow: new Checker(() => later(prng.below(60))),
    throwing: new Checker(() => {
      if (prng.chance(50)) throw new Error("a handler throws");
    }),
    rejecting: new Checker(async () => {
      await later(prng.below(20));
      if (prng.chance(50)) throw new Error("a handler rejects");
    }),
  };
}

/** Returns what was played, and how long the informer took to get over the last of it. */
async function play(run: number): Promise<string> {
  const prng = new Prng(seed + run);
  await using world = new InformerWorld(prng);
  await world.start();
  const throughProxy = run % 2 === 1;
  await using connection = connect({ target: `unix://${throughProxy ? world.proxyPath : world.path}` });
  await using factory = new InformerFactory({ onWatchError: () => {}, onCallbackError: () => {} });
  const informer = factory.informerFor(gpus, createClientset(connection).deviceV1alpha1().gpus());
  const checkers = createCheckers(prng);
  for (const checker of Object.values(checkers)) informer.addEventHandler(checker);
  factory.start();
  await factory.waitForSync(AbortSignal.timeout(CONVERGENCE_LIMIT_MS));

  const played: string[] = [];
  const possible = throughProxy ? PROXY_FAULTS : SERVER_FAULTS;
  for (let i = 0; i < FAULTS; i++) {
    await later(prng.below(200));
    const fault = prng.pick(possible);
    played.push(fault);
    await world.faults[fault]?.();
  }
  const endedMs = performance.now();
  await world.stopWriting();
  const expected = (await world.state()).join(" ");
  const cached = () => informer.lister.list().map(show).sort().join(" ");
  const what = `run ${run} of seed ${seed} (${played.join(", ")})`;
  await eventually(() => cached() === expected, `${what}: the cache has ${expected}`, CONVERGENCE_LIMIT_MS);
  const tookMs = performance.now() - endedMs;
  for (const [name, { known, problems }] of Object.entries(checkers)) {
    const told = () => [...known.values()].map(show).sort().join(" ");
    await eventually(() => told() === expected, `${what}: ${name} was told of ${expected}`, CONVERGENCE_LIMIT_MS);
    expect(problems, `${what}: ${name}`).toEqual([]);
  }
  await factory.stop();
  await untilNobodyWatches(world.server);
  return `${played.join(", ")}: ${tookMs.toFixed(0)} ms`;
}

async function untilNobodyWatches(server: RunningBinary): Promise<void> {
  const endMs = performance.now() + CONVERGENCE_LIMIT_MS;
  while ((await server.metric("device_api_server_watch_streams_active")) > 0) {
    if (performance.now() > endMs) throw new Error("the server still sees a watch of an informer that was stopped");
    await later(10);
  }
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;

test(
  "an informer gets over killed servers, replaced sockets and bad connections, and leaves nothing behind",
  async () => {
    console.log(`T-SDK-1 on real sockets: seed ${seed}`);
    await play(0);
    const before = descriptors();
    for (let run = 1; run < RUNS; run += AT_ONCE) {
      const runs = Array.from({ length: Math.min(AT_ONCE, RUNS - run) }, (_, i) => play(run + i));
      // All of them, so that one that fails leaves no server of another behind.
      const results = await Promise.allSettled(runs);
      for (const result of results) {
        if (result.status === "rejected") throw result.reason;
        console.log(result.value);
      }
    }
    await eventually(() => descriptors() <= before, `${before} descriptors, as before`);
  },
  TIMEOUT_MS,
);
