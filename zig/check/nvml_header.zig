//! Prints a C file whose compilation beside the real nvml.h proves src/nvml.zig: every size, offset, value and
//! signature is an assertion in it. Only the C compiler reads the header, in a fraction of a second.

const std = @import("std");
const nvml = @import("nvml");

const prologue =
    \\#define NVML_NO_UNVERSIONED_FUNC_DEFS
    \\#include <stddef.h>
    \\#include <nvml.h>
    \\#define IS(what, wanted) _Static_assert((what) == (wanted), #what " is not " #wanted)
    \\#define SIGNATURE(name, type) \
    \\  _Static_assert(__builtin_types_compatible_p(__typeof__(&name), type), #name " is no " #type)
    \\
;

pub fn main(init: std.process.Init.Minimal) !void {
    _ = init;
    const out = std.os.linux.STDOUT_FILENO;
    const text = comptime assertions();
    var written: usize = 0;
    while (written < text.len) {
        const result = std.os.linux.write(out, text[written..].ptr, text.len - written);
        if (std.os.linux.errno(result) != .SUCCESS) return error.CannotWrite;
        written += result;
    }
}

fn assertions() []const u8 {
    @setEvalBranchQuota(1_000_000);
    var text: []const u8 = prologue;
    for (std.meta.declarations(nvml)) |name| text = text ++ ofDeclaration(name);
    for (std.meta.declarations(nvml.Function)) |name| {
        text = text ++ "SIGNATURE(" ++ name ++ ", " ++ signature(@field(nvml.Function, name)) ++ ");\n";
    }
    return text;
}

fn ofDeclaration(name: []const u8) []const u8 {
    const value = @field(nvml, name);
    if (@TypeOf(value) != type) return std.fmt.comptimePrint("IS({s}, {d}u);\n", .{ name, value });
    if (value == nvml.Function) return "";
    const info = @typeInfo(value);
    const fields = switch (info) {
        inline .@"struct", .@"union" => |container| container.field_names,
        .@"opaque" => return "struct " ++ name ++ ";\n",
        else => return std.fmt.comptimePrint("IS(sizeof({s}), {d});\n", .{ name, @sizeOf(value) }),
    };
    var text: []const u8 = std.fmt.comptimePrint("IS(sizeof({s}), {d});\n", .{ name, @sizeOf(value) });
    for (fields) |field| {
        const offset = if (info == .@"union") 0 else @offsetOf(value, field);
        const size = .{ name, field, @sizeOf(@FieldType(value, field)) };
        text = text ++ std.fmt.comptimePrint("IS(offsetof({s}, {s}), {d});\n", .{ name, field, offset });
        text = text ++ std.fmt.comptimePrint("IS(sizeof((({s} *)0)->{s}), {d});\n", size);
    }
    return text;
}

fn signature(comptime F: type) []const u8 {
    const info = @typeInfo(F).@"fn";
    var text: []const u8 = spelled(info.return_type.?) ++ " (*)(";
    for (info.param_types, 0..) |Param, index| text = text ++ (if (index == 0) "" else ", ") ++ spelled(Param.?);
    return text ++ (if (info.param_types.len == 0) "void)" else ")");
}

/// As C spells it. An enum of the header is compatible with unsigned int, because none of them has a negative value.
fn spelled(comptime T: type) []const u8 {
    return switch (T) {
        c_uint => "unsigned int",
        c_int => "int",
        c_ulonglong => "unsigned long long",
        u8 => "char",
        nvml.nvmlDevice_t => "nvmlDevice_t",
        nvml.nvmlEventSet_t => "nvmlEventSet_t",
        else => switch (@typeInfo(T)) {
            .optional => |optional| spelled(optional.child),
            .pointer => |pointer| (if (pointer.attrs.@"const") "const " else "") ++ spelled(pointer.child) ++ " *",
            .@"struct" => structName(T),
            else => @compileError("no C spelling for " ++ @typeName(T)),
        },
    };
}

fn structName(comptime T: type) []const u8 {
    for (std.meta.declarations(nvml)) |name| {
        const value = @field(nvml, name);
        if (@TypeOf(value) == type and value == T) return name;
    }
    @compileError(@typeName(T) ++ " is no struct of nvml.zig");
}
