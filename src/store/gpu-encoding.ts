import {
  ConditionSchema,
  GpuSchema,
  GpuSpecSchema,
  GpuStatusSchema,
  ObjectMetaSchema,
} from "../gen/device/v1alpha1/gpu_pb.ts";
import type { VisibleCondition } from "./aggregate.ts";
import {
  bytesTag,
  fieldLength,
  numberFieldLength,
  numberTag,
  textFieldLength,
  utf8Length,
  writeFieldHead,
  writeNumberField,
  writeTextField,
} from "./wire.ts";

/**
 * Encodes GPUs. What an update leaves as it was is not encoded again: the library, which has no such memory, would take
 * most of the time of a write. The tests hold every byte against the library's.
 */

const TAG = {
  metadata: bytesTag(GpuSchema.field.metadata.number),
  spec: bytesTag(GpuSchema.field.spec.number),
  status: bytesTag(GpuSchema.field.status.number),
  gpuVersion: numberTag(GpuSchema.field.resourceVersion.number),
  name: bytesTag(ObjectMetaSchema.field.name.number),
  version: bytesTag(ObjectMetaSchema.field.resourceVersion.number),
  uuid: bytesTag(GpuSpecSchema.field.uuid.number),
  conditions: bytesTag(GpuStatusSchema.field.conditions.number),
  action: bytesTag(GpuStatusSchema.field.recommendedAction.number),
  type: bytesTag(ConditionSchema.field.type.number),
  conditionStatus: bytesTag(ConditionSchema.field.status.number),
  time: bytesTag(ConditionSchema.field.lastTransitionTime.number),
  reason: bytesTag(ConditionSchema.field.reason.number),
  message: bytesTag(ConditionSchema.field.message.number),
  // google.protobuf.Timestamp, whose numbers are part of every protobuf runtime.
  seconds: numberTag(1),
  nanos: numberTag(2),
} as const;

/** What of a GPU's encoding stays the same from version to version. */
export interface GpuHead {
  /** ObjectMeta.name, as a field. */
  readonly name: Uint8Array;
  /** Gpu.spec, as a field. */
  readonly spec: Uint8Array;
}

export function encodeHead(name: string, uuid: string): GpuHead {
  const [nameBytes, uuidBytes] = [utf8Length(name), utf8Length(uuid)];
  const nameField = new Uint8Array(textFieldLength(nameBytes));
  writeTextField(nameField, 0, TAG.name, name, nameBytes);
  const specBytes = textFieldLength(uuidBytes);
  const spec = new Uint8Array(fieldLength(specBytes));
  writeTextField(spec, writeFieldHead(spec, 0, TAG.spec, specBytes), TAG.uuid, uuid, uuidBytes);
  return { name: nameField, spec };
}

/** The entries of GpuStatus.conditions. What `before` has of the same conditions is taken from there. */
export function encodeConditions(
  conditions: readonly VisibleCondition[],
  before: { readonly conditions: readonly VisibleCondition[]; readonly fields: readonly Uint8Array[] } | undefined,
): readonly Uint8Array[] {
  const fields: Uint8Array[] = [];
  for (const condition of conditions) {
    const i = fields.length;
    const same = before?.conditions[i] === condition ? i : (before?.conditions.indexOf(condition) ?? -1);
    fields.push(before?.fields[same] ?? encodeCondition(condition));
  }
  return fields;
}

/** nvidia.device.v1alpha1.Gpu, behind `prefix`, and behind its own tag and length as a field. */
export function encodeGpuField(
  prefix: Uint8Array,
  tag: number,
  head: GpuHead,
  version: number,
  conditions: readonly Uint8Array[],
  action: string,
): { readonly bytes: Uint8Array; readonly gpuAt: number } {
  const actionBytes = utf8Length(action);
  let statusBytes = textFieldLength(actionBytes);
  for (const field of conditions) statusBytes += field.length;
  const versionText = String(version);
  const metadataBytes = head.name.length + textFieldLength(versionText.length);
  const versionBytes = numberFieldLength(version);
  const gpuBytes = fieldLength(metadataBytes) + head.spec.length + fieldLength(statusBytes) + versionBytes;
  const to = new Uint8Array(prefix.length + fieldLength(gpuBytes));
  to.set(prefix);
  const gpuAt = writeFieldHead(to, prefix.length, tag, gpuBytes);
  let at = writeFieldHead(to, gpuAt, TAG.metadata, metadataBytes);
  to.set(head.name, at);
  at = writeTextField(to, at + head.name.length, TAG.version, versionText, versionText.length);
  to.set(head.spec, at);
  at = writeFieldHead(to, at + head.spec.length, TAG.status, statusBytes);
  for (const field of conditions) {
    to.set(field, at);
    at += field.length;
  }
  at = writeTextField(to, at, TAG.action, action, actionBytes);
  writeNumberField(to, at, TAG.gpuVersion, version);
  return { bytes: to, gpuAt };
}

function encodeCondition({ type, status, reason, message, since }: VisibleCondition): Uint8Array {
  const typeBytes = utf8Length(type);
  const statusBytes = utf8Length(status);
  const reasonBytes = utf8Length(reason);
  const messageBytes = utf8Length(message);
  const seconds = Number(since.seconds);
  const timeBytes = numberFieldLength(seconds) + numberFieldLength(since.nanos);
  const bytes =
    textFieldLength(typeBytes) +
    textFieldLength(statusBytes) +
    fieldLength(timeBytes) +
    textFieldLength(reasonBytes) +
    textFieldLength(messageBytes);
  const to = new Uint8Array(fieldLength(bytes));
  let at = writeFieldHead(to, 0, TAG.conditions, bytes);
  at = writeTextField(to, at, TAG.type, type, typeBytes);
  at = writeTextField(to, at, TAG.conditionStatus, status, statusBytes);
  at = writeFieldHead(to, at, TAG.time, timeBytes);
  at = writeNumberField(to, at, TAG.seconds, seconds);
  at = writeNumberField(to, at, TAG.nanos, since.nanos);
  at = writeTextField(to, at, TAG.reason, reason, reasonBytes);
  writeTextField(to, at, TAG.message, message, messageBytes);
  return to;
}
