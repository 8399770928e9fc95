import { create, toBinary } from "@bufbuild/protobuf";
import { type Gpu, GpuSchema, ListMetaSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import type { VisibleCondition, VisibleStatus } from "./aggregate.ts";
import { encodeConditions, encodeGpuField, encodeHead, type GpuHead } from "./gpu-encoding.ts";
import { LOSS_BYTES } from "./limits.ts";
import type { EventType } from "./types.ts";
import { bytesField, bytesTag, fieldLength, writeBytesField } from "./wire.ts";

const EVENT_TYPE_FIELD: Readonly<Record<EventType, Uint8Array>> = {
  ADDED: bytesField(bytesTag(1), Buffer.from("ADDED")),
  MODIFIED: bytesField(bytesTag(1), Buffer.from("MODIFIED")),
  DELETED: bytesField(bytesTag(1), Buffer.from("DELETED")),
};
/** Of the GPU in WatchGpusResponse. */
const OBJECT_TAG = bytesTag(2);

/**
 * A GPU at one version, as consumers see it: immutable, encoded once. Every consumer is served the same bytes.
 */
export class GpuObject {
  readonly name: string;
  readonly uuid: string;
  readonly version: number;
  readonly status: VisibleStatus;
  /** At least the bytes by which the encoded GPU grows if the providers of all conditions fall silent. */
  readonly lossBytes: number;
  readonly #head: GpuHead;
  readonly #conditions: readonly Uint8Array[];
  /** The event by which the GPU came to this version; most of them are seen by nobody in another form. */
  readonly #change: { readonly type: EventType; readonly bytes: Uint8Array; readonly gpuAt: number };
  #bytes: Uint8Array | undefined;
  #getReply: Uint8Array | undefined;
  #listItem: Uint8Array | undefined;
  #added: Uint8Array | undefined;

  /** `before` is the object that this one replaces, `change` what brings it about. */
  constructor(
    name: string,
    uuid: string,
    version: number,
    status: VisibleStatus,
    before?: GpuObject,
    change: EventType = before === undefined ? "ADDED" : "MODIFIED",
  ) {
    const isSame = before !== undefined && before.name === name && before.uuid === uuid;
    this.name = name;
    this.uuid = uuid;
    this.version = version;
    // Not its list, too: the runtime keeps a frozen array in a form that makes each read of it slow, a quarter of all
    // that an update costs the store. Tests see that nobody changes one.
    this.status = Object.freeze(status);
    this.#head = isSame ? before.#head : encodeHead(name, uuid);
    const known = before && { conditions: before.status.conditions, fields: before.#conditions };
    this.#conditions = encodeConditions(status.conditions, known);
    const prefix = EVENT_TYPE_FIELD[change];
    this.#change = {
      type: change,
      ...encodeGpuField(prefix, OBJECT_TAG, this.#head, version, this.#conditions, status.action),
    };
    this.lossBytes = status.conditions.reduce((sum, condition) => sum + lossOf(condition), 0);
    Object.freeze(this);
  }

  /** The same state at the version of its deletion. */
  deletedAt(version: number): GpuObject {
    return new GpuObject(this.name, this.uuid, version, this.status, this, "DELETED");
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

  /** The encoded nvidia.device.v1alpha1.Gpu. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#change.bytes.slice(this.#change.gpuAt);
    return this.#bytes;
  }

  /** GetGpuResponse { gpu = 1 }. */
  get getReply(): Uint8Array {
    this.#getReply ??= bytesField(bytesTag(1), this.bytes);
    return this.#getReply;
  }

  /** One entry of GpuList { items = 2 }. */
  get listItem(): Uint8Array {
    this.#listItem ??= bytesField(bytesTag(2), this.bytes);
    return this.#listItem;
  }

  /** The length of listItem, without making it: every commit asks, and few lists follow. */
  get listItemLength(): number {
    return fieldLength(this.#change.bytes.length - this.#change.gpuAt);
  }

  /** The event by which a snapshot shows the GPU. */
  get added(): Uint8Array {
    this.#added ??= this.event("ADDED");
    return this.#added;
  }

  /** WatchGpusResponse { type = 1, object = 2 }. */
  event(type: EventType): Uint8Array {
    if (type === this.#change.type) return this.#change.bytes;
    const typeField = EVENT_TYPE_FIELD[type];
    const event = new Uint8Array(typeField.length + fieldLength(this.bytes.length));
    event.set(typeField);
    writeBytesField(event, typeField.length, OBJECT_TAG, this.bytes);
    return event;
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
  const meta = bytesField(
    bytesTag(1),
    toBinary(ListMetaSchema, create(ListMetaSchema, { resourceVersion: String(version) })),
  );
  return bytesField(bytesTag(1), Buffer.concat([meta, ...items]));
}
