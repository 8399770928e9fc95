//! How other threads wake JavaScript, and how JavaScript wakes the sampler.

const std = @import("std");
const linux = std.os.linux;

/// A pipe with at most one byte in it. Neither end ever blocks.
pub const SignalPipe = struct {
    read_fd: i32,
    write_fd: i32,
    /// There is a byte in the pipe that nobody has answered by a drain.
    raised: std.atomic.Value(bool),

    /// A negated errno, or 0.
    pub fn open(self: *SignalPipe) i32 {
        var ends: [2]i32 = undefined;
        const result = linux.pipe2(&ends, .{ .CLOEXEC = true, .NONBLOCK = true });
        if (result != 0) return -@as(i32, @backingInt(linux.errno(result)));
        self.* = .{ .read_fd = ends[0], .write_fd = ends[1], .raised = .init(false) };
        return 0;
    }

    pub fn close(self: *SignalPipe) void {
        _ = linux.close(self.read_fd);
        _ = linux.close(self.write_fd);
    }

    pub fn raise(self: *SignalPipe) void {
        if (self.raised.swap(true, .acq_rel)) return;
        const byte: [1]u8 = .{1};
        _ = linux.write(self.write_fd, &byte, 1);
    }

    /// Before looking at what the signal was for: what comes from here on raises it again.
    pub fn lower(self: *SignalPipe) void {
        self.raised.store(false, .release);
    }
};

/// What a thread sleeps on.
pub const Bell = struct {
    fd: i32,

    pub fn open(self: *Bell) i32 {
        const result = linux.eventfd(0, linux.EFD.CLOEXEC | linux.EFD.NONBLOCK);
        const errno = linux.errno(result);
        if (errno != .SUCCESS) return -@as(i32, @backingInt(errno));
        self.fd = @intCast(result);
        return 0;
    }

    pub fn close(self: *Bell) void {
        _ = linux.close(self.fd);
    }

    pub fn ring(self: *Bell) void {
        const one: u64 = 1;
        _ = linux.write(self.fd, std.mem.asBytes(&one), @sizeOf(u64));
    }

    /// True where it rang; it may end early, as any sleep.
    pub fn wait(self: *Bell, ms: u32) bool {
        var polled: [1]linux.pollfd = .{.{ .fd = self.fd, .events = linux.POLL.IN, .revents = 0 }};
        _ = linux.poll(&polled, 1, @intCast(@min(ms, std.math.maxInt(i32))));
        var count: u64 = undefined;
        const result = linux.read(self.fd, std.mem.asBytes(&count), @sizeOf(u64));
        return linux.errno(result) == .SUCCESS;
    }
};

/// The host runtime's signals are its own: a handler must not run on a thread that is inside the driver. A fault in the
/// library still ends the process, by the signal itself.
pub fn blockAll() void {
    var all: std.c.sigset_t = undefined;
    var before: std.c.sigset_t = undefined;
    _ = std.c.sigfillset(&all);
    _ = std.c.pthread_sigmask(std.c.SIG.BLOCK, &all, &before);
}

test "signals that nobody answers are one byte" {
    var pipe: SignalPipe = undefined;
    try std.testing.expectEqual(0, pipe.open());
    defer pipe.close();
    for (0..100_000) |_| pipe.raise();
    var bytes: [16]u8 = undefined;
    try std.testing.expectEqual(1, linux.read(pipe.read_fd, &bytes, bytes.len));
    pipe.raise();
    try std.testing.expectEqual(linux.E.AGAIN, linux.errno(linux.read(pipe.read_fd, &bytes, bytes.len)));
    pipe.lower();
    pipe.raise();
    try std.testing.expectEqual(1, linux.read(pipe.read_fd, &bytes, bytes.len));
}

test "a bell that rang before wakes at once, and once" {
    var bell: Bell = undefined;
    try std.testing.expectEqual(0, bell.open());
    defer bell.close();
    bell.ring();
    bell.ring();
    try std.testing.expect(bell.wait(60_000));
    try std.testing.expect(!bell.wait(0));
}
