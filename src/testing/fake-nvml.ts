import { dlopen } from "bun:ffi";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { hideSymbols, setMachine } from "./elf-edit.ts";

/** The scripted libnvidia-ml.so.1; zig/fake/README.md has its commands. `just zig` makes it. */
export const FAKE_NVML_LIBRARY = resolve(import.meta.dir, "../../dist/native/fake/libnvidia-ml.so.1");

export type GpuProfile = "h100" | "h200" | "b200" | "gb200" | "t4";

/** A scripted machine: its control file, and a root folder from which its driver's library is loaded. */
export interface FakeNvml extends Disposable {
  /** For --nvml-driver-root. Nothing is in it before `install`, except by createFakeNvml itself. */
  readonly root: string;
  readonly controlPath: string;
  /** For the environment of the process that loads the library. */
  readonly env: { readonly FAKE_NVML_CONTROL: string };
  /** Carries out one command and returns its answer. Throws where the command is refused. */
  command(line: string): string;
  /** How often the function was called, in all processes together. */
  calls(name: string): number;
  /** How many calls of the function began to hang, ever. */
  hangs(name: string): number;
  /** Puts a library of this kind in the driver's place: a new file, as an installation does it. */
  install(kind: LibraryKind): void;
}

export type LibraryKind =
  | { readonly kind: "whole" }
  /** An older driver: these symbols are not found. */
  | { readonly kind: "without"; readonly symbols: readonly string[] }
  | { readonly kind: "none" }
  | { readonly kind: "empty" }
  | { readonly kind: "not-a-library" }
  /** Built for another processor. */
  | { readonly kind: "other-machine" };

export interface FakeNvmlOptions {
  readonly gpus?: number;
  readonly profile?: GpuProfile;
  readonly library?: LibraryKind;
  /** A file that is not there yet; undefined for one in the root. */
  readonly controlPath?: string;
}

/** `calls` without a name answers with all of them: some 40 lines of at most 60 characters. */
const ANSWER_BYTES = 16_384;
/** EM_RISCV: no machine of ours. */
const RISC_V = 0xf3;

export function createFakeNvml(options: FakeNvmlOptions = {}): FakeNvml {
  const root = mkdtempSync(join(tmpdir(), "fake-nvml-"));
  const controlPath = options.controlPath ?? join(root, "control");
  const command = commander(controlPath);
  command(`gpus ${options.gpus ?? 8} ${options.profile ?? "h100"}`);
  installLibrary(root, options.library ?? { kind: "whole" });
  return {
    root,
    controlPath,
    env: { FAKE_NVML_CONTROL: controlPath },
    command,
    calls: (name) => numberAfter(command(`calls ${name}`)),
    hangs: (name) => numberAfter(command(`hangs ${name}`)),
    install: (kind) => installLibrary(root, kind),
    [Symbol.dispose]: () => {
      // Whoever hangs goes on, and can end.
      command("clear all");
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function commander(controlPath: string): (line: string) => string {
  const library = dlopen(FAKE_NVML_LIBRARY, {
    fake_nvml_command: { args: ["buffer", "buffer", "buffer", "u32"], returns: "i32" },
  });
  const path = cString(controlPath);
  const answer = new Uint8Array(ANSWER_BYTES);
  return (line) => {
    const length = library.symbols.fake_nvml_command(path, cString(line), answer, answer.length);
    const text = new TextDecoder().decode(answer.subarray(0, Math.abs(length)));
    if (length < 0) throw new Error(`${text}: ${line}`);
    return text;
  };
}

function numberAfter(line: string): number {
  return Number(line.trim().split(" ").at(-1));
}

function installLibrary(root: string, library: LibraryKind): void {
  const folder = join(root, "usr/lib64");
  const place = join(folder, "libnvidia-ml.so.1");
  mkdirSync(folder, { recursive: true });
  // Never written over: a process may have the file mapped.
  rmSync(place, { force: true });
  const content = libraryOf(library);
  if (content !== undefined) writeFileSync(place, content);
}

function libraryOf(library: LibraryKind): Buffer | string | undefined {
  switch (library.kind) {
    case "none":
      return undefined;
    case "whole":
      return readFileSync(FAKE_NVML_LIBRARY);
    case "without":
      return hideSymbols(readFileSync(FAKE_NVML_LIBRARY), library.symbols);
    case "empty":
      return "";
    case "not-a-library":
      return "this is no library\n";
    case "other-machine":
      return setMachine(readFileSync(FAKE_NVML_LIBRARY), RISC_V);
  }
}

export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
