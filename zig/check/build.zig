const std = @import("std");

/// `zig build nvml-check -Dnvml-include=DIR` compares src/nvml.zig with the nvml.h in DIR.
pub fn add(b: *std.Build) void {
    const step = b.step("nvml-check", "compare src/nvml.zig with the nvml.h in -Dnvml-include=DIR");
    const include = b.option([]const u8, "nvml-include", "the folder with nvml.h") orelse {
        step.dependOn(&b.addFail("nvml-check needs -Dnvml-include=DIR").step);
        return;
    };
    const native = b.resolveTargetQuery(.{});
    const printer = b.addExecutable(.{
        .name = "nvml-header-assertions",
        .root_module = b.createModule(.{
            .root_source_file = b.path("check/nvml_header.zig"),
            .target = native,
            .optimize = .debug,
            .imports = &.{.{
                .name = "nvml",
                .module = b.createModule(.{ .root_source_file = b.path("src/nvml.zig") }),
            }},
        }),
    });
    const assertions = b.addRunArtifact(printer).captureStdOut(.{ .basename = "nvml_header_assertions.c" });
    const object = b.addObject(.{
        .name = "nvml-header-assertions",
        .root_module = b.createModule(.{ .target = native, .optimize = .debug, .link_libc = true }),
    });
    object.root_module.addCSourceFile(.{ .file = assertions, .flags = &.{"-Wno-deprecated-declarations"} });
    object.root_module.addIncludePath(.{ .cwd_relative = include });
    step.dependOn(&object.step);
}
