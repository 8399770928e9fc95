//! Prints src/native/nvml-abi.gen.ts.

const std = @import("std");
const view = @import("view.zig");
const linux = std.os.linux;

pub fn main() !void {
    var fresh: std.Io.Writer.Allocating = .init(std.heap.page_allocator);
    try view.write(&fresh.writer);
    var rest: []const u8 = fresh.written();
    while (rest.len > 0) {
        const written = linux.write(1, rest.ptr, rest.len);
        if (linux.errno(written) != .SUCCESS) return error.WriteFailed;
        rest = rest[written..];
    }
}
