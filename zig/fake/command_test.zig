const std = @import("std");
const nvml = @import("nvml");
const command = @import("command.zig");
const state_file = @import("state.zig");
const State = state_file.State;
const expectEqual = std.testing.expectEqual;

fn fresh() !*State {
    const state = try std.testing.allocator.create(State);
    @memset(std.mem.asBytes(state), 0);
    command.fillNew(state);
    return state;
}

fn play(state: *State, lines: []const []const u8) !void {
    var buffer: [256]u8 = undefined;
    var out: std.Io.Writer = .fixed(&buffer);
    for (lines) |line| try command.run(state, line, &out);
}

fn expectRefused(state: *State, wanted: command.Error, line: []const u8) !void {
    var out: std.Io.Writer = .fixed(&.{});
    try std.testing.expectError(wanted, command.run(state, line, &out));
}

test "a new machine has eight healthy H100, and gpus begins another" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    try expectEqual(8, state_file.presentGpus(state));
    try play(state, &.{ "gpu 0 temperature=99", "fault all hang", "gpus 256 t4" });
    try expectEqual(256, state_file.presentGpus(state));
    try expectEqual(32, state.gpus[0].temperature);
    try expectEqual(0, state.gpus[255].link_count);
    for (&state.faults) |*fault| try expectEqual(0, fault.mode);
    try expectRefused(state, error.TooMany, "gpus 257 h100");
    try expectRefused(state, error.NoSuchProfile, "gpus 1 h300");
}

test "an index counts the GPUs that are there" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    try play(state, &.{"gpu 2,3 present=0"});
    try expectEqual(6, state_file.presentGpus(state));
    try expectEqual(4, state_file.slotAt(state, 2));
    try expectEqual(null, state_file.slotAt(state, 6));
}

test "a reset clears what is volatile and keeps what is for life" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    try play(state, &.{
        "gpu 1 lost=1 ecc_volatile_uncorrected=3 ecc_aggregate_uncorrected=+3 remap_pending=on remapped_uncorrected=1",
        "gpu 1 recovery_action=1 clock_reasons=0x48 mig_pending=1 serial=77",
        "link 1 4 down replay=9",
        "gpu 1 reset",
    });
    const gpu = &state.gpus[1];
    try expectEqual(0, gpu.lost);
    try expectEqual(0, gpu.ecc_volatile_uncorrected);
    try expectEqual(3, gpu.ecc_aggregate_uncorrected);
    try expectEqual(0, gpu.remap_pending);
    try expectEqual(1, gpu.remapped_uncorrected);
    try expectEqual(0, gpu.recovery_action);
    try expectEqual(1, gpu.mig_current);
    try expectEqual(77, gpu.serial);
    try expectEqual(1, gpu.links[4].active);
    try expectEqual(0, gpu.links[4].replay);
}

test "MIG mode and instances change by command, with the driver's event" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    try play(state, &.{ "mig 1 on 0-2", "mig 1 destroy 1", "mig 1 create 6" });
    const gpu = &state.gpus[1];
    try expectEqual(0b100_0101, gpu.mig_instances);
    try std.testing.expect(state_file.hasInstance(gpu, 6) and !state_file.hasInstance(gpu, 1));
    try std.testing.expect(!state_file.hasInstance(gpu, 7) and !state_file.hasInstance(gpu, 1_000));
    try expectEqual(3, state.event_head);
    try expectEqual(nvml.nvmlEventMigConfigChange, state.events[0].type);
    try expectEqual(1, state.events[0].slot);
    try play(state, &.{"gpu 1 reset"});
    try expectEqual(1, gpu.mig_current);
    try expectEqual(0, gpu.mig_instances);
    try play(state, &.{ "mig 1 on all", "mig 1 off" });
    try expectEqual(0, gpu.mig_current);
    try expectEqual(0, gpu.mig_instances);
    try expectRefused(state, error.BadSelection, "mig 1 create 7");
    try expectRefused(state, error.NoSuchWord, "mig 1 sideways");
    try expectRefused(state, error.MissingWord, "mig 1 create");
}

