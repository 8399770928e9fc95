//! Runs the shim as it is shipped on the library that lies, and checks all that comes out of it:
//! fuzz-nvml SHIM DRIVER_ROOT SEED CALLS [SECONDS_MAX]. Ends with 0, or with 1 and a line that says what was wrong; a
//! fault in the shim ends the process by itself. One session after the other, each of some rounds on four handles.

const std = @import("std");
const abi = @import("abi");
const checks = @import("checks.zig");
const shim_file = @import("shim.zig");
const linux = std.os.linux;
const Shim = shim_file.Shim;

pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

/// As many handles as the shim has places for, and what each wants: 1 for events, 2 for MIG instances.
const handles = 4;
const wants = [handles]u32{ 3, 1, 3, 2 };
/// GPUs of each session when the library tells the truth.
const gpu_counts = [_]u32{ 8, 256, 1, 64, 200, 16 };
const session_ns = 1_000 * std.time.ns_per_ms;
/// The first sessions grow what they need: buffers of the C library, pages of the rings.
const warm_sessions = 3;
/// Between the end of the warm sessions and the end: what a session leaves behind would show some times as much.
const growth_max_kib = 512;

pub fn main(init: std.process.Init.Minimal) u8 {
    var arguments = std.process.Args.Iterator.init(init.args);
    _ = arguments.skip();
    const usage = "usage: fuzz-nvml SHIM DRIVER_ROOT SEED CALLS [SECONDS_MAX]\n";
    const path = arguments.next() orelse return say(usage, .{});
    const root = arguments.next() orelse return say(usage, .{});
    const seed = number(arguments.next()) orelse return say(usage, .{});
    const calls = number(arguments.next()) orelse return say(usage, .{});
    const seconds = number(arguments.next()) orelse 3_600;
    const shim = Shim.load(path) orelse return say("fuzz-nvml: {s} cannot be loaded\n", .{path});
    const liar = shim_file.Liar.load(root) orelse return say("fuzz-nvml: no library that lies below {s}\n", .{root});
    return run(&shim, &liar, root, seed, calls, now() + seconds * std.time.ns_per_s);
}

fn run(shim: *const Shim, liar: *const shim_file.Liar, root: [:0]const u8, seed: u64, calls: u64, deadline: u64) u8 {
    var tally: checks.Tally = .{};
    var warm: Footprint = undefined;
    var session: u64 = 0;
    var made: u64 = 0;
    while (session <= warm_sessions or (made < calls and now() < deadline)) : (session += 1) {
        if (session == warm_sessions) warm = Footprint.now();
        liar.reseed(seed +% session, gpu_counts[session % gpu_counts.len]);
        play(shim, root, &tally);
        made = liar.calls();
        if (tally.wrong) |wrong| {
            return say("fuzz-nvml: {s} (seed {d}, session {d}, {d} calls)\n", .{ wrong, seed, session, made });
        }
    }
    const end = Footprint.now();
    const form = "seed {d}: {d} calls, {d} sessions, {d} rounds, {d} readings, {d} events, {d} lost; {d} KiB more, " ++
        "{d} threads\n";
    const grown = @as(i64, @intCast(end.kib)) - @as(i64, @intCast(warm.kib));
    _ = say(form, .{
        seed,              made,  session,     tally.rounds, tally.readings, tally.events,
        tally.lost_events, grown, end.threads,
    });
    if (end.threads != warm.threads) return say("fuzz-nvml: {d} threads at first\n", .{warm.threads});
    if (grown > growth_max_kib) return say("fuzz-nvml: the memory grows\n", .{});
    return 0;
}

/// One session: handles open side by side, taken from as fast as they give.
fn play(shim: *const Shim, root: [:0]const u8, tally: *checks.Tally) void {
    var open: [handles]checks.Follower = undefined;
    for (&open, wants) |*follower, wanted| {
        follower.* = .{ .number = shim.open(root, 10, wanted, -1) };
        tally.expect(follower.number > 0, "a handle cannot be opened");
    }
    const end = now() + session_ns;
    while (now() < end and tally.wrong == null) {
        for (&open) |*follower| {
            _ = shim.wake(follower.number);
            follower.look(shim, tally);
        }
        nap(5);
    }
    for (&open) |*follower| _ = shim.stop(follower.number);
    for (&open) |*follower| {
        // A wait of the library takes some milliseconds; this is against hangs.
        for (0..10_000) |_| {
            follower.look(shim, tally);
            if (shim.close(follower.number) == 0) break;
            nap(1);
        } else tally.expect(false, "a handle cannot be closed");
    }
}

const Footprint = struct {
    kib: u64,
    threads: u64,

    fn now() Footprint {
        var buffer: [4_096]u8 = undefined;
        const opened = linux.open("/proc/self/status", .{}, 0);
        defer _ = linux.close(@intCast(opened));
        const text = buffer[0..linux.read(@intCast(opened), &buffer, buffer.len)];
        return .{ .kib = after(text, "RssAnon:"), .threads = after(text, "Threads:") };
    }

    fn after(text: []const u8, key: []const u8) u64 {
        const at = std.mem.find(u8, text, key) orelse return 0;
        var words = std.mem.tokenizeAny(u8, text[at + key.len ..], " \t\n");
        return number(words.next()) orelse 0;
    }
};

fn number(text: ?[]const u8) ?u64 {
    return std.fmt.parseInt(u64, text orelse return null, 10) catch null;
}

fn now() u64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &time);
    return @as(u64, @intCast(time.sec)) * std.time.ns_per_s + @as(u64, @intCast(time.nsec));
}

fn nap(ms: u32) void {
    const time: linux.timespec = .{ .sec = 0, .nsec = @as(isize, ms) * std.time.ns_per_ms };
    _ = linux.nanosleep(&time, null);
}

fn say(comptime form: []const u8, arguments: anytype) u8 {
    var buffer: [2_048]u8 = undefined;
    const line = std.fmt.bufPrint(&buffer, form, arguments) catch "fuzz-nvml: a line that is too long\n";
    _ = linux.write(linux.STDOUT_FILENO, line.ptr, line.len);
    return 1;
}
