const std = @import("std");

/// The library that lies, where it is looked for under the root of a driver, and the driver of the shim that checks
/// what comes of it, both into fuzz/ of the prefix.
pub fn add(b: *std.Build, target: std.Build.ResolvedTarget) void {
    const folder: std.Build.InstallDir = .{ .custom = "fuzz" };
    const library = b.addLibrary(.{
        .name = "nvidia-ml",
        .linkage = .dynamic,
        .version = .{ .major = 1, .minor = 0, .patch = 0 },
        .root_module = module(b, "fuzz/library.zig", target, &.{"nvml"}),
    });
    const place = "usr/lib64/libnvidia-ml.so.1";
    b.getInstallStep().dependOn(&b.addInstallFileWithDir(library.getEmittedBin(), folder, place).step);

    const driver = b.addExecutable(.{
        .name = "fuzz-nvml",
        .root_module = module(b, "fuzz/driver.zig", target, &.{ "abi", "calls" }),
    });
    const install = b.addInstallArtifact(driver, .{ .dest_dir = .{ .override = folder } });
    b.getInstallStep().dependOn(&install.step);
}

fn module(
    b: *std.Build,
    path: []const u8,
    target: std.Build.ResolvedTarget,
    comptime of_shim: []const []const u8,
) *std.Build.Module {
    const made = b.createModule(.{
        .root_source_file = b.path(path),
        .target = target,
        .optimize = .safe,
        .link_libc = true,
        .strip = true,
    });
    inline for (of_shim) |name| {
        made.addImport(name, b.createModule(.{ .root_source_file = b.path("src/" ++ name ++ ".zig") }));
    }
    return made;
}
