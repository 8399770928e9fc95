import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { ApiError } from "../errors.ts";
import { type ClientSystem, processSystem } from "../system.ts";
import { resolveTarget, type Target } from "../target.ts";
import { unexpected } from "./call-errors.ts";
import { checkKeepalive, createChannel, DEFAULT_KEEPALIVE, type Keepalive, type LibraryChannel } from "./channel.ts";
import type { CallOptions, Connection, StreamOptions } from "./connection.ts";
import { checkTls, type TlsOptions } from "./credentials.ts";
import { chainStream, chainUnary, type Interceptor, type StreamNext, type UnaryNext } from "./interceptor.ts";
import { readStream, sendUnary } from "./library-call.ts";
import { OpenCalls } from "./open-calls.ts";
import { Redialer } from "./redialer.ts";
import { checkRetry, DEFAULT_RETRY, type RetryPolicy, retryStream, retryUnary } from "./retry.ts";
import { checkTimeout, DEFAULT_TIMEOUT_MS } from "./timeout.ts";

export interface ConnectOptions {
  /**
   * unix:///path, unix:path, /path, host:port or dns:///host:port. Default: NVIDIA_DEVICE_API_TARGET, else
   * unix:///var/run/device-api/device.sock.
   */
  readonly target?: string | Target;
  /** Default: plain text, as on a unix socket. */
  readonly tls?: TlsOptions;
  /** How long a call that names no time of its own may take, repetitions included. Default: 10 s. */
  readonly timeoutMs?: number;
  /** Default: up to 5 attempts, with waits by chance below 100 ms, doubling to 2 s. */
  readonly retry?: Partial<RetryPolicy>;
  /** Default: 5 minutes, 20 seconds. */
  readonly keepalive?: Keepalive;
  /** The first is the outermost. Default: none. */
  readonly interceptors?: readonly Interceptor[];
  /** Who calls, as in "my-monitor/1.2"; sent before this package's own name. Default: "". */
  readonly userAgent?: string;
  /** Clock, timers, chance and environment. Default: the process's. */
  readonly system?: ClientSystem;
}

/** Dials nothing yet. Throws ApiError, INVALID_ARGUMENT, for options that cannot be meant. */
export function connect(options: ConnectOptions = {}): Connection {
  const { system = processSystem, tls, userAgent = "", interceptors = [] } = options;
  const target = resolveTarget(options.target, system.env);
  if (tls !== undefined) checkTls(tls);
  checkUserAgent(userAgent);
  const timeoutMs = checkTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const keepalive = checkKeepalive(options.keepalive ?? DEFAULT_KEEPALIVE);
  const retry = checkRetry({ ...DEFAULT_RETRY, ...options.retry });
  const redialer = new Redialer(() => createChannel({ target, tls, keepalive, userAgent }));
  const transport = createTransport(redialer, target, retry, system);
  const calls = new OpenCalls();
  return {
    target,
    unary: createUnary(chainUnary(interceptors, transport.unary), calls, timeoutMs, system),
    serverStream: createServerStream(chainStream(interceptors, transport.stream), calls),
    async close() {
      calls.close();
      redialer.close();
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}

/** What stands innermost: repetition, and in it one channel for each attempt. */
function createTransport(
  redialer: Redialer<LibraryChannel>,
  target: Target,
  policy: RetryPolicy,
  system: ClientSystem,
): { readonly unary: UnaryNext; readonly stream: StreamNext } {
  return {
    unary: (call) => {
      const send = async () => {
        using lease = await redialer.acquire();
        try {
          return await sendUnary(lease.channel.client, call, target, system.clock);
        } catch (error) {
          throw lease.failed(unexpected(error, call.name));
        }
      };
      return retryUnary(call, send, policy, system);
    },
    stream: (call) => {
      const open = async function* (onOpen: () => void) {
        using lease = await redialer.acquire();
        try {
          yield* readStream(lease.channel.client, call, target, onOpen);
        } catch (error) {
          throw lease.failed(unexpected(error, call.name));
        }
      };
      return retryStream(call, open, policy, system);
    },
  };
}

function createUnary(next: UnaryNext, calls: OpenCalls, defaultMs: number, { clock }: ClientSystem) {
  return async <I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    init: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> => {
    const name = nameOf(method);
    const deadlineMs = clock.monotonicMs() + checkTimeout(options.timeoutMs ?? defaultMs);
    using scope = calls.enter(name, options.signal);
    const { metadata = {} } = options;
    const request = createMessage(method.input, init, name);
    try {
      const progress = { attempts: 0 };
      const reply = await next({ method, name, request, metadata, progress, signal: scope.signal, deadlineMs });
      return reply as MessageShape<O>;
    } catch (error) {
      throw unexpected(error, name);
    }
  };
}

function createServerStream(next: StreamNext, calls: OpenCalls) {
  return <I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    init: MessageInitShape<I>,
    options: StreamOptions = {},
  ): AsyncIterable<MessageShape<O>> => {
    const open = async function* (): AsyncGenerator<MessageShape<O>> {
      if (isAborted(options.signal)) return;
      const name = nameOf(method);
      using scope = calls.enter(name, options.signal);
      const { metadata = {} } = options;
      const request = createMessage(method.input, init, name);
      try {
        const progress = { attempts: 0 };
        yield* next({ method, name, request, metadata, progress, signal: scope.signal }) as AsyncIterable<
          MessageShape<O>
        >;
      } catch (error) {
        // What the caller asked for is no failure.
        if (!isAborted(options.signal)) throw unexpected(error, name);
      }
    };
    return { [Symbol.asyncIterator]: open };
  };
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

function createMessage(schema: DescMessage, init: MessageInitShape<DescMessage>, method: string): Message {
  try {
    return create(schema, init);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ApiError("INVALID_ARGUMENT", `request: ${words}`, method, { cause: error });
  }
}

function nameOf(method: DescMethodUnary | DescMethodServerStreaming): string {
  return `${method.parent.typeName}/${method.name}`;
}

function checkUserAgent(text: string): void {
  if (/^[\x20-\x7e]*$/.test(text)) return;
  throw new ApiError("INVALID_ARGUMENT", "userAgent: a header takes printable ASCII characters only");
}
