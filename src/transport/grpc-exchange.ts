import { StatusError } from "../base/status-error.ts";
import { inflateMessage } from "./grpc-inflate.ts";
import { MessageReader, PREFIX_BYTES, type WireMessage } from "./grpc-messages.ts";
import {
  ACCEPTED_ENCODINGS,
  asBuffer,
  messageFrame,
  messagePrefix,
  OK_TRAILERS,
  RESPONSE_HEADERS,
  statusOnlyHeaders,
  statusTrailers,
  wholeReply,
} from "./grpc-replies.ts";
import type { Http2Stream, StreamEvents } from "./http2-stream.ts";

/** What comes of a request. Nothing follows `broken` but `closed`. */
export interface ExchangeEvents {
  message(bytes: Buffer): void;
  /** All of the request is here, though messages may still be unpacked. */
  received(): void;
  /** There is no further message. */
  halfClose(): void;
  /** The request cannot be read any further; it wants this status. */
  broken(status: StatusError): void;
  /** All messages have left, after `send` said stop. */
  drained(): void;
  /** Once, and the last of all. */
  closed(): void;
}

export interface ExchangeOptions {
  /** grpc-encoding of the request. */
  readonly encoding: string;
  /** Bounds a message, packed and unpacked. */
  readonly bytesMax: number;
  /** The request has one message, and is of no use before it is complete. */
  readonly isSingle: boolean;
}

/** So many messages, or bytes, of one stream wait here before `send` says stop. */
const WAITING_MESSAGES_MAX = 16;
const WAITING_BYTES_MAX = 64 * 1024;

/**
 * gRPC on one HTTP/2 stream: messages in and out, and a status. It decides nothing; what it is told to send after the
 * status goes nowhere.
 */
export class GrpcExchange implements StreamEvents {
  readonly #stream: Http2Stream;
  readonly #events: ExchangeEvents;
  readonly #encoding: string;
  readonly #bytesMax: number;
  readonly #isSingle: boolean;
  readonly #reader: MessageReader;
  /** The one message of a request, which is not unpacked before the request is complete. */
  #postponed: WireMessage | undefined;
  /** Bytes that came and whose window the client does not have back. */
  #unconsumed = 0;
  #hasEnded = false;
  #hasHeaders = false;
  #isHalfClosed = false;
  #isDelivering = false;
  #isInflating = false;
  #isPaused = false;
  #isBroken = false;

  constructor(stream: Http2Stream, events: ExchangeEvents, options: ExchangeOptions) {
    const { encoding, bytesMax, isSingle } = options;
    this.#stream = stream;
    this.#events = events;
    this.#encoding = encoding;
    this.#bytesMax = bytesMax;
    this.#isSingle = isSingle;
    this.#reader = new MessageReader(bytesMax);
  }

  /** Takes no messages until `resume`; the client's window closes meanwhile. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  sendHeaders(block: Uint8Array = RESPONSE_HEADERS): void {
    if (this.#hasHeaders) return;
    this.#hasHeaders = true;
    this.#stream.sendHeaders(block, false);
  }

  /** False: it was taken, but send no more until `drained`. */
  send(message: Uint8Array): boolean {
    const stream = this.#stream;
    if (stream.isClosed) return false;
    this.sendHeaders();
    if (!this.mustWait(message.length)) {
      stream.sendFrame(messageFrame(stream.id, message), PREFIX_BYTES + message.length);
      return true;
    }
    // Not as one: the message is the same array for every stream that waits with it.
    if (stream.sendData(messagePrefix(message.length), asBuffer(message))) return true;
    return stream.queue.length < 2 * WAITING_MESSAGES_MAX && stream.queuedBytes < WAITING_BYTES_MAX;
  }

  /** Whether a message of so many bytes would have to wait. */
  mustWait(bytes: number): boolean {
    return this.#stream.queue.length > 0 || !this.#stream.takesWhole(PREFIX_BYTES + bytes);
  }