test "an event stands in the list for each GPU that is named" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    try play(state, &.{ "xid 3 79", "xid none 31", "event 0-1 0x100 0 gpu_instance=7 count=5" });
    try expectEqual(4, state.event_head);
    try expectEqual(79, state.events[0].data);
    try expectEqual(nvml.nvmlEventTypeXidCriticalError, state.events[0].type);
    try expectEqual(nvml.INVALID_GPU_INSTANCE_ID, state.events[0].gpu_instance);
    try expectEqual(state_file.any_gpu, state.events[1].slot);
    try expectEqual(1, state.events[3].slot);
    try expectEqual(7, state.events[3].gpu_instance);
    try expectEqual(5, state.events[3].count);
}

test "a fault is one function's, and clear lets go of it" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    const releases = state.faults[0].releases;
    try play(state, &.{"fault nvmlInit_v2 code=9 after=2 times=1"});
    try expectEqual(@backingInt(state_file.Mode.code), state.faults[0].mode);
    try expectEqual(9, state.faults[0].code);
    try expectEqual(0, state.faults[1].mode);
    try play(state, &.{"clear nvmlInit_v2"});
    try expectEqual(0, state.faults[0].mode);
    try std.testing.expect(state.faults[0].releases != releases);
}

test "answers are numbers, a line each" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    var buffer: [8192]u8 = undefined;
    var out: std.Io.Writer = .fixed(&buffer);
    state.calls[0] = 5;
    try command.run(state, "calls nvmlInit_v2", &out);
    try command.run(state, "get 0 slowdown temperature", &out);
    try std.testing.expectEqualStrings("nvmlInit_v2 5\n89\n32\n", out.buffered());
    try command.run(state, "calls reset", &out);
    try expectEqual(0, state.calls[0]);
}

test "what cannot be understood is refused by name" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    try expectRefused(state, error.NoSuchCommand, "explode");
    try expectRefused(state, error.MissingWord, "gpus");
    try expectRefused(state, error.NoSuchKey, "gpu 0 colour=1");
    try expectRefused(state, error.NoSuchWord, "gpu 0 with=wings");
    try expectRefused(state, error.NoSuchWord, "set absurd=everything");
    try expectRefused(state, error.NoSuchWord, "set talk=loudly");
    try expectRefused(state, error.BadSelection, "gpu 256 lost=1");
    try expectRefused(state, error.BadSelection, "link 0 36 down");
    try expectRefused(state, error.BadValue, "gpu 0 temperature=hot");
    try expectRefused(state, error.NoSuchFunction, "fault nvmlDeviceMelt hang");
    try play(state, &.{ "", "   " });
}

test "no line of bytes does harm" {
    const state = try fresh();
    defer std.testing.allocator.destroy(state);
    var random: std.Random.DefaultPrng = .init(4);
    const words = [_][]const u8{
        "gpus", "gpu", "link",   "xid",  "event", "fault",   "clear", "set",     "get",
        "0",    "all", "1-3",    "=",    "a=b",   "x",       "hang",  "99",      "calls",
        "-",    ",",   "reset",  "0x8",  "up",    "count=9", "none",  "lost=2",  "\xff",
        "=+",   "+",   "256",    "none", "down",  "gpu=",    "=1",    "after=1", "hangs",
        "mig",  "on",  "create",
    };
    var buffer: [256]u8 = undefined;
    for (0..20_000) |_| {
        var line: std.Io.Writer = .fixed(&buffer);
        for (0..random.random().uintLessThan(usize, 6)) |_| {
            try line.print("{s} ", .{words[random.random().uintLessThan(usize, words.len)]});
        }
        var answer: [8192]u8 = undefined;
        var out: std.Io.Writer = .fixed(&answer);
        command.run(state, line.buffered(), &out) catch {};
    }
}
