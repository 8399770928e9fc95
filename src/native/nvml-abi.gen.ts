// Written by `zig build abi` from zig/src/abi.zig and zig/src/calls.zig. Do not edit.

/** Text ends at the first NUL. */
function text(view: DataView, at: number, length: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + at, length);
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end === -1 ? length : end);
}

export const NVML_ABI = 0x2c148eea;
export const MAX_GPUS = 256;
export const MAX_LINKS = 36;
export const MAX_INSTANCES = 7;
export const CALL_BITS = 8;

/** By number. */
export const NVML_CALLS: readonly string[] = [
  "none",
  "dlopen",
  "nvmlInit_v2",
  "nvmlShutdown",
  "nvmlDeviceGetCount_v2",
  "nvmlDeviceGetHandleByIndex_v2",
  "nvmlDeviceGetUUID",
  "nvmlDeviceGetName",
  "nvmlEventSetCreate",
  "nvmlEventSetFree",
  "nvmlEventSetWait_v2",
  "nvmlDeviceRegisterEvents",
  "nvmlDeviceGetSupportedEventTypes",
  "nvmlSystemGetDriverVersion",
  "nvmlSystemGetNVMLVersion",
  "nvmlDeviceGetPciInfo_v3",
  "nvmlDeviceGetTemperature",
  "nvmlDeviceGetTemperatureThreshold",
  "nvmlDeviceGetCurrentClocksEventReasons",
  "nvmlDeviceGetCurrentClocksThrottleReasons",
  "nvmlDeviceGetPowerUsage",
  "nvmlDeviceGetTotalEccErrors",
  "nvmlDeviceGetRemappedRows",
  "nvmlDeviceGetRetiredPages",
  "nvmlDeviceGetRetiredPagesPendingStatus",
  "nvmlDeviceGetSramEccErrorStatus",
  "nvmlDeviceGetNvLinkState",
  "nvmlDeviceGetNvLinkErrorCounter",
  "nvmlDeviceGetFieldValues",
  "nvmlDeviceGetGpuFabricInfoV",
  "nvmlDeviceGetMigMode",
  "nvmlDeviceGetMaxMigDeviceCount",
  "nvmlDeviceGetMigDeviceHandleByIndex",
  "nvmlDeviceGetGpuInstanceId",
  "nvmlDeviceGetComputeInstanceId",
];

export const NVML_STATE = { starting: 0, running: 1, failed: 2, ended: 3 } as const;

export const NVML_STAGE = { none: 0, load: 1, init: 2 } as const;

export const NVML_FIELD = {
  temperature: 0,
  slowdown: 1,
  shutdown: 2,
  clockReasons: 3,
  power: 4,
  eccVolatileCorrected: 5,
  eccVolatileUncorrected: 6,
  eccAggregateCorrected: 7,
  eccAggregateUncorrected: 8,
  remappedRows: 9,
  retiredPages: 10,
  sramEcc: 11,
  fabric: 12,
  mig: 13,
  recoveryAction: 14,
  migInstances: 15,
} as const;

export interface NvmlStatus {
  readonly state: number;
  readonly stage: number;
  readonly code: number;
  readonly gpuCount: number;
  readonly events: number;
  readonly left: number;
  readonly libraryPath: string;
  readonly driverVersion: string;
  readonly nvmlVersion: string;
  readonly message: string;
}

/** Its size, and where its fields are. */
export const NVML_STATUS = {
  size: 1464,
  state: 0,
  stage: 4,
  code: 8,
  gpuCount: 12,
  events: 16,
  left: 20,
  libraryPath: 24,
  driverVersion: 536,
  nvmlVersion: 616,
  message: 696,
} as const;

export function readNvmlStatus(view: DataView, at: number): NvmlStatus {
  return {
    state: view.getUint32(at, true),
    stage: view.getUint32(at + 4, true),
    code: view.getInt32(at + 8, true),
    gpuCount: view.getUint32(at + 12, true),
    events: view.getUint32(at + 16, true),
    left: view.getUint32(at + 20, true),
    libraryPath: text(view, at + 24, 512),
    driverVersion: text(view, at + 536, 80),
    nvmlVersion: text(view, at + 616, 80),
    message: text(view, at + 696, 768),
  };
}

export interface NvmlEvent {
  readonly seq: bigint;
  readonly monoNs: bigint;
  readonly realNs: bigint;
  readonly eventType: bigint;
  readonly eventData: bigint;
  readonly gpuInstance: number;
  readonly computeInstance: number;
  readonly uuid: string;
}

