//! The part of nvml.h that is used here, declared by hand: translating the whole header costs a minute and more. Names
//! are those of the header, because zig/check/ compares sizes, offsets, values and signatures with it by name.

/// An enum of C, and what a library newer than this file may add to it: never switched over without an `else`.
pub const nvmlReturn_t = c_uint;

pub const NVML_SUCCESS: nvmlReturn_t = 0;
pub const NVML_ERROR_UNINITIALIZED: nvmlReturn_t = 1;
pub const NVML_ERROR_INVALID_ARGUMENT: nvmlReturn_t = 2;
pub const NVML_ERROR_NOT_SUPPORTED: nvmlReturn_t = 3;
pub const NVML_ERROR_NO_PERMISSION: nvmlReturn_t = 4;
pub const NVML_ERROR_ALREADY_INITIALIZED: nvmlReturn_t = 5;
pub const NVML_ERROR_NOT_FOUND: nvmlReturn_t = 6;
pub const NVML_ERROR_INSUFFICIENT_SIZE: nvmlReturn_t = 7;
pub const NVML_ERROR_INSUFFICIENT_POWER: nvmlReturn_t = 8;
pub const NVML_ERROR_DRIVER_NOT_LOADED: nvmlReturn_t = 9;
pub const NVML_ERROR_TIMEOUT: nvmlReturn_t = 10;
pub const NVML_ERROR_IRQ_ISSUE: nvmlReturn_t = 11;
pub const NVML_ERROR_LIBRARY_NOT_FOUND: nvmlReturn_t = 12;
pub const NVML_ERROR_FUNCTION_NOT_FOUND: nvmlReturn_t = 13;
pub const NVML_ERROR_CORRUPTED_INFOROM: nvmlReturn_t = 14;
pub const NVML_ERROR_GPU_IS_LOST: nvmlReturn_t = 15;
pub const NVML_ERROR_RESET_REQUIRED: nvmlReturn_t = 16;
pub const NVML_ERROR_OPERATING_SYSTEM: nvmlReturn_t = 17;
pub const NVML_ERROR_LIB_RM_VERSION_MISMATCH: nvmlReturn_t = 18;
pub const NVML_ERROR_IN_USE: nvmlReturn_t = 19;
pub const NVML_ERROR_MEMORY: nvmlReturn_t = 20;
pub const NVML_ERROR_NO_DATA: nvmlReturn_t = 21;
pub const NVML_ERROR_VGPU_ECC_NOT_SUPPORTED: nvmlReturn_t = 22;
pub const NVML_ERROR_INSUFFICIENT_RESOURCES: nvmlReturn_t = 23;
pub const NVML_ERROR_FREQ_NOT_SUPPORTED: nvmlReturn_t = 24;
pub const NVML_ERROR_ARGUMENT_VERSION_MISMATCH: nvmlReturn_t = 25;
pub const NVML_ERROR_DEPRECATED: nvmlReturn_t = 26;
pub const NVML_ERROR_NOT_READY: nvmlReturn_t = 27;
pub const NVML_ERROR_GPU_NOT_FOUND: nvmlReturn_t = 28;
pub const NVML_ERROR_INVALID_STATE: nvmlReturn_t = 29;
pub const NVML_ERROR_RESET_TYPE_NOT_SUPPORTED: nvmlReturn_t = 30;
pub const NVML_ERROR_UNKNOWN: nvmlReturn_t = 999;

pub const nvmlDevice_st = opaque {};
pub const nvmlEventSet_st = opaque {};
/// Null where the library gave none; in an event it means that the event names no device.
pub const nvmlDevice_t = ?*nvmlDevice_st;
pub const nvmlEventSet_t = ?*nvmlEventSet_st;

// Sizes of the buffers that the caller brings, with the NUL.
pub const NVML_DEVICE_UUID_V2_BUFFER_SIZE = 96;
pub const NVML_DEVICE_NAME_V2_BUFFER_SIZE = 96;
pub const NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE = 80;
pub const NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE = 80;
pub const NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE = 32;
pub const NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE = 16;
pub const NVML_GPU_FABRIC_UUID_LEN = 16;
pub const NVML_NVLINK_MAX_LINKS = 36;

// nvmlEnableState_t
pub const NVML_FEATURE_DISABLED: c_uint = 0;
pub const NVML_FEATURE_ENABLED: c_uint = 1;

