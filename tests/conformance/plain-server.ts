import { createServer } from "node:net";
import { readRequest } from "../../src/transport/grpc-request.ts";
import { encodeFields } from "../../src/transport/hpack-encoder.ts";
import { Http2Connection } from "../../src/transport/http2-connection.ts";
import { ErrorCode } from "../../src/transport/http2-frames.ts";
import type { Http2Stream } from "../../src/transport/http2-stream.ts";

/** Our HTTP/2 with a web server's answer behind it: some bytes for every request, a while after its end. */

/** Long enough for what a suite sends after a request, so that the stream is still there. */
const ANSWER_AFTER_MS = 100;
const BODY = Buffer.from("hello");
const LIMITS = {
  streamsMax: 100,
  headerBytesMax: 16 * 1024,
  streamWindow: 64 * 1024,
  connectionWindow: 1024 * 1024,
  grantedBytesMax: 0,
};

export interface PlainServer extends Disposable {
  readonly port: number;
  /** Faults of our own. */
  readonly failures: readonly unknown[];
}

export async function startPlainServer(): Promise<PlainServer> {
  const failures: unknown[] = [];
  const host = {
    request(stream: Http2Stream, fields: Parameters<typeof readRequest>[0] | undefined) {
      const request = fields && readRequest(fields);
      if (request === undefined) {
        stream.reset(ErrorCode.protocol);
        return stream.events;
      }
      stream.expectedBytes = request.contentLength;
      return {
        data: (bytes: Buffer) => stream.consumed(bytes.length),
        end: () => void setTimeout(() => answer(stream), ANSWER_AFTER_MS),
        drained() {},
        closed() {},
      };
    },
    readDone() {},
    closed() {},
    failed: (error: unknown) => void failures.push(error),
  };
  const listener = createServer((socket) => {
    socket.on("error", () => {});
    new Http2Connection(socket, host, LIMITS);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as { port: number }).port,
    failures,
    [Symbol.dispose]: () => void listener.close(),
  };
}

function answer(stream: Http2Stream): void {
  stream.sendHeaders(encodeFields([[":status", "200"]]), false);
  stream.sendData(BODY);
  stream.sendTrailers(encodeFields([["x-end", "1"]]));
}
