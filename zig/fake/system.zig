//! The functions about the library as a whole, and those that find devices.

const std = @import("std");
const nvml = @import("nvml");
const identity = @import("identity.zig");
const machine = @import("machine.zig");
const state_file = @import("state.zig");
const State = state_file.State;
const Result = nvml.nvmlReturn_t;

pub fn nvmlInit_v2() callconv(.c) Result {
    return machine.start("nvmlInit_v2");
}

pub fn nvmlInitWithFlags(flags: c_uint) callconv(.c) Result {
    _ = flags;
    return machine.start("nvmlInitWithFlags");
}

pub fn nvmlShutdown() callconv(.c) Result {
    return machine.stop();
}

pub fn nvmlErrorString(result: Result) callconv(.c) ?[*:0]const u8 {
    if (machine.current()) |state| _ = machine.strike(state, "nvmlErrorString", null);
    return switch (result) {
        nvml.NVML_SUCCESS => "Success",
        nvml.NVML_ERROR_UNINITIALIZED => "Uninitialized",
        nvml.NVML_ERROR_INVALID_ARGUMENT => "Invalid Argument",
        nvml.NVML_ERROR_NOT_SUPPORTED => "Not Supported",
        nvml.NVML_ERROR_NO_PERMISSION => "Insufficient Permissions",
        nvml.NVML_ERROR_NOT_FOUND => "Not Found",
        nvml.NVML_ERROR_DRIVER_NOT_LOADED => "Driver Not Loaded",
        nvml.NVML_ERROR_TIMEOUT => "Timeout",
        nvml.NVML_ERROR_FUNCTION_NOT_FOUND => "Function Not Found",
        nvml.NVML_ERROR_GPU_IS_LOST => "GPU is lost",
        nvml.NVML_ERROR_RESET_REQUIRED => "GPU requires reset",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH => "Driver/library version mismatch",
        else => "Unknown Error",
    };
}

pub fn nvmlSystemGetDriverVersion(version: ?[*]u8, length: c_uint) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlSystemGetDriverVersion", &state)) |code| return code;
    return machine.giveText(state, version, length, std.mem.sliceTo(&state.driver, 0));
}

pub fn nvmlSystemGetNVMLVersion(version: ?[*]u8, length: c_uint) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlSystemGetNVMLVersion", &state)) |code| return code;
    return machine.giveText(state, version, length, std.mem.sliceTo(&state.nvml_version, 0));
}

pub fn nvmlDeviceGetCount_v2(count: ?*c_uint) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlDeviceGetCount_v2", &state)) |code| return code;
    const said = state_file.get(&state.count);
    return machine.give(count, if (said == state_file.unlimited) state_file.presentGpus(state) else said);
}

/// The index counts those that are there: it moves when one before it goes.
pub fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: ?*nvml.nvmlDevice_t) callconv(.c) Result {
    const state = machine.current() orelse return nvml.NVML_ERROR_UNINITIALIZED;
    const slot = state_file.slotAt(state, index);
    if (machine.strike(state, "nvmlDeviceGetHandleByIndex_v2", slot)) |code| return code;
    const out = device orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    return machine.attach(state, slot orelse return nvml.NVML_ERROR_INVALID_ARGUMENT, out);
}

pub fn nvmlDeviceGetHandleByUUID(uuid: ?[*:0]const u8, device: ?*nvml.nvmlDevice_t) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlDeviceGetHandleByUUID", &state)) |code| return code;
    const wanted = std.mem.span(uuid orelse return nvml.NVML_ERROR_INVALID_ARGUMENT);
    const out = device orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    var buffer: [identity.uuid_length]u8 = undefined;
    for (&state.gpus, 0..) |*gpu, slot| {
        if (state_file.get(&gpu.present) == 0) continue;
        const serial = state_file.get(&gpu.serial);
        if (std.mem.eql(u8, wanted, identity.uuid(&buffer, serial, 0))) {
            return machine.attach(state, @intCast(slot), out);
        }
        for (1..state_file.max_instances + 1) |instance| {
            if (!state_file.hasInstance(gpu, @intCast(instance - 1))) continue;
            if (!std.mem.eql(u8, wanted, identity.uuid(&buffer, serial, @intCast(instance)))) continue;
            return machine.give(device, machine.handleOf(@intCast(slot), @intCast(instance)));
        }
    }
    return nvml.NVML_ERROR_NOT_FOUND;
}
