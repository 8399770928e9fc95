//! The sampler thread: loads and initialises the library, then reads every GPU each period. It owns all that is not the
//! event thread's, so that nobody waits for a call but itself.

const std = @import("std");
const abi = @import("abi.zig");
const nvml = @import("nvml.zig");
const calls = @import("calls.zig");
const clock = @import("clock.zig");
const devices = @import("devices.zig");
const events = @import("events.zig");
const loader = @import("loader.zig");
const signal = @import("signal.zig");
const Host = @import("host.zig").Host;
const Reader = @import("reading.zig").Reader;
const signed = @import("reading.zig").signed;

/// Between the end of a round and the next, whoever asks: a storm of events must not keep the driver busy.
const spacing_ns = 100 * std.time.ns_per_ms;
/// The event thread looks up from its wait every 250 ms; after four of them it is taken for stuck.
const join_limit_ms = 1_000;

pub fn run(host: *Host) void {
    signal.blockAll();
    const stage = begin(host);
    if (stage == .none) {
        serve(host);
        finish(host);
        host.enter(.ended);
    } else {
        host.status.stage = @backingInt(stage);
        host.enter(.failed);
    }
    host.sampler_done.store(true, .release);
    host.signal.raise();
}

/// The stage that failed.
fn begin(host: *Host) abi.Stage {
    const status = &host.status;
    var why: std.Io.Writer = .fixed(status.message[0 .. status.message.len - 1]);
    const caller = host.samplerCaller();
    caller.during(.dlopen);
    const library = loader.open(host.rootText(), &why);
    caller.after();
    host.library = library orelse return .load;
    copyStart(&status.library_path, loader.pathOf(&host.library));

    const code = caller.call(.nvmlInit_v2, .{});
    if (code != nvml.NVML_SUCCESS) {
        status.code = signed(code);
        why.print("nvmlInit_v2 failed: {s} ({d})", .{ calls.returnName(code), code }) catch {};
        host.library.close();
        return .init;
    }
    readVersion(caller, .nvmlSystemGetDriverVersion, &status.driver_version);
    readVersion(caller, .nvmlSystemGetNVMLVersion, &status.nvml_version);
    const listed = enumerate(host);
    status.gpu_count = listed.count;
    // Events from before the registration are lost: so that comes before the first reading.
    if (host.wants_events) status.events = @intFromBool(events.start(host));
    host.enter(.running);
    return .none;
}

fn readVersion(caller: calls.Caller, comptime which: calls.Call, out: *[abi.Text.version]u8) void {
    var text: [abi.Text.version]u8 = @splat(0);
    if (caller.call(which, .{ &text, text.len }) == nvml.NVML_SUCCESS) _ = devices.copyText(text.len, out, &text);
}

fn copyStart(out: []u8, text: []const u8) void {
    const length = @min(out.len - 1, text.len);
    @memcpy(out[0..length], text[0..length]);
}

fn serve(host: *Host) void {
    const period_ns = @as(u64, host.period_ms) * std.time.ns_per_ms;
    while (!host.stopping.load(.acquire)) {
        const started = clock.monotonicNs();
        takeRound(host);
        host.signal.raise();
        const ended = clock.monotonicNs();
        sleepUntil(host, @max(started + period_ns, ended + spacing_ns), ended + spacing_ns);
    }
}

/// Until `due`, or until `earliest` where the bell rings.
fn sleepUntil(host: *Host, due: u64, earliest: u64) void {
    var until = due;
    while (!host.stopping.load(.acquire)) {
        const now = clock.monotonicNs();
        if (now >= until) return;
        const ms = (until - now + std.time.ns_per_ms - 1) / std.time.ns_per_ms;
        if (host.bell.wait(@intCast(@min(ms, std.math.maxInt(u32))))) until = @min(until, earliest);
    }
}

fn takeRound(host: *Host) void {
    const round = host.rounds.edit();
    const listed = enumerate(host);
    round.head = .{
        .mono_ns = clock.monotonicNs(),
        .round = host.next_round,
        .code = listed.code,
        .gpu_count = 0,
        .reserved = 0,
    };
    host.next_round +%= 1;
    var mig_changed = false;
    for (host.entries[0..listed.count]) |entry| {
        if (host.stopping.load(.acquire)) return;
        const device = &host.table.slots[entry.slot];
        const gpu = &round.gpus[round.head.gpu_count];
        const reader: Reader = .{
            .caller = host.samplerCaller(),
            .device = device,
            .gpu = gpu,
            .wants_mig = host.wants_mig,
        };
        if (entry.code == nvml.NVML_SUCCESS) reader.read() else reader.readNothing(entry.call, entry.code);
        round.head.gpu_count += 1;
        const mig = gpu.mig_current == nvml.NVML_DEVICE_MIG_ENABLE;
        mig_changed = mig_changed or device.mig != mig;
        device.mig = mig;
    }
    if (mig_changed) host.board.write(&host.table);
    round.head.mono_ns = clock.monotonicNs();
    host.rounds.publish();
}