/** Its size, and where its fields are. */
export const NVML_EVENT = {
  size: 144,
  seq: 0,
  monoNs: 8,
  realNs: 16,
  eventType: 24,
  eventData: 32,
  gpuInstance: 40,
  computeInstance: 44,
  uuid: 48,
} as const;

export function readNvmlEvent(view: DataView, at: number): NvmlEvent {
  return {
    seq: view.getBigUint64(at, true),
    monoNs: view.getBigUint64(at + 8, true),
    realNs: view.getBigUint64(at + 16, true),
    eventType: view.getBigUint64(at + 24, true),
    eventData: view.getBigUint64(at + 32, true),
    gpuInstance: view.getUint32(at + 40, true),
    computeInstance: view.getUint32(at + 44, true),
    uuid: text(view, at + 48, 96),
  };
}

export interface NvmlRound {
  readonly monoNs: bigint;
  readonly round: number;
  readonly code: number;
  readonly gpuCount: number;
  readonly reserved: number;
}

/** Its size, and where its fields are. */
export const NVML_ROUND = {
  size: 24,
  monoNs: 0,
  round: 8,
  code: 12,
  gpuCount: 16,
  reserved: 20,
} as const;

export function readNvmlRound(view: DataView, at: number): NvmlRound {
  return {
    monoNs: view.getBigUint64(at, true),
    round: view.getUint32(at + 8, true),
    code: view.getInt32(at + 12, true),
    gpuCount: view.getUint32(at + 16, true),
    reserved: view.getUint32(at + 20, true),
  };
}

export interface NvmlFailure {
  readonly call: number;
  readonly code: number;
}

/** Its size, and where its fields are. */
export const NVML_FAILURE = {
  size: 8,
  call: 0,
  code: 4,
} as const;

export function readNvmlFailure(view: DataView, at: number): NvmlFailure {
  return {
    call: view.getUint32(at, true),
    code: view.getInt32(at + 4, true),
  };
}

export interface NvmlLink {
  readonly errors: bigint;
  readonly link: number;
  readonly active: number;
  readonly counted: number;
}

/** Its size, and where its fields are. */
export const NVML_LINK = {
  size: 16,
  errors: 0,
  link: 8,
  active: 10,
  counted: 12,
} as const;

export function readNvmlLink(view: DataView, at: number): NvmlLink {
  return {
    errors: view.getBigUint64(at, true),
    link: view.getUint16(at + 8, true),
    active: view.getUint16(at + 10, true),
    counted: view.getUint32(at + 12, true),
  };
}

export interface NvmlInstance {
  readonly gpuInstance: number;
  readonly computeInstance: number;
  readonly uuid: string;
}

/** Its size, and where its fields are. */
export const NVML_INSTANCE = {
  size: 104,
  gpuInstance: 0,
  computeInstance: 4,
  uuid: 8,
} as const;

export function readNvmlInstance(view: DataView, at: number): NvmlInstance {
  return {
    gpuInstance: view.getUint32(at, true),
    computeInstance: view.getUint32(at + 4, true),
    uuid: text(view, at + 8, 96),
  };
}

export interface NvmlGpu {
  readonly monoNs: bigint;
  readonly clockReasons: bigint;
  readonly eccVolatileCorrected: bigint;
  readonly eccVolatileUncorrected: bigint;
  readonly eccAggregateCorrected: bigint;
  readonly eccAggregateUncorrected: bigint;
  readonly sramUncorrected: bigint;
  readonly sramThresholdExceeded: number;
  readonly index: number;
  readonly present: number;
  readonly lost: number;
  readonly temperatureC: number;
  readonly slowdownC: number;
  readonly shutdownC: number;
  readonly powerMw: number;
  readonly remappedCorrected: number;
  readonly remappedUncorrected: number;
  readonly remappedPending: number;
  readonly remappedFailed: number;
  readonly retiredSingleBit: number;
  readonly retiredDoubleBit: number;
  readonly retiredPending: number;
  readonly fabricState: number;
  readonly fabricStatus: number;
  readonly fabricHealthMask: number;
  readonly migCurrent: number;
  readonly migPending: number;
  readonly recoveryAction: number;
  readonly failureCount: number;
  readonly linkCount: number;
  readonly instanceCount: number;
  readonly uuid: string;
  readonly name: string;
  readonly busId: string;
  readonly failures: readonly NvmlFailure[];
  readonly links: readonly NvmlLink[];
  readonly instances: readonly NvmlInstance[];
}

