import {
  MAX_GPUS,
  MAX_INSTANCES,
  MAX_LINKS,
  NVML_CALLS,
  NVML_EVENT,
  NVML_FIELD,
  NVML_GPU,
  NVML_PULSE,
  NVML_ROUND,
  NVML_STAGE,
  NVML_STATE,
  NVML_STATUS,
  type NvmlGpu,
  readNvmlEvent,
  readNvmlGpu,
  readNvmlPulse,
  readNvmlRound,
  readNvmlStatus,
} from "../../native/nvml-abi.gen.ts";
import type { FrameKind } from "./frames.ts";
import type { GpuSample, HostMessage, NvmlEvent, RunningCall } from "./sample.ts";

/** The bytes are not what a host process writes. */
export class MalformedFrame extends Error {
  override readonly name = "MalformedFrame";
}

/** Instance ids in events where MIG is off, and of instances whose driver does not tell them. */
const NO_INSTANCE = 0xffff_ffff;

/** What a whole frame says. Throws MalformedFrame. */
export function readFrame(kind: FrameKind, payload: Uint8Array): readonly HostMessage[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  switch (kind) {
    case "status":
      return [readStatus(view)];
    case "round":
      return [readRound(view)];
    case "events":
      return readEvents(view);
    case "gap":
      return [readGap(view)];
    case "eventThread":
      return [readEventThread(view)];
    case "pulse":
      return [readPulse(view)];
  }
}

function readStatus(view: DataView): HostMessage {
  expectLength("status", view, NVML_STATUS.size);
  const { state, stage, code, message, libraryPath, driverVersion, nvmlVersion, ...status } = readNvmlStatus(view, 0);
  if (state === NVML_STATE.running) {
    const { gpuCount } = status;
    return { kind: "ready", libraryPath, driverVersion, nvmlVersion, gpuCount, events: status.events === 1 };
  }
  if (state !== NVML_STATE.failed) throw new MalformedFrame(`a status of state ${state}`);
  if (stage !== NVML_STAGE.load && stage !== NVML_STAGE.init) throw new MalformedFrame(`a failure in stage ${stage}`);
  return { kind: "failed", stage: stage === NVML_STAGE.load ? "load" : "init", code, message };
}

function readRound(view: DataView): HostMessage {
  if (view.byteLength < NVML_ROUND.size) throw new MalformedFrame(`a round of ${view.byteLength} bytes`);
  const { round, monoNs, code, gpuCount } = readNvmlRound(view, 0);
  if (gpuCount > MAX_GPUS) throw new MalformedFrame(`a round of ${gpuCount} GPUs`);
  expectLength("round", view, NVML_ROUND.size + gpuCount * NVML_GPU.size);
  const gpus = Array.from({ length: gpuCount }, (_, i) => toSample(view, NVML_ROUND.size + i * NVML_GPU.size));
  return { kind: "round", round: { round, monoNs, code, gpus } };
}

function toSample(view: DataView, at: number): GpuSample {
  const gpu = readNvmlGpu(view, at);
  if (gpu.uuid === "") throw new MalformedFrame("a reading of a GPU without a UUID");
  if (gpu.failureCount > gpu.failures.length) throw new MalformedFrame(`${gpu.failureCount} failures`);
  if (gpu.linkCount > MAX_LINKS) throw new MalformedFrame(`${gpu.linkCount} NVLinks`);
  if (gpu.instanceCount > MAX_INSTANCES) throw new MalformedFrame(`${gpu.instanceCount} MIG instances`);
  const has = (field: keyof typeof NVML_FIELD): boolean => (gpu.present & (1 << NVML_FIELD[field])) !== 0;
  return {
    uuid: gpu.uuid,
    index: gpu.index,
    product: gpu.name,
    busId: gpu.busId,
    monoNs: gpu.monoNs,
    lost: gpu.lost !== 0,
    failures: gpu.failures.slice(0, gpu.failureCount).map(({ call, code }) => ({ call: callName(call), code })),
    temperatureC: has("temperature") ? gpu.temperatureC : undefined,
    slowdownC: has("slowdown") ? gpu.slowdownC : undefined,
    shutdownC: has("shutdown") ? gpu.shutdownC : undefined,
    clockReasons: has("clockReasons") ? gpu.clockReasons : undefined,
    powerMw: has("power") ? gpu.powerMw : undefined,
    eccVolatileCorrected: has("eccVolatileCorrected") ? gpu.eccVolatileCorrected : undefined,
    eccVolatileUncorrected: has("eccVolatileUncorrected") ? gpu.eccVolatileUncorrected : undefined,
    eccAggregateCorrected: has("eccAggregateCorrected") ? gpu.eccAggregateCorrected : undefined,
    eccAggregateUncorrected: has("eccAggregateUncorrected") ? gpu.eccAggregateUncorrected : undefined,
    remappedRows: has("remappedRows") ? toRemappedRows(gpu) : undefined,
    retiredPages: has("retiredPages") ? toRetiredPages(gpu) : undefined,
    sramEcc: has("sramEcc")
      ? { uncorrected: gpu.sramUncorrected, thresholdExceeded: gpu.sramThresholdExceeded !== 0 }
      : undefined,
    nvLinks: gpu.links.slice(0, gpu.linkCount).map(({ link, active, errors, counted }) => ({
      link,
      active: active !== 0,
      errors: counted === 0 ? undefined : errors,
    })),
    fabric: has("fabric")
      ? { state: gpu.fabricState, status: gpu.fabricStatus, healthMask: gpu.fabricHealthMask }
      : undefined,
    mig: has("mig") ? { current: gpu.migCurrent, pending: gpu.migPending } : undefined,
    instances: has("migInstances") ? toInstances(gpu) : undefined,
    recoveryAction: has("recoveryAction") ? gpu.recoveryAction : undefined,
  };
}

