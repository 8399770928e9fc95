//! Writes the TypeScript view of abi.zig: of each struct an interface, its size, where its fields are, and a function
//! that reads it.

const std = @import("std");
const abi = @import("abi.zig");
const calls = @import("calls.zig");

const Writer = std.Io.Writer;

/// The longest line that the formatter of src/ leaves on one line.
const line_max = 120;

pub fn write(out: *Writer) Writer.Error!void {
    @setEvalBranchQuota(100_000);
    try out.writeAll(
        \\// Written by `zig build abi` from zig/src/abi.zig and zig/src/calls.zig. Do not edit.
        \\
        \\/** Text ends at the first NUL. */
        \\function text(view: DataView, at: number, length: number): string {
        \\  const bytes = Buffer.from(view.buffer, view.byteOffset + at, length);
        \\  const end = bytes.indexOf(0);
        \\  return bytes.toString("latin1", 0, end === -1 ? length : end);
        \\}
        \\
        \\
    );
    try out.print("export const NVML_ABI = 0x{x:0>8};\n", .{fingerprint});
    inline for (.{
        .{ "MAX_GPUS", abi.max_gpus },
        .{ "MAX_LINKS", abi.max_links },
        .{ "MAX_INSTANCES", abi.max_instances },
        .{ "CALL_BITS", calls.Running.call_bits },
    }) |number| try out.print("export const {s} = {d};\n", number);
    try writeNames(out, "NVML_CALLS", calls.names);
    try writeNumbers(out, "NVML_STATE", abi.State);
    try writeNumbers(out, "NVML_STAGE", abi.Stage);
    try writeNumbers(out, "NVML_FIELD", abi.Field);
    inline for (abi.viewed) |T| try writeStruct(out, T);
}

fn writeNames(out: *Writer, comptime name: []const u8, names: []const [:0]const u8) Writer.Error!void {
    try out.print("\n/** By number. */\nexport const {s}: readonly string[] = [\n", .{name});
    for (names) |entry| try out.print("  \"{s}\",\n", .{entry});
    try out.writeAll("];\n");
}

fn writeNumbers(out: *Writer, comptime name: []const u8, comptime E: type) Writer.Error!void {
    @setEvalBranchQuota(100_000);
    const info = @typeInfo(E).@"enum";
    comptime var oneline: []const u8 = "export const " ++ name ++ " = { ";
    inline for (info.field_names, info.field_values, 0..) |field, value, i| {
        const entry = comptime camel(field) ++ std.fmt.comptimePrint(": {d}", .{value});
        oneline = comptime oneline ++ (if (i == 0) "" else ", ") ++ entry;
    }
    oneline = comptime oneline ++ " } as const;";
    if (oneline.len <= line_max) {
        try out.print("\n{s}\n", .{oneline});
        return;
    }
    try out.print("\nexport const {s} = {{\n", .{name});
    inline for (info.field_names, info.field_values) |field, value| {
        try out.print("  {s}: {d},\n", .{ comptime camel(field), value });
    }
    try out.writeAll("} as const;\n");
}

fn writeStruct(out: *Writer, comptime T: type) Writer.Error!void {
    @setEvalBranchQuota(100_000);
    const name = comptime nameOf(T);
    const info = @typeInfo(T).@"struct";
    try out.print("\nexport interface {s} {{\n", .{name});
    inline for (info.field_names, info.field_types) |field, F| {
        try out.print("  readonly {s}: {s};\n", .{ comptime camel(field), comptime typeOf(F) });
    }
    try out.print("}}\n\n/** Its size, and where its fields are. */\nexport const {s} = {{\n", .{comptime upper(name)});
    try out.print("  size: {d},\n", .{@sizeOf(T)});
    inline for (info.field_names) |field| {
        try out.print("  {s}: {d},\n", .{ comptime camel(field), @offsetOf(T, field) });
    }
    try out.print("}} as const;\n\nexport function read{s}(view: DataView, at: number): {s} {{\n", .{ name, name });
    inline for (info.field_names, info.field_types) |field, F| if (comptime isArray(F)) {
        const Element = @typeInfo(F).array.child;
        const form =
            \\  const {s}: {s}[] = [];
            \\  for (let i = 0; i < {d}; i++) {s}.push(read{s}(view, at + {d} + i * {d}));
            \\
        ;
        const variable = comptime camel(field);
        const element = comptime nameOf(Element);
        const parts = .{ variable, element, @typeInfo(F).array.len, variable, element };
        try out.print(form, parts ++ .{ @offsetOf(T, field), @sizeOf(Element) });
    };
    try out.writeAll("  return {\n");
    inline for (info.field_names, info.field_types) |field, F| try writeRead(out, camel(field), F, @offsetOf(T, field));
    try out.writeAll("  };\n}\n");
}

