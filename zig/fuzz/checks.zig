//! What must hold of everything that the shim gives out, whatever the library says.

const std = @import("std");
const abi = @import("abi");
const calls = @import("calls");
const Shim = @import("shim.zig").Shim;

pub const Tally = struct {
    wrong: ?[]const u8 = null,
    rounds: u64 = 0,
    readings: u64 = 0,
    events: u64 = 0,
    lost_events: u64 = 0,

    /// The first thing that is wrong is kept.
    pub fn expect(self: *Tally, holds: bool, comptime what: []const u8) void {
        if (!holds and self.wrong == null) self.wrong = what;
    }
};

const events_at_once = 256;
const round_size = @sizeOf(abi.NvmlRound) + abi.max_gpus * @sizeOf(abi.NvmlGpu);
/// Behind every buffer that the shim may fill, and in it before: what it does not write stays visible.
const canary = 0xa5;

fn Guarded(comptime T: type) type {
    return extern struct { value: T, guard: [64]u8 };
}

var round_buffer: Guarded([round_size]u8) align(8) = undefined;
var event_buffer: Guarded([events_at_once]abi.NvmlEvent) = undefined;
var status_buffer: Guarded(abi.NvmlStatus) = undefined;
var pulse_buffer: Guarded(abi.NvmlPulse) = undefined;

/// One handle, from open to close.
pub const Follower = struct {
    number: i32,
    last_round: u32 = 0,
    last_round_ns: u64 = 0,
    next_seq: u64 = 0,
    last_next: u64 = 0,
    last_event_ns: u64 = 0,
    last_state: u32 = 0,

    pub fn look(self: *Follower, shim: *const Shim, tally: *Tally) void {
        self.lookAtStatus(shim, tally);
        self.lookAtPulse(shim, tally);
        self.lookAtEvents(shim, tally);
        self.lookAtRound(shim, tally);
    }

    fn lookAtStatus(self: *Follower, shim: *const Shim, tally: *Tally) void {
        @memset(std.mem.asBytes(&status_buffer), canary);
        tally.expect(shim.status(self.number, &status_buffer.value) == 0, "no status");
        tally.expect(isIntact(&status_buffer.guard), "a status longer than itself");
        const status = &status_buffer.value;
        const last = @typeInfo(abi.State).@"enum".field_names.len - 1;
        tally.expect(status.state <= last and status.state >= self.last_state, "a state that goes back, or is none");
        self.last_state = status.state;
        tally.expect(status.gpu_count <= abi.max_gpus, "a status with more GPUs than there are places");
        tally.expect(status.events <= 1 and status.left == 0, "a status with flags that are none, or threads left");
        tally.expect(isText(&status.driver_version) and isText(&status.nvml_version), "a version that is no text");
        tally.expect(isText(&status.library_path) and isText(&status.message), "a status with what is no text");
    }

    fn lookAtPulse(self: *Follower, shim: *const Shim, tally: *Tally) void {
        @memset(std.mem.asBytes(&pulse_buffer), canary);
        tally.expect(shim.pulse(self.number, &pulse_buffer.value) == 0, "no pulse");
        tally.expect(isIntact(&pulse_buffer.guard), "a pulse longer than itself");
        const pulse = &pulse_buffer.value;
        const running = .{ pulse.sampler_call, pulse.event_call };
        inline for (running) |call| tally.expect(call < calls.names.len, "a running call that is none");
        const since = @max(pulse.sampler_since_ns, pulse.event_since_ns);
        // The pulse's own time is taken before the calls are looked at, which keep microseconds.
        tally.expect(since <= pulse.mono_ns + std.time.ns_per_s, "a call that begins in the future");
        tally.expect(pulse.events_running <= 1 and pulse.reserved == 0, "a pulse with flags that are none");
    }

    fn lookAtEvents(self: *Follower, shim: *const Shim, tally: *Tally) void {
        while (tally.wrong == null) {
            @memset(std.mem.asBytes(&event_buffer), canary);
            var next: u64 = 0;
            const count = shim.take_events(self.number, &event_buffer.value, events_at_once, &next);
            tally.expect(count >= 0 and count <= events_at_once, "more events than fit");
            tally.expect(isIntact(&event_buffer.guard), "events behind the last place");
            const taken: usize = @intCast(@max(0, count));
            for (event_buffer.value[0..taken]) |*event| self.lookAtEvent(event, tally);
            const untouched = std.mem.sliceAsBytes(event_buffer.value[taken..]);
            tally.expect(isIntact(untouched), "events behind the last that was counted");
            if (taken == events_at_once) continue;
            // Those that came while it was taking are among those taken, and not yet in the number.
            tally.expect(next >= self.last_next, "a sequence that goes back");
            self.last_next = next;
            tally.lost_events += next -| self.next_seq;
            self.next_seq = @max(self.next_seq, next);
            return;
        }
    }

    fn lookAtEvent(self: *Follower, event: *const abi.NvmlEvent, tally: *Tally) void {
        tally.events += 1;
        tally.expect(event.seq >= self.next_seq, "a sequence number that comes twice");
        tally.lost_events += event.seq -| self.next_seq;
        self.next_seq = event.seq + 1;
        tally.expect(event.mono_ns >= self.last_event_ns, "an event older than the one before");
        self.last_event_ns = event.mono_ns;
        tally.expect(isText(&event.uuid), "an event with a UUID that is no text");
    }

    fn lookAtRound(self: *Follower, shim: *const Shim, tally: *Tally) void {
        @memset(std.mem.asBytes(&round_buffer), canary);
        const answer = shim.take_round(self.number, &round_buffer.value, round_size);
        tally.expect(answer >= 0, "a round that does not fit");
        tally.expect(isIntact(&round_buffer.guard), "a round longer than there is room");
        const length: usize = @intCast(@max(0, answer));
        tally.expect(isIntact(round_buffer.value[length..]), "bytes behind a round");
        if (length == 0) return;
        const head: *const abi.NvmlRound = @ptrCast(@alignCast(&round_buffer.value));
        tally.expect(head.gpu_count <= abi.max_gpus, "a round of more GPUs than there are places");
        const wanted = @sizeOf(abi.NvmlRound) + head.gpu_count * @sizeOf(abi.NvmlGpu);
        tally.expect(length == wanted, "a round of another length than it says");
        tally.expect(head.round > self.last_round and head.reserved == 0, "a round that comes twice");
        tally.expect(head.mono_ns >= self.last_round_ns, "a round older than the one before");
        self.last_round = head.round;
        self.last_round_ns = head.mono_ns;
        if (tally.wrong != null) return;
        tally.rounds += 1;
        const first: [*]const abi.NvmlGpu = @ptrCast(@alignCast(round_buffer.value[@sizeOf(abi.NvmlRound)..].ptr));
        const gpus = first[0..head.gpu_count];
        for (gpus, 0..) |*gpu, i| {
            lookAtGpu(gpu, tally);
            tally.expect(i == 0 or gpus[i - 1].index < gpu.index, "GPUs out of order, or an index twice");
            for (gpus[0..i]) |*other| {
                tally.expect(!std.mem.eql(u8, &other.uuid, &gpu.uuid), "a UUID twice in one round");
            }
        }
    }
};

