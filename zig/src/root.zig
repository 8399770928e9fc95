//! libdevice_api_shim.so: what the runtime cannot ask the kernel by itself. Every function is safe to call with any
//! descriptor, blocks nowhere, keeps nothing, and reports failure as a negated errno.

const std = @import("std");
const abi = @import("abi.zig");
const peer = @import("peer.zig");
const linux = std.os.linux;

/// A library inside another runtime: no signal handlers of its own, and no 256 KiB of each thread's storage for them.
pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

export fn das_abi_version() u32 {
    return abi.version;
}

export fn das_peer_size() u32 {
    return @sizeOf(abi.Peer);
}

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

test {
    _ = peer;
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
