//! NVLink, and the driver's verdict on the GPU, which comes with the same call.

const std = @import("std");
const abi = @import("abi.zig");
const nvml = @import("nvml.zig");
const calls = @import("calls.zig");
const Reader = @import("reading.zig").Reader;

const data_link_fields = [_]c_uint{
    nvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY,
    nvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY,
    nvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC,
};

/// The counters of GPUs from Blackwell on. Not the symbol errors: a sound link has some all the time.
const count_fields = [_]c_uint{
    nvml.NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS,
    nvml.NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS,
    nvml.NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS,
    nvml.NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS,
    nvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS,
    nvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS,
};

const max_values = 1 + abi.max_links * @as(usize, @max(data_link_fields.len, count_fields.len));

pub fn readLinks(reader: Reader) void {
    readStates(reader);
    if (reader.gpu.lost != 0) return;
    const facts = &reader.device.facts;
    const gpu = reader.gpu;
    switch (facts.link_counters) {
        .data_link => _ = readFields(reader, &data_link_fields),
        .counts => _ = readFields(reader, &count_fields),
        .calls => {
            _ = readFields(reader, &.{});
            _ = readCounters(reader);
        },
        .none => _ = readFields(reader, &.{}),
        .unknown => facts.link_counters = if (gpu.link_count == 0) blk: {
            _ = readFields(reader, &.{});
            break :blk .none;
        } else if (readFields(reader, &data_link_fields))
            .data_link
        else if (readFields(reader, &count_fields))
            .counts
        else if (readCounters(reader)) .calls else .none,
    }
}

fn readStates(reader: Reader) void {
    const call: calls.Call = .nvmlDeviceGetNvLinkState;
    const facts = &reader.device.facts;
    const gpu = reader.gpu;
    for (0..abi.max_links) |link| {
        const bit = @as(u64, 1) << @intCast(link);
        if (facts.absent_links & bit != 0) continue;
        var active: c_uint = 0;
        const code = reader.caller.call(call, .{ reader.device.handle, @as(c_uint, @intCast(link)), &active });
        switch (code) {
            nvml.NVML_ERROR_NOT_SUPPORTED => facts.absent_links |= bit,
            // No link has this number, nor a greater one.
            nvml.NVML_ERROR_INVALID_ARGUMENT, nvml.NVML_ERROR_FUNCTION_NOT_FOUND => {
                facts.absent_links |= ~(bit - 1);
                return;
            },
            else => if (reader.worked(call, code)) {
                gpu.links[gpu.link_count] = .{
                    .errors = 0,
                    .link = @intCast(link),
                    .active = @intFromBool(active != 0),
                    .counted = 0,
                };
                gpu.link_count += 1;
            } else if (gpu.lost != 0) return,
        }
    }
}

/// The recovery action and these fields of every link, in one call. False where no link has any of them.
fn readFields(reader: Reader, fields: []const c_uint) bool {
    const call: calls.Call = .nvmlDeviceGetFieldValues;
    const gpu = reader.gpu;
    var values: [max_values]nvml.nvmlFieldValue_t = undefined;
    values[0] = asked(nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 0);
    var count: usize = 1;
    for (gpu.links[0..gpu.link_count]) |link| for (fields) |field| {
        values[count] = asked(field, link.link);
        count += 1;
    };
    const code = reader.caller.call(call, .{ reader.device.handle, @as(c_int, @intCast(count)), &values });
    if (!reader.worked(call, code)) return false;

    if (valueOf(reader, &values[0])) |action| {
        if (reader.sane(call, action <= std.math.maxInt(u32))) {
            gpu.recovery_action = @intCast(action);
            reader.mark(.recovery_action);
        }
    }
    var any = false;
    for (gpu.links[0..gpu.link_count], 0..) |*link, i| {
        for (values[1 + i * fields.len ..][0..fields.len]) |*value| {
            link.errors +|= valueOf(reader, value) orelse continue;
            link.counted = 1;
            any = true;
        }
    }
    return any;
}

fn asked(field: c_uint, scope: c_uint) nvml.nvmlFieldValue_t {
    var value = std.mem.zeroes(nvml.nvmlFieldValue_t);
    value.fieldId = field;
    value.scopeId = scope;
    // A library that fills in nothing has not said that it worked.
    value.nvmlReturn = nvml.NVML_ERROR_NOT_SUPPORTED;
    return value;
}

fn valueOf(reader: Reader, value: *const nvml.nvmlFieldValue_t) ?u64 {
    // A field that this driver or this GPU does not know.
    if (value.nvmlReturn == nvml.NVML_ERROR_INVALID_ARGUMENT) return null;
    if (!reader.worked(.nvmlDeviceGetFieldValues, value.nvmlReturn)) return null;
    const number: ?u64 = switch (value.valueType) {
        nvml.NVML_VALUE_TYPE_UNSIGNED_INT => value.value.uiVal,
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG => value.value.ulVal,
        nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => value.value.ullVal,
        nvml.NVML_VALUE_TYPE_UNSIGNED_SHORT => value.value.usVal,
        nvml.NVML_VALUE_TYPE_SIGNED_INT => std.math.cast(u64, value.value.siVal),
        nvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG => std.math.cast(u64, value.value.sllVal),
        else => null,
    };
    if (number == null or number.? == std.math.maxInt(u64)) {
        reader.noteFailure(.nvmlDeviceGetFieldValues, nvml.NVML_ERROR_UNKNOWN);
        return null;
    }
    return number;
}

/// For drivers without the fields. False where no link has any of the counters.
fn readCounters(reader: Reader) bool {
    const call: calls.Call = .nvmlDeviceGetNvLinkErrorCounter;
    const gpu = reader.gpu;
    var any = false;
    for (gpu.links[0..gpu.link_count]) |*link| for (0..nvml.NVML_NVLINK_ERROR_COUNT) |counter| {
        var count: c_ulonglong = 0;
        const which: c_uint = @intCast(counter);
        const code = reader.caller.call(call, .{ reader.device.handle, @as(c_uint, link.link), which, &count });
        if (code == nvml.NVML_ERROR_FUNCTION_NOT_FOUND or gpu.lost != 0) return any;
        if (code == nvml.NVML_ERROR_INVALID_ARGUMENT or !reader.worked(call, code)) continue;
        if (!reader.sane(call, count != std.math.maxInt(u64))) continue;
        link.errors +|= count;
        link.counted = 1;
        any = true;
    };
    return any;
}
