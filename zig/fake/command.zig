//! The commands that drive the scripted machine, one line each. README.md describes them for people.

const std = @import("std");
const nvml = @import("nvml");
const assigning = @import("assign.zig");
const profiles = @import("profiles.zig");
const state_file = @import("state.zig");
const Selection = @import("selection.zig").Selection;
const State = state_file.State;
const Words = std.mem.TokenIterator(u8, .any);

pub const Error = assigning.Error || Selection(1).Error || std.Io.Writer.Error ||
    error{ NoSuchCommand, NoSuchFunction, NoSuchProfile, NoSuchWord, MissingWord, TooMany };

const Gpus = Selection(state_file.max_gpus);
const Links = Selection(nvml.NVML_NVLINK_MAX_LINKS);
const Instances = Selection(state_file.max_instances);

/// Eight healthy GPUs: what a new control file says. It is all zeros before.
pub fn fillNew(state: *State) void {
    startOver(state, 8, profiles.indexOf("h100").?);
}

/// Carries out one line; what it has to say goes to `out`.
pub fn run(state: *State, line: []const u8, out: *std.Io.Writer) Error!void {
    var words = std.mem.tokenizeAny(u8, line, " \t\r\n");
    const verb = std.meta.stringToEnum(Verb, words.next() orelse return) orelse return error.NoSuchCommand;
    // Also where a later word is refused: those before it have changed something.
    defer state_file.wakeAll(state);
    switch (verb) {
        .gpus => try gpus(state, &words),
        .gpu => try gpu(state, &words),
        .link => try link(state, &words),
        .mig => try mig(state, &words),
        .xid => try xid(state, &words),
        .event => try event(state, &words),
        .fault => try fault(state, &words),
        .clear => try clear(state, &words),
        .set => try set(state, &words),
        .get => try answerValue(state, &words, out),
        .calls => try answerCalls(state, &words, out),
        .hangs => try answerHangs(state, &words, out),
    }
}

const Verb = enum { gpus, gpu, link, mig, xid, event, fault, clear, set, get, calls, hangs };

fn startOver(state: *State, count: usize, profile: u32) void {
    state_file.put(&state.absurd, 0);
    state_file.put(&state.talk, 0);
    state_file.put(&state.count, state_file.unlimited);
    state_file.put(&state.supported_events, 0xff9f);
    setText(&state.driver, "580.95.05");
    setText(&state.nvml_version, "13.580.95.05");
    for (&state.gpus, 0..) |*place, index| place.* = profiles.make(profile, index, index < count);
    for (&state.faults) |*one| release(one);
}

fn gpus(state: *State, words: *Words) Error!void {
    const count = try assigning.number(usize, try need(words));
    if (count > state_file.max_gpus) return error.TooMany;
    const profile = profiles.indexOf(words.next() orelse "h100") orelse return error.NoSuchProfile;
    startOver(state, count, profile);
}

fn gpu(state: *State, words: *Words) Error!void {
    const chosen = try chooseGpus(state, try need(words));
    while (words.next()) |word| {
        var each = chosen.bits.iterator(.{});
        while (each.next()) |index| try changeGpu(&state.gpus[index], word);
    }
}

fn changeGpu(place: *state_file.Gpu, word: []const u8) Error!void {
    if (std.mem.eql(u8, word, "reset")) {
        place.* = profiles.afterReset(place);
        return;
    }
    const key, const value = try pair(word);
    if (std.mem.eql(u8, key, "profile")) {
        const profile = profiles.indexOf(value) orelse return error.NoSuchProfile;
        place.* = profiles.make(profile, place.serial, place.present != 0);
    } else if (std.mem.eql(u8, key, "with")) {
        state_file.put(&place.supported, place.supported | try flags(state_file.Feature, value));
    } else if (std.mem.eql(u8, key, "without")) {
        state_file.put(&place.supported, place.supported & ~try flags(state_file.Feature, value));
    } else try assigning.assign(place, key, value);
}

fn link(state: *State, words: *Words) Error!void {
    const chosen = try chooseGpus(state, try need(words));
    const which = try need(words);
    while (words.next()) |word| {
        var each = chosen.bits.iterator(.{});
        while (each.next()) |index| try changeLinks(&state.gpus[index], which, word);
    }
}

fn changeLinks(place: *state_file.Gpu, which: []const u8, word: []const u8) Error!void {
    const chosen = try Links.parse(which, state_file.get(&place.link_count));
    var each = chosen.bits.iterator(.{});
    while (each.next()) |index| {
        const one = &place.links[index];
        if (std.mem.eql(u8, word, "up")) {
            state_file.put(&one.active, 1);
        } else if (std.mem.eql(u8, word, "down")) {
            state_file.put(&one.active, 0);
        } else {
            const key, const value = try pair(word);
            try assigning.assign(one, key, value);
        }
    }
}

