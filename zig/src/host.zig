//! All that belongs to one opened library: what its threads share with each other and with JavaScript, which knows it
//! by a number. Zeroed memory is its beginning, and pages that nobody writes to cost nothing.

const std = @import("std");
const abi = @import("abi.zig");
const calls = @import("calls.zig");
const clock = @import("clock.zig");
const devices = @import("devices.zig");
const loader = @import("loader.zig");
const ring = @import("ring.zig");
const sampler = @import("sampler.zig");
const signal = @import("signal.zig");
const linux = std.os.linux;

/// A library can deliver 300,000 events in a second, and JavaScript forwards 170,000: of a storm of 100,000 some 45,000
/// wait here. What does not fit is lost, and counted. 9 MiB, of which pages are in memory once they have been used.
const event_capacity = 65_536;

pub const Round = struct {
    head: abi.NvmlRound,
    gpus: [abi.max_gpus]abi.NvmlGpu,
};

pub const Host = struct {
    root: [linux.PATH_MAX]u8,
    root_len: usize,
    period_ms: u32,
    wants_events: bool,
    wants_mig: bool,

    signal: signal.SignalPipe,
    /// Wakes the sampler.
    bell: signal.Bell,
    stopping: std.atomic.Value(bool),
    /// abi.State. What `status` says was written before the state that it belongs to.
    state: std.atomic.Value(u32),
    status: abi.NvmlStatus,
    running: *calls.Page,
    events: ring.Ring(abi.NvmlEvent, event_capacity),
    rounds: ring.Latest(Round),

    // Between the two threads.
    library: loader.Library,
    board: devices.Board,
    events_active: std.atomic.Value(bool),
    events_running: std.atomic.Value(bool),
    events_losses: std.atomic.Value(u32),
    events_code: std.atomic.Value(i32),

    // The sampler's own.
    event_thread: ?std.Thread,
    table: devices.Table,
    entries: [abi.max_gpus]sampler.Entry,
    next_round: u32,

    sampler_thread: std.Thread,
    sampler_done: std.atomic.Value(bool),

    /// The driver's own code runs on it.
    pub const stack_size = 2 * 1024 * 1024;

    pub fn rootText(self: *const Host) []const u8 {
        return self.root[0..self.root_len];
    }

    pub fn samplerCaller(self: *Host) calls.Caller {
        return .{ .addresses = &self.library.addresses, .running = &self.running.sampler };
    }

    pub fn eventCaller(self: *Host) calls.Caller {
        return .{ .addresses = &self.library.addresses, .running = &self.running.events };
    }

    pub fn enter(self: *Host, state: abi.State) void {
        self.state.store(@backingInt(state), .release);
        self.signal.raise();
    }

    pub fn pulse(self: *Host, out: *abi.NvmlPulse) void {
        const sampling = self.running.sampler.seen();
        const listening = self.running.events.seen();
        // Losses first: a set that is lost after this is seen by the next pulse.
        const losses = self.events_losses.load(.acquire);
        out.* = .{
            .mono_ns = clock.monotonicNs(),
            .sampler_since_ns = sampling.since_ns,
            .event_since_ns = listening.since_ns,
            .sampler_call = sampling.call,
            .event_call = listening.call,
            .events_running = @intFromBool(self.events_running.load(.acquire)),
            .events_losses = losses,
            .events_code = self.events_code.load(.acquire),
            .reserved = 0,
        };
    }

    pub fn readStatus(self: *Host, out: *abi.NvmlStatus) void {
        const state = self.state.load(.acquire);
        out.* = if (state == @backingInt(abi.State.starting)) std.mem.zeroes(abi.NvmlStatus) else self.status;
        out.state = state;
    }

    /// The newest round where nobody has taken it, as its head and the readings; the number of bytes, 0 for none.
    pub fn takeRound(self: *Host, out: []u8) i32 {
        const round = self.rounds.take() orelse return 0;
        const head = std.mem.asBytes(&round.head);
        const gpus = std.mem.sliceAsBytes(round.gpus[0..round.head.gpu_count]);
        if (out.len < head.len + gpus.len) return negated(.NOSPC);
        @memcpy(out[0..head.len], head);
        @memcpy(out[head.len..][0..gpus.len], gpus);
        return @intCast(head.len + gpus.len);
    }
};

/// A process needs one; tests open some, one after the other.
const places = 4;
var hosts: [places]?*Host = @splat(null);
var opened: u31 = 0;
var numbers: [places]i32 = @splat(0);

pub fn negated(errno: linux.E) i32 {
    return -@as(i32, @backingInt(errno));
}