// nvmlTemperatureSensors_t
pub const NVML_TEMPERATURE_GPU: c_uint = 0;

// nvmlTemperatureThresholds_t
pub const NVML_TEMPERATURE_THRESHOLD_SHUTDOWN: c_uint = 0;
pub const NVML_TEMPERATURE_THRESHOLD_SLOWDOWN: c_uint = 1;
pub const NVML_TEMPERATURE_THRESHOLD_MEM_MAX: c_uint = 2;
pub const NVML_TEMPERATURE_THRESHOLD_GPU_MAX: c_uint = 3;

// nvmlMemoryErrorType_t
pub const NVML_MEMORY_ERROR_TYPE_CORRECTED: c_uint = 0;
pub const NVML_MEMORY_ERROR_TYPE_UNCORRECTED: c_uint = 1;

// nvmlEccCounterType_t
pub const NVML_VOLATILE_ECC: c_uint = 0;
pub const NVML_AGGREGATE_ECC: c_uint = 1;

// nvmlPageRetirementCause_t
pub const NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS: c_uint = 0;
pub const NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR: c_uint = 1;

// nvmlNvLinkErrorCounter_t
pub const NVML_NVLINK_ERROR_DL_REPLAY: c_uint = 0;
pub const NVML_NVLINK_ERROR_DL_RECOVERY: c_uint = 1;
pub const NVML_NVLINK_ERROR_DL_CRC_FLIT: c_uint = 2;
pub const NVML_NVLINK_ERROR_DL_CRC_DATA: c_uint = 3;
pub const NVML_NVLINK_ERROR_DL_ECC_DATA: c_uint = 4;
pub const NVML_NVLINK_ERROR_COUNT: c_uint = 5;

// nvmlDeviceGpuRecoveryAction_t, the value of field 230
pub const NVML_GPU_RECOVERY_ACTION_NONE: c_uint = 0;
pub const NVML_GPU_RECOVERY_ACTION_GPU_RESET: c_uint = 1;
pub const NVML_GPU_RECOVERY_ACTION_NODE_REBOOT: c_uint = 2;
pub const NVML_GPU_RECOVERY_ACTION_DRAIN_P2P: c_uint = 3;
pub const NVML_GPU_RECOVERY_ACTION_DRAIN_AND_RESET: c_uint = 4;
pub const NVML_GPU_RECOVERY_ACTION_RECOVER_IMEX_DOMAIN: c_uint = 5;
pub const NVML_GPU_RECOVERY_ACTION_BUS_RESET: c_uint = 6;
pub const NVML_GPU_RECOVERY_ACTION_SYSTEM_REBOOT: c_uint = 7;

// nvmlDeviceGetMigMode
pub const NVML_DEVICE_MIG_DISABLE: c_uint = 0;
pub const NVML_DEVICE_MIG_ENABLE: c_uint = 1;

// nvmlInitWithFlags
pub const NVML_INIT_FLAG_NO_GPUS: c_uint = 1;
pub const NVML_INIT_FLAG_NO_ATTACH: c_uint = 2;

// Bits of nvmlDeviceRegisterEvents and of nvmlEventData_t.eventType.
pub const nvmlEventTypeNone: c_ulonglong = 0;
pub const nvmlEventTypeSingleBitEccError: c_ulonglong = 0x1;
pub const nvmlEventTypeDoubleBitEccError: c_ulonglong = 0x2;
pub const nvmlEventTypePState: c_ulonglong = 0x4;
pub const nvmlEventTypeXidCriticalError: c_ulonglong = 0x8;
pub const nvmlEventTypeClock: c_ulonglong = 0x10;
pub const nvmlEventTypePowerSourceChange: c_ulonglong = 0x80;
pub const nvmlEventMigConfigChange: c_ulonglong = 0x100;
pub const nvmlEventTypeSingleBitEccErrorStorm: c_ulonglong = 0x200;
pub const nvmlEventTypeDramRetirementEvent: c_ulonglong = 0x400;
pub const nvmlEventTypeDramRetirementFailure: c_ulonglong = 0x800;
pub const nvmlEventTypeNonFatalPoisonError: c_ulonglong = 0x1000;
pub const nvmlEventTypeFatalPoisonError: c_ulonglong = 0x2000;
pub const nvmlEventTypeGpuUnavailableError: c_ulonglong = 0x4000;
pub const nvmlEventTypeGpuRecoveryAction: c_ulonglong = 0x8000;

