//! The event thread: waits for the driver's events and hands them on. Its set is undefined after any error but a
//! timeout; then it makes a new one, and asks for a fresh sample, because events in between are lost.

const std = @import("std");
const abi = @import("abi.zig");
const nvml = @import("nvml.zig");
const calls = @import("calls.zig");
const clock = @import("clock.zig");
const devices = @import("devices.zig");
const signal = @import("signal.zig");
const Host = @import("host.zig").Host;
const signed = @import("reading.zig").signed;

/// How long one wait takes at most, and so a stop and the registration of a new GPU.
const wait_ms = 250;
/// Between two tries to make a set.
const rebuild_ms = 250;
/// A wait that ends at once without an event is followed by a rest.
const hasty_ns = std.time.ns_per_ms;
const rest_ms = 10;
/// Between two tries to register a GPU.
const register_ns = 1 * std.time.ns_per_s;

/// Everything but the changes of performance state, clock and power source: those are everyday life.
const unwanted = nvml.nvmlEventTypePState | nvml.nvmlEventTypeClock | nvml.nvmlEventTypePowerSourceChange;
/// For a driver that does not say what it supports.
const basic = nvml.nvmlEventTypeXidCriticalError | nvml.nvmlEventTypeDoubleBitEccError;

/// False where there is no thread to be had.
pub fn start(host: *Host) bool {
    host.events_active.store(true, .release);
    host.event_thread = std.Thread.spawn(.{ .stack_size = Host.stack_size }, run, .{host}) catch {
        host.events_active.store(false, .release);
        return false;
    };
    return true;
}

pub fn isRunning(host: *Host) bool {
    return host.events_active.load(.acquire);
}

pub fn join(host: *Host) void {
    if (host.event_thread) |thread| thread.join();
    host.event_thread = null;
}

fn run(host: *Host) void {
    signal.blockAll();
    var listener: Listener = .{ .host = host, .caller = host.eventCaller() };
    while (!host.stopping.load(.acquire)) {
        const code = listener.listen();
        if (host.stopping.load(.acquire)) break;
        host.events_code.store(signed(code), .release);
        host.events_running.store(false, .release);
        _ = host.events_losses.fetchAdd(1, .acq_rel);
        host.signal.raise();
        host.bell.ring();
        clock.nap(rebuild_ms);
    }
    host.events_active.store(false, .release);
}

const Listener = struct {
    host: *Host,
    caller: calls.Caller,
    set: nvml.nvmlEventSet_t = null,
    view: devices.Board.View = .{},
    /// The arrival of each known GPU that is registered in this set; 0 for none.
    registered: [abi.max_gpus]u32 = @splat(0),
    registered_count: u32 = 0,
    complete: bool = false,
    tried_ns: u64 = 0,

    /// One set, from its making to its end: what ended it, SUCCESS where that is the stop.
    fn listen(self: *Listener) nvml.nvmlReturn_t {
        self.set = null;
        self.registered = @splat(0);
        self.registered_count = 0;
        const made = self.caller.call(.nvmlEventSetCreate, .{&self.set});
        if (made != nvml.NVML_SUCCESS) return made;
        if (self.set == null) return nvml.NVML_ERROR_UNKNOWN;
        defer _ = self.caller.call(.nvmlEventSetFree, .{self.set});
        _ = self.host.board.read(&self.view);
        self.register();
        self.host.events_running.store(true, .release);
        self.host.signal.raise();
        self.host.bell.ring();
        while (!self.host.stopping.load(.acquire)) {
            const due = !self.complete and clock.monotonicNs() - self.tried_ns >= register_ns;
            if (self.host.board.read(&self.view) or due) {
                const before = self.registered_count;
                self.register();
                if (self.registered_count > before) self.host.bell.ring();
            }
            // What a wait on an empty set does is not said anywhere.
            if (self.registered_count == 0) clock.nap(wait_ms) else {
                const code = self.wait();
                if (code != nvml.NVML_SUCCESS) return code;
            }
        }
        return nvml.NVML_SUCCESS;
    }

    fn wait(self: *Listener) nvml.nvmlReturn_t {
        var data = std.mem.zeroes(nvml.nvmlEventData_t);
        const started = clock.monotonicNs();
        const code = self.caller.call(.nvmlEventSetWait_v2, .{ self.set, &data, wait_ms });
        if (code == nvml.NVML_SUCCESS and data.eventType != nvml.nvmlEventTypeNone) {
            self.deliver(&data);
            return code;
        }
        if (code != nvml.NVML_SUCCESS and code != nvml.NVML_ERROR_TIMEOUT) return code;
        if (clock.monotonicNs() - started < hasty_ns) clock.nap(rest_ms);
        return nvml.NVML_SUCCESS;
    }

    fn deliver(self: *Listener, data: *const nvml.nvmlEventData_t) void {
        var event: abi.NvmlEvent = .{
            .seq = 0,
            .mono_ns = clock.monotonicNs(),
            .real_ns = clock.realNs(),
            .event_type = data.eventType,
            .event_data = data.eventData,
            .gpu_instance = data.gpuInstanceId,
            .compute_instance = data.computeInstanceId,
            .uuid = @splat(0),
        };
        if (self.find(data.device)) |known| {
            event.uuid = known.uuid;
            // Some libraries say instance 0 of a GPU that has none.
            if (!known.mig and event.gpu_instance == 0) {
                event.gpu_instance = nvml.INVALID_GPU_INSTANCE_ID;
                event.compute_instance = nvml.INVALID_GPU_INSTANCE_ID;
            }
        }
        _ = self.host.events.push(event);
        self.host.signal.raise();
        self.host.bell.ring();
    }

    fn find(self: *Listener, device: nvml.nvmlDevice_t) ?*devices.Known {
        if (device == null) return null;
        if (self.view.find(device)) |known| return known;
        return if (self.host.board.read(&self.view)) self.view.find(device) else null;
    }

    /// Those that are not registered yet in their present life.
    fn register(self: *Listener) void {
        self.tried_ns = clock.monotonicNs();
        self.complete = true;
        self.registered_count = 0;
        for (self.view.all(), self.registered[0..self.view.count]) |*known, *arrival| {
            if (!known.present) continue;
            if (arrival.* != known.arrival) self.registerOne(known, arrival);
            if (arrival.* == known.arrival) self.registered_count += 1;
        }
    }

    fn registerOne(self: *Listener, known: *const devices.Known, arrival: *u32) void {
        var supported: c_ulonglong = 0;
        const code = self.caller.call(.nvmlDeviceGetSupportedEventTypes, .{ known.handle, &supported });
        const mask = switch (code) {
            nvml.NVML_SUCCESS => supported & ~unwanted,
            nvml.NVML_ERROR_FUNCTION_NOT_FOUND => basic,
            else => 0,
        };
        if (mask != 0) {
            const done = self.caller.call(.nvmlDeviceRegisterEvents, .{ known.handle, mask, self.set });
            if (done == nvml.NVML_SUCCESS) arrival.* = known.arrival;
        }
        if (arrival.* != known.arrival) self.complete = false;
    }
};
