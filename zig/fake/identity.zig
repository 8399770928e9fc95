//! Who a GPU is: the same serial number gives the same UUID in every process and every run.

const std = @import("std");

/// `GPU-` or `MIG-`, and 36 characters.
pub const uuid_length = 40;

pub fn uuid(buffer: *[uuid_length]u8, serial: u64, instance: u32) []const u8 {
    const high = std.hash.int(serial *% 8 +% instance +% 1);
    const low = std.hash.int(high ^ 0x9e37_79b9_7f4a_7c15);
    const parts = .{
        if (instance == 0) "GPU" else "MIG",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0x0fff | 0x4000,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff,
    };
    return std.fmt.bufPrint(buffer, "{s}-{x:0>8}-{x:0>4}-{x:0>4}-{x:0>4}-{x:0>12}", parts) catch unreachable;
}

test "a uuid is stable, well formed and one GPU's alone" {
    var seen: std.StringHashMapUnmanaged(void) = .empty;
    defer seen.deinit(std.testing.allocator);
    var buffers: [256][uuid_length]u8 = undefined;
    for (&buffers, 0..) |*buffer, serial| {
        const text = uuid(buffer, serial, 0);
        try std.testing.expectEqual(uuid_length, text.len);
        try std.testing.expect(std.mem.startsWith(u8, text, "GPU-"));
        try std.testing.expect(!(try seen.getOrPut(std.testing.allocator, text)).found_existing);
    }
    var again: [uuid_length]u8 = undefined;
    try std.testing.expectEqualStrings(&buffers[3], uuid(&again, 3, 0));
    try std.testing.expect(std.mem.startsWith(u8, uuid(&again, 3, 1), "MIG-"));
}
