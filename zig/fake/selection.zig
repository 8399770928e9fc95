//! `all`, `3`, `0-3` or `0,2,5-7`.

const std = @import("std");

pub fn Selection(comptime limit: usize) type {
    return struct {
        const Self = @This();
        pub const Error = error{BadSelection};

        bits: std.bit_set.StaticBitSet(limit) = .empty,

        /// `all` is the first `count`.
        pub fn parse(text: []const u8, count: usize) Error!Self {
            var self: Self = .{};
            if (std.mem.eql(u8, text, "all")) {
                for (0..@min(count, limit)) |index| self.bits.set(index);
                return self;
            }
            var parts = std.mem.splitScalar(u8, text, ',');
            while (parts.next()) |part| try self.addRange(part);
            return self;
        }

        fn addRange(self: *Self, text: []const u8) Error!void {
            const dash = std.mem.indexOfScalar(u8, text, '-');
            const first = try number(text[0 .. dash orelse text.len]);
            const last = if (dash) |at| try number(text[at + 1 ..]) else first;
            if (last < first) return error.BadSelection;
            for (first..last + 1) |index| self.bits.set(index);
        }

        fn number(text: []const u8) Error!usize {
            const value = std.fmt.parseInt(usize, text, 10) catch return error.BadSelection;
            return if (value < limit) value else error.BadSelection;
        }
    };
}

test "a selection is all, a number, a range or a list" {
    const Eight = Selection(8);
    try std.testing.expectEqual(4, (try Eight.parse("all", 4)).bits.count());
    try std.testing.expectEqual(8, (try Eight.parse("all", 100)).bits.count());
    const some = try Eight.parse("0,2,5-7", 8);
    try std.testing.expectEqual(5, some.bits.count());
    try std.testing.expect(some.bits.isSet(6) and !some.bits.isSet(1));
}

test "a selection that is none is refused" {
    const Eight = Selection(8);
    for ([_][]const u8{ "", "8", "0-8", "3-1", "1,,2", "-1", "x", "1 " }) |text| {
        try std.testing.expectError(error.BadSelection, Eight.parse(text, 8));
    }
}
