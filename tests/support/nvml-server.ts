import { readFileSync } from "node:fs";
import { type Gpu, GpuService, type WatchGpusResponse } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { createFakeNvml, type FakeNvml, type FakeNvmlOptions } from "../../src/testing/fake-nvml.ts";
import { type RunningBinary, spawnBinary } from "./binary.ts";
import { BYSTANDER, Bystander } from "./bystander.ts";
import { waitsForEvents } from "./nvml-events.ts";
import { type StreamReader, TestClient } from "./test-client.ts";

export interface NvmlServerOptions extends FakeNvmlOptions {
  readonly flags?: readonly string[];
  /** Comes last before the server starts. */
  readonly arrange?: (fake: FakeNvml) => void;
  /** Commands of zig/fake, carried out before the server starts. */
  readonly prepare?: readonly string[];
  /** Between two turns of the bystander; undefined for its own. */
  readonly bystanderPauseMs?: number;
  /** Adds to the environment of the server, and so of its host processes. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Against hangs of a test; never a limit on speed. */
const WAIT_MS = 60_000;
/** The host process is looked for in /proc, which tells nobody when it changes. */
const POLL_MS = 10;

const RESET_XID = 95;
const METRIC = "device_api_server_nvml_";

/** The compiled binary on a machine of its own, a watch on all GPUs, and somebody else who uses it meanwhile. */
export class NvmlServer implements AsyncDisposable {
  readonly bystander: Bystander;
  /** The latest state of each GPU of NVML, as the watch tells it. */
  readonly seen = new Map<string, Gpu>();
  readonly #client: TestClient;
  readonly #watch: StreamReader<WatchGpusResponse>;
  #read = 0;

  private constructor(
    readonly fake: FakeNvml,
    readonly binary: RunningBinary,
    bystanderPauseMs: number | undefined,
  ) {
    this.#client = new TestClient(binary.unixTarget);
    this.#watch = this.#client.stream(GpuService.method.watchGpus, {});
    this.bystander = new Bystander(binary.unixTarget, bystanderPauseMs);
  }

  static async start(options: NvmlServerOptions = {}): Promise<NvmlServer> {
    const fake = createFakeNvml({ gpus: 4, ...options });
    try {
      for (const line of options.prepare ?? []) fake.command(line);
      options.arrange?.(fake);
      const flags = ["--enable-nvml-provider", `--nvml-driver-root=${fake.root}`];
      const binary = await spawnBinary([...flags, ...(options.flags ?? [])], { ...fake.env, ...options.env });
      return new NvmlServer(fake, binary, options.bystanderPauseMs);
    } catch (error) {
      fake[Symbol.dispose]();
      throw error;
    }
  }

  /** The GPUs of NVML, in the words that a change of state would change, by name. */
  states(): ReadonlyMap<string, readonly string[]> {
    this.#catchUp();
    return new Map([...this.seen].sort().map(([name, gpu]) => [name, linesOf(gpu)]));
  }

  /** Follows the watch until the condition holds for the latest states. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const shown = () => `${what}; the GPUs are ${JSON.stringify([...this.states().values()])}`;
    const caughtUp = () => {
      this.#catchUp();
      return holds();
    };
    await this.#watch.until(caughtUp, what, WAIT_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${shown()}\n${this.binary.logLines.slice(-20).join("\n")}`);
    });
  }

  /** The states of all GPUs when each has been read, and one, not the last, has a fault. */
  async withOneFault(): Promise<ReadonlyMap<string, Gpu>> {
    await this.ready();
    await waitsForEvents(this.fake);
    this.fake.command(`xid 1 ${RESET_XID}`);
    const isTold = () => {
      const all = [...this.states().values()];
      // A machine under load may fall silent for a moment: what is compared with later must not be of that moment.
      return count(all, "Ready=False") === 1 && !all.flat().some((line) => line.includes("=Unknown "));
    };
    await this.until(isTold, "the fault");
    return new Map(this.seen);
  }

