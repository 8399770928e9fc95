//! NVLink, the fabric behind it, and the fields, most of which are about links.

const std = @import("std");
const nvml = @import("nvml");
const machine = @import("machine.zig");
const state_file = @import("state.zig");
const Device = machine.Device;
const Handle = nvml.nvmlDevice_t;
const Result = nvml.nvmlReturn_t;
const get = state_file.get;
const give = machine.give;

fn linkOf(device: Device, index: c_uint, out: **state_file.Link) ?Result {
    if (!state_file.has(device.gpu, .nvlink)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    const there = @min(get(&device.gpu.link_count), device.gpu.links.len);
    if (index >= there) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    out.* = &device.gpu.links[index];
    return null;
}

pub fn nvmlDeviceGetNvLinkState(handle: Handle, index: c_uint, active: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetNvLinkState", handle, .alive, &device)) |code| return code;
    var link: *state_file.Link = undefined;
    if (linkOf(device, index, &link)) |code| return code;
    return give(active, get(&link.active));
}

pub fn nvmlDeviceGetNvLinkErrorCounter(
    handle: Handle,
    index: c_uint,
    counter: c_uint,
    count: ?*c_ulonglong,
) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetNvLinkErrorCounter", handle, .alive, &device)) |code| return code;
    var link: *state_file.Link = undefined;
    if (linkOf(device, index, &link)) |code| return code;
    if (!state_file.has(device.gpu, .dl_counters)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    return give(count, switch (counter) {
        nvml.NVML_NVLINK_ERROR_DL_REPLAY => get(&link.replay),
        nvml.NVML_NVLINK_ERROR_DL_RECOVERY => get(&link.recovery),
        nvml.NVML_NVLINK_ERROR_DL_CRC_FLIT => get(&link.crc_flit),
        nvml.NVML_NVLINK_ERROR_DL_CRC_DATA => get(&link.crc_data),
        nvml.NVML_NVLINK_ERROR_DL_ECC_DATA => get(&link.ecc_data),
        else => return nvml.NVML_ERROR_INVALID_ARGUMENT,
    });
}

pub fn nvmlDeviceGetFieldValues(handle: Handle, count: c_int, values: ?[*]nvml.nvmlFieldValue_t) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetFieldValues", handle, .alive, &device)) |code| return code;
    const list = values orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    if (count < 1) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    for (list[0..@intCast(count)]) |*value| answer(device, value);
    return nvml.NVML_SUCCESS;
}

fn answer(device: Device, out: *nvml.nvmlFieldValue_t) void {
    var value: u64 = 0;
    out.nvmlReturn = field(device, out.fieldId, out.scopeId, &value);
    out.timestamp = @intCast(state_file.nowNs() / 1000);
    out.latencyUsec = 1;
    out.value = .{ .ullVal = value };
    const wide = out.fieldId >= nvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY and
        out.fieldId <= nvml.NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS;
    out.valueType = if (wide) nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG else nvml.NVML_VALUE_TYPE_UNSIGNED_INT;
    if (state_file.is(device.state, .value_type)) out.valueType = 77;
}

fn field(device: Device, id: c_uint, scope: c_uint, out: *u64) Result {
    switch (id) {
        nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION => {
            if (!state_file.has(device.gpu, .recovery)) return nvml.NVML_ERROR_NOT_SUPPORTED;
            out.* = get(&device.gpu.recovery_action);
            return nvml.NVML_SUCCESS;
        },
        nvml.NVML_FI_DEV_NVLINK_LINK_COUNT => {
            if (!state_file.has(device.gpu, .nvlink)) return nvml.NVML_ERROR_NOT_SUPPORTED;
            out.* = get(&device.gpu.link_count);
            return nvml.NVML_SUCCESS;
        },
        else => {},
    }
    var link: *state_file.Link = undefined;
    if (linkOf(device, scope, &link)) |code| return code;
    return linkField(link, id, state_file.has(device.gpu, .dl_counters), out);
}

fn linkField(link: *state_file.Link, id: c_uint, has_dl_counters: bool, out: *u64) Result {
    const of_dl = id >= nvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY and id <= nvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC;
    if (id != nvml.NVML_FI_DEV_NVLINK_GET_STATE and of_dl != has_dl_counters) return nvml.NVML_ERROR_NOT_SUPPORTED;
    out.* = switch (id) {
        nvml.NVML_FI_DEV_NVLINK_GET_STATE => get(&link.active),
        nvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY => get(&link.replay),
        nvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY => get(&link.recovery),
        nvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC => get(&link.crc_flit) +% get(&link.crc_data),
        nvml.NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS => get(&link.malformed_packets),
        nvml.NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS => get(&link.buffer_overruns),
        nvml.NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS => get(&link.receive_errors),
        nvml.NVML_FI_DEV_NVLINK_COUNT_RCV_REMOTE_ERRORS => get(&link.receive_remote_errors),
        nvml.NVML_FI_DEV_NVLINK_COUNT_RCV_GENERAL_ERRORS => get(&link.receive_general_errors),
        nvml.NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS => get(&link.link_integrity_errors),
        nvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS => get(&link.transmit_discards),
        nvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS => get(&link.recoveries_successful),
        nvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS => get(&link.recoveries_failed),
        nvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS => get(&link.recoveries),
        nvml.NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS => get(&link.effective_errors),
        nvml.NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS => get(&link.symbol_errors),
        else => return nvml.NVML_ERROR_NOT_SUPPORTED,
    };
    return nvml.NVML_SUCCESS;
}

/// Writes no more than the version that the caller named has room for.
pub fn nvmlDeviceGetGpuFabricInfoV(handle: Handle, info: ?*nvml.nvmlGpuFabricInfoV_t) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetGpuFabricInfoV", handle, .alive, &device)) |code| return code;
    const out = info orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    if (!state_file.has(device.gpu, .fabric)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    const version = out.version;
    if (version != nvml.nvmlGpuFabricInfo_v2 and version != nvml.nvmlGpuFabricInfo_v3) {
        return nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    }
    const first: *nvml.nvmlGpuFabricInfo_v2_t = @ptrCast(out);
    first.* = .{
        .version = version,
        .clusterUuid = @splat(0),
        .status = get(&device.gpu.fabric_status),
        .cliqueId = get(&device.gpu.fabric_clique),
        .state = @truncate(get(&device.gpu.fabric_state)),
        .healthMask = get(&device.gpu.fabric_health),
    };
    if (version == nvml.nvmlGpuFabricInfo_v3) out.healthSummary = @truncate(get(&device.gpu.fabric_summary));
    return nvml.NVML_SUCCESS;
}
