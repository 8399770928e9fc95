//! libnvidia-ml.so.1 as a script: what README.md describes.

const std = @import("std");
const nvml = @import("nvml");
const command = @import("command.zig");
const machine = @import("machine.zig");
const state_file = @import("state.zig");

/// Inside another runtime, as the real one: no signal handlers, and no storage for them in each thread.
pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

pub const panic = @import("panic.zig").Handler;

const parts = .{
    @import("system.zig"),
    @import("device.zig"),
    @import("memory.zig"),
    @import("fabric.zig"),
    @import("events.zig"),
};

comptime {
    for (std.meta.declarations(nvml.Function)) |name| exportFunction(name);
}

/// With exactly the declared signature; a function that no part has is an error of the build.
fn exportFunction(comptime name: [:0]const u8) void {
    for (parts) |part| {
        if (!@hasDecl(part, name)) continue;
        const function: *const @field(nvml.Function, name) = &@field(part, name);
        @export(function, .{ .name = name });
        return;
    }
    @compileError(name ++ " is missing");
}

/// Some libraries run code of theirs as soon as they are loaded.
export const constructor: *const fn () callconv(.c) void linksection(".init_array") = &machine.load;

/// Carries one command out on a control file, from any process: the length of the answer, or the negated length of what
/// is wrong. Neither ends with a NUL.
export fn fake_nvml_command(path: [*:0]const u8, line: [*:0]const u8, out: [*]u8, capacity: u32) i32 {
    var writer: std.Io.Writer = .fixed(out[0..capacity]);
    const opened = state_file.open(path, command.fillNew) catch |wrong| return refuse(out[0..capacity], wrong);
    defer opened.close();
    command.run(opened.state, std.mem.span(line), &writer) catch |wrong| return refuse(out[0..capacity], wrong);
    return @intCast(writer.end);
}

fn refuse(out: []u8, wrong: anyerror) i32 {
    const name = @errorName(wrong);
    const length = @min(name.len, out.len);
    @memcpy(out[0..length], name[0..length]);
    return -@as(i32, @intCast(length));
}