/// nvmlEventData_t's instance ids where MIG is off. Some libraries send 0 instead.
pub const INVALID_GPU_INSTANCE_ID: c_uint = 0xffff_ffff;

// Bits of nvmlDeviceGetCurrentClocksEventReasons. The header kept the old word in three of the names.
pub const nvmlClocksEventReasonNone: c_ulonglong = 0;
pub const nvmlClocksEventReasonGpuIdle: c_ulonglong = 0x1;
pub const nvmlClocksEventReasonApplicationsClocksSetting: c_ulonglong = 0x2;
pub const nvmlClocksEventReasonSwPowerCap: c_ulonglong = 0x4;
pub const nvmlClocksThrottleReasonHwSlowdown: c_ulonglong = 0x8;
pub const nvmlClocksEventReasonSyncBoost: c_ulonglong = 0x10;
pub const nvmlClocksEventReasonSwThermalSlowdown: c_ulonglong = 0x20;
pub const nvmlClocksThrottleReasonHwThermalSlowdown: c_ulonglong = 0x40;
pub const nvmlClocksThrottleReasonHwPowerBrakeSlowdown: c_ulonglong = 0x80;
pub const nvmlClocksEventReasonDisplayClockSetting: c_ulonglong = 0x100;

// Ids of nvmlDeviceGetFieldValues. Those of NVLink take the link in scopeId. From Blackwell on the DL counters are not
// supported, and the COUNT ones take their place.
pub const NVML_FI_DEV_NVLINK_LINK_COUNT: c_uint = 91;
pub const NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY: c_uint = 161;
pub const NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY: c_uint = 162;
pub const NVML_FI_DEV_NVLINK_ERROR_DL_CRC: c_uint = 163;
pub const NVML_FI_DEV_NVLINK_GET_STATE: c_uint = 165;
pub const NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS: c_uint = 206;
pub const NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS: c_uint = 207;
pub const NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS: c_uint = 208;
pub const NVML_FI_DEV_NVLINK_COUNT_RCV_REMOTE_ERRORS: c_uint = 209;
pub const NVML_FI_DEV_NVLINK_COUNT_RCV_GENERAL_ERRORS: c_uint = 210;
pub const NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS: c_uint = 211;
pub const NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS: c_uint = 212;
pub const NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS: c_uint = 213;
pub const NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS: c_uint = 214;
pub const NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS: c_uint = 215;
pub const NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS: c_uint = 219;
pub const NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS: c_uint = 221;
pub const NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: c_uint = 230;

// nvmlValueType_t
pub const NVML_VALUE_TYPE_DOUBLE: c_uint = 0;
pub const NVML_VALUE_TYPE_UNSIGNED_INT: c_uint = 1;
pub const NVML_VALUE_TYPE_UNSIGNED_LONG: c_uint = 2;
pub const NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: c_uint = 3;
pub const NVML_VALUE_TYPE_SIGNED_LONG_LONG: c_uint = 4;
pub const NVML_VALUE_TYPE_SIGNED_INT: c_uint = 5;
pub const NVML_VALUE_TYPE_UNSIGNED_SHORT: c_uint = 6;

// nvmlGpuFabricState_t
pub const NVML_GPU_FABRIC_STATE_NOT_SUPPORTED: u8 = 0;
pub const NVML_GPU_FABRIC_STATE_NOT_STARTED: u8 = 1;
pub const NVML_GPU_FABRIC_STATE_IN_PROGRESS: u8 = 2;
pub const NVML_GPU_FABRIC_STATE_COMPLETED: u8 = 3;

// nvmlGpuFabricInfo_v3_t.healthMask: where each verdict sits, and how wide it is.
pub const NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_DEGRADED_BW = 0;
pub const NVML_GPU_FABRIC_HEALTH_MASK_WIDTH_DEGRADED_BW = 0x3;
pub const NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ROUTE_RECOVERY = 2;
pub const NVML_GPU_FABRIC_HEALTH_MASK_WIDTH_ROUTE_RECOVERY = 0x3;
pub const NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ROUTE_UNHEALTHY = 4;
pub const NVML_GPU_FABRIC_HEALTH_MASK_WIDTH_ROUTE_UNHEALTHY = 0x3;
pub const NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ACCESS_TIMEOUT_RECOVERY = 6;
pub const NVML_GPU_FABRIC_HEALTH_MASK_WIDTH_ACCESS_TIMEOUT_RECOVERY = 0x3;
pub const NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_INCORRECT_CONFIGURATION = 8;
pub const NVML_GPU_FABRIC_HEALTH_MASK_WIDTH_INCORRECT_CONFIGURATION = 0xf;

