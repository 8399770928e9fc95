//! The readings of a GPU's memory: ECC, rows, pages.

const std = @import("std");
const nvml = @import("nvml");
const machine = @import("machine.zig");
const state_file = @import("state.zig");
const Device = machine.Device;
const Handle = nvml.nvmlDevice_t;
const Result = nvml.nvmlReturn_t;
const get = state_file.get;
const give = machine.give;

pub fn nvmlDeviceGetEccMode(handle: Handle, mode: ?*c_uint, pending: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetEccMode", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .ecc)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    if (pending == null) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    _ = give(pending, get(&device.gpu.ecc_pending));
    return give(mode, get(&device.gpu.ecc_mode));
}

pub fn nvmlDeviceGetTotalEccErrors(
    handle: Handle,
    kind: c_uint,
    counter: c_uint,
    count: ?*c_ulonglong,
) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetTotalEccErrors", handle, .alive, &device)) |code| return code;
    if (!hasEcc(device)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    if (kind > 1 or counter > 1) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    const gpu = device.gpu;
    const uncorrected = kind == nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED;
    if (counter == nvml.NVML_VOLATILE_ECC) {
        return give(count, get(if (uncorrected) &gpu.ecc_volatile_uncorrected else &gpu.ecc_volatile_corrected));
    }
    return give(count, get(if (uncorrected) &gpu.ecc_aggregate_uncorrected else &gpu.ecc_aggregate_corrected));
}

fn hasEcc(device: Device) bool {
    return state_file.has(device.gpu, .ecc) and get(&device.gpu.ecc_mode) != 0;
}

pub fn nvmlDeviceGetRemappedRows(
    handle: Handle,
    corrected: ?*c_uint,
    uncorrected: ?*c_uint,
    pending: ?*c_uint,
    failed: ?*c_uint,
) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetRemappedRows", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .remap)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    const results = [_]Result{
        give(corrected, get(&device.gpu.remapped_corrected)),
        give(uncorrected, get(&device.gpu.remapped_uncorrected)),
        give(pending, get(&device.gpu.remap_pending)),
        give(failed, get(&device.gpu.remap_failed)),
    };
    return std.mem.max(Result, &results);
}

pub fn nvmlDeviceGetRetiredPages(
    handle: Handle,
    cause: c_uint,
    count: ?*c_uint,
    addresses: ?[*]c_ulonglong,
) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetRetiredPages", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .pages)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    const out = count orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    const room = out.*;
    out.* = switch (cause) {
        nvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS => get(&device.gpu.pages_single),
        nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR => get(&device.gpu.pages_double),
        else => return nvml.NVML_ERROR_INVALID_ARGUMENT,
    };
    if (out.* > room) return nvml.NVML_ERROR_INSUFFICIENT_SIZE;
    const list = addresses orelse return if (out.* == 0) nvml.NVML_SUCCESS else nvml.NVML_ERROR_INVALID_ARGUMENT;
    for (list[0..out.*], 1..) |*address, page| address.* = page << 16;
    return nvml.NVML_SUCCESS;
}

pub fn nvmlDeviceGetRetiredPagesPendingStatus(handle: Handle, pending: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetRetiredPagesPendingStatus", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .pages)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    return give(pending, get(&device.gpu.pages_pending));
}

pub fn nvmlDeviceGetSramEccErrorStatus(
    handle: Handle,
    status: ?*nvml.nvmlEccSramErrorStatus_v1_t,
) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetSramEccErrorStatus", handle, .alive, &device)) |code| return code;
    const out = status orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    if (!state_file.has(device.gpu, .sram) or !hasEcc(device)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    if (out.version != nvml.nvmlEccSramErrorStatus_v1) return nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    const gpu = device.gpu;
    const aggregate = get(&gpu.sram_aggregate_parity) +| get(&gpu.sram_aggregate_secded);
    out.* = .{
        .version = nvml.nvmlEccSramErrorStatus_v1,
        .aggregateUncParity = get(&gpu.sram_aggregate_parity),
        .aggregateUncSecDed = get(&gpu.sram_aggregate_secded),
        .aggregateCor = get(&gpu.sram_aggregate_corrected),
        .volatileUncParity = get(&gpu.sram_volatile_parity),
        .volatileUncSecDed = get(&gpu.sram_volatile_secded),
        .volatileCor = get(&gpu.sram_volatile_corrected),
        .aggregateUncBucketL2 = aggregate,
        .aggregateUncBucketSm = 0,
        .aggregateUncBucketPcie = 0,
        .aggregateUncBucketMcu = 0,
        .aggregateUncBucketOther = 0,
        .bThresholdExceeded = get(&gpu.sram_threshold),
    };
    return nvml.NVML_SUCCESS;
}