/// What is asked of the library beyond readings of the GPUs. src/native/nvml.ts has the bits, too.
pub const Wants = packed struct(u2) { events: bool, mig: bool };

/// Starts the threads: a number, or a negated errno.
pub fn open(root: []const u8, period_ms: u32, wants: Wants, calls_fd: ?i32) i32 {
    if (root.len > linux.PATH_MAX or period_ms == 0) return negated(.INVAL);
    const place = for (hosts, 0..) |host, i| {
        if (host == null) break i;
    } else return negated(.BUSY);
    const mapped = linux.mmap(null, @sizeOf(Host), .{ .READ = true, .WRITE = true }, .{
        .TYPE = .PRIVATE,
        .ANONYMOUS = true,
    }, -1, 0);
    if (linux.errno(mapped) != .SUCCESS) return negated(linux.errno(mapped));
    const host: *Host = @ptrFromInt(mapped);
    host.running = calls.Page.map(calls_fd) orelse {
        _ = linux.munmap(@ptrCast(host), @sizeOf(Host));
        return negated(.BADF);
    };
    const result = begin(host, root, period_ms, wants);
    if (result != 0) {
        host.running.unmap();
        _ = linux.munmap(@ptrCast(host), @sizeOf(Host));
        return result;
    }
    hosts[place] = host;
    opened +%= 1;
    numbers[place] = @as(i32, opened & 0xff_ffff) * places + @as(i32, @intCast(place));
    return numbers[place];
}

fn begin(host: *Host, root: []const u8, period_ms: u32, wants: Wants) i32 {
    @memcpy(host.root[0..root.len], root);
    host.root_len = root.len;
    host.period_ms = period_ms;
    host.wants_events = wants.events;
    host.wants_mig = wants.mig;
    host.next_round = 1;
    host.rounds.start();
    const piped = host.signal.open();
    if (piped != 0) return piped;
    const belled = host.bell.open();
    if (belled != 0) {
        host.signal.close();
        return belled;
    }
    host.sampler_thread = std.Thread.spawn(.{ .stack_size = Host.stack_size }, sampler.run, .{host}) catch {
        host.signal.close();
        host.bell.close();
        return negated(.AGAIN);
    };
    return 0;
}

/// Null for a number that is not open, or not any more.
pub fn find(number: i32) ?*Host {
    if (number <= 0) return null;
    const place: usize = @intCast(@mod(number, places));
    return if (numbers[place] == number) hosts[place] else null;
}

/// Asks the threads to end; they say so by the state.
pub fn stop(host: *Host) void {
    host.stopping.store(true, .release);
    host.bell.ring();
}

/// Gives back what an ended one has: 0, or -EBUSY while a thread is still in it.
pub fn close(number: i32) i32 {
    const host = find(number) orelse return negated(.BADF);
    if (!host.sampler_done.load(.acquire) or host.events_active.load(.acquire)) return negated(.BUSY);
    host.sampler_thread.join();
    host.signal.close();
    host.bell.close();
    const place: usize = @intCast(@mod(number, places));
    hosts[place] = null;
    numbers[place] = 0;
    host.running.unmap();
    _ = linux.munmap(@ptrCast(host), @sizeOf(Host));
    return 0;
}

const everything: Wants = .{ .events = true, .mig = true };

test "a number is good from open to close" {
    try std.testing.expectEqual(negated(.INVAL), open("/nowhere", 0, everything, null));
    try std.testing.expectEqual(negated(.BADF), open("/nowhere", 1_000, everything, 1_000_000));
    const number = open("/nowhere", 1_000, everything, null);
    try std.testing.expect(number > 0);
    const host = find(number).?;
    while (close(number) == negated(.BUSY)) clock.nap(1);
    try std.testing.expectEqual(negated(.BADF), close(number));
    try std.testing.expect(find(number) == null and find(0) == null and find(-1) == null);
    _ = host;
}

test "a library that is not there is said to be so, and why" {
    const number = open("/nowhere", 1_000, everything, null);
    const host = find(number).?;
    while (!host.sampler_done.load(.acquire)) clock.nap(1);
    var status: abi.NvmlStatus = undefined;
    host.readStatus(&status);
    try std.testing.expectEqual(@backingInt(abi.State.failed), status.state);
    try std.testing.expectEqual(@backingInt(abi.Stage.load), status.stage);
    try std.testing.expect(std.mem.find(u8, &status.message, "searched /nowhere/") != null);
    try std.testing.expectEqual(0, close(number));
}
