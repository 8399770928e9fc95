import { EventParser, type ServerEvent } from "../../src/page/event-parser.ts";
import { eventually } from "./eventually.ts";

/** A reader of /api/v1/watch as a test follows it. */
export interface FollowedStream extends Disposable {
  readonly status: number;
  readonly events: readonly ServerEvent[];
  readonly lastId: string;
  /** Data of the events, as JSON. */
  data(type: string): readonly Record<string, unknown>[];
  until(condition: () => boolean, what: string): Promise<void>;
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
}

export async function followStream(uiUrl: string, lastId?: string): Promise<FollowedStream> {
  const abort = new AbortController();
  const headers = lastId === undefined ? {} : { "Last-Event-ID": lastId };
  const response = await fetch(`${uiUrl}/api/v1/watch`, { headers, signal: abort.signal });
  const parser = new EventParser();
  const events: ServerEvent[] = [];
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const piece of response.body ?? []) events.push(...parser.push(decoder.decode(piece, { stream: true })));
  };
  const ended = read();
  ended.catch(() => {});
  return {
    status: response.status,
    events,
    get lastId() {
      return parser.lastId;
    },
    ended,
    data: (type) => events.filter((event) => event.type === type).map(({ data }) => JSON.parse(data)),
    until: (condition, what) => eventually(condition, `${what}, in ${JSON.stringify(events.map(({ type }) => type))}`),
    [Symbol.dispose]: () => abort.abort(),
  };
}
