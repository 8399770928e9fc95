import type { CancelScope } from "../../base/cancel-scope.ts";
import type { CodeName, StatusError } from "../../base/status-error.ts";

/** JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = { readonly [key: string]: unknown };

export interface ApiParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: JsonSchema;
}

/** One request: its parameters as text, by the names in the operation's table; one that was not sent is not there. */
export interface ApiRequest extends CancelScope {
  readonly parameters: Readonly<Record<string, string>>;
}

/** One server-sent event. */
export interface StreamEvent {
  readonly type: string;
  /** Where a client that comes back goes on; "" makes it start anew, undefined leaves it where it was. */
  readonly id?: string;
  /** JSON, on one line. */
  readonly data: string;
}

/** The server's side of a stream of events. After `end`, or once cancelled, send and end do nothing. */
export interface EventStream extends CancelScope {
  /** Hands over one event. False: it was taken, but send no more until onDrain. */
  send(event: StreamEvent): boolean;
  /** One listener at a time; called whenever the stream takes events again after a false. */
  onDrain(listener: () => void): void;
  /** Ends with an event that says why. Events already sent go out first. */
  end(status: StatusError): void;
}

interface OperationBase {
  /** With `{name}` for a part that a parameter holds. */
  readonly path: `/api/v1/${string}`;
  readonly id: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly ApiParameter[];
  /** Of the answer; a name in the document's components. */
  readonly schema: string;
  /** What it may fail with, beyond what every request may. */
  readonly errors: readonly CodeName[];
}

export interface JsonOperation extends OperationBase {
  readonly kind: "json";
  /** The answer in pieces, which are made while it is sent: a long list holds up nobody. May throw StatusError. */
  handle(request: ApiRequest): Iterable<string> | Promise<Iterable<string>>;
}

export interface StreamOperation extends OperationBase {
  readonly kind: "stream";
  /** Returns when the stream is set up; it lives on until end or cancellation. May throw StatusError. */
  handle(request: ApiRequest, stream: EventStream): void | Promise<void>;
}

/** One row of the table from which requests are routed and the OpenAPI document is made. */
export type ApiOperation = JsonOperation | StreamOperation;
