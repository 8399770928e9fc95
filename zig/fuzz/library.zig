//! A libnvidia-ml.so.1 that lies: every function of nvml.zig answers from a seeded generator, mostly plausibly, so that
//! the shim gets everywhere, and else with what no driver should say. The n-th call of a function answers the same for
//! the same seed, whatever thread it comes from. FUZZ_NVML_SEED is the seed, FUZZ_NVML_GPUS how many GPUs there are
//! when it tells the truth. With FUZZ_NVML_FLOOD=1 an event waits whenever somebody asks.

const std = @import("std");
const nvml = @import("nvml");
const lies = @import("lies.zig");
const waits = @import("waits.zig");
const Ask = lies.Ask;

/// Inside another runtime, as the real one: no signal handlers, and no storage for them in each thread.
pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

comptime {
    for (std.meta.declarations(nvml.Function)) |name| @export(function(name), .{ .name = name });
}

/// With exactly the declared signature.
fn function(comptime name: [:0]const u8) *const @field(nvml.Function, name) {
    const info = @typeInfo(@field(nvml.Function, name)).@"fn";
    const R = info.return_type.?;
    const P = info.param_types;
    return switch (P.len) {
        0 => &struct {
            fn f() callconv(.c) R {
                return answer(name, R, .{});
            }
        }.f,
        1 => &struct {
            fn f(a: P[0].?) callconv(.c) R {
                return answer(name, R, .{a});
            }
        }.f,
        2 => &struct {
            fn f(a: P[0].?, b: P[1].?) callconv(.c) R {
                return answer(name, R, .{ a, b });
            }
        }.f,
        3 => &struct {
            fn f(a: P[0].?, b: P[1].?, c: P[2].?) callconv(.c) R {
                return answer(name, R, .{ a, b, c });
            }
        }.f,
        4 => &struct {
            fn f(a: P[0].?, b: P[1].?, c: P[2].?, d: P[3].?) callconv(.c) R {
                return answer(name, R, .{ a, b, c, d });
            }
        }.f,
        5 => &struct {
            fn f(a: P[0].?, b: P[1].?, c: P[2].?, d: P[3].?, e: P[4].?) callconv(.c) R {
                return answer(name, R, .{ a, b, c, d, e });
            }
        }.f,
        else => @compileError(name ++ " has more parameters than this knows"),
    };
}

fn answer(comptime name: [:0]const u8, comptime R: type, arguments: anytype) R {
    var ask = Ask.begin(name);
    if (R != nvml.nvmlReturn_t) return null;
    // Without it there is nothing to see; that it can fail is known from elsewhere.
    if (comptime is(name, "nvmlInit_v2")) if (ask.nth == 0) return nvml.NVML_SUCCESS;
    if (comptime is(name, "nvmlEventSetWait_v2")) return waits.wait(&ask, arguments[1], arguments[2]);
    const truth = truthOf(name, arguments);
    if (truth != nvml.NVML_SUCCESS and !ask.isLie()) return truth;
    inline for (arguments, 0..) |argument, i| give(name, &ask, arguments, argument, i);
    return ask.code();
}

fn is(name: []const u8, other: []const u8) bool {
    return std.mem.eql(u8, name, other);
}

/// Calls to which an honest library says no: links and instances beyond the last.
fn truthOf(comptime name: [:0]const u8, arguments: anytype) nvml.nvmlReturn_t {
    if (comptime is(name, "nvmlDeviceGetNvLinkState")) {
        if (arguments[1] >= manyOf(arguments[0], 18)) return nvml.NVML_ERROR_INVALID_ARGUMENT;
    }
    if (comptime is(name, "nvmlDeviceGetMigDeviceHandleByIndex")) {
        if (arguments[1] >= manyOf(arguments[0], 3)) return nvml.NVML_ERROR_NOT_FOUND;
    }
    return nvml.NVML_SUCCESS;
}

/// One GPU in eight has more of everything than any can have.
fn manyOf(device: nvml.nvmlDevice_t, usual: u32) u32 {
    return if (lies.indexOf(@intFromPtr(device)) % 8 == 7) 1_000 else usual;
}

fn give(
    comptime name: [:0]const u8,
    ask: *Ask,
    arguments: anytype,
    out: anytype,
    comptime i: usize,
) void {
    switch (@TypeOf(out)) {
        ?*c_uint => ask.give(c_uint, out, honestOf(name, arguments)),
        ?*c_ulonglong => ask.give(c_ulonglong, out, honestNumber(name)),
        ?[*]u8 => ask.giveText(out, arguments[i + 1], Text.of(name, arguments)),
        ?*nvml.nvmlDevice_t => ask.giveHandle(out, honestHandle(name, arguments)),
        ?*nvml.nvmlEventSet_t => ask.giveHandle(out, 0x5e7),
        ?[*]nvml.nvmlFieldValue_t => giveFields(ask, out, arguments[1]),
        ?*nvml.nvmlPciInfo_t => givePci(ask, out),
        ?*nvml.nvmlGpuFabricInfoV_t => giveStruct(ask, out, nvml.nvmlGpuFabricInfoV_t),
        ?*nvml.nvmlEccSramErrorStatus_v1_t => giveStruct(ask, out, nvml.nvmlEccSramErrorStatus_v1_t),
        else => {},
    }
}