function toRemappedRows(gpu: NvmlGpu): GpuSample["remappedRows"] {
  return {
    corrected: gpu.remappedCorrected,
    uncorrected: gpu.remappedUncorrected,
    pending: gpu.remappedPending !== 0,
    failed: gpu.remappedFailed !== 0,
  };
}

function toRetiredPages(gpu: NvmlGpu): GpuSample["retiredPages"] {
  return { singleBit: gpu.retiredSingleBit, doubleBit: gpu.retiredDoubleBit, pending: gpu.retiredPending !== 0 };
}

function toInstances(gpu: NvmlGpu): GpuSample["instances"] {
  return gpu.instances.slice(0, gpu.instanceCount).map(({ uuid, gpuInstance, computeInstance }) => ({
    uuid,
    gpuInstance: toInstanceId(gpuInstance),
    computeInstance: toInstanceId(computeInstance),
  }));
}

const toInstanceId = (id: number): number | undefined => (id === NO_INSTANCE ? undefined : id);

function readEvents(view: DataView): HostMessage[] {
  const count = view.byteLength / NVML_EVENT.size;
  if (!Number.isInteger(count)) throw new MalformedFrame(`events of ${view.byteLength} bytes`);
  return Array.from({ length: count }, (_, i) => ({ kind: "event", event: toEvent(view, i * NVML_EVENT.size) }));
}

function toEvent(view: DataView, at: number): NvmlEvent {
  const { seq, monoNs, realNs, eventType, eventData, gpuInstance, computeInstance, uuid } = readNvmlEvent(view, at);
  return {
    seq,
    monoNs,
    realNs,
    type: eventType,
    data: eventData,
    uuid: uuid === "" ? undefined : uuid,
    gpuInstance: toInstanceId(gpuInstance),
    computeInstance: toInstanceId(computeInstance),
  };
}

function readGap(view: DataView): HostMessage {
  expectLength("gap", view, 8);
  return { kind: "gap", dropped: Number(view.getBigUint64(0, true)) };
}

function readEventThread(view: DataView): HostMessage {
  expectLength("eventThread", view, 8);
  return { kind: "events", running: view.getUint32(0, true) !== 0, code: view.getInt32(4, true) };
}

function readPulse(view: DataView): HostMessage {
  expectLength("pulse", view, NVML_PULSE.size);
  const { monoNs, samplerCall, samplerSinceNs, eventCall, eventSinceNs } = readNvmlPulse(view, 0);
  const sampler = toRunningCall(samplerCall, samplerSinceNs);
  return { kind: "pulse", monoNs, sampler, eventThread: toRunningCall(eventCall, eventSinceNs) };
}

function toRunningCall(call: number, sinceNs: bigint): RunningCall | undefined {
  return call === 0 ? undefined : { name: callName(call), sinceNs };
}

function callName(call: number): string {
  const name = call === 0 ? undefined : NVML_CALLS[call];
  if (name === undefined) throw new MalformedFrame(`a call of number ${call}`);
  return name;
}

function expectLength(kind: FrameKind, view: DataView, wanted: number): void {
  if (view.byteLength !== wanted) {
    throw new MalformedFrame(`a ${kind} frame of ${view.byteLength} bytes, not ${wanted}`);
  }
}