  /** Whether a reply of so many bytes can leave at once. */
  takesReply(bytes: number): boolean {
    return !this.#hasHeaders && this.#stream.takesWhole(PREFIX_BYTES + bytes);
  }

  /** The one message of a unary call, and OK. */
  reply(message: Uint8Array): void {
    if (this.takesReply(message.length)) {
      this.#hasHeaders = true;
      this.#stream.sendWhole(wholeReply(this.#stream.id, message), PREFIX_BYTES + message.length);
      return;
    }
    this.send(message);
    this.finish(undefined);
  }

  /** Ends the response behind all messages; undefined for OK. `block` are trailers in place of the status's. */
  finish(status: StatusError | undefined, block?: Uint8Array): void {
    const isOk = status === undefined;
    if (isOk || this.#hasHeaders) {
      this.sendHeaders();
      this.#stream.sendTrailers(block ?? (isOk ? OK_TRAILERS : statusTrailers(status)));
      return;
    }
    this.#hasHeaders = true;
    const more = status.code === "UNIMPLEMENTED" ? ACCEPTED_ENCODINGS : [];
    this.#stream.sendHeaders(block ?? statusOnlyHeaders(status, more), true);
  }

  data(bytes: Buffer): void {
    this.#unconsumed += bytes.length;
    if (this.#isBroken) {
      this.#consumed(this.#unconsumed);
      return;
    }
    this.#reader.add(bytes);
    this.#deliver();
    this.#reader.keep();
  }

  end(): void {
    this.#hasEnded = true;
    this.#events.received();
    this.#deliver();
  }

  drained(): void {
    this.#events.drained();
  }

  closed(): void {
    this.#isBroken = true;
    this.#events.closed();
  }

  /** Hands over what is here, until it has to wait: for more, for whoever takes it, or for a message to be unpacked. */
  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    while (!this.#isPaused && !this.#isInflating && !this.#isBroken) {
      const message = this.#next();
      if (message === undefined) {
        this.#rest();
        break;
      }
      if (message.isCompressed) this.#inflate(message);
      else this.#hand(message.bytes, message.bytes.length);
    }
    this.#isDelivering = false;
  }

  #next(): WireMessage | undefined {
    let message = this.#postponed;
    this.#postponed = undefined;
    try {
      message ??= this.#reader.next();
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      this.#break(error);
    }
    // A few bytes may unpack to millions: not before the caller has done its part.
    if (message?.isCompressed !== true || !this.#isSingle || this.#hasEnded) return message;
    this.#postponed = message;
    return undefined;
  }

  /** There is no whole message left. */
  #rest(): void {
    if (this.#isBroken) return;
    if (!this.#hasEnded) this.#stream.want(this.#reader.missingBytes);
    else if (this.#reader.isEmpty) this.#halfClose();
    else this.#break(new StatusError("INVALID_ARGUMENT", "the request ends in the middle of a message"));
  }

  #halfClose(): void {
    if (this.#isHalfClosed) return;
    this.#isHalfClosed = true;
    this.#events.halfClose();
  }

  #inflate(message: WireMessage): void {
    this.#isInflating = true;
    const done = (): boolean => {
      this.#isInflating = false;
      return !this.#isBroken;
    };
    inflateMessage(message.bytes, this.#encoding, this.#bytesMax).then(
      (bytes) => {
        if (!done()) return;
        this.#hand(bytes, message.bytes.length);
        this.#deliver();
      },
      (error: unknown) => {
        if (done()) this.#break(error instanceof StatusError ? error : new StatusError("INTERNAL", "internal error"));
      },
    );
  }

  #hand(bytes: Buffer, packedBytes: number): void {
    this.#consumed(PREFIX_BYTES + packedBytes);
    this.#events.message(bytes);
  }

  #break(status: StatusError): void {
    this.#isBroken = true;
    this.#postponed = undefined;
    this.#consumed(this.#unconsumed);
    this.#events.broken(status);
  }

  #consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    this.#stream.consumed(bytes);
  }
}
