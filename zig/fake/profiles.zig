//! The kinds of GPU. What a real one answers NOT_SUPPORTED to, these do too.

const std = @import("std");
const nvml = @import("nvml");
const state_file = @import("state.zig");
const Feature = state_file.Feature;
const Gpu = state_file.Gpu;

pub const Profile = struct {
    name: []const u8,
    product: []const u8,
    /// Device and vendor, as nvmlPciInfo_t has them.
    pci_device_id: u32,
    features: []const Feature,
    links: u32 = 0,
    slowdown: u32,
    shutdown: u32,
    memory_max: u32,
    gpu_max: u32,
    idle_temperature: u32 = 32,
    idle_power: u32,
    fabric_health: u32 = 0,
    fabric_summary: u32 = 0,
};

const hopper = [_]Feature{
    .ecc, .remap, .sram, .nvlink, .dl_counters, .fabric, .mig, .recovery, .thresholds, .clocks,
};
/// NVLink of this generation has other counters than those of the data link.
const blackwell = [_]Feature{ .ecc, .remap, .sram, .nvlink, .fabric, .mig, .recovery, .thresholds, .clocks };
const turing = [_]Feature{ .thresholds, .clocks };

/// Full bandwidth, and no to each of recovering, unhealthy and timed out; the configuration is right.
const all_is_well = 0x1aa;
const healthy = 1;

pub const all = [_]Profile{
    .{
        .name = "h100",
        .product = "NVIDIA H100 80GB HBM3",
        .pci_device_id = 0x2330_10de,
        .features = &hopper,
        .links = 18,
        .slowdown = 89,
        .shutdown = 92,
        .memory_max = 95,
        .gpu_max = 87,
        .idle_power = 71_000,
    },
    .{
        .name = "h200",
        .product = "NVIDIA H200",
        .pci_device_id = 0x2335_10de,
        .features = &hopper,
        .links = 18,
        .slowdown = 89,
        .shutdown = 92,
        .memory_max = 95,
        .gpu_max = 87,
        .idle_power = 76_000,
    },
    .{
        .name = "b200",
        .product = "NVIDIA B200",
        .pci_device_id = 0x2901_10de,
        .features = &blackwell,
        .links = 18,
        .slowdown = 89,
        .shutdown = 92,
        .memory_max = 95,
        .gpu_max = 87,
        .idle_power = 140_000,
        .fabric_health = all_is_well,
        .fabric_summary = healthy,
    },
    .{
        .name = "gb200",
        .product = "NVIDIA GB200",
        .pci_device_id = 0x2941_10de,
        .features = &blackwell,
        .links = 18,
        .slowdown = 89,
        .shutdown = 92,
        .memory_max = 95,
        .gpu_max = 87,
        .idle_power = 160_000,
        .fabric_health = all_is_well,
        .fabric_summary = healthy,
    },
    .{
        .name = "t4",
        .product = "Tesla T4",
        .pci_device_id = 0x1eb8_10de,
        .features = &turing,
        .slowdown = 93,
        .shutdown = 96,
        .memory_max = 0,
        .gpu_max = 85,
        .idle_power = 10_000,
    },
};

pub fn indexOf(name: []const u8) ?u32 {
    for (all, 0..) |profile, index| {
        if (std.mem.eql(u8, profile.name, name)) return @intCast(index);
    }
    return null;
}

/// A new GPU of this kind, in good health and idle.
pub fn make(index: u32, serial: u64, present: bool) Gpu {
    const profile = all[index];
    var gpu = std.mem.zeroes(Gpu);
    gpu.serial = serial;
    gpu.present = @intFromBool(present);
    gpu.profile = index;
    for (profile.features) |feature| gpu.supported |= @as(u32, 1) << @backingInt(feature);
    gpu.clock_reasons = nvml.nvmlClocksEventReasonGpuIdle;
    gpu.temperature = profile.idle_temperature;
    gpu.slowdown = profile.slowdown;
    gpu.shutdown = profile.shutdown;
    gpu.memory_max = profile.memory_max;
    gpu.gpu_max = profile.gpu_max;
    gpu.power = profile.idle_power;
    gpu.ecc_mode = @intFromBool(state_file.has(&gpu, .ecc));
    gpu.ecc_pending = gpu.ecc_mode;
    gpu.link_count = profile.links;
    for (gpu.links[0..profile.links]) |*link| link.active = 1;
    gpu.fabric_state = if (state_file.has(&gpu, .fabric)) nvml.NVML_GPU_FABRIC_STATE_COMPLETED else 0;
    gpu.fabric_health = profile.fabric_health;
    gpu.fabric_summary = profile.fabric_summary;
    return gpu;
}

/// The same GPU after a reset: what is kept over its life stays, what was pending is done, and MIG instances are gone.
pub fn afterReset(old: *const Gpu) Gpu {
    var gpu = make(old.profile, old.serial, old.present != 0);
    const kept = .{
        "supported",                 "ecc_pending",           "ecc_aggregate_corrected",
        "ecc_aggregate_uncorrected", "sram_aggregate_parity", "sram_aggregate_secded",
        "sram_aggregate_corrected",  "sram_threshold",        "remapped_corrected",
        "remapped_uncorrected",      "remap_failed",          "pages_single",
        "pages_double",              "mig_pending",           "mig_compute",
    };
    inline for (kept) |name| @field(gpu, name) = @field(old, name);
    gpu.ecc_mode = old.ecc_pending;
    gpu.mig_current = old.mig_pending;
    return gpu;
}
