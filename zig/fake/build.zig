const std = @import("std");

/// The scripted libnvidia-ml.so.1 into fake/ of the prefix, and the tool that drives it beside it.
pub fn add(b: *std.Build, target: std.Build.ResolvedTarget, tests: *std.Build.Step) void {
    const nvml = b.createModule(.{ .root_source_file = b.path("src/nvml.zig") });
    const library = b.addLibrary(.{
        .name = "nvidia-ml",
        .linkage = .dynamic,
        .version = .{ .major = 1, .minor = 0, .patch = 0 },
        .root_module = module(b, "fake/library.zig", target, nvml, .safe),
    });
    const folder: std.Build.InstallDir = .{ .custom = "fake" };
    // Twice: by itself, and where it is looked for under the root of a driver, so that the folder is one.
    for ([_][]const u8{ "libnvidia-ml.so.1", "usr/lib64/libnvidia-ml.so.1" }) |name| {
        b.getInstallStep().dependOn(&b.addInstallFileWithDir(library.getEmittedBin(), folder, name).step);
    }

    const tool = b.addExecutable(.{
        .name = "fake-nvml",
        .root_module = module(b, "fake/tool.zig", target, nvml, .safe),
    });
    const install = b.addInstallArtifact(tool, .{ .dest_dir = .{ .override = folder } });
    b.getInstallStep().dependOn(&install.step);

    const checked = b.addTest(.{ .use_llvm = true, .root_module = module(b, "fake/tests.zig", target, nvml, .debug) });
    tests.dependOn(&b.addRunArtifact(checked).step);
}

fn module(
    b: *std.Build,
    path: []const u8,
    target: std.Build.ResolvedTarget,
    nvml: *std.Build.Module,
    optimize: std.lang.OptimizeMode,
) *std.Build.Module {
    return b.createModule(.{
        .root_source_file = b.path(path),
        .target = target,
        .optimize = optimize,
        .link_libc = true,
        .strip = optimize != .debug,
        .imports = &.{.{ .name = "nvml", .module = nvml }},
    });
}
