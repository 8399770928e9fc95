//! Event sets. A set has its own place in the control file's list of events: it sees what comes after it was made, as
//! far as it asked for it.

const std = @import("std");
const nvml = @import("nvml");
const machine = @import("machine.zig");
const state_file = @import("state.zig");
const State = state_file.State;
const Handle = nvml.nvmlDevice_t;
const Result = nvml.nvmlReturn_t;
const get = state_file.get;

const max_sets = 16;
/// What a reader that was overtaken leaves alone, because the next events are just being written there.
const margin = 64;

const Set = struct {
    taken: bool = false,
    /// The place in the list, and how many of that event's repetitions are seen.
    next: u64 = 0,
    repeated: u32 = 0,
    wanted: [state_file.max_gpus]u64 = undefined,
};

var sets: [max_sets]Set = @splat(.{});
var busy: std.atomic.Value(bool) = .init(false);

/// Held for the length of a look into the list, never across a wait.
fn hold() void {
    while (busy.swap(true, .acquire)) std.atomic.spinLoopHint();
}

fn letGo() void {
    busy.store(false, .release);
}

fn setOf(handle: nvml.nvmlEventSet_t) ?*Set {
    const offset = @intFromPtr(handle) -% @intFromPtr(&sets);
    if (offset >= @sizeOf(@TypeOf(sets)) or offset % @sizeOf(Set) != 0) return null;
    const set = &sets[offset / @sizeOf(Set)];
    return if (set.taken) set else null;
}

pub fn nvmlEventSetCreate(out: ?*nvml.nvmlEventSet_t) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlEventSetCreate", &state)) |code| return code;
    const place = out orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    hold();
    defer letGo();
    for (&sets) |*set| {
        if (set.taken) continue;
        set.taken = true;
        set.next = get(&state.event_head);
        set.repeated = 0;
        @memset(&set.wanted, 0);
        place.* = @ptrCast(set);
        return nvml.NVML_SUCCESS;
    }
    return nvml.NVML_ERROR_INSUFFICIENT_RESOURCES;
}

pub fn nvmlEventSetFree(handle: nvml.nvmlEventSet_t) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlEventSetFree", &state)) |code| return code;
    hold();
    defer letGo();
    const set = setOf(handle) orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    set.taken = false;
    return nvml.NVML_SUCCESS;
}

pub fn nvmlDeviceGetSupportedEventTypes(handle: Handle, types: ?*c_ulonglong) callconv(.c) Result {
    var device: machine.Device = undefined;
    if (machine.enterDevice("nvmlDeviceGetSupportedEventTypes", handle, .alive, &device)) |code| return code;
    return machine.give(types, get(&device.state.supported_events));
}

/// One bit that is not supported, and none is registered.
pub fn nvmlDeviceRegisterEvents(handle: Handle, types: c_ulonglong, to: nvml.nvmlEventSet_t) callconv(.c) Result {
    var device: machine.Device = undefined;
    if (machine.enterDevice("nvmlDeviceRegisterEvents", handle, .alive, &device)) |code| return code;
    if (types & ~get(&device.state.supported_events) != 0) return nvml.NVML_ERROR_NOT_SUPPORTED;
    hold();
    defer letGo();
    const set = setOf(to) orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    set.wanted[device.slot] |= types;
    return nvml.NVML_SUCCESS;
}

pub fn nvmlEventSetWait_v2(
    handle: nvml.nvmlEventSet_t,
    data: ?*nvml.nvmlEventData_t,
    timeout_ms: c_uint,
) callconv(.c) Result {
    var state: *State = undefined;
    if (machine.enter("nvmlEventSetWait_v2", &state)) |code| return code;
    const out = data orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    var releases = machine.releasesOf(state, "nvmlEventSetWait_v2");
    const early = state_file.is(state, .early_timeout);
    const deadline = state_file.nowNs() + if (early) 0 else @as(u64, timeout_ms) * 1_000_000;
    while (true) {
        const seen = get(&state.changed);
        const found = take(state, handle, out);
        if (found != nvml.NVML_ERROR_TIMEOUT) return found;
        const now = state_file.nowNs();
        if (now >= deadline) return nvml.NVML_ERROR_TIMEOUT;
        state_file.waitForChange(state, seen, deadline - now);
        if (machine.strikeWaiting(state, "nvmlEventSetWait_v2", &releases)) |code| return code;
    }
}

/// SUCCESS with the next event that the set asked for; TIMEOUT where there is none yet.
fn take(state: *State, handle: nvml.nvmlEventSet_t, out: *nvml.nvmlEventData_t) Result {
    hold();
    defer letGo();
    const set = setOf(handle) orelse return nvml.NVML_ERROR_INVALID_ARGUMENT;
    while (true) {
        const head = get(&state.event_head);
        if (head - set.next > state_file.max_events - margin) {
            state_file.add(&state.lost_events, @truncate(head - set.next - state_file.max_events + margin));
            set.next = head - state_file.max_events + margin;
            set.repeated = 0;
        }
        if (set.next == head) return nvml.NVML_ERROR_TIMEOUT;
        const event = state.events[set.next % state_file.max_events];
        const slot = slotOf(state, &event, set.repeated);
        set.repeated += 1;
        if (set.repeated >= event.count) {
            set.next += 1;
            set.repeated = 0;
        }
        if (event.count == 0 or !wants(set, slot, event.type)) continue;
        out.* = .{
            .device = machine.handleOf(slot, 0),
            .eventType = event.type,
            .eventData = event.data,
            .gpuInstanceId = event.gpu_instance,
            .computeInstanceId = event.compute_instance,
        };
        return nvml.NVML_SUCCESS;
    }
}

fn slotOf(state: *State, event: *const state_file.Event, repeated: u32) u32 {
    if (event.spread == 0) return event.slot;
    return state_file.slotAt(state, repeated % @max(1, state_file.presentGpus(state))) orelse event.slot;
}

/// One without a device reaches a set that asked for its kind on any.
fn wants(set: *const Set, slot: u32, kind: u64) bool {
    if (slot < state_file.max_gpus) return set.wanted[slot] & kind != 0;
    for (&set.wanted) |types| if (types & kind != 0) return true;
    return false;
}
