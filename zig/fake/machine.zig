//! This process's side of the scripted machine: the mapped control file, the handles, and what happens on the way into
//! every function: it is counted, and the fault that is set for it strikes.

const std = @import("std");
const nvml = @import("nvml");
const command = @import("command.zig");
const state_file = @import("state.zig");
const State = state_file.State;
const Gpu = state_file.Gpu;
const linux = std.os.linux;

/// A null or stale pointer of the driver's: where `crash` writes.
const nowhere: usize = 8;

var mapped: std.atomic.Value(?*State) = .init(null);
var users: std.atomic.Value(u32) = .init(0);
/// Whether this process has had a handle of the GPU while it was well: such a library goes on giving it out.
var attached: [state_file.max_gpus]std.atomic.Value(bool) = @splat(.init(false));

/// Handles are addresses in here, so that one that was never given out is known.
const per_gpu = state_file.max_instances + 1;
var handles: [state_file.max_gpus * per_gpu]u64 = undefined;

const control_variable = "FAKE_NVML_CONTROL";

/// Opens the control file at the first use in this process, and again where all users had gone: it may be another.
pub fn start(comptime name: []const u8) nvml.nvmlReturn_t {
    const path = std.c.getenv(control_variable) orelse return nvml.NVML_ERROR_DRIVER_NOT_LOADED;
    if (users.load(.acquire) == 0) {
        const opened = state_file.open(path, command.fillNew) catch return nvml.NVML_ERROR_DRIVER_NOT_LOADED;
        opened.unlock();
        // The file of before stays mapped: another thread may still be in a call that hangs on it.
        mapped.store(opened.state, .release);
        for (&attached) |*one| one.store(false, .release);
    }
    if (strike(mapped.load(.acquire).?, name, null)) |code| return code;
    _ = users.fetchAdd(1, .acq_rel);
    return nvml.NVML_SUCCESS;
}

pub fn stop() nvml.nvmlReturn_t {
    const state = current() orelse return nvml.NVML_ERROR_UNINITIALIZED;
    if (strike(state, "nvmlShutdown", null)) |code| return code;
    _ = users.fetchSub(1, .acq_rel);
    return nvml.NVML_SUCCESS;
}

/// Null before nvmlInit and after the last nvmlShutdown.
pub fn current() ?*State {
    return if (users.load(.acquire) == 0) null else mapped.load(.acquire);
}

/// The way into a function that is about no device. A code is what the function returns at once.
pub fn enter(comptime name: []const u8, out: **State) ?nvml.nvmlReturn_t {
    out.* = current() orelse return nvml.NVML_ERROR_UNINITIALIZED;
    return strike(out.*, name, null);
}

pub const Device = struct {
    state: *State,
    gpu: *Gpu,
    slot: u32,
    /// 0 is the GPU, others are its MIG instances.
    instance: u32,
};

/// How much of a GPU must be there: `remembered` is what a library still knows of one that is lost.
pub const Need = enum { alive, remembered, instance };

pub fn enterDevice(
    comptime name: []const u8,
    handle: nvml.nvmlDevice_t,
    comptime need: Need,
    out: *Device,
) ?nvml.nvmlReturn_t {
    const state = current() orelse return nvml.NVML_ERROR_UNINITIALIZED;
    const place = indexOf(handle);
    const slot: ?u32 = if (place) |index| @intCast(index / per_gpu) else null;
    if (strike(state, name, slot)) |code| return code;
    out.state = state;
    out.slot = slot orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    out.gpu = &state.gpus[out.slot];
    out.instance = @intCast(place.? % per_gpu);
    if (need != .remembered) {
        if (state_file.get(&out.gpu.present) == 0 or state_file.get(&out.gpu.lost) != 0) {
            return nvml.NVML_ERROR_GPU_IS_LOST;
        }
    }
    return switch (need) {
        .remembered => null,
        .alive => if (out.instance == 0) null else nvml.NVML_ERROR_NOT_SUPPORTED,
        .instance => if (out.instance != 0) null else nvml.NVML_ERROR_INVALID_ARGUMENT,
    };
}

/// Gives the handle of a GPU out, as far as it can be had.
pub fn attach(state: *State, slot: u32, out: *nvml.nvmlDevice_t) nvml.nvmlReturn_t {
    const lost = state_file.get(&state.gpus[slot].lost);
    if (lost > 1 or (lost == 1 and !attached[slot].load(.acquire))) return nvml.NVML_ERROR_GPU_IS_LOST;
    attached[slot].store(true, .release);
    out.* = if (state_file.is(state, .null_handle)) null else handleOf(slot, 0);
    return nvml.NVML_SUCCESS;
}

pub fn handleOf(slot: u32, instance: u32) nvml.nvmlDevice_t {
    return switch (slot) {
        state_file.any_gpu => null,
        state_file.bogus_gpu => @ptrFromInt(0xdead_0000),
        else => @ptrCast(&handles[slot * per_gpu + instance]),
    };
}

