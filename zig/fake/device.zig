//! The readings of one GPU.

const std = @import("std");
const nvml = @import("nvml");
const identity = @import("identity.zig");
const machine = @import("machine.zig");
const profiles = @import("profiles.zig");
const state_file = @import("state.zig");
const Device = machine.Device;
const Handle = nvml.nvmlDevice_t;
const Result = nvml.nvmlReturn_t;
const get = state_file.get;
const give = machine.give;

pub fn nvmlDeviceGetUUID(handle: Handle, uuid: ?[*]u8, length: c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetUUID", handle, .remembered, &device)) |code| return code;
    if (state_file.is(device.state, .empty_uuid)) return machine.giveText(device.state, uuid, length, "");
    const serial = if (state_file.is(device.state, .same_uuid)) 0 else get(&device.gpu.serial);
    var buffer: [identity.uuid_length]u8 = undefined;
    return machine.giveText(device.state, uuid, length, identity.uuid(&buffer, serial, device.instance));
}

pub fn nvmlDeviceGetName(handle: Handle, name: ?[*]u8, length: c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetName", handle, .remembered, &device)) |code| return code;
    return machine.giveText(device.state, name, length, profileOf(device).product);
}

/// Whatever number a command put there.
fn profileOf(device: Device) *const profiles.Profile {
    return &profiles.all[get(&device.gpu.profile) % profiles.all.len];
}

pub fn nvmlDeviceGetPciInfo_v3(handle: Handle, pci: ?*nvml.nvmlPciInfo_t) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetPciInfo_v3", handle, .remembered, &device)) |code| return code;
    const out = pci orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    out.* = std.mem.zeroes(nvml.nvmlPciInfo_t);
    // Two domains of 128 busses, beginning with bus 1.
    out.domain = device.slot / 128;
    out.bus = device.slot % 128 + 1;
    out.pciDeviceId = profileOf(device).pci_device_id;
    var buffer: [nvml.NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE]u8 = undefined;
    const place = .{ out.domain, out.bus };
    const legacy = std.fmt.bufPrint(&buffer, "{X:0>4}:{X:0>2}:00.0", place) catch unreachable;
    _ = machine.giveText(device.state, &out.busIdLegacy, out.busIdLegacy.len, legacy);
    const text = std.fmt.bufPrint(&buffer, "{X:0>8}:{X:0>2}:00.0", place) catch unreachable;
    return machine.giveText(device.state, &out.busId, out.busId.len, text);
}

pub fn nvmlDeviceGetTemperature(handle: Handle, sensor: c_uint, celsius: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetTemperature", handle, .alive, &device)) |code| return code;
    if (sensor != nvml.NVML_TEMPERATURE_GPU) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    return give(celsius, get(&device.gpu.temperature));
}

pub fn nvmlDeviceGetTemperatureThreshold(handle: Handle, threshold: c_uint, celsius: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetTemperatureThreshold", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .thresholds)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    const value = switch (threshold) {
        nvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN => get(&device.gpu.shutdown),
        nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN => get(&device.gpu.slowdown),
        nvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX => get(&device.gpu.memory_max),
        nvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX => get(&device.gpu.gpu_max),
        else => return nvml.NVML_ERROR_NOT_SUPPORTED,
    };
    return if (value == 0) nvml.NVML_ERROR_NOT_SUPPORTED else give(celsius, value);
}

pub fn nvmlDeviceGetCurrentClocksEventReasons(handle: Handle, reasons: ?*c_ulonglong) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetCurrentClocksEventReasons", handle, .alive, &device)) |code| return code;
    return clockReasons(device, reasons);
}

pub fn nvmlDeviceGetCurrentClocksThrottleReasons(handle: Handle, reasons: ?*c_ulonglong) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetCurrentClocksThrottleReasons", handle, .alive, &device)) |code| return code;
    return clockReasons(device, reasons);
}

fn clockReasons(device: Device, reasons: ?*c_ulonglong) Result {
    if (!state_file.has(device.gpu, .clocks)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    return give(reasons, get(&device.gpu.clock_reasons));
}

pub fn nvmlDeviceGetPowerUsage(handle: Handle, milliwatts: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetPowerUsage", handle, .alive, &device)) |code| return code;
    return give(milliwatts, get(&device.gpu.power));
}

pub fn nvmlDeviceGetMigMode(handle: Handle, mode: ?*c_uint, pending: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetMigMode", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .mig)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    if (pending == null) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    _ = give(pending, get(&device.gpu.mig_pending));
    return give(mode, get(&device.gpu.mig_current));
}

pub fn nvmlDeviceGetMaxMigDeviceCount(handle: Handle, count: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetMaxMigDeviceCount", handle, .alive, &device)) |code| return code;
    if (state_file.is(device.state, .many_instances)) return give(count, std.math.maxInt(c_uint));
    return give(count, if (state_file.has(device.gpu, .mig)) state_file.max_instances else 0);
}

/// An index is a place, and a place may be empty.
pub fn nvmlDeviceGetMigDeviceHandleByIndex(handle: Handle, index: c_uint, out: ?*Handle) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetMigDeviceHandleByIndex", handle, .alive, &device)) |code| return code;
    if (!state_file.has(device.gpu, .mig)) return nvml.NVML_ERROR_NOT_SUPPORTED;
    if (!state_file.hasInstance(device.gpu, index)) return nvml.NVML_ERROR_NOT_FOUND;
    const absurd = state_file.is(device.state, .null_handle);
    return give(out, if (absurd) null else machine.handleOf(device.slot, index + 1));
}

/// GPU instances of the smallest size are numbered from 7.
pub fn nvmlDeviceGetGpuInstanceId(handle: Handle, id: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetGpuInstanceId", handle, .instance, &device)) |code| return code;
    return give(id, 7 + (device.instance - 1) / computeInstances(device));
}

pub fn nvmlDeviceGetComputeInstanceId(handle: Handle, id: ?*c_uint) callconv(.c) Result {
    var device: Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetComputeInstanceId", handle, .instance, &device)) |code| return code;
    return give(id, (device.instance - 1) % computeInstances(device));
}

fn computeInstances(device: Device) u32 {
    return @max(1, get(&device.gpu.mig_compute));
}
