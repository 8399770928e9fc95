//! What crosses the border to JavaScript. src/native/shim.ts reads Peer by offset, so a change of it is a change there.
//! The structs of NVML have src/native/nvml-abi.gen.ts, written from here by `zig build abi`; both sides compare the
//! fingerprint of that text.

const std = @import("std");

/// Raised with every change of Peer, or of an export that is not of NVML.
pub const version: u32 = 2;
/// Raised with every change of an export of NVML or of calls.Page; the structs speak for themselves.
pub const nvml_version = 4;

/// The process at the other end of a unix socket, as it was when it connected.
pub const Peer = extern struct {
    /// 0 where the process is not visible from our pid namespace.
    pid: i32,
    /// The overflow uid where the peer's user has no name in our user namespace; so with the gid.
    uid: u32,
    gid: u32,

    comptime {
        if (@sizeOf(Peer) != 12) @compileError("Peer has changed its size");
        if (@offsetOf(Peer, "pid") != 0) @compileError("Peer.pid has moved");
        if (@offsetOf(Peer, "uid") != 4) @compileError("Peer.uid has moved");
        if (@offsetOf(Peer, "gid") != 8) @compileError("Peer.gid has moved");
    }
};

/// More than any node has: 8 GPUs of 7 instances, or 16 of them, with room for what comes.
pub const max_gpus = 256;
/// NVML_NVLINK_MAX_LINKS; today's GPUs have 18.
pub const max_links = 36;
/// A GPU has seven slices that can be instances of their own. Together they make a reading 1.8 KiB long, and a round of
/// `max_gpus` 468 KiB; pages of it that no GPU uses are never touched.
pub const max_instances = 7;
/// One for each function that a reading calls.
pub const max_failures = 24;

pub const Text = struct {
    pub const uuid = 96;
    pub const name = 96;
    pub const bus_id = 32;
    pub const version = 80;
    /// PATH_MAX is 4096, but whoever has a driver root of 500 characters can bear a cut one in a message.
    pub const path = 512;
    pub const message = 768;
};

/// Where the shim is with the library. From `failed` and `ended` it does not move on.
pub const State = enum(u32) { starting, running, failed, ended };

/// What failed, in state `failed`.
pub const Stage = enum(u32) { none, load, init };

pub const NvmlStatus = extern struct {
    state: u32,
    stage: u32,
    /// nvmlReturn_t of what failed; 0 for a library that could not be loaded.
    code: i32,
    gpu_count: u32,
    /// 1 where the event thread was started.
    events: u32,
    /// In state `ended`: threads that did not come back in time.
    left: u32,
    library_path: [Text.path]u8,
    driver_version: [Text.version]u8,
    nvml_version: [Text.version]u8,
    message: [Text.message]u8,
};

pub const NvmlEvent = extern struct {
    /// Counts events that were dropped too.
    seq: u64,
    mono_ns: u64,
    real_ns: u64,
    event_type: u64,
    event_data: u64,
    gpu_instance: u32,
    compute_instance: u32,
    /// Empty where the event named no device that is known.
    uuid: [Text.uuid]u8,
};

/// Heads the readings of one round, which follow it.
pub const NvmlRound = extern struct {
    mono_ns: u64,
    /// Counts from 1; rounds that nobody took are missing.
    round: u32,
    /// nvmlReturn_t of the enumeration as a whole.
    code: i32,
    gpu_count: u32,
    reserved: u32,
};

/// Bits of NvmlGpu.present.
pub const Field = enum(u5) {
    temperature,
    slowdown,
    shutdown,
    clock_reasons,
    power,
    ecc_volatile_corrected,
    ecc_volatile_uncorrected,
    ecc_aggregate_corrected,
    ecc_aggregate_uncorrected,
    remapped_rows,
    retired_pages,
    sram_ecc,
    fabric,
    mig,
    recovery_action,
    /// All instances that there are, which may be none.
    mig_instances,
};

pub const NvmlFailure = extern struct {
    /// Of calls.Call.
    call: u32,
    /// nvmlReturn_t.
    code: i32,
};

pub const NvmlLink = extern struct {
    errors: u64,
    link: u16,
    active: u16,
    /// 1 where `errors` could be read.
    counted: u32,
};

/// A MIG device: a compute instance within a GPU instance.
pub const NvmlInstance = extern struct {
    /// 0xffffffff where the driver does not tell it; so with the next.
    gpu_instance: u32,
    compute_instance: u32,
    uuid: [Text.uuid]u8,
};

/// One reading of one GPU. A number means something only where its bit of `present` is set.
pub const NvmlGpu = extern struct {
    mono_ns: u64,
    clock_reasons: u64,
    ecc_volatile_corrected: u64,
    ecc_volatile_uncorrected: u64,
    ecc_aggregate_corrected: u64,
    ecc_aggregate_uncorrected: u64,
    sram_uncorrected: u64,
    sram_threshold_exceeded: u32,
    index: u32,
    present: u32,
    lost: u32,
    temperature_c: u32,
    slowdown_c: u32,
    shutdown_c: u32,
    power_mw: u32,
    remapped_corrected: u32,
    remapped_uncorrected: u32,
    remapped_pending: u32,
    remapped_failed: u32,
    retired_single_bit: u32,
    retired_double_bit: u32,
    retired_pending: u32,
    fabric_state: u32,
    fabric_status: u32,
    fabric_health_mask: u32,
    mig_current: u32,
    mig_pending: u32,
    recovery_action: u32,
    failure_count: u32,
    link_count: u32,
    instance_count: u32,
    uuid: [Text.uuid]u8,
    name: [Text.name]u8,
    bus_id: [Text.bus_id]u8,
    failures: [max_failures]NvmlFailure,
    links: [max_links]NvmlLink,
    instances: [max_instances]NvmlInstance,
};

pub const NvmlPulse = extern struct {
    mono_ns: u64,
    /// The call that the thread is in, of calls.Call; 0 where it is in none, and since when.
    sampler_since_ns: u64,
    event_since_ns: u64,
    sampler_call: u32,
    event_call: u32,
    /// 1 while the event set is there.
    events_running: u32,
    /// How often the event set was lost, and why it was the last time.
    events_losses: u32,
    events_code: i32,
    reserved: u32,
};

/// Those that have a TypeScript view, in its order.
pub const viewed = .{
    NvmlStatus, NvmlEvent, NvmlRound, NvmlFailure, NvmlLink, NvmlInstance, NvmlGpu, NvmlPulse,
};

comptime {
    // No padding anywhere: bytes that nobody wrote would leave the process.
    for (viewed) |T| {
        var sum: usize = 0;
        for (@typeInfo(T).@"struct".field_types) |F| sum += @sizeOf(F);
        if (sum != @sizeOf(T)) @compileError(@typeName(T) ++ " has padding");
    }
    if (@typeInfo(Field).@"enum".field_names.len > 32) @compileError("NvmlGpu.present has too few bits");
    std.debug.assert(Text.uuid % 8 == 0);
}
