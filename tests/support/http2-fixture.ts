import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Http2Connection } from "../../src/transport/http2-connection.ts";
import type { Http2Limits } from "../../src/transport/http2-settings.ts";
import type { Http2Stream, StreamEvents } from "../../src/transport/http2-stream.ts";
import { eventually } from "./eventually.ts";
import { connectRaw, encodeFrame, type Frame, FrameType, HELLO, type RawConnection } from "./http2-frames.ts";

/** A request as the server's half of HTTP/2 handed it over; nothing is answered but by the test. */
export interface Request {
  readonly stream: Http2Stream;
  /** undefined where they were over the limit. */
  readonly fields: readonly (readonly [name: string, value: string])[] | undefined;
  readonly data: Buffer[];
  /** What has happened beside data, in order: end, drained, closed, lost. */
  readonly happened: string[];
}

/** One connection over a real socket, with the frames of its client in the test's hand. */
export interface Http2Fixture extends AsyncDisposable {
  readonly client: RawConnection;
  readonly connection: Http2Connection;
  /** The server's end of it. */
  readonly socket: Socket;
  readonly requests: readonly Request[];
  readonly failures: readonly unknown[];
  /** Sends, waits until all of it is handled and what that gave has come, and has what has come since the last time. */
  exchange(...bytes: Uint8Array[]): Promise<readonly Frame[]>;
}

export interface Http2FixtureOptions extends Partial<Http2Limits> {
  /** Default true: data is consumed as it comes. */
  readonly consumes?: boolean;
  readonly onRequest?: (request: Request) => void;
  /** Who takes the rest of a request; in place of `consumes`, `data` and `happened`. */
  readonly events?: (stream: Http2Stream) => StreamEvents;
}

const LIMITS: Http2Limits = {
  streamsMax: 100,
  headerBytesMax: 1_000,
  streamWindow: 70_000,
  connectionWindow: 140_000,
  grantedBytesMax: 200_000,
};

export async function startHttp2Fixture(options: Http2FixtureOptions = {}): Promise<Http2Fixture> {
  const folder = mkdtempSync(join(tmpdir(), "h2-"));
  const requests: Request[] = [];
  const failures: unknown[] = [];
  const accepted = Promise.withResolvers<{ connection: Http2Connection; socket: Socket }>();
  const listener = createServer((socket) => {
    socket.on("error", () => {});
    const host = {
      request: (stream: Http2Stream, fields: Parameters<typeof fieldsOf>[0]) => {
        const request: Request = { stream, fields: fieldsOf(fields), data: [], happened: [] };
        requests.push(request);
        options.onRequest?.(request);
        return options.events?.(stream) ?? eventsOf(request, options.consumes ?? true);
      },
      readDone() {},
      closed() {},
      failed: (error: unknown) => void failures.push(error),
    };
    accepted.resolve({ connection: new Http2Connection(socket, host, { ...LIMITS, ...options }), socket });
  });
  await new Promise<void>((resolve) => listener.listen(join(folder, "s"), resolve));
  const client = await connectRaw(join(folder, "s"));
  const { connection, socket } = await accepted.promise;
  let isGreeted = false;
  let seen = 0;
  return {
    client,
    connection,
    socket,
    requests,
    failures,
    async exchange(...bytes) {
      const greeting = isGreeted ? [] : [HELLO];
      isGreeted = true;
      client.send(...greeting, ...bytes, SYNC);
      await eventually(() => client.isClosed || client.frames.slice(seen).some(isSync), "all is handled");
      const came = client.frames.slice(seen).filter((frame) => !isSync(frame) && !isGreeting(frame));
      seen = client.frames.length;
      return came;
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      socket.destroy();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A PING of our own: its answer comes behind all that was pushed before. */
const SYNC_PAYLOAD = Buffer.from("all done");
const SYNC = encodeFrame(FrameType.ping, 0, 0, SYNC_PAYLOAD);
const isSync = (frame: Frame) => frame.type === FrameType.ping && frame.payload.equals(SYNC_PAYLOAD);
/** What the server says first, and its answer to our SETTINGS in HELLO, are of no interest but to the tests of both. */
const isGreeting = (frame: Frame) =>
  frame.type === FrameType.settings || (frame.type === FrameType.windowUpdate && frame.stream === 0 && isFirst(frame));
const isFirst = (frame: Frame) => frame.payload.readUInt32BE(0) === LIMITS.connectionWindow - 65_535;

function fieldsOf(fields: readonly { readonly name: string; readonly value: string }[] | undefined) {
  return fields?.map(({ name, value }) => [name, value] as const);
}

function eventsOf(request: Request, consumes: boolean) {
  const { stream, data, happened } = request;
  return {
    data(bytes: Buffer) {
      data.push(Buffer.from(bytes));
      if (consumes) stream.consumed(bytes.length);
    },
    end: () => void happened.push("end"),
    drained: () => void happened.push("drained"),
    closed: (isComplete: boolean) => void happened.push(isComplete ? "closed" : "lost"),
  };
}
