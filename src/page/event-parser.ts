/** One server-sent event. */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** Reads a text/event-stream from pieces that may end anywhere. Lines end as the server writes them, with LF. */
export class EventParser {
  /** Of the last complete event that had one; "" for none. */
  lastId = "";
  #rest = "";
  #type = "";
  #data: string[] = [];
  #id: string | undefined;

  /** For another stream: what was cut off is no part of it. */
  reset(): void {
    this.#rest = "";
    this.#clear();
  }

  push(piece: string): readonly ServerEvent[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line) ?? []);
  }

  #line(line: string): ServerEvent | undefined {
    if (line === "") return this.#dispatch();
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === "event") this.#type = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id") this.#id = value;
    return undefined;
  }

  #dispatch(): ServerEvent | undefined {
    const event = { type: this.#type, data: this.#data.join("\n") };
    if (this.#id !== undefined) this.lastId = this.#id;
    this.#clear();
    return event.type === "" ? undefined : event;
  }

  #clear(): void {
    this.#type = "";
    this.#data = [];
    this.#id = undefined;
  }
}
