//! The functions of the library that are called here, and which of them a thread is in at the moment: a call that never
//! comes back is seen from outside.

const std = @import("std");
const nvml = @import("nvml.zig");
const clock = @import("clock.zig");
const linux = std.os.linux;

/// `dlopen` is no function of the library, but loading it runs code of the library all the same.
pub const Call = enum(u8) {
    none,
    dlopen,
    nvmlInit_v2,
    nvmlShutdown,
    nvmlDeviceGetCount_v2,
    nvmlDeviceGetHandleByIndex_v2,
    nvmlDeviceGetUUID,
    nvmlDeviceGetName,
    nvmlEventSetCreate,
    nvmlEventSetFree,
    nvmlEventSetWait_v2,
    nvmlDeviceRegisterEvents,
    // From here on a library may lack them.
    nvmlDeviceGetSupportedEventTypes,
    nvmlSystemGetDriverVersion,
    nvmlSystemGetNVMLVersion,
    nvmlDeviceGetPciInfo_v3,
    nvmlDeviceGetTemperature,
    nvmlDeviceGetTemperatureThreshold,
    nvmlDeviceGetCurrentClocksEventReasons,
    nvmlDeviceGetCurrentClocksThrottleReasons,
    nvmlDeviceGetPowerUsage,
    nvmlDeviceGetTotalEccErrors,
    nvmlDeviceGetRemappedRows,
    nvmlDeviceGetRetiredPages,
    nvmlDeviceGetRetiredPagesPendingStatus,
    nvmlDeviceGetSramEccErrorStatus,
    nvmlDeviceGetNvLinkState,
    nvmlDeviceGetNvLinkErrorCounter,
    nvmlDeviceGetFieldValues,
    nvmlDeviceGetGpuFabricInfoV,
    nvmlDeviceGetMigMode,
    nvmlDeviceGetMaxMigDeviceCount,
    nvmlDeviceGetMigDeviceHandleByIndex,
    nvmlDeviceGetGpuInstanceId,
    nvmlDeviceGetComputeInstanceId,
};

pub const names = @typeInfo(Call).@"enum".field_names;

/// The first and the last that belong to the library, and the last without which nothing works.
pub const first: u8 = @backingInt(Call.nvmlInit_v2);
pub const last_required: u8 = @backingInt(Call.nvmlDeviceRegisterEvents);

/// The calls, running and ended, as other processes see them: a page of memory that has no name, which the server hands
/// to its host process. It survives whatever ends that, so that the call in which a library crashed has a name and what
/// was counted is not lost. src/native/calls-page.ts reads it by words.
pub const Page = extern struct {
    sampler: Running,
    events: Running,

    pub const size = 4096;

    comptime {
        if (@sizeOf(Page) > size) @compileError("the page is too small for so many calls");
        // A word at the beginning, and three for each call.
        std.debug.assert(@sizeOf(Running) == 8 + names.len * 3 * 8);
    }

    /// A descriptor, or a negated errno.
    pub fn create() i32 {
        const made = linux.memfd_create("nvml-calls", linux.MFD.CLOEXEC);
        if (linux.errno(made) != .SUCCESS) return -@as(i32, @backingInt(linux.errno(made)));
        const fd: i32 = @intCast(made);
        const grown = linux.errno(linux.ftruncate(fd, size));
        if (grown == .SUCCESS) return fd;
        _ = linux.close(fd);
        return -@as(i32, @backingInt(grown));
    }

    /// Null for what is no such page. Without a descriptor it is seen by this process alone.
    pub fn map(fd: ?i32) ?*Page {
        // Beyond the end of a shorter file a write is a fault.
        if (fd) |shared| if (linux.lseek(shared, 0, linux.SEEK.END) != size) return null;
        const mapped = linux.mmap(null, size, .{ .READ = true, .WRITE = true }, .{
            .TYPE = if (fd == null) .PRIVATE else .SHARED,
            .ANONYMOUS = fd == null,
        }, fd orelse -1, 0);
        return if (linux.errno(mapped) == .SUCCESS) @ptrFromInt(mapped) else null;
    }

    pub fn unmap(self: *Page) void {
        _ = linux.munmap(@ptrCast(self), size);
    }
};

/// One per thread, written by that thread alone.
pub const Running = extern struct {
    /// The call and its beginning, in one word so that they always belong together.
    word: std.atomic.Value(u64),
    ended: [names.len]Tally,

    /// Below them the call, above them the microseconds.
    pub const call_bits = 8;

    pub const idle = std.mem.zeroes(Running);

    pub const Seen = struct { call: u32, since_ns: u64 };

    fn enter(self: *Running, call: Call) void {
        // Microseconds in 56 bits last for two thousand years.
        self.word.store(nowUs() << call_bits | @backingInt(call), .release);
    }

    fn leave(self: *Running) void {
        const word = self.word.raw;
        self.word.store(0, .release);
        self.ended[word & 0xff].add(nowUs() -| (word >> call_bits));
    }

    fn nowUs() u64 {
        return clock.monotonicNs() / 1_000;
    }

    pub fn seen(self: *const Running) Seen {
        const word = self.word.load(.acquire);
        return .{ .call = @intCast(word & 0xff), .since_ns = (word >> call_bits) * 1_000 };
    }
};

