import { ConditionSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { UpdateGpuConditionRequestSchema } from "../gen/device/v1alpha1/provider_pb.ts";
import { bytesTag, numberTag } from "../store/wire.ts";
import { TextCache } from "./text-cache.ts";

/**
 * Reads the request that providers send most, in the form in which all of them send it: each field once at most, text
 * of ASCII. Whatever is unusual (another field, other text, anything malformed) is not read here but by the library,
 * whose word on it counts; the tests hold the two against each other.
 */

export interface PlainCondition {
  type: string;
  status: string;
  reason: string;
  message: string;
  lastTransitionTime: { seconds: bigint; nanos: number } | undefined;
}

export interface PlainConditionRequest {
  name: string;
  providerId: string;
  condition: PlainCondition | undefined;
}

const REQUEST = UpdateGpuConditionRequestSchema.field;
const CONDITION = ConditionSchema.field;
const TAG = {
  name: bytesTag(REQUEST.name.number),
  condition: bytesTag(REQUEST.condition.number),
  providerId: bytesTag(REQUEST.providerId.number),
  type: bytesTag(CONDITION.type.number),
  status: bytesTag(CONDITION.status.number),
  time: bytesTag(CONDITION.lastTransitionTime.number),
  reason: bytesTag(CONDITION.reason.number),
  message: bytesTag(CONDITION.message.number),
  // google.protobuf.Timestamp, whose numbers are part of every protobuf runtime.
  seconds: numberTag(1),
  nanos: numberTag(2),
} as const;

/** undefined where the library has to look. */
export function readConditionRequest(bytes: Uint8Array): PlainConditionRequest | undefined {
  const reader = new PlainReader(bytes, 0, bytes.length);
  const request: PlainConditionRequest = { name: "", providerId: "", condition: undefined };
  while (reader.next()) {
    switch (reader.tag) {
      case TAG.name:
        request.name = reader.text();
        break;
      case TAG.providerId:
        request.providerId = reader.text();
        break;
      case TAG.condition:
        request.condition = readCondition(reader.message());
        if (request.condition === undefined) return undefined;
        break;
      default:
        return undefined;
    }
  }
  return reader.isPlain ? request : undefined;
}

function readCondition(reader: PlainReader): PlainCondition | undefined {
  const condition: PlainCondition = { type: "", status: "", reason: "", message: "", lastTransitionTime: undefined };
  while (reader.next()) {
    switch (reader.tag) {
      case TAG.type:
        condition.type = reader.text();
        break;
      case TAG.status:
        condition.status = reader.text();
        break;
      case TAG.reason:
        condition.reason = reader.text();
        break;
      case TAG.message:
        condition.message = reader.text();
        break;
      case TAG.time:
        condition.lastTransitionTime = readTime(reader.message());
        if (condition.lastTransitionTime === undefined) return undefined;
        break;
      default:
        return undefined;
    }
  }
  return reader.isPlain ? condition : undefined;
}

function readTime(reader: PlainReader): { seconds: bigint; nanos: number } | undefined {
  const time = { seconds: 0n, nanos: 0 };
  while (reader.next()) {
    if (reader.tag === TAG.seconds) time.seconds = BigInt(reader.number());
    else if (reader.tag === TAG.nanos) time.nanos = reader.number();
    else return undefined;
  }
  return reader.isPlain && time.nanos <= INT32_MAX ? time : undefined;
}

const texts = new TextCache();

const INT32_MAX = 2 ** 31 - 1;
/** Five bytes: more than any length, and times until the year 3058. */
const VARINT_BYTES_MAX = 5;

/** One message's fields, in rising order, as every encoder writes them. */
class PlainReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #isPlain = true;
  tag = 0;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Everything was as it should be; what was read before the answer is no, does not count. */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  /** To the next field; false at the end of the message, and of what can be read here. */
  next(): boolean {
    if (!this.#isPlain || this.#at >= this.#end) return false;
    const tag = this.#bytes[this.#at++] ?? 0;
    // A field that comes again counts for the last time, or is merged: not here.
    if (tag <= this.tag || tag > 0x7f) return this.#stop();
    this.tag = tag;
    return true;
  }

  number(): number {
    let value = 0;
    for (let i = 0, scale = 1; i < VARINT_BYTES_MAX && this.#at < this.#end; i++, scale *= 128) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.#stop();
    return 0;
  }

  text(): string {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    const text = texts.read(this.#bytes, start, this.#at);
    if (text !== undefined) return text;
    this.#stop();
    return "";
  }

  message(): PlainReader {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    return new PlainReader(this.#bytes, start, this.#at);
  }

  #length(): number {
    const length = this.number();
    if (length <= this.#end - this.#at) return length;
    this.#stop();
    return 0;
  }

  #stop(): false {
    this.#isPlain = false;
    return false;
  }
}
