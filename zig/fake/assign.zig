//! `key=value` and `key=+value` for the numbers of a struct; a key is the name of a field.

const std = @import("std");
const state_file = @import("state.zig");

pub const Error = error{ NoSuchKey, BadValue };

pub fn assign(target: anytype, key: []const u8, value: []const u8) Error!void {
    const T = @typeInfo(@TypeOf(target)).pointer.child;
    inline for (comptime std.meta.fieldNames(T)) |name| {
        const Field = @FieldType(T, name);
        if (comptime @typeInfo(Field) == .int and !std.mem.eql(u8, name, "padding")) {
            if (std.mem.eql(u8, name, key)) return set(Field, &@field(target, name), value);
        }
    }
    return error.NoSuchKey;
}

pub fn read(target: anytype, key: []const u8) ?u64 {
    const T = @typeInfo(@TypeOf(target)).pointer.child;
    inline for (comptime std.meta.fieldNames(T)) |name| {
        if (comptime @typeInfo(@FieldType(T, name)) == .int) {
            if (std.mem.eql(u8, name, key)) return state_file.get(&@field(target, name));
        }
    }
    return null;
}

fn set(comptime T: type, field: *T, value: []const u8) Error!void {
    if (value.len > 1 and value[0] == '+') return state_file.add(field, try number(T, value[1..]));
    state_file.put(field, try number(T, value));
}

/// Decimal or 0x, and the words for yes and no.
pub fn number(comptime T: type, text: []const u8) Error!T {
    if (std.mem.eql(u8, text, "on")) return 1;
    if (std.mem.eql(u8, text, "off")) return 0;
    return std.fmt.parseUnsigned(T, text, 0) catch error.BadValue;
}

test "a key sets its field, or adds to it" {
    var link = std.mem.zeroes(state_file.Link);
    try assign(&link, "replay", "40");
    try assign(&link, "replay", "+0x2");
    try assign(&link, "active", "on");
    try std.testing.expectEqual(42, link.replay);
    try std.testing.expectEqual(42, read(&link, "replay"));
    try std.testing.expectEqual(1, link.active);
}

test "what is no key or no number is refused" {
    var link = std.mem.zeroes(state_file.Link);
    try std.testing.expectError(error.NoSuchKey, assign(&link, "padding", "1"));
    try std.testing.expectError(error.NoSuchKey, assign(&link, "replays", "1"));
    for ([_][]const u8{ "", "+", "-1", "x", "4294967296", "1.5" }) |value| {
        try std.testing.expectError(error.BadValue, assign(&link, "active", value));
    }
}
