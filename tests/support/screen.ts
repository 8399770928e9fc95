const ESC = "\u001b";
const SEQUENCE = new RegExp(`${ESC}\\[([?\\d;]*)([A-Za-z])|[^${ESC}]|${ESC}`, "gu");
const UNFINISHED = new RegExp(`${ESC}(?:\\[[?\\d;]*)?$`);

/** A terminal as its user sees it: enough of one for what this project writes. */
export class ScreenReader {
  columns: number;
  rows: number;
  /** Where a program that takes the whole screen draws, apart from what was there before. */
  isAlternate = false;
  hasCursor = true;
  wraps = true;
  #lines: string[][] = [];
  #row = 0;
  #column = 0;
  #rest = "";
  readonly #decoder = new TextDecoder();

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** What stands there now, without colours and without spaces at the end of a line. */
  get text(): string {
    return this.#lines
      .map((line) =>
        Array.from(line, (char = " ") => char)
          .join("")
          .trimEnd(),
      )
      .join("\n");
  }

  feed(bytes: Uint8Array): void {
    let text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    // A sequence may be cut in two by the pipe between.
    const cut = UNFINISHED.exec(text);
    this.#rest = cut?.[0] ?? "";
    if (cut !== null) text = text.slice(0, cut.index);
    for (const [piece, parameters, command] of text.matchAll(SEQUENCE)) {
      if (command !== undefined) this.#obey(command, parameters ?? "");
      else this.#put(piece);
    }
  }

  #obey(command: string, parameters: string): void {
    switch (`${parameters}${command}`) {
      case "H":
        this.#row = 0;
        this.#column = 0;
        return;
      case "K":
        (this.#lines[this.#row] ?? []).length = this.#column;
        return;
      case "J":
        this.#lines.length = this.#row + 1;
        (this.#lines[this.#row] ?? []).length = this.#column;
        return;
      case "2J":
        this.#lines = [];
        return;
      case "?1049h":
      case "?1049l":
        this.isAlternate = command === "h";
        this.#lines = [];
        return;
      case "?25h":
      case "?25l":
        this.hasCursor = command === "h";
        return;
      case "?7h":
      case "?7l":
        this.wraps = command === "h";
        return;
    }
    // A shell moves the cursor about, and has sequences that change nothing that is looked at here.
    const count = Number(parameters) || 1;
    if (command === "C") this.#column += count;
    else if (command === "D") this.#column = Math.max(0, this.#column - count);
    else if (command === "A") this.#row = Math.max(0, this.#row - count);
    else if (command !== "m" && this.isAlternate) throw new Error(`an unknown sequence: ESC[${parameters}${command}`);
  }

  #put(char: string): void {
    if (char === "\u0007") return;
    if (char === "\r") this.#column = 0;
    else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (char === "\n") {
      this.#row++;
      if (this.isAlternate && this.#row >= this.rows) throw new Error(`the screen of ${this.rows} rows was scrolled`);
    } else {
      if (this.isAlternate && this.#column >= this.columns) throw new Error(`a line is wider than ${this.columns}`);
      this.#lines[this.#row] ??= [];
      (this.#lines[this.#row] ?? [])[this.#column++] = char;
    }
  }
}