/// A GPU of the enumeration under way, by its place in the table.
pub const Entry = struct { slot: u32, call: calls.Call, code: nvml.nvmlReturn_t };

const Listed = struct { count: u32, code: i32 };

/// An index that could not be opened: nobody knows yet which GPU it is.
const Broken = struct { index: u32, call: calls.Call, code: nvml.nvmlReturn_t };

fn enumerate(host: *Host) Listed {
    const caller = host.samplerCaller();
    var count: c_uint = 0;
    const code = caller.call(.nvmlDeviceGetCount_v2, .{&count});
    if (code != nvml.NVML_SUCCESS) return .{ .count = 0, .code = signed(code) };
    // No node has so many: the library is not to be believed.
    if (count > abi.max_gpus) return .{ .count = 0, .code = nvml.NVML_ERROR_UNKNOWN };

    const table = &host.table;
    table.begin();
    var listed: u32 = 0;
    var broken: [abi.max_gpus]Broken = undefined;
    var broken_count: usize = 0;
    for (0..count) |i| {
        const index: u32 = @intCast(i);
        var failed: Broken = undefined;
        if (open(caller, index, &failed)) |opened| {
            const device = table.see(opened.uuid, opened.handle, index) orelse continue;
            host.entries[listed] = .{ .slot = slotOf(table, device), .call = .none, .code = nvml.NVML_SUCCESS };
            listed += 1;
        } else {
            broken[broken_count] = failed;
            broken_count += 1;
        }
    }
    // Only when all others are known: one of them may have moved to another index.
    for (broken[0..broken_count]) |failed| {
        const device = table.missingAt(failed.index) orelse continue;
        device.seen = true;
        host.entries[listed] = .{ .slot = slotOf(table, device), .call = failed.call, .code = failed.code };
        listed += 1;
    }
    std.mem.sort(Entry, host.entries[0..listed], table, byIndex);
    if (table.finish()) host.board.write(table);
    return .{ .count = listed, .code = nvml.NVML_SUCCESS };
}

const Opened = struct { handle: nvml.nvmlDevice_t, uuid: devices.Uuid };

fn open(caller: calls.Caller, index: u32, failed: *Broken) ?Opened {
    var opened: Opened = .{ .handle = null, .uuid = undefined };
    failed.* = .{ .index = index, .call = .nvmlDeviceGetHandleByIndex_v2, .code = undefined };
    failed.code = caller.call(.nvmlDeviceGetHandleByIndex_v2, .{ index, &opened.handle });
    if (failed.code == nvml.NVML_SUCCESS and opened.handle == null) failed.code = nvml.NVML_ERROR_UNKNOWN;
    if (failed.code != nvml.NVML_SUCCESS) return null;

    var text: devices.Uuid = @splat(0);
    failed.call = .nvmlDeviceGetUUID;
    failed.code = caller.call(.nvmlDeviceGetUUID, .{ opened.handle, &text, text.len });
    if (failed.code == nvml.NVML_SUCCESS and !devices.copyText(text.len, &opened.uuid, &text)) {
        failed.code = nvml.NVML_ERROR_UNKNOWN;
    }
    return if (failed.code == nvml.NVML_SUCCESS) opened else null;
}

fn slotOf(table: *devices.Table, device: *devices.Device) u32 {
    return @intCast((@intFromPtr(device) - @intFromPtr(&table.slots)) / @sizeOf(devices.Device));
}

fn byIndex(table: *devices.Table, a: Entry, b: Entry) bool {
    return table.slots[a.slot].index < table.slots[b.slot].index;
}

fn finish(host: *Host) void {
    for (0..join_limit_ms) |_| {
        if (!events.isRunning(host)) break;
        clock.nap(1);
    }
    if (events.isRunning(host)) {
        // It is inside the library: neither shutting that down nor unloading it is safe.
        host.status.left = 1;
        return;
    }
    events.join(host);
    _ = host.samplerCaller().call(.nvmlShutdown, .{});
    host.library.close();
}
