import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClientset } from "../../src/client/clientset.ts";
import { connect } from "../../src/client/connection/connect.ts";
import type { Gpu } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import type { Prng } from "../../src/testing/prng.ts";
import { type RunningBinary, spawnBinary } from "./binary.ts";
import { UnixProxy } from "./unix-proxy.ts";

const NAMES = Array.from({ length: 8 }, (_, i) => `gpu-${i}`);
const TYPE = "Memory";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A server, as a process, that dies and comes back under the same path; a provider that writes to whichever is there;
 * and a proxy. Each state that is written carries a number of its own, which rises.
 */
export class InformerWorld implements AsyncDisposable {
  readonly #prng: Prng;
  readonly #folder = mkdtempSync(join(tmpdir(), "das-informer-"));
  readonly path = join(this.#folder, "device.sock");
  readonly proxyPath = join(this.#folder, "proxy.sock");
  readonly #proxy = new UnixProxy(this.proxyPath, this.path);
  #server: RunningBinary | undefined;
  #written = 0;
  #writing: Promise<void> | undefined;
  #done = false;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  async start(): Promise<void> {
    await this.#proxy.open();
    await this.#serve(this.path);
    this.#writing = this.#write();
  }

  get server(): RunningBinary {
    if (this.#server === undefined) throw new Error("there is no server");
    return this.#server;
  }

  async stopWriting(): Promise<void> {
    this.#done = true;
    await this.#writing;
  }

  /** What the server has, asked past everything that is in trouble. As `name@version`, sorted. */
  async state(): Promise<readonly string[]> {
    await using connection = connect({ target: this.server.unixTarget });
    const { items } = await createClientset(connection).deviceV1alpha1().gpus().list();
    return items.map(show).sort();
  }

  /** Each resolves when it is over. */
  readonly faults: Readonly<Record<string, () => Promise<void>>> = {
    killed: async () => {
      const old = this.server;
      old.process.kill("SIGKILL");
      await old.process.exited;
      await sleep(this.#prng.below(300));
      await this.#serve(this.path);
      await old.stop();
    },
    terminated: async () => {
      await this.server.stop();
      await this.#serve(this.path);
    },
    /** The old process goes on serving those that it has until it ends. */
    "socket replaced": async () => {
      const old = this.server;
      const next = join(this.#folder, `next-${this.#written}.sock`);
      await this.#serve(next);
      renameSync(next, this.path);
      await sleep(this.#prng.below(300));
      if (this.#prng.chance(50)) old.process.kill("SIGKILL");
      await old.stop();
    },
    dropped: async () => {
      for (let i = this.#prng.below(3); i >= 0; i--) {
        this.#proxy.drop();
        await sleep(this.#prng.below(100));
      }
    },
    delayed: async () => {
      this.#proxy.delayMs = this.#prng.below(500);
      await sleep(this.#prng.below(800));
      if (this.#prng.chance(50)) this.#proxy.drop();
      this.#proxy.delayMs = 0;
    },
    refused: async () => {
      await this.#proxy.close();
      await sleep(this.#prng.below(500));
      await this.#proxy.open();
    },
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopWriting();
    await this.#proxy.close();
    await this.#server?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #serve(path: string): Promise<void> {
    this.#server = await spawnBinary([`--unix-socket=${path}`]);
  }

  async #write(): Promise<void> {
    while (!this.#done) {
      const { server } = this;
      await using connection = connect({ target: server.unixTarget, retry: { maxAttempts: 1 } });
      const provider = createClientset(connection).deviceV1alpha1().providers("writer");
      while (!this.#done && this.server === server) {
        const name = this.#prng.pick(NAMES);
        const condition = { type: TYPE, status: "True", reason: String(++this.#written) };
        const write = this.#prng.weighted({ register: 3, update: 6, unregister: 1 });
        // What fails is one state less; the server may just be dying, or not know the GPU.
        if (write === "register") {
          await provider.register(name, { initialStatus: { conditions: [condition] } }).catch(() => {});
        } else if (write === "update") await provider.updateCondition(name, condition).catch(() => {});
        else await provider.unregister(name).catch(() => {});
        await sleep(this.#prng.below(10));
      }
    }
  }
}

/** `name@version` */
export const show = (gpu: Gpu): string => `${gpu.metadata?.name}@${gpu.resourceVersion}`;

/** The number of the state, as it was written. */
export function numberOf(gpu: Gpu): number {
  return Number(gpu.status?.conditions.find(({ type }) => type === TYPE)?.reason);
}
