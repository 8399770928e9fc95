//! Datagrams to a unix socket, which the runtime cannot send: the service manager is told with them how we are.

const std = @import("std");
const peer = @import("peer.zig");
const linux = std.os.linux;

/// Sends one datagram without waiting for a reader: 0 or a negated errno. An address that begins with "@" is one of the
/// abstract namespace, as sd_notify(3) has it.
pub fn send(address: []const u8, message: []const u8) i32 {
    var name: linux.sockaddr.un = .{ .path = @splat(0) };
    // One byte stays for the terminator that a path needs.
    if (address.len == 0 or address.len >= name.path.len) return -@as(i32, @backingInt(linux.E.NAMETOOLONG));
    @memcpy(name.path[0..address.len], address);
    if (name.path[0] == '@') name.path[0] = 0;
    // The length tells an abstract name's end, so none of the zeros behind it may be counted.
    const length: linux.socklen_t = @intCast(@offsetOf(linux.sockaddr.un, "path") + address.len);

    const opened = linux.socket(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK, 0);
    if (linux.errno(opened) != .SUCCESS) return peer.failure(opened);
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    const sent = linux.sendto(fd, message.ptr, message.len, linux.MSG.NOSIGNAL, @ptrCast(&name), length);
    return if (linux.errno(sent) == .SUCCESS) 0 else peer.failure(sent);
}

test "a datagram arrives at an abstract address" {
    const address = "@device-api-datagram-test";
    const fd: i32 = @intCast(linux.socket(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.CLOEXEC, 0));
    defer _ = linux.close(fd);
    var name: linux.sockaddr.un = .{ .path = @splat(0) };
    @memcpy(name.path[1..address.len], address[1..]);
    const length: linux.socklen_t = @intCast(@offsetOf(linux.sockaddr.un, "path") + address.len);
    try std.testing.expectEqual(0, linux.bind(fd, @ptrCast(&name), length));

    try std.testing.expectEqual(0, send(address, "READY=1"));
    var buffer: [16]u8 = undefined;
    const count = linux.recvfrom(fd, &buffer, buffer.len, 0, null, null);
    try std.testing.expectEqualStrings("READY=1", buffer[0..count]);
}

test "what cannot be sent says why" {
    try std.testing.expectEqual(-@as(i32, @backingInt(linux.E.NOENT)), send("/nowhere/notify", "READY=1"));
    try std.testing.expectEqual(-@as(i32, @backingInt(linux.E.NAMETOOLONG)), send("", "READY=1"));
    const long: [108]u8 = @splat('a');
    try std.testing.expectEqual(-@as(i32, @backingInt(linux.E.NAMETOOLONG)), send(&long, "READY=1"));
}
