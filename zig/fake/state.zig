//! The control file: everything that the scripted machine is, in one file that every process maps. It outlives the
//! processes, a change is seen by the next call, and an event wakes whoever waits: there is no thread and no copy.

const std = @import("std");
const nvml = @import("nvml");
const linux = std.os.linux;

pub const functions = std.meta.declarations(nvml.Function);

pub const max_gpus = 256;
/// One GPU of the largest kind is cut into seven.
pub const max_instances = 7;
/// Places for events that are not read yet; a storm takes one. Whoever is further behind loses the oldest.
pub const max_events = 8192;

pub const any_gpu: u32 = 0xffff_ffff;
/// The event carries a handle that the library never gave out.
pub const bogus_gpu: u32 = 0xffff_fffe;
pub const unlimited: u32 = 0xffff_ffff;

/// What a GPU can have; NOT_SUPPORTED where it does not.
pub const Feature = enum(u5) {
    ecc,
    remap,
    pages,
    sram,
    nvlink,
    /// The error counters of the data link, which later generations replaced.
    dl_counters,
    fabric,
    mig,
    recovery,
    thresholds,
    clocks,
};

pub const Absurd = enum(u5) {
    /// Strings that fill the buffer, without a NUL.
    unterminated,
    /// Strings that are no UTF-8.
    not_utf8,
    empty_uuid,
    same_uuid,
    /// A handle is promised and null.
    null_handle,
    /// A field value of a type that the field never has.
    value_type,
    /// The wait comes back long before its time is up.
    early_timeout,
    /// More MIG instances are promised than a number can count.
    many_instances,
};

/// Where the library talks, when it is loaded and in each call.
pub const Talk = enum(u5) { stdout, stderr };

pub const Mode = enum(u32) { none, code, hang, crash, abort, exit, _ };

pub const Fault = extern struct {
    mode: u32,
    /// The nvmlReturn_t, or the status to exit with.
    code: u32,
    slot: u32,
    /// So many calls go well first.
    after: u32,
    times: u32,
    delay_ms: u32,
    /// Raised to let go of the calls that hang.
    releases: u32,
    /// How many calls began to hang, ever.
    hangs: u32,
};

pub const Event = extern struct {
    type: u64,
    data: u64,
    slot: u32,
    gpu_instance: u32,
    compute_instance: u32,
    count: u32,
    /// 1: each next one is about the next GPU.
    spread: u32,
    padding: u32,
};

pub const Link = extern struct {
    active: u32,
    padding: u32,
    replay: u64,
    recovery: u64,
    crc_flit: u64,
    crc_data: u64,
    ecc_data: u64,
    malformed_packets: u64,
    buffer_overruns: u64,
    receive_errors: u64,
    receive_remote_errors: u64,
    receive_general_errors: u64,
    link_integrity_errors: u64,
    transmit_discards: u64,
    recoveries_successful: u64,
    recoveries_failed: u64,
    recoveries: u64,
    effective_errors: u64,
    symbol_errors: u64,
};

/// The field names are the keys of the command `gpu`.
pub const Gpu = extern struct {
    serial: u64,
    clock_reasons: u64,
    ecc_volatile_corrected: u64,
    ecc_volatile_uncorrected: u64,
    ecc_aggregate_corrected: u64,
    ecc_aggregate_uncorrected: u64,
    sram_volatile_parity: u64,
    sram_volatile_secded: u64,
    sram_volatile_corrected: u64,
    sram_aggregate_parity: u64,
    sram_aggregate_secded: u64,
    sram_aggregate_corrected: u64,
    profile: u32,
    present: u32,
    /// 1: lost to all calls but those that a library answers from memory; 2: no process gets a handle any more.
    lost: u32,
    supported: u32,
    temperature: u32,
    slowdown: u32,
    shutdown: u32,
    memory_max: u32,
    gpu_max: u32,
    power: u32,
    ecc_mode: u32,
    ecc_pending: u32,
    remapped_corrected: u32,
    remapped_uncorrected: u32,
    remap_pending: u32,
    remap_failed: u32,
    pages_single: u32,
    pages_double: u32,
    pages_pending: u32,
    sram_threshold: u32,
    link_count: u32,
    fabric_state: u32,
    fabric_status: u32,
    fabric_clique: u32,
    fabric_health: u32,
    fabric_summary: u32,
    recovery_action: u32,
    mig_current: u32,
    mig_pending: u32,
    /// A bit for each of `max_instances` places.
    mig_instances: u32,
    /// Compute instances of one GPU instance; 0 is 1.
    mig_compute: u32,
    padding: u32,
    links: [nvml.NVML_NVLINK_MAX_LINKS]Link,
};

pub const State = extern struct {
    /// Written last: a file without it is made anew.
    magic: u64,
    size: u64,
    /// Raised by every command; what waits, waits on this.
    changed: u32,
    absurd: u32,
    /// What nvmlDeviceGetCount says, where that is not the truth.
    count: u32,
    lost_events: u32,
    talk: u32,
    padding: u32,
    supported_events: u64,
    driver: [80]u8,
    nvml_version: [80]u8,
    calls: [functions.len]u64,
    faults: [functions.len]Fault,
    event_head: u64,
    events: [max_events]Event,
    gpus: [max_gpus]Gpu,
};

const magic: u64 = 0x314c_4d56_4e45_4b46;

pub const OpenError = error{ CannotOpen, CannotLock, CannotMap };

