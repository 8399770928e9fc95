import { closeSync } from "node:fs";
import { resolve } from "node:path";
import { type NvmlCalls, readCallsPage } from "../../src/native/calls-page.ts";
import { nvmlShim } from "../../src/native/nvml.ts";
import { createFrameDecoder } from "../../src/provider/nvml/frames.ts";
import type { HostMessage, NvmlRound } from "../../src/provider/nvml/sample.ts";
import { createFakeNvml, type GpuProfile } from "../../src/testing/fake-nvml.ts";

const FAKE = resolve("dist/native/fake");

/** Against hangs; never a limit on speed. */
const WAIT_MS = 30_000;

type Kind = HostMessage["kind"];
export type MessageOf<K extends Kind> = Extract<HostMessage, { kind: K }>;

/** A scripted machine, and how to change it. */
export interface FakeMachine extends Disposable {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One command of zig/fake, as words; answers with what it prints. */
  control(command: string): string;
}

export function createFakeMachine(gpus: number, profile: GpuProfile = "h100"): FakeMachine {
  const fake = createFakeNvml({ gpus, profile });
  return {
    env: { ...process.env, ...fake.env },
    control: fake.command,
    [Symbol.dispose]: () => fake[Symbol.dispose](),
  };
}

/** The host process itself, and all it has said. */
export class NvmlHost implements AsyncDisposable {
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly messages: HostMessage[] = [];
  readonly #decoder = createFrameDecoder();
  #news = Promise.withResolvers<void>();
  #resume: PromiseWithResolvers<void> | undefined;
  readonly #callsFd: number;
  #closed = false;

  constructor(machine: FakeMachine, args: readonly string[] = [], driverRoot = FAKE) {
    const flags = [`--driver-root=${driverRoot}`, "--calls-fd=3", ...args];
    this.#callsFd = nvmlShim().createCallsPage();
    this.process = Bun.spawn([process.execPath, "src/main.ts", "nvml-host", ...flags], {
      stdio: ["pipe", "pipe", "pipe", this.#callsFd],
      env: machine.env,
    });
    void this.#read();
  }

  /** Where its threads are, or were when it ended. */
  calls(): NvmlCalls {
    return readCallsPage(this.#callsFd);
  }

  /** Every message of a kind so far. */
  all<K extends Kind>(kind: K): MessageOf<K>[] {
    return this.messages.filter((message): message is MessageOf<K> => message.kind === kind);
  }

  /** The first message of a kind that satisfies, from those so far and those to come. */
  async message<K extends Kind>(kind: K, wanted: (message: MessageOf<K>) => boolean = () => true) {
    let found: MessageOf<K> | undefined;
    await this.until(() => {
      found = this.all(kind).find(wanted);
      return found !== undefined;
    });
    if (found === undefined) throw new Error("unreachable");
    return found;
  }

  /** The first round after those so far that satisfies. */
  async nextRound(wanted: (round: NvmlRound) => boolean = () => true): Promise<NvmlRound> {
    const last = this.all("round").at(-1)?.round.round ?? 0;
    return (await this.message("round", ({ round }) => round.round > last && wanted(round))).round;
  }

  async until(satisfied: () => boolean): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!satisfied()) {
      if (this.#closed) throw new Error(`the host has ended; it said ${this.#kinds()}`);
      if (performance.now() > deadline) throw new Error(`nothing came in time; the host said ${this.#kinds()}`);
      await Promise.race([this.#news.promise, Bun.sleep(100)]);
    }
  }

  /** Stops reading until `resume`. */
  pause(): void {
    this.#resume = Promise.withResolvers();
  }

  resume(): void {
    this.#resume?.resolve();
    this.#resume = undefined;
  }

  /** Resolves with the exit status or the signal's name. */
  async ended(): Promise<number | string> {
    await Promise.race([this.process.exited, Bun.sleep(WAIT_MS)]);
    return this.process.signalCode ?? this.process.exitCode ?? "still running";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    this.process.kill("SIGKILL");
    await this.process.exited;
    closeSync(this.#callsFd);
  }

  async #read(): Promise<void> {
    for await (const chunk of this.process.stdout) {
      this.messages.push(...this.#decoder.push(chunk));
      if (this.#decoder.fault !== undefined) throw new Error(this.#decoder.fault);
      this.#announce();
      await this.#resume?.promise;
    }
    this.#closed = true;
    this.#announce();
  }

  #announce(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  #kinds(): string {
    const kinds = this.messages.map(({ kind }) => kind).filter((kind) => kind !== "pulse");
    return `${kinds.slice(-20).join(", ")}, and ${this.all("pulse").length} pulses`;
  }
}
