import { ScreenReader } from "./screen.ts";

/** A command in a pseudo-terminal. */
export class InTerminal implements AsyncDisposable {
  readonly screen: ScreenReader;
  /** All that was written, sequences included. */
  raw = "";
  readonly child: Bun.Subprocess;
  #fault: unknown;

  constructor(command: readonly string[], env: Record<string, string>, columns = 80, rows = 24) {
    this.screen = new ScreenReader(columns, rows);
    const decoder = new TextDecoder();
    this.child = Bun.spawn([...command], {
      env: { PATH: Bun.env["PATH"] ?? "", TERM: "xterm-256color", ...env },
      terminal: {
        cols: columns,
        rows,
        data: (_, bytes) => {
          this.raw += decoder.decode(bytes, { stream: true });
          try {
            this.screen.feed(bytes);
          } catch (error) {
            this.#fault ??= error;
          }
        },
      },
    });
  }

  type(text: string): void {
    this.child.terminal?.write(text);
  }

  resize(columns: number, rows: number): void {
    // Wider first: what is drawn for the old size may still be on its way.
    this.screen.columns = Math.max(columns, this.screen.columns);
    this.screen.rows = Math.max(rows, this.screen.rows);
    this.child.terminal?.resize(columns, rows);
  }

  /** A guard against hangs, no limit on speed. */
  async until(isThere: (screen: ScreenReader) => boolean, what: string, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!isThere(this.screen)) {
      if (this.#fault !== undefined) throw this.#fault;
      if (performance.now() > deadline) throw new Error(`${what} did not come:\n${this.screen.text}`);
      await Bun.sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
    this.child.terminal?.close();
    if (this.#fault !== undefined) throw this.#fault;
  }
}

export const shows = (text: string) => (screen: ScreenReader) => screen.text.includes(text);
