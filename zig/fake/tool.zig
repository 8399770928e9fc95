//! `fake-nvml CONTROL-FILE COMMAND...` carries out one command; without one, each line of the standard input.

const std = @import("std");
const command = @import("command.zig");
const state_file = @import("state.zig");
const linux = std.os.linux;

pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };
pub const panic = @import("panic.zig").Handler;

const usage = "usage: fake-nvml CONTROL-FILE [COMMAND WORD...]\nzig/fake/README.md has the commands\n";

pub fn main(init: std.process.Init.Minimal) u8 {
    var arguments = init.args.iterate();
    _ = arguments.next();
    const path = arguments.next() orelse {
        write(linux.STDERR_FILENO, usage);
        return 2;
    };
    var buffer: [4096]u8 = undefined;
    var line: std.Io.Writer = .fixed(&buffer);
    while (arguments.next()) |word| line.print("{s} ", .{word}) catch return refuse("TooLong", path);
    if (line.end > 0) return carryOut(path, line.buffered());
    return carryOutInput(path);
}

fn carryOutInput(path: [:0]const u8) u8 {
    var buffer: [4096]u8 = undefined;
    var held: usize = 0;
    while (true) {
        const got = linux.read(linux.STDIN_FILENO, buffer[held..].ptr, buffer.len - held);
        if (linux.errno(got) != .SUCCESS) return refuse("CannotRead", "standard input");
        if (got == 0) return if (held == 0) 0 else carryOut(path, buffer[0..held]);
        held += got;
        while (std.mem.indexOfScalar(u8, buffer[0..held], '\n')) |end| {
            const status = carryOut(path, buffer[0..end]);
            if (status != 0) return status;
            @memmove(buffer[0 .. held - end - 1], buffer[end + 1 .. held]);
            held -= end + 1;
        }
        if (held == buffer.len) return refuse("TooLong", buffer[0..60]);
    }
}

fn carryOut(path: [:0]const u8, line: []const u8) u8 {
    var buffer: [16 << 10]u8 = undefined;
    var answer: std.Io.Writer = .fixed(&buffer);
    const opened = state_file.open(path, command.fillNew) catch |wrong| return refuse(@errorName(wrong), path);
    defer opened.close();
    command.run(opened.state, line, &answer) catch |wrong| return refuse(@errorName(wrong), line);
    write(linux.STDOUT_FILENO, answer.buffered());
    return 0;
}

fn refuse(wrong: []const u8, what: []const u8) u8 {
    for ([_][]const u8{ "fake-nvml: ", wrong, ": ", what, "\n" }) |part| write(linux.STDERR_FILENO, part);
    return 1;
}

fn write(fd: i32, text: []const u8) void {
    _ = linux.write(fd, text.ptr, text.len);
}
