//! Finds and opens libnvidia-ml.so.1.

const std = @import("std");
const calls = @import("calls.zig");
const linux = std.os.linux;

pub const soname = "libnvidia-ml.so.1";

/// Where distributions put the driver's libraries, below a driver root.
const folders = [_][]const u8{
    "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib", "lib64", "lib",
};

pub const Library = struct {
    handle: *anyopaque,
    addresses: calls.Addresses,

    pub fn close(self: *Library) void {
        _ = std.c.dlclose(self.handle);
    }
};

const DlInfo = extern struct {
    path: ?[*:0]const u8,
    base: ?*anyopaque,
    symbol: ?[*:0]const u8,
    address: ?*anyopaque,
};
extern "c" fn dladdr(address: *const anyopaque, info: *DlInfo) c_int;

/// Tries the folders of `root` (the machine's own where it is empty) and then the loader's own search. Null where
/// nothing fits, with the reasons in `why`.
pub fn open(root: []const u8, why: *std.Io.Writer) ?Library {
    var path_buffer: [linux.PATH_MAX]u8 = undefined;
    const base = std.mem.trimEnd(u8, root, "/");
    for (folders) |folder| {
        const parts = .{ base, folder, soname };
        const path = std.fmt.bufPrintSentinel(&path_buffer, "{s}/{s}/{s}", parts, 0) catch continue;
        switch (linux.errno(linux.access(path, linux.F_OK))) {
            .SUCCESS => {},
            .NOENT, .NOTDIR => continue,
            else => |errno| {
                why.print("{s} cannot be looked at: {t}; ", .{ path, errno }) catch {};
                continue;
            },
        }
        if (openAt(path, why)) |library| return library;
    }
    if (openAt(soname, why)) |library| return library;
    why.print("searched {s}/{{", .{base}) catch {};
    for (folders, 0..) |folder, i| why.print("{s}{s}", .{ if (i == 0) "" else ",", folder }) catch {};
    why.print("}} and the loader's own path", .{}) catch {};
    return null;
}

fn openAt(path: [*:0]const u8, why: *std.Io.Writer) ?Library {
    const handle = std.c.dlopen(path, .{ .NOW = true }) orelse {
        // The loader's words name the file. Of another machine's library it says only that there is no such file.
        const reason = if (std.c.dlerror()) |text| std.mem.span(text) else "no reason given";
        if (foreignMachine(path)) |machine| {
            const ours = @tagName(@import("builtin").cpu.arch);
            why.print("{s} is a library for {t}, this machine is {s}; ", .{ path, machine, ours }) catch {};
        } else why.print("{s}; ", .{reason}) catch {};
        return null;
    };
    var library: Library = .{ .handle = handle, .addresses = @splat(null) };
    for (calls.first..calls.names.len) |i| {
        library.addresses[i] = std.c.dlsym(handle, calls.names[i]);
        if (library.addresses[i] != null or i > calls.last_required) continue;
        why.print("{s} has no {s}; ", .{ path, calls.names[i] }) catch {};
        library.close();
        return null;
    }
    return library;
}

/// The machine that an ELF file is for, where it is another one than this.
fn foreignMachine(path: [*:0]const u8) ?std.elf.EM {
    const opened = linux.open(path, .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    defer _ = linux.close(@intCast(opened));
    var header: [20]u8 = undefined;
    if (linux.read(@intCast(opened), &header, header.len) != header.len) return null;
    if (!std.mem.startsWith(u8, &header, std.elf.MAGIC)) return null;
    const machine: std.elf.EM = @fromBackingInt(@intCast(std.mem.readInt(u16, header[18..20], .little)));
    const ours: std.elf.EM = switch (@import("builtin").cpu.arch) {
        .x86_64 => .X86_64,
        .aarch64 => .AARCH64,
        else => |arch| @compileError("no shim for " ++ @tagName(arch)),
    };
    return if (machine == ours) null else machine;
}

/// The file that was loaded; empty where the loader does not say.
pub fn pathOf(library: *const Library) []const u8 {
    var info: DlInfo = undefined;
    const address = library.addresses[calls.first] orelse return "";
    if (dladdr(address, &info) == 0) return "";
    return if (info.path) |path| std.mem.span(path) else "";
}

const testing = std.testing;

fn expectReason(root: []const u8, expected: []const u8) !void {
    var buffer: [2_048]u8 = undefined;
    var why: std.Io.Writer = .fixed(&buffer);
    try testing.expect(open(root, &why) == null);
    if (std.mem.find(u8, why.buffered(), expected) != null) return;
    std.debug.print("not in the reasons: {s}\n{s}\n", .{ expected, why.buffered() });
    return error.ReasonMissing;
}

/// A driver root in a folder for temporary files, with this as its library.
const Root = struct {
    folder: testing.TmpDir,
    path: [linux.PATH_MAX]u8,
    len: usize,

    fn make(self: *Root, content: []const u8) !void {
        self.folder = testing.tmpDir(.{});
        const io = testing.io;
        try self.folder.dir.createDirPath(io, "usr/lib64");
        try self.folder.dir.writeFile(io, .{ .sub_path = "usr/lib64/" ++ soname, .data = content });
        self.len = try self.folder.dir.realPath(io, &self.path);
    }

    fn text(self: *const Root) []const u8 {
        return self.path[0..self.len];
    }
};

test "an empty file is no library" {
    var root: Root = undefined;
    try root.make("");
    defer root.folder.cleanup();
    try expectReason(root.text(), "file too short");
}

test "a file that is something else is no library" {
    var root: Root = undefined;
    try root.make("#!/bin/sh\n# " ++ @as([100]u8, @splat('-')));
    defer root.folder.cleanup();
    try expectReason(root.text(), "invalid ELF header");
}

test "a library of another machine is named as such" {
    var header: [64]u8 = @splat(0);
    @memcpy(header[0..7], "\x7fELF\x02\x01\x01");
    header[16] = 3;
    header[18] = @intCast(@backingInt(std.elf.EM.RISCV));
    header[20] = 1;
    var root: Root = undefined;
    try root.make(&header);
    defer root.folder.cleanup();
    try expectReason(root.text(), "is a library for RISCV");
}

test "a library without the functions is not taken" {
    var buffer: [512]u8 = undefined;
    var why: std.Io.Writer = .fixed(&buffer);
    try testing.expect(openAt("libc.so.6", &why) == null);
    try testing.expectEqualStrings("libc.so.6 has no nvmlInit_v2; ", why.buffered());
}

test "the reasons say where the search went" {
    try expectReason("/nowhere", "searched /nowhere/{usr/lib64,");
}
