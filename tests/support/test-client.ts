import {
  create,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";

/** A failed call, as a client sees it. */
export interface CallFailure {
  readonly code: keyof typeof grpc.status;
  readonly details: string;
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const same = (bytes: Buffer) => bytes;

export function failureOf(error: unknown): CallFailure {
  const { code, details } = error as { code: number; details: string };
  return { code: grpc.status[code] as keyof typeof grpc.status, details };
}

/** A watch as a test reads it: everything that arrived, and how it ended. */
export class StreamReader<T> {
  readonly messages: T[] = [];
  end: CallFailure | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(
    readonly call: grpc.ClientReadableStream<Buffer>,
    decode: (bytes: Buffer) => T,
  ) {
    call.on("data", (bytes: Buffer) => {
      this.messages.push(decode(bytes));
      this.#wake();
    });
    call.on("error", () => {});
    call.on("status", (status: grpc.StatusObject) => {
      this.end = { code: grpc.status[status.code] as keyof typeof grpc.status, details: status.details };
      this.#wake();
    });
  }

  /** Resolves when the condition holds; rejects after the limit, a guard against hangs. */
  async until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!condition()) {
      if (performance.now() > deadline) {
        throw new Error(`${what}: not within ${limitMs} ms (${this.messages.length} messages, end ${this.end?.code})`);
      }
      // No Promise.withResolvers: this file runs on Node 20 too.
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, 100);
        this.#waiters.add(done);
      });
    }
  }

  async messagesUpTo(count: number): Promise<readonly T[]> {
    await this.until(() => this.messages.length >= count, `${count} messages`);
    return this.messages;
  }

  async status(): Promise<CallFailure> {
    await this.until(() => this.end !== undefined, "the stream's end");
    return this.end as CallFailure;
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

/** A plain grpc-js client for any method that protobuf-es describes. */
export class TestClient implements Disposable {
  readonly #client: grpc.Client;

  constructor(target: string, options: grpc.ClientOptions = {}) {
    // A pool of its own: two clients of one test are two connections.
    const own = { "grpc.use_local_subchannel_pool": 1, ...options };
    this.#client = new grpc.Client(target, grpc.credentials.createInsecure(), own);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async call<I extends DescMethodUnary>(
    method: I,
    init: MessageInitShape<I["input"]>,
    options: grpc.CallOptions = {},
  ): Promise<MessageShape<I["output"]>> {
    const request = toBinary(method.input, create(method.input, init));
    const reply = await this.callRaw(pathOf(method), request, options);
    return fromBinary(method.output, reply) as MessageShape<I["output"]>;
  }

  /** The failure of a call that must fail. */
  async failure<I extends DescMethodUnary>(
    method: I,
    init: MessageInitShape<I["input"]>,
    options: grpc.CallOptions = {},
  ): Promise<CallFailure> {
    return failing(this.call(method, init, options));
  }

  callRaw(path: string, request: Uint8Array, options: grpc.CallOptions = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const limit = { deadline: Date.now() + 30_000, ...options };
      this.#client.makeUnaryRequest(path, same, same, asBuffer(request), new grpc.Metadata(), limit, (error, reply) =>
        error ? reject(error) : resolve(reply ?? Buffer.alloc(0)),
      );
    });
  }

  stream<I extends DescMethodServerStreaming>(
    method: I,
    init: MessageInitShape<I["input"]>,
  ): StreamReader<MessageShape<I["output"]>> {
    const request = asBuffer(toBinary(method.input, create(method.input, init)));
    const call = this.#client.makeServerStreamRequest(pathOf(method), same, same, request);
    return new StreamReader(call, (bytes) => fromBinary(method.output, bytes) as MessageShape<I["output"]>);
  }
}

export const pathOf = (method: { readonly name: string; readonly parent: { readonly typeName: string } }): string =>
  `/${method.parent.typeName}/${method.name}`;

export async function failing(call: Promise<unknown>): Promise<CallFailure> {
  try {
    await call;
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("the call succeeded, though it must fail");
}