/** Its size, and where its fields are. */
export const NVML_GPU = {
  size: 1872,
  monoNs: 0,
  clockReasons: 8,
  eccVolatileCorrected: 16,
  eccVolatileUncorrected: 24,
  eccAggregateCorrected: 32,
  eccAggregateUncorrected: 40,
  sramUncorrected: 48,
  sramThresholdExceeded: 56,
  index: 60,
  present: 64,
  lost: 68,
  temperatureC: 72,
  slowdownC: 76,
  shutdownC: 80,
  powerMw: 84,
  remappedCorrected: 88,
  remappedUncorrected: 92,
  remappedPending: 96,
  remappedFailed: 100,
  retiredSingleBit: 104,
  retiredDoubleBit: 108,
  retiredPending: 112,
  fabricState: 116,
  fabricStatus: 120,
  fabricHealthMask: 124,
  migCurrent: 128,
  migPending: 132,
  recoveryAction: 136,
  failureCount: 140,
  linkCount: 144,
  instanceCount: 148,
  uuid: 152,
  name: 248,
  busId: 344,
  failures: 376,
  links: 568,
  instances: 1144,
} as const;

export function readNvmlGpu(view: DataView, at: number): NvmlGpu {
  const failures: NvmlFailure[] = [];
  for (let i = 0; i < 24; i++) failures.push(readNvmlFailure(view, at + 376 + i * 8));
  const links: NvmlLink[] = [];
  for (let i = 0; i < 36; i++) links.push(readNvmlLink(view, at + 568 + i * 16));
  const instances: NvmlInstance[] = [];
  for (let i = 0; i < 7; i++) instances.push(readNvmlInstance(view, at + 1144 + i * 104));
  return {
    monoNs: view.getBigUint64(at, true),
    clockReasons: view.getBigUint64(at + 8, true),
    eccVolatileCorrected: view.getBigUint64(at + 16, true),
    eccVolatileUncorrected: view.getBigUint64(at + 24, true),
    eccAggregateCorrected: view.getBigUint64(at + 32, true),
    eccAggregateUncorrected: view.getBigUint64(at + 40, true),
    sramUncorrected: view.getBigUint64(at + 48, true),
    sramThresholdExceeded: view.getUint32(at + 56, true),
    index: view.getUint32(at + 60, true),
    present: view.getUint32(at + 64, true),
    lost: view.getUint32(at + 68, true),
    temperatureC: view.getUint32(at + 72, true),
    slowdownC: view.getUint32(at + 76, true),
    shutdownC: view.getUint32(at + 80, true),
    powerMw: view.getUint32(at + 84, true),
    remappedCorrected: view.getUint32(at + 88, true),
    remappedUncorrected: view.getUint32(at + 92, true),
    remappedPending: view.getUint32(at + 96, true),
    remappedFailed: view.getUint32(at + 100, true),
    retiredSingleBit: view.getUint32(at + 104, true),
    retiredDoubleBit: view.getUint32(at + 108, true),
    retiredPending: view.getUint32(at + 112, true),
    fabricState: view.getUint32(at + 116, true),
    fabricStatus: view.getUint32(at + 120, true),
    fabricHealthMask: view.getUint32(at + 124, true),
    migCurrent: view.getUint32(at + 128, true),
    migPending: view.getUint32(at + 132, true),
    recoveryAction: view.getUint32(at + 136, true),
    failureCount: view.getUint32(at + 140, true),
    linkCount: view.getUint32(at + 144, true),
    instanceCount: view.getUint32(at + 148, true),
    uuid: text(view, at + 152, 96),
    name: text(view, at + 248, 96),
    busId: text(view, at + 344, 32),
    failures,
    links,
    instances,
  };
}

export interface NvmlPulse {
  readonly monoNs: bigint;
  readonly samplerSinceNs: bigint;
  readonly eventSinceNs: bigint;
  readonly samplerCall: number;
  readonly eventCall: number;
  readonly eventsRunning: number;
  readonly eventsLosses: number;
  readonly eventsCode: number;
  readonly reserved: number;
}

/** Its size, and where its fields are. */
export const NVML_PULSE = {
  size: 48,
  monoNs: 0,
  samplerSinceNs: 8,
  eventSinceNs: 16,
  samplerCall: 24,
  eventCall: 28,
  eventsRunning: 32,
  eventsLosses: 36,
  eventsCode: 40,
  reserved: 44,
} as const;

export function readNvmlPulse(view: DataView, at: number): NvmlPulse {
  return {
    monoNs: view.getBigUint64(at, true),
    samplerSinceNs: view.getBigUint64(at + 8, true),
    eventSinceNs: view.getBigUint64(at + 16, true),
    samplerCall: view.getUint32(at + 24, true),
    eventCall: view.getUint32(at + 28, true),
    eventsRunning: view.getUint32(at + 32, true),
    eventsLosses: view.getUint32(at + 36, true),
    eventsCode: view.getInt32(at + 40, true),
    reserved: view.getUint32(at + 44, true),
  };
}
