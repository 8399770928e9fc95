import type { Socket } from "node:net";
import type { HeaderField } from "./hpack-decoder.ts";
import { Cost, FloodBudget } from "./http2-flood-budget.ts";
import { FrameReader } from "./http2-frame-reader.ts";
import {
  ConnectionError,
  ErrorCode,
  encodeFrame,
  encodeGoaway,
  encodeHeaders,
  encodeNumber,
  Flag,
  FrameType,
  SETTINGS_ACK,
  WINDOW_MAX,
} from "./http2-frames.ts";
import { type HeaderBlock, HeaderReader, withoutPadding } from "./http2-header-reader.ts";
import { ReceiveWindow } from "./http2-receive-window.ts";
import { Http2Receiver } from "./http2-receiver.ts";
import { Http2Sender } from "./http2-sender.ts";
import { checkLength, encodeGreeting, type Http2Limits, PeerSettings, priorityError } from "./http2-settings.ts";
import { Http2Stream, type StreamConnection, type StreamEvents } from "./http2-stream.ts";

export interface Http2Host {
  /** A request's headers; undefined where they are over the limit. Returns who takes the rest. */
  request(stream: Http2Stream, fields: readonly HeaderField[] | undefined): StreamEvents;
  /** All that came at once has been handled. */
  readDone(): void;
  /** The socket is closed, and so is every stream. */
  closed(connection: Http2Connection): void;
  /** A fault of our own; the connection has ended for it. */
  failed(error: unknown): void;
}

/** A stream that was refused before anybody was told of it. */
const NOBODY: StreamEvents = { data() {}, end() {}, drained() {}, closed() {} };
/** HPACK's "the table holds 0 bytes from here on". */
const EMPTY_TABLE = Buffer.from([0x20]);

/**
 * The server's half of HTTP/2 (RFC 9113) on one accepted socket: frames, streams, flow control. It knows nothing of
 * gRPC. What it does not have, because gRPC has no use for it: push, priorities, informational responses, Upgrade.
 */
export class Http2Connection implements StreamConnection {
  readonly #socket: Socket;
  readonly #host: Http2Host;
  readonly #limits: Http2Limits;
  readonly #reader: FrameReader;
  readonly #sender: Http2Sender;
  readonly #headerReader: HeaderReader;
  readonly #budget = new FloodBudget();
  readonly #settings = new PeerSettings();
  readonly #streams = new Map<number, Http2Stream>();
  #hasSettings = false;
  #isReading = false;
  #isOver = false;
  #lastStream = 0;
  #reads = 0;
  readonly #receiver: Http2Receiver;