pub const nvmlPciInfo_t = extern struct {
    busIdLegacy: [NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE]u8,
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    pciDeviceId: c_uint,
    pciSubSystemId: c_uint,
    busId: [NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE]u8,
};

pub const nvmlEventData_t = extern struct {
    device: nvmlDevice_t,
    eventType: c_ulonglong,
    /// For an Xid its number, 999 for one that the library does not know; else 0.
    eventData: c_ulonglong,
    gpuInstanceId: c_uint,
    computeInstanceId: c_uint,
};

pub const nvmlValue_t = extern union {
    dVal: f64,
    siVal: c_int,
    uiVal: c_uint,
    ulVal: c_ulong,
    ullVal: c_ulonglong,
    sllVal: c_longlong,
    usVal: c_ushort,
};

pub const nvmlFieldValue_t = extern struct {
    /// Set by the caller, as is scopeId; the rest by the library.
    fieldId: c_uint,
    scopeId: c_uint,
    timestamp: c_longlong,
    latencyUsec: c_longlong,
    valueType: c_uint,
    nvmlReturn: nvmlReturn_t,
    value: nvmlValue_t,
};

pub const nvmlGpuFabricInfo_v2_t = extern struct {
    version: c_uint,
    clusterUuid: [NVML_GPU_FABRIC_UUID_LEN]u8,
    status: nvmlReturn_t,
    cliqueId: c_uint,
    state: u8,
    healthMask: c_uint,
};

pub const nvmlGpuFabricInfo_v3_t = extern struct {
    version: c_uint,
    clusterUuid: [NVML_GPU_FABRIC_UUID_LEN]u8,
    /// Means something only where `state` is NVML_GPU_FABRIC_STATE_COMPLETED.
    status: nvmlReturn_t,
    cliqueId: c_uint,
    state: u8,
    healthMask: c_uint,
    healthSummary: u8,
};

/// The version word says which of the two it is; the caller sets it.
pub const nvmlGpuFabricInfoV_t = nvmlGpuFabricInfo_v3_t;

pub const nvmlEccSramErrorStatus_v1_t = extern struct {
    version: c_uint,
    aggregateUncParity: c_ulonglong,
    aggregateUncSecDed: c_ulonglong,
    aggregateCor: c_ulonglong,
    volatileUncParity: c_ulonglong,
    volatileUncSecDed: c_ulonglong,
    volatileCor: c_ulonglong,
    aggregateUncBucketL2: c_ulonglong,
    aggregateUncBucketSm: c_ulonglong,
    aggregateUncBucketPcie: c_ulonglong,
    aggregateUncBucketMcu: c_ulonglong,
    aggregateUncBucketOther: c_ulonglong,
    bThresholdExceeded: c_uint,
};

// Version words: the struct's size, and above it its version.
pub const nvmlGpuFabricInfo_v2: c_uint = versionWord(nvmlGpuFabricInfo_v2_t, 2);
pub const nvmlGpuFabricInfo_v3: c_uint = versionWord(nvmlGpuFabricInfo_v3_t, 3);
pub const nvmlEccSramErrorStatus_v1: c_uint = versionWord(nvmlEccSramErrorStatus_v1_t, 1);

fn versionWord(comptime T: type, comptime version: c_uint) c_uint {
    return @sizeOf(T) | (version << 24);
}

