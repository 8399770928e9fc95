//! nvmlEventSetWait_v2: events one by one and in floods, which also go on while a set is being rebuilt.

const std = @import("std");
const nvml = @import("nvml");
const lies = @import("lies.zig");
const linux = std.os.linux;

const flood_max = 20_000;
/// Of what the caller allows: this is about many answers, not about waiting.
const nap_max_us = 2_000;

const kinds = [_]u64{ 0x1, 0x2, 0x8, 0x8, 0x8, 0x100, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000 };
const xids = [_]u64{ 13, 31, 43, 45, 48, 63, 64, 74, 79, 94, 95, 109, 119, 140, 162, 163, 999 };

var flood: std.atomic.Value(u32) = .init(0);

pub fn wait(ask: *lies.Ask, out: ?*nvml.nvmlEventData_t, timeout_ms: c_uint) nvml.nvmlReturn_t {
    const data = out orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    const left = flood.load(.monotonic);
    if (left > 0 or lies.isFlooding()) {
        flood.store(left -| 1, .monotonic);
        give(ask, data);
        return nvml.NVML_SUCCESS;
    }
    switch (ask.below(1_000)) {
        0...3 => flood.store(ask.below(flood_max), .monotonic),
        4...6 => return ask.number(u32),
        7...10 => return nvml.NVML_ERROR_TIMEOUT,
        11...200 => {},
        else => {
            const us = @min(ask.below(nap_max_us), @as(u64, timeout_ms) * 1_000);
            const time: linux.timespec = .{ .sec = 0, .nsec = @intCast(us * 1_000) };
            _ = linux.nanosleep(&time, null);
            return nvml.NVML_ERROR_TIMEOUT;
        },
    }
    give(ask, data);
    return nvml.NVML_SUCCESS;
}

fn give(ask: *lies.Ask, data: *nvml.nvmlEventData_t) void {
    const honest = lies.handleOf(ask.below(lies.honestGpus() + 1), 0);
    data.* = .{
        .device = @ptrFromInt(honest),
        .eventType = kinds[ask.below(kinds.len)],
        .eventData = xids[ask.below(xids.len)],
        .gpuInstanceId = nvml.INVALID_GPU_INSTANCE_ID,
        .computeInstanceId = nvml.INVALID_GPU_INSTANCE_ID,
    };
    if (ask.below(4) != 0) return;
    ask.giveHandle(@as(?*nvml.nvmlDevice_t, &data.device), honest);
    switch (ask.below(6)) {
        0 => data.eventType = ask.number(u64),
        1 => data.eventData = ask.number(u64),
        2 => data.gpuInstanceId = ask.number(u32),
        3 => data.device = null,
        4 => data.device = @ptrFromInt(ask.next() | 1),
        else => ask.junk(std.mem.asBytes(data)),
    }
}
