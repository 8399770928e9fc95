const std = @import("std");

/// The oldest glibc that a supported node may have (RHEL 8). Without it the library would need that of the machine on
/// which it was built.
const glibc: std.SemanticVersion = .{ .major = 2, .minor = 28, .patch = 0 };

/// The TypeScript view of src/abi.zig: `zig build abi` writes it, and a unit test checks that it is current.
const abi_view = "../src/native/nvml-abi.gen.ts";

const Arch = enum { x86_64, aarch64 };

/// `zig build --prefix DIR` puts libdevice_api_shim.so into DIR, for the architecture of this machine, or for that of
/// -Darch=aarch64 or -Darch=x86_64.
pub fn build(b: *std.Build) void {
    const arch = b.option(Arch, "arch", "the architecture to build for") orelse hostArch(b);
    const target = b.resolveTargetQuery(.{
        .cpu_arch = switch (arch) {
            .x86_64 => .x86_64,
            .aarch64 => .aarch64,
        },
        .cpu_model = .baseline,
        .os_tag = .linux,
        .abi = .gnu,
        .glibc_version = glibc,
    });
    // Safety checks stay on: a fault ends the process instead of corrupting it, and nothing here is hot.
    const shim = b.addLibrary(.{
        .name = "device_api_shim",
        .linkage = .dynamic,
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/root.zig"),
            .target = target,
            .optimize = .safe,
            .link_libc = true,
            .strip = true,
        }),
    });
    const install = b.addInstallArtifact(shim, .{ .dest_dir = .{ .override = .prefix } });
    b.getInstallStep().dependOn(&install.step);

    const tests = b.addTest(.{
        // The compiler's own back end cannot link the tests against a named glibc.
        .use_llvm = true,
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/root.zig"),
            .target = target,
            .optimize = .debug,
            .link_libc = true,
        }),
    });
    tests.root_module.addAnonymousImport("nvml-abi.gen.ts", .{ .root_source_file = b.path(abi_view) });
    const test_step = b.step("test", "run the unit tests");
    test_step.dependOn(&b.addRunArtifact(tests).step);
    @import("fake/build.zig").add(b, target, test_step);
    @import("fuzz/build.zig").add(b, target);
    @import("check/build.zig").add(b);

    const writer = b.addExecutable(.{
        .name = "write_view",
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/write_view.zig"),
            .target = b.graph.host,
            .optimize = .debug,
            .link_libc = true,
        }),
    });
    const written = b.addRunArtifact(writer).captureStdOut(.{});
    const update = b.addUpdateSourceFiles();
    update.addCopyFileToSource(written, abi_view);
    b.step("abi", "write " ++ abi_view).dependOn(&update.step);
    const beside = b.addInstallFile(written, std.fs.path.basename(abi_view));
    b.step("abi-view", "put the same into the prefix, to compare").dependOn(&beside.step);
}

fn hostArch(b: *std.Build) Arch {
    return switch (b.graph.host.result.cpu.arch) {
        .x86_64 => .x86_64,
        .aarch64 => .aarch64,
        else => |other| std.debug.panic("no shim for {t}: give -Darch=x86_64 or -Darch=aarch64", .{other}),
    };
}
