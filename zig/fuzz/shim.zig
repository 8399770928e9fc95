//! The shim by its exports, as JavaScript has it, and the library below it.

const std = @import("std");
const abi = @import("abi");

pub const Shim = struct {
    open: *const fn (root: [*:0]const u8, period_ms: u32, wants: u32, calls_fd: i32) callconv(.c) i32,
    status: *const fn (number: i32, out: *abi.NvmlStatus) callconv(.c) i32,
    take_events: *const fn (number: i32, out: [*]abi.NvmlEvent, capacity: u32, next: *u64) callconv(.c) i32,
    take_round: *const fn (number: i32, out: [*]u8, capacity: u32) callconv(.c) i32,
    pulse: *const fn (number: i32, out: *abi.NvmlPulse) callconv(.c) i32,
    wake: *const fn (number: i32) callconv(.c) i32,
    stop: *const fn (number: i32) callconv(.c) i32,
    close: *const fn (number: i32) callconv(.c) i32,

    pub fn load(path: [*:0]const u8) ?Shim {
        return symbolsOf(Shim, path, "das_nvml_");
    }
};

pub const Liar = struct {
    calls: *const fn () callconv(.c) u64,
    reseed: *const fn (seed: u64, gpus: u32) callconv(.c) void,

    /// The file that the shim will find: it is loaded once.
    pub fn load(root: []const u8) ?Liar {
        var path: [4_096]u8 = undefined;
        const found = std.fmt.bufPrintSentinel(&path, "{s}/usr/lib64/libnvidia-ml.so.1", .{root}, 0) catch return null;
        return symbolsOf(Liar, found, "fuzz_nvml_");
    }
};

fn symbolsOf(comptime T: type, path: [*:0]const u8, comptime prefix: []const u8) ?T {
    const library = std.c.dlopen(path, .{ .NOW = true }) orelse return null;
    var found: T = undefined;
    inline for (@typeInfo(T).@"struct".field_names) |name| {
        @field(found, name) = @ptrCast(@alignCast(std.c.dlsym(library, prefix ++ name) orelse return null));
    }
    return found;
}
