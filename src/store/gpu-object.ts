import { create, toBinary } from "@bufbuild/protobuf";
import { type Gpu, GpuSchema, ListMetaSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import type { VisibleCondition, VisibleStatus } from "./aggregate.ts";
import { LOSS_BYTES } from "./limits.ts";
import type { EventType } from "./types.ts";

/**
 * A GPU at one version, as consumers see it: immutable, encoded once. Every consumer is served the same bytes.
 */
export class GpuObject {
  readonly name: string;
  readonly uuid: string;
  readonly version: number;
  readonly status: VisibleStatus;
  /** The encoded nvidia.device.v1alpha1.Gpu. */
  readonly bytes: Uint8Array;
  /** At least the bytes by which that grows if the providers of all conditions fall silent. */
  readonly lossBytes: number;
  #getReply: Uint8Array | undefined;
  #listItem: Uint8Array | undefined;
  #added: Uint8Array | undefined;

  constructor(name: string, uuid: string, version: number, status: VisibleStatus) {
    this.name = name;
    this.uuid = uuid;
    this.version = version;
    this.status = Object.freeze(status);
    this.bytes = toBinary(GpuSchema, this.toMessage());
    this.lossBytes = status.conditions.reduce((sum, condition) => sum + lossOf(condition), 0);
    Object.freeze(status.conditions);
    Object.freeze(this);
  }

  /** The same state at another version: the version of a deletion. */
  at(version: number): GpuObject {
    return new GpuObject(this.name, this.uuid, version, this.status);
  }

  /** A fresh message; the caller may do with it what it likes. */
  toMessage(): Gpu {
    return create(GpuSchema, {
      metadata: { name: this.name, resourceVersion: String(this.version) },
      spec: { uuid: this.uuid },
      status: {
        conditions: this.status.conditions.map(({ type, status, reason, message, since }) => ({
          type,
          status,
          reason,
          message,
          lastTransitionTime: since,
        })),
        recommendedAction: this.status.action,
      },
      resourceVersion: BigInt(this.version),
    });
  }

  /** GetGpuResponse { gpu = 1 }. */
  get getReply(): Uint8Array {
    this.#getReply ??= concat([field(1, this.bytes)]);
    return this.#getReply;
  }

  /** One entry of GpuList { items = 2 }. */
  get listItem(): Uint8Array {
    this.#listItem ??= concat([field(2, this.bytes)]);
    return this.#listItem;
  }

  /** The length of listItem, without making it: every commit asks, and few lists follow. */
  get listItemLength(): number {
    return fieldHeader(2, this.bytes.length).length + this.bytes.length;
  }

  /** The event by which a snapshot shows the GPU. */
  get added(): Uint8Array {
    this.#added ??= this.event("ADDED");
    return this.#added;
  }

  /** WatchGpusResponse { type = 1, object = 2 }. The caller keeps it. */
  event(type: EventType): Uint8Array {
    return concat([EVENT_TYPE_FIELD[type], field(2, this.bytes)]);
  }
}

/** Reason and message give way to those of a loss. UTF-16 units are at most the bytes, so this errs upwards. */
function lossOf({ reason, message }: VisibleCondition): number {
  return Math.max(0, LOSS_BYTES - reason.length - message.length);
}

/** A consistent list at one version. */
export class Snapshot {
  readonly version: number;
  /** In natural order of their names. */
  readonly objects: readonly GpuObject[];
  #reply: Uint8Array | undefined;

  constructor(version: number, objects: readonly GpuObject[]) {
    this.version = version;
    this.objects = Object.freeze(objects);
    Object.freeze(this);
  }

  /** ListGpusResponse { gpu_list = 1 }, put together at the first request. */
  get reply(): Uint8Array {
    this.#reply ??= encodeList(
      this.version,
      this.objects.map((object) => object.listItem),
    );
    return this.#reply;
  }
}

/** The list that other namespaces hold: nothing, at this version. */
export function emptyListReply(version: number): Uint8Array {
  return encodeList(version, []);
}

function encodeList(version: number, items: readonly Uint8Array[]): Uint8Array {
  const meta = toBinary(ListMetaSchema, create(ListMetaSchema, { resourceVersion: String(version) }));
  return concat([field(1, concat([field(1, meta), ...items.map((item) => [item])]))]);
}

const WIRE_TYPE_LENGTH_DELIMITED = 2;
const encoder = new TextEncoder();
const EVENT_TYPE_FIELD: Readonly<Record<EventType, readonly Uint8Array[]>> = {
  ADDED: field(1, encoder.encode("ADDED")),
  MODIFIED: field(1, encoder.encode("MODIFIED")),
  DELETED: field(1, encoder.encode("DELETED")),
};

/** A length-delimited field as header and body; the body is not copied. Numbers below 16 have a one-byte tag. */
function field(number: number, body: Uint8Array): readonly Uint8Array[] {
  return [Uint8Array.from(fieldHeader(number, body.length)), body];
}

/** Tag and length. */
function fieldHeader(number: number, bodyLength: number): readonly number[] {
  const header = [(number << 3) | WIRE_TYPE_LENGTH_DELIMITED];
  let length = bodyLength;
  while (length > 0x7f) {
    header.push((length & 0x7f) | 0x80);
    length >>>= 7;
  }
  header.push(length);
  return header;
}

function concat(fields: readonly (readonly Uint8Array[])[]): Uint8Array {
  const parts = fields.flat();
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