  /** All GPUs of NVML are read and without a fault. */
  async ready(): Promise<void> {
    const { gpuList } = await this.#client.call(GpuService.method.listGpus, {});
    const count = (gpuList?.items ?? []).filter((gpu) => !isBystanders(gpu)).length;
    const areReady = () => [...this.states().values()].every(([first]) => first?.startsWith("Ready=True"));
    await this.until(() => this.seen.size >= count && areReady(), `${count} GPUs are ready`);
  }

  /** Each state of every GPU that the watch has told so far, oldest first. */
  get history(): readonly Gpu[] {
    return this.#watch.messages.flatMap(({ object }) => (object === undefined || isBystanders(object) ? [] : [object]));
  }

  /** The host processes that exist, one that has ended and was not waited for among them. */
  hosts(): number[] {
    const { pid } = this.binary.process;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children === "" ? [] : children.split(" ").map(Number);
  }

  /** The one host process, when it is another than this. */
  async hostAfter(pid: number | undefined): Promise<number> {
    for (const started = performance.now(); performance.now() - started < WAIT_MS; ) {
      const [host] = this.hosts();
      if (host !== undefined && host !== pid) return host;
      await Bun.sleep(POLL_MS);
    }
    throw new Error(`no new host process:\n${this.binary.logLines.slice(-20).join("\n")}`);
  }

  /** The log lines with this message, parsed. */
  logged(message: string): readonly Readonly<Record<string, unknown>>[] {
    return this.binary.logLines
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => String(msg).includes(message));
  }

  /** Without the prefix of all that is NVML's. */
  metric(name: string, labels?: string): Promise<number> {
    return this.binary.metric(`${METRIC}${name}`, labels);
  }

  /** SIGTERM; resolves to the exit status. */
  async stop(): Promise<number> {
    this.bystander.stop();
    return this.binary.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.stop();
    this.fake[Symbol.dispose]();
  }

  #catchUp(): void {
    for (; this.#read < this.#watch.messages.length; this.#read++) {
      const { type, object } = this.#watch.messages[this.#read] ?? {};
      if (object === undefined || isBystanders(object)) continue;
      const name = object.metadata?.name ?? "";
      if (type === "DELETED") this.seen.delete(name);
      else this.seen.set(name, object);
    }
  }
}

const isBystanders = ({ metadata }: Gpu): boolean => metadata?.name === BYSTANDER;

const count = (states: readonly (readonly string[])[], start: string): number =>
  states.filter(([first]) => first?.startsWith(start)).length;

/** "TYPE=STATUS REASON: MESSAGE" for each condition, and the advice. */
export function linesOf({ status }: Gpu): readonly string[] {
  const conditions = status?.conditions ?? [];
  const lines = conditions.map(({ type, status: is, reason, message }) => `${type}=${is} ${reason}: ${message}`);
  return [...lines, `advice ${status?.recommendedAction ?? ""}`];
}

/** Whether each GPU says of all that was good that it is Unknown, why, and in which function; what was bad stays. */
export function isOut(before: ReadonlyMap<string, Gpu>, now: ReadonlyMap<string, Gpu>, reason: string, word: string) {
  return [...before].every(([name, gpu]) => {
    const conditions = now.get(name)?.status?.conditions ?? [];
    return (gpu.status?.conditions ?? []).every((was) => {
      const is = conditions.find(({ type }) => type === was.type);
      if (was.status !== "True") return is?.status === was.status && is.reason === was.reason;
      return is?.status === "Unknown" && is.reason === reason && is.message.includes(word);
    });
  });
}

/** Whether each of these GPUs says what it said before. */
export function isAsBefore(before: ReadonlyMap<string, Gpu>, now: ReadonlyMap<string, Gpu>): boolean {
  return [...before].every(([name, gpu]) => {
    const is = now.get(name);
    return is !== undefined && Bun.deepEquals(linesOf(is), linesOf(gpu));
  });
}