/// The mode and the instances; the driver tells of the change by an event.
fn mig(state: *State, words: *Words) Error!void {
    const chosen = try chooseGpus(state, try need(words));
    const Change = enum { on, off, create, destroy };
    const change = std.meta.stringToEnum(Change, try need(words)) orelse return error.NoSuchWord;
    const named: u32 = switch (change) {
        .off => 0,
        .on => if (words.next()) |text| try instanceBits(text) else 0,
        .create, .destroy => try instanceBits(try need(words)),
    };
    var each = chosen.bits.iterator(.{});
    while (each.next()) |index| {
        const place = &state.gpus[index];
        const before = state_file.get(&place.mig_instances);
        state_file.put(&place.mig_instances, switch (change) {
            .on, .off => named,
            .create => before | named,
            .destroy => before & ~named,
        });
        if (change == .on or change == .off) {
            state_file.put(&place.mig_current, @intFromBool(change == .on));
            state_file.put(&place.mig_pending, @intFromBool(change == .on));
        }
        push(state, eventOf(nvml.nvmlEventMigConfigChange, 0), @intCast(index));
    }
}

fn instanceBits(text: []const u8) Error!u32 {
    return (try Instances.parse(text, state_file.max_instances)).bits.mask;
}

fn xid(state: *State, words: *Words) Error!void {
    const which = try need(words);
    const code = try assigning.number(u64, try need(words));
    try emit(state, which, nvml.nvmlEventTypeXidCriticalError, code, words);
}

fn event(state: *State, words: *Words) Error!void {
    const which = try need(words);
    const kind = try assigning.number(u64, try need(words));
    const data = try assigning.number(u64, try need(words));
    try emit(state, which, kind, data, words);
}

fn emit(state: *State, which: []const u8, kind: u64, data: u64, words: *Words) Error!void {
    var made = eventOf(kind, data);
    while (words.next()) |word| {
        const key, const value = try pair(word);
        try assigning.assign(&made, key, value);
    }
    if (std.mem.eql(u8, which, "none")) return push(state, made, state_file.any_gpu);
    if (std.mem.eql(u8, which, "bogus")) return push(state, made, state_file.bogus_gpu);
    const chosen = try chooseGpus(state, which);
    var each = chosen.bits.iterator(.{});
    while (each.next()) |index| push(state, made, @intCast(index));
}

fn eventOf(kind: u64, data: u64) state_file.Event {
    return .{
        .type = kind,
        .data = data,
        .slot = 0,
        .gpu_instance = nvml.INVALID_GPU_INSTANCE_ID,
        .compute_instance = nvml.INVALID_GPU_INSTANCE_ID,
        .count = 1,
        .spread = 0,
        .padding = 0,
    };
}

fn push(state: *State, made: state_file.Event, slot: u32) void {
    const head = state_file.get(&state.event_head);
    const place = &state.events[head % state_file.max_events];
    place.* = made;
    place.slot = slot;
    state_file.put(&state.event_head, head + 1);
}

fn fault(state: *State, words: *Words) Error!void {
    const first, const last = try functionRange(try need(words));
    var made = std.mem.zeroes(state_file.Fault);
    made.slot = state_file.any_gpu;
    made.times = state_file.unlimited;
    while (words.next()) |word| try describe(&made, word);
    for (state.faults[first..last]) |*place| {
        release(place);
        // The mode comes last: until then the rest means nothing.
        inline for (.{ "code", "slot", "after", "times", "delay_ms", "mode" }) |name| {
            state_file.put(&@field(place, name), @field(made, name));
        }
    }
}

fn describe(made: *state_file.Fault, word: []const u8) Error!void {
    if (std.meta.stringToEnum(enum { hang, crash, abort }, word)) |mode| {
        made.mode = switch (mode) {
            .hang => @backingInt(state_file.Mode.hang),
            .crash => @backingInt(state_file.Mode.crash),
            .abort => @backingInt(state_file.Mode.abort),
        };
        return;
    }
    const key, const value = try pair(word);
    const Key = enum { code, exit, gpu, after, times, delay_ms };
    const number = try assigning.number(u32, value);
    switch (std.meta.stringToEnum(Key, key) orelse return error.NoSuchKey) {
        .code => {
            made.mode = @backingInt(state_file.Mode.code);
            made.code = number;
        },
        .exit => {
            made.mode = @backingInt(state_file.Mode.exit);
            made.code = number;
        },
        .gpu => made.slot = number,
        .after => made.after = number,
        .times => made.times = number,
        .delay_ms => made.delay_ms = number,
    }
}

