//! libdevice_api_shim.so: what the runtime cannot ask the kernel by itself, and the driver's library behind threads of
//! its own. Every function is safe to call with any descriptor or number, blocks nowhere, and reports failure as a
//! negated errno. Those of NVML are called from one thread.

const std = @import("std");
const abi = @import("abi.zig");
const calls = @import("calls.zig");
const datagram = @import("datagram.zig");
const host = @import("host.zig");
const output = @import("output.zig");
const peer = @import("peer.zig");
const view = @import("view.zig");
const linux = std.os.linux;

/// A library inside another runtime: no signal handlers of its own, and no 256 KiB of each thread's storage for them.
pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

export fn das_abi_version() u32 {
    return abi.version;
}

export fn das_peer_size() u32 {
    return @sizeOf(abi.Peer);
}

const bad_number = host.negated(.BADF);

/// Who connected to this unix socket (SO_PEERCRED). 0 or a negated errno.
export fn das_peer_of(fd: i32, out: *abi.Peer) i32 {
    return peer.credentials(fd, out);
}

/// The supplementary groups of who connected (SO_PEERGROUPS): their number, or a negated errno. Nothing is cut off:
/// where there are more than `capacity`, the answer is -ERANGE.
export fn das_peer_groups(fd: i32, out: [*]u32, capacity: u32) i32 {
    return peer.groups(fd, out[0..capacity]);
}

// LOCK_EX and LOCK_NB of <sys/file.h>.
const lock_exclusive = 2;
const lock_without_waiting = 4;

/// Takes the exclusive lock of an open file (flock), without waiting: 0, -EAGAIN where somebody has it, or another
/// negated errno. It goes when the descriptor is closed, by whatever ends the process.
export fn das_try_lock(fd: i32) i32 {
    const result = linux.flock(fd, lock_exclusive | lock_without_waiting);
    return if (result == 0) 0 else peer.failure(result);
}

/// Sends a datagram to a unix socket, "@" first for an abstract one: 0 or a negated errno. Never waits.
export fn das_send_datagram(address: [*]const u8, address_len: u32, message: [*]const u8, message_len: u32) i32 {
    return datagram.send(address[0..address_len], message[0..message_len]);
}

/// Of all that src/native/nvml-abi.gen.ts says: names, offsets and sizes.
export fn das_nvml_fingerprint() u32 {
    return view.fingerprint;
}

/// Begins to load the library below a driver root, and to read every `period_ms` once it is initialised. Answers at
/// once with a number for the functions that follow. `wants` is bits of host.Wants; `calls_fd` is a page
/// for the running calls, or negative.
export fn das_nvml_open(root: [*:0]const u8, period_ms: u32, wants: u32, calls_fd: i32) i32 {
    const known: host.Wants = @bitCast(@as(u2, @truncate(wants)));
    return host.open(std.mem.span(root), period_ms, known, if (calls_fd < 0) null else calls_fd);
}

/// A descriptor for what was standard output, of which nobody else knows; what others print goes to standard error.
/// Before das_nvml_open, whose library may print.
export fn das_nvml_take_stdout() i32 {
    return output.take();
}

/// A page for the running calls of another process, which inherits the descriptor.
export fn das_nvml_create_calls_page() i32 {
    return calls.Page.create();
}

/// The reading end of a pipe that has a byte when there is something new. It is drained by its reader.
export fn das_nvml_signal_fd(number: i32) i32 {
    const found = host.find(number) orelse return bad_number;
    return found.signal.read_fd;
}

/// Before looking at what is new.
export fn das_nvml_lower_signal(number: i32) i32 {
    const found = host.find(number) orelse return bad_number;
    found.signal.lower();
    return 0;
}

export fn das_nvml_status(number: i32, out: *abi.NvmlStatus) i32 {
    const found = host.find(number) orelse return bad_number;
    found.readStatus(out);
    return 0;
}

/// Takes events: how many. If fewer came than fitted, every event before `next_seq` that did not come is lost.
export fn das_nvml_take_events(number: i32, out: [*]abi.NvmlEvent, capacity: u32, next_seq: *u64) i32 {
    const found = host.find(number) orelse return bad_number;
    const drained = found.events.drain(out[0..capacity]);
    next_seq.* = drained.next_seq;
    return @intCast(drained.count);
}

/// Takes the newest round: the number of bytes, 0 where it was taken before.
export fn das_nvml_take_round(number: i32, out: [*]u8, capacity: u32) i32 {
    const found = host.find(number) orelse return bad_number;
    return found.takeRound(out[0..capacity]);
}

export fn das_nvml_pulse(number: i32, out: *abi.NvmlPulse) i32 {
    const found = host.find(number) orelse return bad_number;
    found.pulse(out);
    return 0;
}

/// Asks for a round now instead of at the end of the period.
export fn das_nvml_wake(number: i32) i32 {
    const found = host.find(number) orelse return bad_number;
    found.bell.ring();
    return 0;
}

/// Asks the threads to end; the status says when they have.
export fn das_nvml_stop(number: i32) i32 {
    const found = host.find(number) orelse return bad_number;
    host.stop(found);
    return 0;
}

/// Gives everything back: -EBUSY while a thread has not ended.
export fn das_nvml_close(number: i32) i32 {
    return host.close(number);
}

/// Ends the process at once, whatever its threads are in: no handler of any library runs.
export fn das_exit(status: i32) noreturn {
    linux.exit_group(status);
}

test {
    _ = peer;
    _ = host;
    _ = view;
    _ = calls;
    _ = datagram;
    _ = output;
    _ = @import("clock.zig");
    _ = @import("devices.zig");
    _ = @import("loader.zig");
    _ = @import("ring.zig");
    _ = @import("signal.zig");
}

test "a lock is held by one" {
    const path = "/proc/self/exe";
    const first: i32 = @intCast(linux.open(path, .{ .CLOEXEC = true }, 0));
    const second: i32 = @intCast(linux.open(path, .{ .CLOEXEC = true }, 0));
    defer _ = linux.close(second);
    try std.testing.expectEqual(0, das_try_lock(first));
    try std.testing.expectEqual(-@as(i32, @backingInt(linux.E.AGAIN)), das_try_lock(second));
    _ = linux.close(first);
    try std.testing.expectEqual(0, das_try_lock(second));
}
