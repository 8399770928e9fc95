import type { Clock, Scheduler } from "../base/clock.ts";
import type { StopSignal } from "../server/app.ts";
import type { FlagTable } from "../server/flags-kinds.ts";
import type { Environment } from "../server/flags-parse.ts";

/** The terminal that standard output is. */
export interface Terminal {
  /** At least 1, also where the terminal does not say. */
  readonly columns: number;
  readonly rows: number;
  onResize(listener: () => void): void;
  /** Ctrl-Z: the process stops once `leave` has resolved; `back` is called when it goes on. */
  onSuspend(leave: () => Promise<unknown>, back: () => void): void;
}

/** What a command has of the process. */
export interface CommandIo {
  readonly env: Environment;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** The version of this build. */
  readonly version: string;
  /** Undefined where standard output is a pipe or a file. */
  readonly terminal: Terminal | undefined;
  /** Resolves when the text has been taken; false where nobody reads any more. Rejects where it cannot be written. */
  print(text: string): Promise<boolean>;
  /** Told once when nobody reads standard output any more, within a second or so, though nothing is written. */
  onReaderGone(listener: () => void): void;
  /** One line on standard error. */
  complain(line: string): Promise<boolean>;
  /** From now on the first SIGTERM or SIGINT comes here instead of ending the process; a second one ends it at once. */
  onSignal(listener: (signal: StopSignal) => void): void;
}

/** What every command ends with. Shown by --help. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;

/** What the shell offers in the place of an argument. */
export type Completes =
  | { readonly kind: "gpus"; readonly many: boolean }
  | { readonly kind: "providers" }
  /** Types of conditions that somebody reports on the GPU that the line names, or on any. */
  | { readonly kind: "conditions" }
  | { readonly kind: "commands" }
  /** One of these words, and then what belongs to it. */
  | { readonly kind: "words"; readonly words: Readonly<Record<string, Completes | undefined>> };

export interface Command {
  readonly name: string;
  /** Arguments, as in "NAME --xid N". */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly flags: FlagTable;
  /** What the shell can offer for its arguments; undefined for nothing. */
  readonly completes?: Completes;
  /** The same for values of flags that are texts. */
  readonly completesValues?: Readonly<Record<string, Completes>>;
  run(args: readonly string[], io: CommandIo): Promise<number>;
}