fn lookAtGpu(gpu: *const abi.NvmlGpu, tally: *Tally) void {
    tally.readings += 1;
    tally.expect(isText(&gpu.uuid) and gpu.uuid[0] != 0, "a GPU without a UUID, or with one that is no text");
    tally.expect(isText(&gpu.name) and isText(&gpu.bus_id), "a name or bus id that is no text");
    tally.expect(gpu.index < abi.max_gpus, "an index that no GPU has");
    const fields = @typeInfo(abi.Field).@"enum".field_names.len;
    tally.expect(gpu.present >> fields == 0, "a field that there is not");
    inline for (.{
        gpu.lost, gpu.remapped_pending, gpu.remapped_failed, gpu.retired_pending, gpu.sram_threshold_exceeded,
    }) |flag| tally.expect(flag <= 1, "a flag that is neither set nor unset");
    inline for (.{ gpu.temperature_c, gpu.slowdown_c, gpu.shutdown_c }) |celsius| {
        tally.expect(celsius <= 255, "a temperature that no GPU has");
    }
    inline for (.{
        gpu.ecc_volatile_corrected,    gpu.ecc_volatile_uncorrected, gpu.ecc_aggregate_corrected,
        gpu.ecc_aggregate_uncorrected, gpu.sram_uncorrected,
    }) |count| tally.expect(count != std.math.maxInt(u64), "a counter of ones");

    tally.expect(gpu.failure_count <= abi.max_failures, "more failures than places");
    const failures = @min(gpu.failure_count, abi.max_failures);
    for (gpu.failures[0..failures], 0..) |failure, i| {
        tally.expect(failure.call > 0 and failure.call < calls.names.len, "a failed call that is none");
        tally.expect(failure.code != 0, "a failure that is a success");
        for (gpu.failures[0..i]) |other| tally.expect(other.call != failure.call, "a failed call twice");
    }
    tally.expect(isZero(std.mem.sliceAsBytes(gpu.failures[failures..])), "bytes behind the failures");

    tally.expect(gpu.link_count <= abi.max_links, "more links than places");
    const links = @min(gpu.link_count, abi.max_links);
    for (gpu.links[0..links], 0..) |link, i| {
        tally.expect(link.link < abi.max_links and link.active <= 1 and link.counted <= 1, "a link that is none");
        tally.expect(link.counted == 1 or link.errors == 0, "errors of a link that were not counted");
        tally.expect(i == 0 or gpu.links[i - 1].link < link.link, "links out of order, or one twice");
    }
    tally.expect(isZero(std.mem.sliceAsBytes(gpu.links[links..])), "bytes behind the links");

    tally.expect(gpu.instance_count <= abi.max_instances, "more MIG instances than places");
    const instances = @min(gpu.instance_count, abi.max_instances);
    for (gpu.instances[0..instances]) |*one| {
        tally.expect(isText(&one.uuid) and one.uuid[0] != 0, "an instance without a UUID, or with one that is no text");
        inline for (.{ one.gpu_instance, one.compute_instance }) |id| {
            tally.expect(id <= 255 or id == std.math.maxInt(u32), "a number that no instance has");
        }
    }
    tally.expect(isZero(std.mem.sliceAsBytes(gpu.instances[instances..])), "bytes behind the instances");
}

/// Printable, ended by a NUL, and nothing behind that.
fn isText(bytes: []const u8) bool {
    const end = std.mem.findScalar(u8, bytes, 0) orelse return false;
    for (bytes[0..end]) |char| if (char < 0x20 or char > 0x7e) return false;
    return isZero(bytes[end..]);
}

fn isZero(bytes: []const u8) bool {
    return std.mem.allEqual(u8, bytes, 0);
}

fn isIntact(bytes: []const u8) bool {
    return std.mem.allEqual(u8, bytes, canary);
}