fn indexOf(handle: nvml.nvmlDevice_t) ?usize {
    const offset = @intFromPtr(handle) -% @intFromPtr(&handles);
    return if (offset < @sizeOf(@TypeOf(handles)) and offset % @sizeOf(u64) == 0) offset / @sizeOf(u64) else null;
}

fn functionIndex(comptime name: []const u8) usize {
    @setEvalBranchQuota(10_000);
    for (state_file.functions, 0..) |known, index| {
        if (std.mem.eql(u8, known, name)) return index;
    }
    @compileError(name ++ " is not in nvml.Function");
}

/// While the library is loaded, on a machine that is there already.
pub fn load() callconv(.c) void {
    const path = std.c.getenv(control_variable) orelse return;
    if (linux.access(path, linux.F_OK) != 0) return;
    const opened = state_file.open(path, command.fillNew) catch return;
    defer opened.close();
    talk(opened.state, "libnvidia-ml.so.1 is loaded\n");
}

fn talk(state: *State, text: []const u8) void {
    if (state_file.talks(state, .stdout)) _ = linux.write(1, text.ptr, text.len);
    if (state_file.talks(state, .stderr)) _ = linux.write(2, text.ptr, text.len);
}

/// Counts the call and plays the fault that is set for it.
pub fn strike(state: *State, comptime name: []const u8, slot: ?u32) ?nvml.nvmlReturn_t {
    const index = comptime functionIndex(name);
    talk(state, name ++ "\n");
    state_file.add(&state.calls[index], 1);
    return trouble(state, &state.faults[index], slot);
}

/// For a call that waits: a fault that was set since `releases` strikes it too.
pub fn strikeWaiting(state: *State, comptime name: []const u8, releases: *u32) ?nvml.nvmlReturn_t {
    const fault = &state.faults[comptime functionIndex(name)];
    const now = state_file.get(&fault.releases);
    if (now == releases.*) return null;
    releases.* = now;
    return trouble(state, fault, null);
}

pub fn releasesOf(state: *State, comptime name: []const u8) u32 {
    return state_file.get(&state.faults[comptime functionIndex(name)].releases);
}

fn trouble(state: *State, fault: *state_file.Fault, slot: ?u32) ?nvml.nvmlReturn_t {
    const mode: state_file.Mode = @fromBackingInt(state_file.get(&fault.mode));
    const delay_ms = state_file.get(&fault.delay_ms);
    if (mode == .none and delay_ms == 0) return null;
    const struck = state_file.get(&fault.slot);
    if (struck != state_file.any_gpu and struck != slot) return null;
    if (state_file.takeOne(&fault.after) or !state_file.takeOne(&fault.times)) return null;
    if (delay_ms > 0) sleepMs(delay_ms);
    switch (mode) {
        .code => return state_file.get(&fault.code),
        .hang => hang(state, fault),
        .crash => @as(*volatile u8, @ptrFromInt(nowhere)).* = 1,
        .abort => std.c.abort(),
        .exit => linux.exit_group(@truncate(@as(i32, @bitCast(state_file.get(&fault.code))))),
        .none, _ => {},
    }
    return null;
}

/// Until `clear`, or another fault for the same function.
fn hang(state: *State, fault: *state_file.Fault) void {
    const releases = state_file.get(&fault.releases);
    state_file.add(&fault.hangs, 1);
    while (true) {
        const seen = state_file.get(&state.changed);
        if (state_file.get(&fault.releases) != releases) return;
        state_file.waitForChange(state, seen, null);
    }
}

fn sleepMs(ms: u32) void {
    const time: linux.timespec = .{ .sec = ms / 1000, .nsec = @as(isize, ms % 1000) * 1_000_000 };
    _ = linux.nanosleep(&time, null);
}

/// Into a buffer of the caller's.
pub fn giveText(state: *State, buffer: ?[*]u8, length: c_uint, text: []const u8) nvml.nvmlReturn_t {
    const out = buffer orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    if (state_file.is(state, .unterminated)) {
        @memset(out[0..length], 'A');
        return nvml.NVML_SUCCESS;
    }
    if (text.len >= length) return nvml.NVML_ERROR_INSUFFICIENT_SIZE;
    @memset(out[0..length], 0);
    @memcpy(out[0..text.len], text);
    if (state_file.is(state, .not_utf8)) @memset(out[0 .. text.len / 2], 0xff);
    return nvml.NVML_SUCCESS;
}

pub fn give(out: anytype, value: @typeInfo(@typeInfo(@TypeOf(out)).optional.child).pointer.child) nvml.nvmlReturn_t {
    const place = out orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    place.* = value;
    return nvml.NVML_SUCCESS;
}