/// The mapped file, and the lock on it that keeps two commands from mixing. What maps it stays mapped after `unlock`.
pub const Opened = struct {
    state: *State,
    fd: i32,

    pub fn unlock(self: Opened) void {
        // Closing alone would leave it locked: the mapping holds the open file too.
        const unlocked = 8;
        _ = linux.flock(self.fd, unlocked);
        _ = linux.close(self.fd);
    }

    pub fn close(self: Opened) void {
        _ = linux.munmap(@ptrCast(self.state), @sizeOf(State));
        self.unlock();
    }
};

/// A file that is new, or of another layout, is filled with `fill`.
pub fn open(path: [*:0]const u8, fill: *const fn (*State) void) OpenError!Opened {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .CREAT = true, .CLOEXEC = true };
    const opened = linux.open(path, flags, 0o600);
    if (linux.errno(opened) != .SUCCESS) return error.CannotOpen;
    const fd: i32 = @intCast(opened);
    errdefer _ = linux.close(fd);
    try lock(fd);
    // Growing it to the size that it has changes nothing.
    if (linux.errno(linux.ftruncate(fd, @sizeOf(State))) != .SUCCESS) return error.CannotMap;
    const prot: linux.PROT = .{ .READ = true, .WRITE = true };
    const mapped = linux.mmap(null, @sizeOf(State), prot, .{ .TYPE = .SHARED }, fd, 0);
    if (linux.errno(mapped) != .SUCCESS) return error.CannotMap;
    const state: *State = @ptrFromInt(mapped);
    if (get(&state.magic) != magic or get(&state.size) != @sizeOf(State)) {
        @memset(std.mem.asBytes(state), 0);
        fill(state);
        put(&state.size, @sizeOf(State));
        put(&state.magic, magic);
    }
    return .{ .state = state, .fd = fd };
}

fn lock(fd: i32) OpenError!void {
    const exclusive = 2;
    while (true) switch (linux.errno(linux.flock(fd, exclusive))) {
        .SUCCESS => return,
        .INTR => continue,
        else => return error.CannotLock,
    };
}

pub fn get(pointer: anytype) @typeInfo(@TypeOf(pointer)).pointer.child {
    return @atomicLoad(@typeInfo(@TypeOf(pointer)).pointer.child, pointer, .acquire);
}

pub fn put(pointer: anytype, value: @typeInfo(@TypeOf(pointer)).pointer.child) void {
    @atomicStore(@typeInfo(@TypeOf(pointer)).pointer.child, pointer, value, .release);
}

pub fn add(pointer: anytype, value: @typeInfo(@TypeOf(pointer)).pointer.child) void {
    _ = @atomicRmw(@typeInfo(@TypeOf(pointer)).pointer.child, pointer, .Add, value, .acq_rel);
}

/// Takes one from a number that is neither 0 nor unlimited; says whether there was one.
pub fn takeOne(pointer: *u32) bool {
    var seen = get(pointer);
    while (seen != 0) {
        if (seen == unlimited) return true;
        seen = @cmpxchgWeak(u32, pointer, seen, seen - 1, .acq_rel, .acquire) orelse return true;
    }
    return false;
}

pub fn wakeAll(state: *State) void {
    add(&state.changed, 1);
    _ = linux.futex_3arg(&state.changed, .{ .cmd = .WAKE, .private = false }, std.math.maxInt(i32));
}

/// Returns when anything changed after `seen` was read, or the time is up, or for no reason.
pub fn waitForChange(state: *State, seen: u32, timeout_ns: ?u64) void {
    const op: linux.FUTEX_OP = .{ .cmd = .WAIT, .private = false };
    if (timeout_ns) |ns| {
        const time: linux.timespec = .{ .sec = @intCast(ns / 1_000_000_000), .nsec = @intCast(ns % 1_000_000_000) };
        _ = linux.futex_4arg(&state.changed, op, seen, &time);
    } else _ = linux.futex_4arg(&state.changed, op, seen, null);
}

pub fn nowNs() u64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &time);
    return @as(u64, @intCast(time.sec)) * 1_000_000_000 + @as(u64, @intCast(time.nsec));
}

pub fn has(gpu: *Gpu, feature: Feature) bool {
    return get(&gpu.supported) >> @backingInt(feature) & 1 == 1;
}

pub fn is(state: *State, absurd: Absurd) bool {
    return get(&state.absurd) >> @backingInt(absurd) & 1 == 1;
}

pub fn talks(state: *State, where: Talk) bool {
    return get(&state.talk) >> @backingInt(where) & 1 == 1;
}

pub fn presentGpus(state: *State) u32 {
    var found: u32 = 0;
    for (&state.gpus) |*gpu| found += @intFromBool(get(&gpu.present) != 0);
    return found;
}

/// Whether there is an instance in this place, counted from 0.
pub fn hasInstance(gpu: *Gpu, place: u32) bool {
    const bits = get(&gpu.mig_instances);
    return get(&gpu.mig_current) != 0 and place < max_instances and bits >> @intCast(place) & 1 == 1;
}

/// The place of the GPU with this index, among those that are there.
pub fn slotAt(state: *State, index: u32) ?u32 {
    var left = index;
    for (&state.gpus, 0..) |*gpu, slot| {
        if (get(&gpu.present) == 0) continue;
        if (left == 0) return @intCast(slot);
        left -= 1;
    }
    return null;
}
