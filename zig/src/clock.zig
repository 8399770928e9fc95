//! Time from the kernel itself.

const std = @import("std");
const linux = std.os.linux;

/// CLOCK_MONOTONIC: the same in every process of this machine.
pub fn monotonicNs() u64 {
    return read(.MONOTONIC);
}

pub fn realNs() u64 {
    return read(.REALTIME);
}

pub fn nap(ms: u32) void {
    const time: linux.timespec = .{ .sec = ms / 1_000, .nsec = @as(isize, ms % 1_000) * 1_000_000 };
    _ = linux.nanosleep(&time, null);
}

fn read(clock: linux.clockid_t) u64 {
    var time: linux.timespec = undefined;
    if (linux.clock_gettime(clock, &time) != 0) return 0;
    return @as(u64, @intCast(time.sec)) * 1_000_000_000 + @as(u64, @intCast(time.nsec));
}
