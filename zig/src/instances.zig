//! MIG instances of a GPU. A mode that waits for a reset has none yet, and a list that could not be read whole is no
//! list: an instance that is missing in one has gone.

const std = @import("std");
const abi = @import("abi.zig");
const nvml = @import("nvml.zig");
const calls = @import("calls.zig");
const devices = @import("devices.zig");
const Reader = @import("reading.zig").Reader;

/// An index may be empty, so more of them are looked at than there can be instances.
const indices_max = 64;
/// The driver numbers instances from 0 to 14 or so; also what bounds the faults that a GPU can have by instance.
const id_max = 255;

pub fn readInstances(reader: Reader) void {
    if (!reader.wants_mig or !reader.has(.mig)) return;
    const whole = switch (reader.gpu.mig_current) {
        nvml.NVML_DEVICE_MIG_DISABLE => true,
        nvml.NVML_DEVICE_MIG_ENABLE => readList(reader),
        else => false,
    };
    if (whole) return reader.mark(.mig_instances);
    reader.gpu.instance_count = 0;
    @memset(std.mem.asBytes(&reader.gpu.instances), 0);
}

fn readList(reader: Reader) bool {
    const counting: calls.Call = .nvmlDeviceGetMaxMigDeviceCount;
    const opening: calls.Call = .nvmlDeviceGetMigDeviceHandleByIndex;
    const gpu = reader.gpu;
    var indices: c_uint = 0;
    if (!reader.worked(counting, reader.caller.call(counting, .{ reader.device.handle, &indices }))) return false;
    for (0..@min(indices, indices_max)) |index| {
        var handle: nvml.nvmlDevice_t = null;
        const code = reader.caller.call(opening, .{ reader.device.handle, @as(c_uint, @intCast(index)), &handle });
        if (code == nvml.NVML_ERROR_NOT_FOUND) continue;
        if (!reader.worked(opening, code) or !reader.sane(opening, handle != null)) return false;
        if (gpu.instance_count == abi.max_instances) break;
        if (!readInstance(reader, handle, &gpu.instances[gpu.instance_count])) return false;
        gpu.instance_count += 1;
    }
    return true;
}

/// What fails here is noted as a failure to open the instance: the calls themselves are those of whole GPUs, too.
fn readInstance(reader: Reader, handle: nvml.nvmlDevice_t, out: *abi.NvmlInstance) bool {
    const opening: calls.Call = .nvmlDeviceGetMigDeviceHandleByIndex;
    var uuid: devices.Uuid = @splat(0);
    const named = reader.caller.call(.nvmlDeviceGetUUID, .{ handle, &uuid, uuid.len });
    if (!reader.worked(opening, named)) return false;
    if (!reader.sane(opening, devices.copyText(uuid.len, &out.uuid, &uuid))) return false;
    out.gpu_instance = readId(reader, .nvmlDeviceGetGpuInstanceId, handle) orelse return false;
    out.compute_instance = readId(reader, .nvmlDeviceGetComputeInstanceId, handle) orelse return false;
    return true;
}

/// A driver that does not tell the number has instances all the same.
fn readId(reader: Reader, comptime call: calls.Call, handle: nvml.nvmlDevice_t) ?u32 {
    var id: c_uint = 0;
    const code = reader.caller.call(call, .{ handle, &id });
    switch (code) {
        nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND => return nvml.INVALID_GPU_INSTANCE_ID,
        else => {},
    }
    return if (reader.worked(call, code) and reader.sane(call, id <= id_max)) id else null;
}
