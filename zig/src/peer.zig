//! Who is at the other end of a unix socket; the kernel's word, taken when the peer connected.

const std = @import("std");
const abi = @import("abi.zig");
const linux = std.os.linux;

/// 0, or the negated errno.
pub fn credentials(fd: i32, out: *abi.Peer) i32 {
    // struct ucred has the same three fields in the same order.
    const bytes = std.mem.asBytes(out);
    var len: linux.socklen_t = bytes.len;
    const result = linux.getsockopt(fd, linux.SOL.SOCKET, linux.SO.PEERCRED, bytes, &len);
    if (result != 0) return failure(result);
    return if (len == bytes.len) 0 else -@as(i32, @backingInt(linux.E.INVAL));
}

/// The number of supplementary groups, or the negated errno; ERANGE where there are more than `out` can hold.
pub fn groups(fd: i32, out: []u32) i32 {
    const bytes = std.mem.sliceAsBytes(out);
    var len: linux.socklen_t = @intCast(bytes.len);
    const result = linux.getsockopt(fd, linux.SOL.SOCKET, linux.SO.PEERGROUPS, bytes.ptr, &len);
    if (result != 0) return failure(result);
    return @intCast(len / @sizeOf(u32));
}

pub fn failure(result: usize) i32 {
    return -@as(i32, @backingInt(linux.errno(result)));
}

test "a socket pair is of this process" {
    var pair: [2]i32 = undefined;
    try std.testing.expectEqual(0, linux.socketpair(linux.AF.UNIX, linux.SOCK.STREAM, 0, &pair));
    defer for (pair) |fd| {
        _ = linux.close(fd);
    };
    var peer: abi.Peer = undefined;
    try std.testing.expectEqual(0, credentials(pair[0], &peer));
    try std.testing.expectEqual(linux.getpid(), peer.pid);
    try std.testing.expectEqual(linux.getuid(), peer.uid);
    try std.testing.expectEqual(linux.getgid(), peer.gid);
}

test "what is no socket has no peer" {
    var peer: abi.Peer = undefined;
    try std.testing.expectEqual(-@as(i32, @backingInt(linux.E.BADF)), credentials(-1, &peer));
    var out: [1]u32 = undefined;
    try std.testing.expectEqual(-@as(i32, @backingInt(linux.E.BADF)), groups(-1, &out));
}
