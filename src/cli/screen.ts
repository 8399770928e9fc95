import type { CommandIo, Terminal } from "./io.ts";

/** The other screen, which leaves what was there as it was; no cursor; no wrapping, for a resize may come any time. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const CLEAR_ALL = "\x1b[2J";

/** The whole terminal, until it is disposed of: then the user has back what was there, and the cursor. */
export class Screen implements AsyncDisposable {
  readonly #io: CommandIo;
  readonly #terminal: Terminal;
  #isOpen = false;
  #resized = false;

  /** `onChange`: it has another size, or was away, and wants to be drawn anew. */
  constructor(io: CommandIo, terminal: Terminal, onChange: () => void) {
    this.#io = io;
    this.#terminal = terminal;
    terminal.onResize(() => {
      this.#resized = true;
      onChange();
    });
    terminal.onSuspend(
      () => this.leave(),
      () => onChange(),
    );
  }

  get columns(): number {
    return this.#terminal.columns;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  /** Writes over what is there; false where nobody sees it any more. No line may be wider than the screen. */
  async draw(lines: readonly string[]): Promise<boolean> {
    const start = (this.#isOpen ? "" : ENTER) + (this.#resized ? CLEAR_ALL : "") + HOME;
    this.#isOpen = true;
    this.#resized = false;
    const body = lines.map((line) => line + CLEAR_LINE).join("\r\n");
    return await this.#io.print(start + body + CLEAR_BELOW);
  }

  /** The next drawing enters it again. */
  async leave(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#io.print(LEAVE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }
}
