import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Scheduler } from "../../base/clock.ts";
import { unexpected } from "../connection/call-errors.ts";
import type { CallOptions, Connection, StreamOptions } from "../connection/connection.ts";
import { OpenCalls } from "../connection/open-calls.ts";
import { checkTimeout, DEFAULT_TIMEOUT_MS } from "../connection/timeout.ts";
import { ApiError } from "../errors.ts";
import { processSystem } from "../system.ts";
import type { Fake } from "./fake.ts";
import { methodName, type StreamHandler, type UnaryHandler } from "./handler.ts";
import { untilAborted } from "./until-aborted.ts";

export interface FakeConnectionOptions {
  /** For time limits. Default: the process's timers. */
  readonly scheduler?: Scheduler;
}

/**
 * A connection to the fake without a socket. What is sent and answered is encoded and decoded all the same; nothing is
 * repeated, so that a reactor's error reaches the caller.
 */
export function createFakeConnection(fake: Fake, options: FakeConnectionOptions = {}): Connection {
  return new FakeConnection(fake, options.scheduler ?? processSystem.scheduler);
}

class FakeConnection implements Connection {
  readonly target = { address: "fake:", shown: "fake" };
  readonly #fake: Fake;
  readonly #scheduler: Scheduler;
  readonly #calls = new OpenCalls();

  constructor(fake: Fake, scheduler: Scheduler) {
    this.#fake = fake;
    this.#scheduler = scheduler;
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const name = methodName(method);
    const handler = this.#unaryHandler(name);
    const timeoutMs = checkTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    using scope = this.#calls.enter(name, options.signal);
    const gone = follow(scope.signal);
    const late = () => gone.abort(new ApiError("DEADLINE_EXCEEDED", `no answer within ${timeoutMs} ms`, name));
    using _limit = this.#scheduler.setTimer(late, timeoutMs);
    const request = sent(method.input, init, name);
    try {
      const answer = handler.handle(request, { metadata: options.metadata ?? {}, signal: gone.signal });
      const reply = await Promise.race([answer, rejection(gone.signal)]);
      return fromBinary(method.output, toBinary(handler.method.output, reply));
    } catch (error) {
      throw named(error, name);
    }
  }

  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
    options: StreamOptions = {},
  ): AsyncIterable<MessageShape<O>> {
    return { [Symbol.asyncIterator]: () => this.#open(method, init, options) };
  }

  async close(): Promise<void> {
    this.#calls.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
    { signal, metadata = {} }: StreamOptions,
  ): AsyncGenerator<MessageShape<O>> {
    if (isAborted(signal)) return;
    const name = methodName(method);
    const handler = this.#streamHandler(name);
    using scope = this.#calls.enter(name, signal);
    const request = sent(method.input, init, name);
    const call = { metadata, signal: scope.signal };
    try {
      for await (const reply of untilAborted(handler.handle(request, call), scope.signal)) {
        yield fromBinary(method.output, toBinary(handler.method.output, reply));
      }
    } catch (error) {
      // What the caller asked for is no failure.
      if (!isAborted(signal)) throw named(error, name);
    }
    if (scope.signal.aborted && !isAborted(signal)) throw scope.signal.reason;
  }

  #unaryHandler(name: string): UnaryHandler {
    const handler = this.#fake.handlers.get(name);
    if (handler?.kind !== "unary") throw unimplemented(name);
    return handler;
  }

  #streamHandler(name: string): StreamHandler {
    const handler = this.#fake.handlers.get(name);
    if (handler?.kind !== "server_streaming") throw unimplemented(name);
    return handler;
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

const unimplemented = (name: string) => new ApiError("UNIMPLEMENTED", "the fake does not serve this method", name);

/** As it arrives. Throws INVALID_ARGUMENT where it cannot be sent. */
function sent(schema: DescMessage, init: MessageInitShape<DescMessage>, name: string): Message {
  try {
    return fromBinary(schema, toBinary(schema, create(schema, init)));
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ApiError("INVALID_ARGUMENT", `request: ${words}`, name, { cause: error });
  }
}

/** Aborted with the signal, or by itself. */
function follow(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort(signal.reason));
  return controller;
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** A handler does not know by which name it was called. */
function named(error: unknown, name: string): ApiError {
  if (!(error instanceof ApiError)) return unexpected(error, name);
  return error.method === "" ? new ApiError(error.code, error.details, name, { cause: error }) : error;
}