/// The functions, by their exported names. A pointer to one is what dlsym gives: `*const Function.nvmlShutdown`.
pub const Function = struct {
    pub const nvmlInit_v2 = fn () callconv(.c) nvmlReturn_t;
    pub const nvmlInitWithFlags = fn (flags: c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlShutdown = fn () callconv(.c) nvmlReturn_t;
    pub const nvmlErrorString = fn (result: nvmlReturn_t) callconv(.c) ?[*:0]const u8;
    pub const nvmlSystemGetDriverVersion = fn (version: ?[*]u8, length: c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlSystemGetNVMLVersion = fn (version: ?[*]u8, length: c_uint) callconv(.c) nvmlReturn_t;

    pub const nvmlDeviceGetCount_v2 = fn (count: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetHandleByIndex_v2 = fn (index: c_uint, device: ?*nvmlDevice_t) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetHandleByUUID = fn (uuid: ?[*:0]const u8, device: ?*nvmlDevice_t) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetUUID = fn (device: nvmlDevice_t, uuid: ?[*]u8, length: c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetName = fn (device: nvmlDevice_t, name: ?[*]u8, length: c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetPciInfo_v3 = fn (device: nvmlDevice_t, pci: ?*nvmlPciInfo_t) callconv(.c) nvmlReturn_t;

    pub const nvmlDeviceGetTemperature =
        fn (device: nvmlDevice_t, sensor: c_uint, celsius: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetTemperatureThreshold =
        fn (device: nvmlDevice_t, threshold: c_uint, celsius: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetCurrentClocksEventReasons =
        fn (device: nvmlDevice_t, reasons: ?*c_ulonglong) callconv(.c) nvmlReturn_t;
    /// The same under its name before driver 535.
    pub const nvmlDeviceGetCurrentClocksThrottleReasons =
        fn (device: nvmlDevice_t, reasons: ?*c_ulonglong) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetPowerUsage = fn (device: nvmlDevice_t, milliwatts: ?*c_uint) callconv(.c) nvmlReturn_t;

    pub const nvmlDeviceGetEccMode =
        fn (device: nvmlDevice_t, current: ?*c_uint, pending: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetTotalEccErrors =
        fn (device: nvmlDevice_t, kind: c_uint, counter: c_uint, count: ?*c_ulonglong) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetRemappedRows = fn (
        device: nvmlDevice_t,
        corrected: ?*c_uint,
        uncorrected: ?*c_uint,
        pending: ?*c_uint,
        failed: ?*c_uint,
    ) callconv(.c) nvmlReturn_t;
    /// With a count of 0 the addresses may be null: it answers how many there are, with INSUFFICIENT_SIZE if any.
    pub const nvmlDeviceGetRetiredPages =
        fn (device: nvmlDevice_t, cause: c_uint, count: ?*c_uint, addresses: ?[*]c_ulonglong) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetRetiredPagesPendingStatus =
        fn (device: nvmlDevice_t, pending: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetSramEccErrorStatus =
        fn (device: nvmlDevice_t, status: ?*nvmlEccSramErrorStatus_v1_t) callconv(.c) nvmlReturn_t;

    pub const nvmlDeviceGetNvLinkState =
        fn (device: nvmlDevice_t, link: c_uint, active: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetNvLinkErrorCounter =
        fn (device: nvmlDevice_t, link: c_uint, counter: c_uint, count: ?*c_ulonglong) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetFieldValues =
        fn (device: nvmlDevice_t, count: c_int, values: ?[*]nvmlFieldValue_t) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetGpuFabricInfoV =
        fn (device: nvmlDevice_t, info: ?*nvmlGpuFabricInfoV_t) callconv(.c) nvmlReturn_t;

    pub const nvmlDeviceGetMigMode =
        fn (device: nvmlDevice_t, current: ?*c_uint, pending: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetMaxMigDeviceCount = fn (device: nvmlDevice_t, count: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetMigDeviceHandleByIndex =
        fn (device: nvmlDevice_t, index: c_uint, instance: ?*nvmlDevice_t) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetGpuInstanceId = fn (instance: nvmlDevice_t, id: ?*c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetComputeInstanceId = fn (instance: nvmlDevice_t, id: ?*c_uint) callconv(.c) nvmlReturn_t;

    pub const nvmlEventSetCreate = fn (set: ?*nvmlEventSet_t) callconv(.c) nvmlReturn_t;
    pub const nvmlEventSetFree = fn (set: nvmlEventSet_t) callconv(.c) nvmlReturn_t;
    pub const nvmlEventSetWait_v2 =
        fn (set: nvmlEventSet_t, data: ?*nvmlEventData_t, timeout_ms: c_uint) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceGetSupportedEventTypes =
        fn (device: nvmlDevice_t, types: ?*c_ulonglong) callconv(.c) nvmlReturn_t;
    pub const nvmlDeviceRegisterEvents =
        fn (device: nvmlDevice_t, types: c_ulonglong, set: nvmlEventSet_t) callconv(.c) nvmlReturn_t;
};