fn clear(state: *State, words: *Words) Error!void {
    const first, const last = try functionRange(words.next() orelse "all");
    for (state.faults[first..last]) |*place| release(place);
}

fn release(place: *state_file.Fault) void {
    state_file.put(&place.mode, @backingInt(state_file.Mode.none));
    state_file.put(&place.delay_ms, 0);
    state_file.add(&place.releases, 1);
}

fn set(state: *State, words: *Words) Error!void {
    while (words.next()) |word| {
        const key, const value = try pair(word);
        const Key = enum { driver, nvml, count, absurd, events, talk };
        switch (std.meta.stringToEnum(Key, key) orelse return error.NoSuchKey) {
            .driver => setText(&state.driver, value),
            .nvml => setText(&state.nvml_version, value),
            .count => {
                const truth = std.mem.eql(u8, value, "true");
                const said = if (truth) state_file.unlimited else try assigning.number(u32, value);
                state_file.put(&state.count, said);
            },
            .absurd => state_file.put(&state.absurd, try flags(state_file.Absurd, value)),
            .talk => state_file.put(&state.talk, try flags(state_file.Talk, value)),
            .events => state_file.put(&state.supported_events, try assigning.number(u64, value)),
        }
    }
}

fn setText(place: *[80]u8, text: []const u8) void {
    place.* = @splat(0);
    const length = @min(text.len, place.len - 1);
    @memcpy(place[0..length], text[0..length]);
}

fn answerValue(state: *State, words: *Words, out: *std.Io.Writer) Error!void {
    const chosen = try chooseGpus(state, try need(words));
    const index = chosen.bits.findFirstSet() orelse return error.BadSelection;
    const place = &state.gpus[index];
    while (words.next()) |key| try out.print("{d}\n", .{assigning.read(place, key) orelse return error.NoSuchKey});
}

/// `calls reset` begins anew; `calls NAME` is one number; `calls` is all of them, a line each.
fn answerCalls(state: *State, words: *Words, out: *std.Io.Writer) Error!void {
    const word = words.next() orelse "all";
    if (std.mem.eql(u8, word, "reset")) {
        for (&state.calls) |*count| state_file.put(count, 0);
        return;
    }
    const first, const last = try functionRange(word);
    for (state_file.functions[first..last], state.calls[first..last]) |name, *count| {
        try out.print("{s} {d}\n", .{ name, state_file.get(count) });
    }
}

fn answerHangs(state: *State, words: *Words, out: *std.Io.Writer) Error!void {
    const first, const last = try functionRange(words.next() orelse "all");
    for (state_file.functions[first..last], state.faults[first..last]) |name, *place| {
        try out.print("{s} {d}\n", .{ name, state_file.get(&place.hangs) });
    }
}

fn chooseGpus(state: *State, text: []const u8) Error!Gpus {
    if (!std.mem.eql(u8, text, "all")) return Gpus.parse(text, state_file.max_gpus);
    var chosen: Gpus = .{};
    for (&state.gpus, 0..) |*place, index| {
        if (state_file.get(&place.present) != 0) chosen.bits.set(index);
    }
    return chosen;
}

fn functionRange(name: []const u8) Error!struct { usize, usize } {
    if (std.mem.eql(u8, name, "all")) return .{ 0, state_file.functions.len };
    for (state_file.functions, 0..) |known, index| {
        if (std.mem.eql(u8, known, name)) return .{ index, index + 1 };
    }
    return error.NoSuchFunction;
}

/// Names between commas; `none` is none of them.
fn flags(comptime Names: type, text: []const u8) Error!u32 {
    var bits: u32 = 0;
    if (std.mem.eql(u8, text, "none")) return bits;
    var names = std.mem.splitScalar(u8, text, ',');
    while (names.next()) |name| {
        const flag = std.meta.stringToEnum(Names, name) orelse return error.NoSuchWord;
        bits |= @as(u32, 1) << @backingInt(flag);
    }
    return bits;
}

fn pair(word: []const u8) Error!struct { []const u8, []const u8 } {
    const at = std.mem.indexOfScalar(u8, word, '=') orelse return error.NoSuchWord;
    return .{ word[0..at], word[at + 1 ..] };
}

fn need(words: *Words) Error![]const u8 {
    return words.next() orelse error.MissingWord;
}
