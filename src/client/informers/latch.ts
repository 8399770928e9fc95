import { checkSignal, onAbort } from "../abort.ts";

/** Something that happens once, or never will. Nobody who waits is left behind, and no listener either. */
export class Latch {
  #state: "open" | "set" | { readonly failed: unknown } = "open";
  readonly #waiting = new Set<() => void>();

  get isSet(): boolean {
    return this.#state === "set";
  }

  /** The first of set and fail counts. */
  set(): void {
    this.#settle("set");
  }

  fail(reason: unknown): void {
    this.#settle({ failed: reason });
  }

  /** Resolves when it is set; rejects with what it failed with, with the signal's reason, or where it is no signal. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      checkSignal(signal);
      const check = () => {
        if (this.#state === "set") resolve();
        else if (this.#state !== "open") reject(this.#state.failed);
        else if (signal?.aborted === true) reject(signal.reason);
        else return;
        this.#waiting.delete(check);
        following?.[Symbol.dispose]();
      };
      this.#waiting.add(check);
      const following = signal && onAbort(signal, check);
      check();
    });
  }

  #settle(state: "set" | { readonly failed: unknown }): void {
    if (this.#state !== "open") return;
    this.#state = state;
    for (const check of [...this.#waiting]) check();
  }
}
