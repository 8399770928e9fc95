import type { JsonObject } from "@bufbuild/protobuf";
import { Code, type CodeName, StatusError } from "../../src/base/status-error.ts";
import type { ExchangeEvents, GrpcExchange } from "../../src/transport/grpc-exchange.ts";
import { statusTrailers } from "../../src/transport/grpc-replies.ts";
import { encodeFields } from "../../src/transport/hpack-encoder.ts";
import type {
  ErrorDefinition,
  Header,
  Messages,
  Payload,
  Request,
  RequestInfo,
  ResponseDefinition,
} from "./conformance-messages.ts";

/** connectrpc.conformance.v1.ConformanceService on our exchanges; what it does stands in the suite's service.proto. */

export type Kind = "Unary" | "IdempotentUnary" | "ClientStream" | "ServerStream" | "BidiStream";

export const KINDS: readonly Kind[] = ["Unary", "IdempotentUnary", "ClientStream", "ServerStream", "BidiStream"];
/** Of these the request is one message. */
export const SINGLE: readonly Kind[] = ["Unary", "IdempotentUnary", "ServerStream"];
const STREAMED: readonly Kind[] = ["ServerStream", "BidiStream"];

type Fields = readonly (readonly [name: string, value: string])[];

/** One call, which is answered as its first message says. */
export class ConformanceCall implements ExchangeEvents {
  readonly #kind: Kind;
  readonly #messages: Messages;
  readonly #headers: readonly Header[];
  readonly #deadlineMs: number | undefined;
  readonly #exchange: GrpcExchange;
  readonly #timer: Timer | undefined;
  /** Of a full-duplex stream, those since the last answer. */
  #requests: JsonObject[] = [];
  #first: Request | undefined;
  #count = 0;
  #sent = 0;
  #isOver = false;
  /** What is being done, one after the other: answers may take their time. */
  #work: Promise<void> = Promise.resolve();

  constructor(
    kind: Kind,
    messages: Messages,
    request: { readonly headers: readonly Header[]; readonly timeoutMs: number | undefined },
    exchange: (events: ExchangeEvents) => GrpcExchange,
  ) {
    this.#kind = kind;
    this.#messages = messages;
    this.#headers = request.headers;
    this.#exchange = exchange(this);
    const { timeoutMs } = request;
    if (timeoutMs === undefined) return;
    this.#deadlineMs = performance.now() + timeoutMs;
    const late = () => this.#finish(new StatusError("DEADLINE_EXCEEDED", "the deadline has passed"));
    this.#timer = setTimeout(late, Math.min(timeoutMs, 2 ** 31 - 1));
  }

  get exchange(): GrpcExchange {
    return this.#exchange;
  }

  message(bytes: Buffer): void {
    const type = `${this.#kind}Request`;
    const json = this.#decode(type, bytes);
    if (json === undefined) return;
    this.#count++;
    this.#first ??= json as Request;
    this.#requests.push(this.#messages.any(type, json));
    if (STREAMED.includes(this.#kind)) this.#sendHeaders();
    if (this.#first.fullDuplex === true) this.#then(() => this.#answerOne());
  }

  received(): void {}

  halfClose(): void {
    if (SINGLE.includes(this.#kind) && this.#count !== 1) {
      this.#finish(new StatusError("UNIMPLEMENTED", `the method takes one message, and ${this.#count} came`));
    } else this.#then(() => this.#answerAll());
  }

  broken(status: StatusError): void {
    this.#finish(status);
  }

  drained(): void {}

  closed(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  get #definition(): ResponseDefinition {
    return this.#first?.responseDefinition ?? {};
  }

  get #data(): readonly string[] {
    const { responseData } = this.#definition;
    if (typeof responseData === "object") return responseData;
    return responseData === undefined ? [] : [responseData];
  }

  #decode(type: string, bytes: Uint8Array): JsonObject | undefined {
    try {
      return this.#messages.decode(type, bytes);
    } catch {
      this.#finish(new StatusError("INVALID_ARGUMENT", `no ${type}`));
      return undefined;
    }
  }

  #then(work: () => Promise<void>): void {
    this.#work = this.#work.then(() => (this.#isOver ? undefined : work()));
  }

  async #answerOne(): Promise<void> {
    if (this.#sent < this.#data.length) await this.#sendNext();
    else this.#end();
  }

  async #answerAll(): Promise<void> {
    if (STREAMED.includes(this.#kind)) {
      while (this.#sent < this.#data.length && !this.#isOver) await this.#sendNext();
      this.#end();
      return;
    }
    const { responseDelayMs = 0, error } = this.#definition;
    await Bun.sleep(responseDelayMs);
    if (this.#isOver) return;
    if (error === undefined) this.#send({ requestInfo: this.#info(), ...dataOf(this.#data[0]) });
    this.#end();
  }

  async #sendNext(): Promise<void> {
    const data = dataOf(this.#data[this.#sent]);
    await Bun.sleep(this.#definition.responseDelayMs ?? 0);
    if (this.#isOver) return;
    const isFull = this.#first?.fullDuplex === true;
    if (this.#sent === 0) this.#send({ ...data, requestInfo: this.#info() });
    else this.#send(isFull ? { ...data, requestInfo: { requests: this.#requests } } : data);
    this.#requests = [];
    this.#sent++;
  }

  #send(payload: Payload): void {
    this.#sendHeaders();
    this.#exchange.send(this.#messages.encode(`${this.#kind}Response`, { payload }));
  }

  #sendHeaders(): void {
    const own = fieldsOf(this.#definition.responseHeaders);
    this.#exchange.sendHeaders(encodeFields([[":status", "200"], ["content-type", "application/grpc"], ...own]));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#sendHeaders();
    const trailers = fieldsOf(this.#definition.responseTrailers);
    const { error } = this.#definition;
    if (error === undefined) this.#exchange.finish(undefined, encodeFields([["grpc-status", "0"], ...trailers]));
    else {
      const status = new StatusError(nameOf(error), error.message ?? "");
      const details = [
        ...(error.details ?? []),
        ...(this.#sent === 0 ? [this.#messages.any("ConformancePayload.RequestInfo", this.#info())] : []),
      ];
      const packed = this.#messages.encodeStatus(Code[status.code], status.message, details);
      const fields: Fields = [...trailers, ["grpc-status-details-bin", base64(packed)]];
      this.#exchange.finish(status, statusTrailers(status, fields));
    }
    this.#isOver = true;
  }

  #finish(status: StatusError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#exchange.finish(status);
  }

  #info(): RequestInfo {
    const left = this.#deadlineMs === undefined ? undefined : Math.max(0, this.#deadlineMs - performance.now());
    const timeout = left === undefined ? {} : { timeoutMs: String(Math.floor(left)) };
    return { requestHeaders: this.#headers, requests: this.#requests, ...timeout };
  }
}

function dataOf(data: string | undefined): { data?: string } {
  return data === undefined ? {} : { data };
}

function fieldsOf(headers: readonly Header[] = []): Fields {
  return headers.flatMap(({ name, value }) => value.map((one) => [name.toLowerCase(), one] as const));
}

function nameOf({ code = "CODE_UNKNOWN" }: ErrorDefinition): CodeName {
  const name = code.slice("CODE_".length);
  return name === "CANCELED" ? "CANCELLED" : (name as CodeName);
}

/** Without padding, as gRPC asks for. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
