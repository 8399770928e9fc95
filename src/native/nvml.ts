import libraryPath from "../../dist/native/libdevice_api_shim.so" with { type: "file" };
import { loadEmbeddedLibrary } from "./load-library.ts";
import { MAX_GPUS, NVML_ABI, NVML_EVENT, NVML_GPU, NVML_PULSE, NVML_ROUND, NVML_STATUS } from "./nvml-abi.gen.ts";
import { ShimError } from "./shim.ts";

/** The driver's library, behind threads of the shim. No call blocks. */
export interface NvmlShim {
  /** Begins to load and initialise; `status` says how it goes. Throws ShimError where no thread is to be had. */
  open(options: NvmlOptions): NvmlHandle;
  /**
   * A descriptor that a host process may inherit: it keeps there which calls it is in, and what ended the process does
   * not end that. The caller closes it.
   */
  createCallsPage(): number;
  /**
   * A descriptor for what was standard output, of which no library knows; what others print goes to standard error from
   * then on. Before `open`, whose library may print.
   */
  takeStdout(): number;
  /** Ends the process at once, whatever its threads are in: no handler of any library runs. */
  exit(status: number): never;
}

export interface NvmlOptions {
  /** Below it the library is searched first; "" for the machine's own root. */
  readonly driverRoot: string;
  /** Between two rounds of the sampler. */
  readonly periodMs: number;
  /** Whether to run the event thread. */
  readonly events: boolean;
  /** Whether to look for MIG instances. */
  readonly mig?: boolean;
  /** A page of createCallsPage that this process has inherited. */
  readonly callsFd?: number | undefined;
}

/** What it answers are structs of nvml-abi.gen.ts, as bytes that are good until the same call is made again. */
export interface NvmlHandle {
  /** Readable when there is something new: read it empty, then lower the signal, then take. */
  readonly signalFd: number;
  lowerSignal(): void;
  /** An NvmlStatus. */
  status(): Uint8Array;
  /** Up to EVENTS_AT_ONCE of NvmlEvent. */
  takeEvents(): NvmlEvents;
  /** The newest round that was not taken: an NvmlRound and its NvmlGpu. */
  takeRound(): Uint8Array | undefined;
  /** An NvmlPulse. */
  pulse(): Uint8Array;
  /** A round now instead of at the end of the period. */
  wake(): void;
  /** The status becomes `ended` when the threads have. */
  stop(): void;
  /** Gives everything back; false while a thread has not ended. */
  close(): boolean;
}

export interface NvmlEvents {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Every event with a smaller number that has not come by now is lost; undefined where more are waiting. */
  readonly complete: bigint | undefined;
}

/** 36 KiB: less than what a pipe takes at once. */
export const EVENTS_AT_ONCE = 256;
const EBUSY = 16;
/** Of host.zig. */
const WANTS = { events: 1, mig: 2 } as const;

const SYMBOLS = {
  das_nvml_fingerprint: { args: [], returns: "u32" },
  das_nvml_open: { args: ["buffer", "u32", "u32", "i32"], returns: "i32" },
  das_nvml_create_calls_page: { args: [], returns: "i32" },
  das_nvml_take_stdout: { args: [], returns: "i32" },
  das_nvml_signal_fd: { args: ["i32"], returns: "i32" },
  das_nvml_lower_signal: { args: ["i32"], returns: "i32" },
  das_nvml_status: { args: ["i32", "buffer"], returns: "i32" },
  das_nvml_take_events: { args: ["i32", "buffer", "u32", "buffer"], returns: "i32" },
  das_nvml_take_round: { args: ["i32", "buffer", "u32"], returns: "i32" },
  das_nvml_pulse: { args: ["i32", "buffer"], returns: "i32" },
  das_nvml_wake: { args: ["i32"], returns: "i32" },
  das_nvml_stop: { args: ["i32"], returns: "i32" },
  das_nvml_close: { args: ["i32"], returns: "i32" },
  das_exit: { args: ["i32"], returns: "void" },
} as const;

