import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { createConnection } from "node:net";

/** What came back for one HTTP/2 stream, as the client saw it. */
export interface Http2Reply {
  readonly httpStatus: number | undefined;
  /** grpc-status of the trailers, or of the headers where there are no others. */
  readonly grpcStatus: number | undefined;
  /** As it came, percent-encoding and all. */
  readonly grpcMessage: string | undefined;
  /** The bytes of all DATA frames. */
  readonly body: Buffer;
  /** The code of RST_STREAM, where one came. */
  readonly resetCode: number | undefined;
}

export interface RequestPlan {
  readonly path: string;
  /** On top of a well-formed gRPC request; undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: readonly Uint8Array[];
  /** Default true: the request ends after its body. */
  readonly end?: boolean;
}

/** A client that knows HTTP/2 and nothing of gRPC: it sends whatever bytes it is told to. */
export interface Http2Client extends Disposable {
  readonly session: ClientHttp2Session;
  call(plan: RequestPlan): Promise<Http2Reply>;
  open(plan: RequestPlan): { readonly stream: ClientHttp2Stream; readonly reply: Promise<Http2Reply> };
}

/** `windowBytes`: how much a stream may send before the client has to grant more. */
export function connectHttp2(path: string, windowBytes = 65_535): Http2Client {
  const session = connect("http://localhost", {
    createConnection: () => createConnection(path),
    settings: { initialWindowSize: windowBytes },
  });
  session.on("error", () => {});
  const open = (plan: RequestPlan) => {
    const stream = session.request(headersOf(plan), { endStream: false });
    const reply = collect(stream);
    for (const chunk of plan.body ?? []) stream.write(chunk);
    if (plan.end !== false) stream.end();
    return { stream, reply };
  };
  return {
    session,
    open,
    call: (plan) => open(plan).reply,
    [Symbol.dispose]: () => session.destroy(),
  };
}

/** A gRPC frame; `length` and `flag` may lie. */
export function frame(message: Uint8Array, { flag = 0, length = message.byteLength } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

function headersOf(plan: RequestPlan): OutgoingHttpHeaders {
  const headers: Record<string, string | undefined> = {
    ":method": "POST",
    ":path": plan.path,
    ":scheme": "http",
    ":authority": "localhost",
    "content-type": "application/grpc",
    te: "trailers",
    ...plan.headers,
  };
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

function collect(stream: ClientHttp2Stream): Promise<Http2Reply> {
  const chunks: Buffer[] = [];
  const seen: Record<string, unknown> = {};
  stream.on("response", (headers) => Object.assign(seen, headers));
  stream.on("trailers", (trailers) => Object.assign(seen, trailers));
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  // A server may answer before the request is complete; the other half is closed then, as gRPC clients do.
  stream.on("end", () => stream.close());
  return new Promise((resolve) => {
    stream.on("close", () => {
      const status = seen["grpc-status"];
      const message = seen["grpc-message"];
      resolve({
        httpStatus: seen[":status"] as number | undefined,
        grpcStatus: status === undefined ? undefined : Number(status),
        grpcMessage: message === undefined ? undefined : String(message),
        body: Buffer.concat(chunks),
        resetCode: stream.rstCode || undefined,
      });
    });
  });
}