/// The calls of one function that have ended. There is one writer, and each word is read for itself: a reader may see
/// the last call in one of them and not yet in another.
pub const Tally = extern struct {
    count: std.atomic.Value(u64),
    sum_us: std.atomic.Value(u64),
    longest_us: std.atomic.Value(u64),

    fn add(self: *Tally, us: u64) void {
        self.count.store(self.count.raw + 1, .release);
        self.sum_us.store(self.sum_us.raw +| us, .release);
        self.longest_us.store(@max(self.longest_us.raw, us), .release);
    }
};

/// What a loaded library exports, by Call.
pub const Addresses = [names.len]?*const anyopaque;

/// The library, as one thread calls it.
pub const Caller = struct {
    addresses: *const Addresses,
    running: *Running,

    /// FUNCTION_NOT_FOUND where the library has no such function.
    pub fn call(self: Caller, comptime which: Call, arguments: anytype) nvml.nvmlReturn_t {
        const address = self.addresses[@backingInt(which)] orelse return nvml.NVML_ERROR_FUNCTION_NOT_FOUND;
        const function: *const @field(nvml.Function, @tagName(which)) = @ptrCast(@alignCast(address));
        self.running.enter(which);
        defer self.running.leave();
        return @call(.auto, function, arguments);
    }

    /// Anything else that runs code of the library.
    pub fn during(self: Caller, comptime which: Call) void {
        self.running.enter(which);
    }

    pub fn after(self: Caller) void {
        self.running.leave();
    }
};

/// The name of a return code, without NVML_ERROR_; empty where this program does not know it.
pub fn returnName(code: nvml.nvmlReturn_t) []const u8 {
    @setEvalBranchQuota(100_000);
    const prefix = "NVML_ERROR_";
    inline for (@typeInfo(nvml).@"struct".decl_names) |name| {
        if (comptime std.mem.startsWith(u8, name, prefix)) {
            if (@field(nvml, name) == code) return name[prefix.len..];
        }
    }
    return "";
}

fn answerSeven() callconv(.c) nvml.nvmlReturn_t {
    return 7;
}

test "a function that the library lacks is not found" {
    var addresses: Addresses = @splat(null);
    var running: Running = .idle;
    const caller: Caller = .{ .addresses = &addresses, .running = &running };
    try std.testing.expectEqual(nvml.NVML_ERROR_FUNCTION_NOT_FOUND, caller.call(.nvmlShutdown, .{}));
    addresses[@backingInt(Call.nvmlShutdown)] = &answerSeven;
    try std.testing.expectEqual(7, caller.call(.nvmlShutdown, .{}));
    try std.testing.expectEqual(0, running.seen().call);
}

test "a running call is seen with its beginning" {
    var running: Running = .idle;
    const before = clock.monotonicNs();
    running.enter(.nvmlDeviceGetMigMode);
    const seen = running.seen();
    try std.testing.expectEqualStrings("nvmlDeviceGetMigMode", names[seen.call]);
    try std.testing.expect(seen.since_ns + 1_000 > before and seen.since_ns <= clock.monotonicNs());
}

test "calls that have ended are counted by function, with their time" {
    var running: Running = .idle;
    for (0..3) |_| {
        running.enter(.nvmlDeviceGetMigMode);
        clock.nap(2);
        running.leave();
    }
    running.enter(.nvmlShutdown);
    const ended = &running.ended[@backingInt(Call.nvmlDeviceGetMigMode)];
    try std.testing.expectEqual(3, ended.count.raw);
    try std.testing.expect(ended.sum_us.raw >= 3 * 2_000 and ended.longest_us.raw >= 2_000);
    try std.testing.expect(ended.longest_us.raw <= ended.sum_us.raw);
    try std.testing.expectEqual(0, running.ended[@backingInt(Call.nvmlShutdown)].count.raw);
}

test "what one maps of a page, another sees" {
    const fd = Page.create();
    defer _ = linux.close(fd);
    const first_map = Page.map(fd).?;
    defer first_map.unmap();
    const second_map = Page.map(fd).?;
    defer second_map.unmap();
    first_map.events.enter(.nvmlShutdown);
    try std.testing.expectEqual(@backingInt(Call.nvmlShutdown), second_map.events.seen().call);
    try std.testing.expect(Page.map(-1) == null);
}

test "return codes have names" {
    try std.testing.expectEqualStrings("DRIVER_NOT_LOADED", returnName(9));
    try std.testing.expectEqualStrings("", returnName(4711));
}