fn writeRead(out: *Writer, comptime field: []const u8, comptime F: type, comptime offset: usize) Writer.Error!void {
    if (comptime isArray(F)) {
        try out.print("    {s},\n", .{field});
        return;
    }
    const at = if (offset == 0) "at" else std.fmt.comptimePrint("at + {d}", .{offset});
    switch (@typeInfo(F)) {
        .array => |array| try out.print("    {s}: text(view, {s}, {d}),\n", .{ field, at, array.len }),
        .int => try out.print("    {s}: view.get{s}({s}, true),\n", .{ field, comptime getterOf(F), at }),
        else => @compileError(field ++ " has a type without a view"),
    }
}

fn isArray(comptime F: type) bool {
    return @typeInfo(F) == .array and @typeInfo(F).array.child != u8;
}

fn typeOf(comptime F: type) []const u8 {
    return switch (@typeInfo(F)) {
        .array => |array| if (array.child == u8) "string" else "readonly " ++ nameOf(array.child) ++ "[]",
        .int => |int| if (int.bits == 64) "bigint" else "number",
        else => @compileError(@typeName(F) ++ " has no view"),
    };
}

fn getterOf(comptime F: type) []const u8 {
    return switch (F) {
        u64 => "BigUint64",
        u32 => "Uint32",
        i32 => "Int32",
        u16 => "Uint16",
        else => @compileError(@typeName(F) ++ " has no view"),
    };
}

fn nameOf(comptime T: type) []const u8 {
    const full = @typeName(T);
    return full[std.mem.findScalarLast(u8, full, '.').? + 1 ..];
}

fn camel(comptime snake: []const u8) []const u8 {
    var out: []const u8 = "";
    var raise = false;
    for (snake) |char| {
        if (char == '_') raise = true else {
            out = out ++ [_]u8{if (raise) std.ascii.toUpper(char) else char};
            raise = false;
        }
    }
    return out;
}

/// NvmlGpu to NVML_GPU.
fn upper(comptime name: []const u8) []const u8 {
    var out: []const u8 = "";
    for (name, 0..) |char, i| {
        if (i > 0 and std.ascii.isUpper(char)) out = out ++ "_";
        out = out ++ [_]u8{std.ascii.toUpper(char)};
    }
    return out;
}

/// Of everything that both sides must see alike.
pub const fingerprint: u32 = blk: {
    @setEvalBranchQuota(1_000_000);
    var hash = std.hash.Fnv1a_32.init();
    hash.update(std.fmt.comptimePrint("{d}\n", .{abi.nvml_version}));
    for (abi.viewed) |T| {
        hash.update(std.fmt.comptimePrint("{s} {d}\n", .{ nameOf(T), @sizeOf(T) }));
        const info = @typeInfo(T).@"struct";
        for (info.field_names, info.field_types) |field, F| {
            hash.update(std.fmt.comptimePrint("{s} {s} {d}\n", .{ field, @typeName(F), @offsetOf(T, field) }));
        }
    }
    for (.{ abi.State, abi.Stage, abi.Field, calls.Call }) |E| {
        for (@typeInfo(E).@"enum".field_names) |name| hash.update(name ++ "\n");
    }
    break :blk hash.final();
};

test "the TypeScript that is checked in is what this writes" {
    const found = @embedFile("nvml-abi.gen.ts");
    var fresh: Writer.Allocating = .init(std.testing.allocator);
    defer fresh.deinit();
    try write(&fresh.writer);
    if (std.mem.eql(u8, found, fresh.written())) return;
    std.debug.print("src/native/nvml-abi.gen.ts is not what zig/src/abi.zig gives: run `zig build abi` in zig/\n", .{});
    return error.ViewIsOld;
}