  constructor(socket: Socket, host: Http2Host, limits: Http2Limits) {
    this.#socket = socket;
    this.#host = host;
    this.#limits = limits;
    this.#headerReader = new HeaderReader(limits.headerBytesMax);
    this.#reader = new FrameReader((type, flags, id, payload) => this.#frame(type, flags, id, payload));
    this.#sender = new Http2Sender(socket, this.#budget);
    this.#receiver = new Http2Receiver((frame) => this.push(frame), limits);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("close", () => {
      this.#over();
      host.closed(this);
    });
    this.push(encodeGreeting(limits));
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** It has ended; the socket may have bytes that the peer does not take. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** How often something has come. */
  get reads(): number {
    return this.#reads;
  }

  /** How many whole frames have come. */
  get frames(): number {
    return this.#reader.frames;
  }

  /** The newest stream that the peer has opened. */
  get lastStream(): number {
    return this.#lastStream;
  }

  /** A frame or a header block has begun and is not complete. */
  get isMidFrame(): boolean {
    return this.#reader.isMidFrame || this.#headerReader.isMidBlock;
  }

  ping(): void {
    this.push(encodeFrame(FrameType.ping, 0, 0, Buffer.alloc(8)));
  }

  /** No further streams, and the end of the connection once all that was sent has left. */
  goAway(code: number, debug = ""): void {
    if (this.#isOver) return;
    this.push(encodeGoaway(this.#lastStream, code, debug));
    this.#sender.flush();
    this.#over();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#over();
  }

  push(frame: Buffer): void {
    if (this.#isOver) return;
    this.#sender.push(frame);
    if (!this.#isReading) this.#sender.schedule();
  }

  pushHeaders(stream: Http2Stream, block: Uint8Array, endStream: boolean): void {
    const { wantsTableUpdate } = this.#settings;
    this.#settings.wantsTableUpdate = false;
    this.push(encodeHeaders(stream.id, wantsTableUpdate ? Buffer.concat([EMPTY_TABLE, block]) : block, endStream));
  }

  pump(stream: Http2Stream): boolean {
    const isDone = this.#sender.pump(stream);
    if (!this.#isReading) this.#sender.schedule();
    return isDone;
  }

  takesWhole(stream: Http2Stream, dataBytes: number): boolean {
    return !this.#settings.wantsTableUpdate && this.#sender.takesWhole(stream, dataBytes);
  }

  pushWhole(frames: Buffer, dataBytes: number): void {
    this.#sender.spend(dataBytes);
    this.push(frames);
  }

  consumed(stream: Http2Stream, bytes: number): void {
    this.#receiver.consumed(stream, bytes);
  }

  want(stream: Http2Stream, bytes: number): void {
    this.#receiver.want(stream, bytes);
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#sender.forget(stream);
    this.#receiver.forget(stream);
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#isReading = true;
    this.#reads++;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#fail(error);
    }
    this.#isReading = false;
    this.#host.readDone();
    if (!this.#isOver) this.#sender.flush();
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#headerReader.isMidBlock && type !== FrameType.continuation) {
      throw new ConnectionError(ErrorCode.protocol, "a frame in the middle of a header block");
    }
    if (!this.#hasSettings && type !== FrameType.settings) {
      throw new ConnectionError(ErrorCode.protocol, "no SETTINGS after the preface");
    }
    switch (type) {
      case FrameType.data:
        this.#data(id, flags, payload);
        break;
      case FrameType.headers:
        this.#headers(id, flags, payload);
        break;
      case FrameType.continuation:
        this.#budget.spend(Cost.empty);
        this.#headerBlock(this.#headerReader.continuation(id, flags, payload));
        break;
      case FrameType.rstStream:
        this.#rstStream(id, payload);
        break;
      case FrameType.windowUpdate:
        this.#windowUpdate(id, payload);
        break;
      case FrameType.settings:
        this.#peerSettings(id, flags, payload);
        break;
      case FrameType.ping:
        this.#ping(id, flags, payload);
        break;
      case FrameType.priority:
        this.#priority(id, payload);
        break;
      default:
        this.#other(type, id);
    }
  }

  /** What a client may send and we make nothing of, and what it may not. */
  #other(type: number, id: number): void {
    if (type === FrameType.pushPromise) throw new ConnectionError(ErrorCode.protocol, "a client does not push");
    if (type === FrameType.goaway && id !== 0) throw new ConnectionError(ErrorCode.protocol, "GOAWAY on a stream");
    this.#budget.spend(Cost.plain);
  }

  #data(id: number, flags: number, payload: Buffer): void {
    const isEnd = (flags & Flag.endStream) !== 0;
    const bytes = (flags & Flag.padded) === 0 ? payload : withoutPadding(payload);
    const stream = this.#streamOf(id, "DATA");
    this.#receiver.arrived(payload.length);
    if (stream === undefined || stream.isRemoteEnded) {
      this.#lateFrame(id, stream);
      return;
    }
    if (bytes.length === 0 && !isEnd) this.#budget.spend(Cost.empty);
    if (!stream.receiveWindow.take(payload.length)) {
      stream.reset(ErrorCode.flowControl);
      return;
    }
    stream.consumed(payload.length - bytes.length);
    if (bytes.length > 0) stream.events.data(bytes);
    if (stream.isClosed || !stream.keepsLength(bytes.length, isEnd)) return;
    if (isEnd) stream.remoteEnd();
  }

  #headers(id: number, flags: number, payload: Buffer): void {
    if (id % 2 === 0) throw new ConnectionError(ErrorCode.protocol, "HEADERS on a stream that is no client's");
    this.#headerBlock(this.#headerReader.headers(id, flags, payload));
  }

  /** undefined while it is not complete. */
  #headerBlock(block: HeaderBlock | undefined): void {
    if (block === undefined) return;
    // Also where the stream is not there any more: the table has to keep pace with the peer's.
    const fields = this.#headerReader.decode(block);
    if (block.stream <= this.#lastStream) this.#trailers(block, fields);
    else this.#open(block, fields);
  }

  #open(block: HeaderBlock, fields: readonly HeaderField[] | undefined): void {
    this.#lastStream = block.stream;
    const window = new ReceiveWindow(this.#limits.streamWindow);
    const stream = new Http2Stream(block.stream, this, NOBODY, this.#settings.initialWindow, window, this.#reads);
    if (this.#streams.size >= this.#limits.streamsMax) {
      // It may not have read our limit yet.
      this.#budget.spend(Cost.plain);
      stream.reset(ErrorCode.refusedStream);
      return;
    }
    if (block.dependsOnItself) {
      stream.reset(ErrorCode.protocol);
      return;
    }
    // Before anybody answers: whoever has said all need not be told to stop.
    stream.isRemoteEnded = block.endStream;
    this.#streams.set(block.stream, stream);
    this.#budget.earn();
    stream.events = this.#host.request(stream, fields);
    if (stream.isClosed) return;
    if (block.endStream && stream.keepsLength(0, true)) stream.remoteEnd();
  }

  /** What follows a request's data: nothing in gRPC, and allowed. */
  #trailers(block: HeaderBlock, fields: readonly HeaderField[] | undefined): void {
    const stream = this.#streams.get(block.stream);
    if (stream === undefined && fields?.[0]?.name.startsWith(":") === true) {
      throw new ConnectionError(ErrorCode.protocol, "a request on a stream that has been");
    }
    if (stream === undefined || stream.isRemoteEnded) {
      this.#lateFrame(block.stream, stream);
      return;
    }
    const isSound = fields?.every((field) => field.isValid && !field.name.startsWith(":")) ?? false;
    if (!isSound || !block.endStream) stream.reset(ErrorCode.protocol);
    else if (stream.keepsLength(0, true)) stream.remoteEnd();
  }

  /** A frame for a stream that has had its end; it may have crossed ours on the way. */
  #lateFrame(id: number, stream: Http2Stream | undefined): void {
    this.#budget.spend(Cost.plain);
    if (stream !== undefined) stream.reset(ErrorCode.streamClosed);
    else this.push(encodeNumber(FrameType.rstStream, id, ErrorCode.streamClosed));
  }

  /** undefined for one that has been. */
  #streamOf(id: number, what: string): Http2Stream | undefined {
    if (id === 0 || id > this.#lastStream || id % 2 === 0) {
      throw new ConnectionError(ErrorCode.protocol, `${what} on a stream that was never opened`);
    }
    return this.#streams.get(id);
  }

  #rstStream(id: number, payload: Buffer): void {
    checkLength("RST_STREAM", payload, 4);
    const stream = this.#streamOf(id, "RST_STREAM");
    // Of a request that came with it: work for nothing. Whoever has waited for an answer may change its mind.
    this.#budget.spend(stream?.openedIn === this.#reads ? Cost.reset : Cost.plain);
    stream?.close(false);
  }

  #windowUpdate(id: number, payload: Buffer): void {
    checkLength("WINDOW_UPDATE", payload, 4);
    this.#budget.spend(Cost.plain);
    const by = payload.readUInt32BE(0) & WINDOW_MAX;
    if (id === 0) {
      if (by === 0) throw new ConnectionError(ErrorCode.protocol, "a WINDOW_UPDATE of 0");
      this.#sender.grow(by);
      return;
    }
    const stream = this.#streamOf(id, "WINDOW_UPDATE");
    if (stream === undefined) return;
    stream.sendWindow += by;
    if (by === 0) stream.reset(ErrorCode.protocol);
    else if (stream.sendWindow > WINDOW_MAX) stream.reset(ErrorCode.flowControl);
    else this.pump(stream);
  }

  #peerSettings(id: number, flags: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.protocol, "SETTINGS on a stream");
    if ((flags & Flag.ack) !== 0) {
      checkLength("an acknowledgement of SETTINGS", payload, 0);
      return;
    }
    this.#hasSettings = true;
    const before = this.#settings.initialWindow;
    this.#settings.apply(payload);
    // It is carried out on every stream.
    this.#budget.spend(Cost.empty + this.#streams.size);
    this.#widen(this.#settings.initialWindow - before);
    this.push(SETTINGS_ACK);
  }

  /** Every stream's window by so much, which may be less than nothing. */
  #widen(by: number): void {
    for (const stream of [...this.#streams.values()]) {
      stream.sendWindow += by;
      if (stream.sendWindow > WINDOW_MAX) throw new ConnectionError(ErrorCode.flowControl, "a window over the limit");
      if (by > 0 && stream.isWaiting) this.pump(stream);
    }
  }

  #ping(id: number, flags: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(ErrorCode.protocol, "PING on a stream");
    checkLength("PING", payload, 8);
    this.#budget.spend(Cost.plain);
    if ((flags & Flag.ack) === 0) this.push(encodeFrame(FrameType.ping, Flag.ack, 0, payload));
  }

  #priority(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(ErrorCode.protocol, "PRIORITY without a stream");
    this.#budget.spend(Cost.plain);
    const code = priorityError(id, payload);
    if (code === undefined) return;
    const stream = this.#streams.get(id);
    if (stream !== undefined) stream.reset(code);
    else this.push(encodeNumber(FrameType.rstStream, id, code));
  }

  #fail(error: unknown): void {
    if (error instanceof ConnectionError) {
      this.goAway(error.code, error.message);
      return;
    }
    this.goAway(ErrorCode.internal);
    this.#host.failed(error);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reader.stop();
    for (const stream of [...this.#streams.values()]) stream.close(false);
  }
}