/// One GPU in four is cut into instances.
fn honestOf(comptime name: [:0]const u8, arguments: anytype) c_uint {
    if (comptime is(name, "nvmlDeviceGetMigMode")) {
        return @intFromBool(lies.indexOf(@intFromPtr(arguments[0])) % 4 == 3);
    }
    if (comptime is(name, "nvmlDeviceGetMaxMigDeviceCount")) return manyOf(arguments[0], 7);
    if (comptime is(name, "nvmlDeviceGetGpuInstanceId")) {
        return @intCast(lies.instanceOf(@intFromPtr(arguments[0])));
    }
    return honestNumber(name);
}

fn honestNumber(comptime name: [:0]const u8) u32 {
    const numbers = .{
        .{ "nvmlDeviceGetTemperature", 40 },                  .{ "nvmlDeviceGetTemperatureThreshold", 90 },
        .{ "nvmlDeviceGetPowerUsage", 300_000 },              .{ "nvmlDeviceGetNvLinkState", 1 },
        .{ "nvmlDeviceGetSupportedEventTypes", 0x0000_fd9f },
    };
    inline for (numbers) |number| if (comptime is(name, number[0])) return number[1];
    return if (comptime is(name, "nvmlDeviceGetCount_v2")) lies.honestGpus() else 0;
}

fn honestHandle(comptime name: [:0]const u8, arguments: anytype) usize {
    if (comptime is(name, "nvmlDeviceGetHandleByIndex_v2")) return lies.handleOf(arguments[0], 0);
    if (comptime is(name, "nvmlDeviceGetMigDeviceHandleByIndex")) {
        return lies.handleOf(lies.indexOf(@intFromPtr(arguments[0])), arguments[1] + 1);
    }
    return lies.handleOf(0, 0);
}

const Text = struct {
    buffer: [64]u8 = undefined,
    length: usize = 0,

    fn of(comptime name: [:0]const u8, arguments: anytype) Text {
        var text: Text = .{};
        const made = if (comptime is(name, "nvmlDeviceGetUUID"))
            text.uuid(@intFromPtr(arguments[0]))
        else if (comptime is(name, "nvmlDeviceGetName"))
            std.fmt.bufPrint(&text.buffer, "NVIDIA Liar 80GB", .{})
        else
            std.fmt.bufPrint(&text.buffer, "580.95.05", .{});
        text.length = (made catch unreachable).len;
        return text;
    }

    fn uuid(self: *Text, handle: usize) std.fmt.BufPrintError![]u8 {
        const instance = lies.instanceOf(handle);
        const kind = if (instance == 0) "GPU" else "MIG";
        const form = "{s}-{x:0>8}-5eed-4000-8000-{x:0>12}";
        return std.fmt.bufPrint(&self.buffer, form, .{ kind, lies.indexOf(handle), instance });
    }

    pub fn written(self: *const Text) []const u8 {
        return self.buffer[0..self.length];
    }
};

fn givePci(ask: *Ask, out: ?*nvml.nvmlPciInfo_t) void {
    const pci = out orelse return;
    var bus_id: Text = .{};
    bus_id.length = (std.fmt.bufPrint(&bus_id.buffer, "00000000:3B:00.0", .{}) catch unreachable).len;
    ask.giveText(&pci.busId, pci.busId.len, bus_id);
}

/// The version word too: the caller's is written over.
fn giveStruct(ask: *Ask, out: anytype, comptime T: type) void {
    const given = out orelse return;
    given.* = std.mem.zeroes(T);
    if (@hasField(T, "state")) given.state = nvml.NVML_GPU_FABRIC_STATE_COMPLETED;
    if (ask.isLie()) ask.junk(std.mem.asBytes(given));
}

fn giveFields(ask: *Ask, out: ?[*]nvml.nvmlFieldValue_t, count: c_int) void {
    const values = out orelse return;
    for (values[0..@intCast(@max(0, count))]) |*value| {
        if (ask.isLie()) {
            ask.junk(std.mem.asBytes(value));
            // Most types and codes are unknown then; some should be known, or the value would never matter.
            if (ask.below(2) == 0) value.nvmlReturn = nvml.NVML_SUCCESS;
            if (ask.below(2) == 0) value.valueType = ask.below(8);
        } else {
            value.nvmlReturn = nvml.NVML_SUCCESS;
            value.valueType = nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
            value.value.ullVal = 0;
        }
    }
}

/// How many calls of any function there were, in this process.
export fn fuzz_nvml_calls() u64 {
    return lies.calls.load(.monotonic);
}

/// Begins anew with another seed, and so many GPUs when it tells the truth.
export fn fuzz_nvml_reseed(seed: u64, gpus: u32) void {
    lies.reseed(seed, gpus);
}