/** The exports of zig/src/root.zig, where they are described. Negative results are negated errnos. */
export interface NvmlLibrary {
  das_nvml_fingerprint(): number;
  das_nvml_open(root: Uint8Array, periodMs: number, wants: number, callsFd: number): number;
  das_nvml_create_calls_page(): number;
  das_nvml_take_stdout(): number;
  das_nvml_signal_fd(handle: number): number;
  das_nvml_lower_signal(handle: number): number;
  das_nvml_status(handle: number, out: Uint8Array): number;
  das_nvml_take_events(handle: number, out: Uint8Array, capacity: number, nextSeq: BigUint64Array): number;
  das_nvml_take_round(handle: number, out: Uint8Array, capacity: number): number;
  das_nvml_pulse(handle: number, out: Uint8Array): number;
  das_nvml_wake(handle: number): number;
  das_nvml_stop(handle: number): number;
  das_nvml_close(handle: number): number;
  das_exit(status: number): void;
}

let loaded: NvmlShim | undefined;

/** The library, loaded at the first call. Throws ShimError where it does not fit this program. */
export function nvmlShim(): NvmlShim {
  loaded ??= createNvmlShim(loadEmbeddedLibrary(libraryPath, SYMBOLS).symbols);
  return loaded;
}

/** Over the library's functions; a parameter so that a test can put others in their place. */
export function createNvmlShim(library: NvmlLibrary): NvmlShim {
  const found = library.das_nvml_fingerprint();
  if (found !== NVML_ABI) {
    throw new ShimError(
      `the native library has NVML structs ${found}, this program needs ${NVML_ABI}: build both anew`,
    );
  }
  return {
    open({ driverRoot, periodMs, events, mig = false, callsFd = -1 }) {
      const root = Buffer.from(`${driverRoot}\0`);
      const wants = (events ? WANTS.events : 0) | (mig ? WANTS.mig : 0);
      return createHandle(library, check("open", library.das_nvml_open(root, periodMs, wants, callsFd)));
    },
    createCallsPage: () => check("create_calls_page", library.das_nvml_create_calls_page()),
    takeStdout: () => check("take_stdout", library.das_nvml_take_stdout()),
    exit(status): never {
      library.das_exit(status);
      throw new ShimError("das_exit came back");
    },
  };
}

function createHandle(library: NvmlLibrary, number: number): NvmlHandle {
  const status = new Uint8Array(NVML_STATUS.size);
  const pulse = new Uint8Array(NVML_PULSE.size);
  const events = new Uint8Array(NVML_EVENT.size * EVENTS_AT_ONCE);
  const nextSeq = new BigUint64Array(1);
  const round = new Uint8Array(NVML_ROUND.size + NVML_GPU.size * MAX_GPUS);
  return {
    signalFd: check("signal_fd", library.das_nvml_signal_fd(number)),
    lowerSignal() {
      check("lower_signal", library.das_nvml_lower_signal(number));
    },
    status() {
      check("status", library.das_nvml_status(number, status));
      return status;
    },
    takeEvents() {
      const count = check("take_events", library.das_nvml_take_events(number, events, EVENTS_AT_ONCE, nextSeq));
      const complete = count < EVENTS_AT_ONCE ? nextSeq[0] : undefined;
      return { bytes: events.subarray(0, count * NVML_EVENT.size), count, complete };
    },
    takeRound() {
      const length = check("take_round", library.das_nvml_take_round(number, round, round.length));
      return length === 0 ? undefined : round.subarray(0, length);
    },
    pulse() {
      check("pulse", library.das_nvml_pulse(number, pulse));
      return pulse;
    },
    wake() {
      check("wake", library.das_nvml_wake(number));
    },
    stop() {
      check("stop", library.das_nvml_stop(number));
    },
    close() {
      const result = library.das_nvml_close(number);
      if (result === -EBUSY) return false;
      check("close", result);
      return true;
    },
  };
}

function check(call: string, result: number): number {
  if (result < 0) throw new ShimError(`das_nvml_${call} failed with errno ${-result}`);
  return result;
}
