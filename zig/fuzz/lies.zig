//! What a lie looks like, and when there is one.

const std = @import("std");
const nvml = @import("nvml");

const names = std.meta.declarations(nvml.Function);

pub var calls: std.atomic.Value(u64) = .init(0);
var counts: [names.len]std.atomic.Value(u64) = @splat(.init(0));
var seed: std.atomic.Value(u64) = .init(0);
var gpu_count: std.atomic.Value(u32) = .init(0);

/// Set by reseed, or by the environment at the first call.
var is_seeded: std.atomic.Value(bool) = .init(false);

/// How many of a hundred answers are lies: a mood lasts from one enumeration to the next, and most are good ones,
/// because a library that only lies is not asked for much.
const moods = [_]u32{ 0, 0, 1, 1, 1, 2, 2, 10, 30, 80 };

pub fn reseed(value: u64, gpus: u32) void {
    for (&counts) |*count| count.store(0, .monotonic);
    seed.store(value, .monotonic);
    gpu_count.store(@min(gpus, 256), .monotonic);
    is_seeded.store(true, .release);
}

fn setting(name: [*:0]const u8, default: u64) u64 {
    const text = std.c.getenv(name) orelse return default;
    return std.fmt.parseInt(u64, std.mem.span(text), 10) catch default;
}

pub fn isFlooding() bool {
    return setting("FUZZ_NVML_FLOOD", 0) != 0;
}

/// When it tells the truth.
pub fn honestGpus() u32 {
    return gpu_count.load(.monotonic);
}

const handle_base = 0x10_0000;

pub fn handleOf(index: usize, instance: usize) usize {
    return handle_base + (index & 0xfff) * 0x1000 + (instance & 0xff) * 8;
}

/// Of any number: what was never given out is some GPU all the same.
pub fn indexOf(handle: usize) usize {
    return ((handle -% handle_base) / 0x1000) & 0xfff;
}

pub fn instanceOf(handle: usize) usize {
    return (handle / 8) & 0xff;
}

pub const Ask = struct {
    state: u64,
    percent: u32,
    /// How many calls of this function there were before.
    nth: u64,

    pub fn begin(comptime name: [:0]const u8) Ask {
        const which = comptime place(name);
        if (!is_seeded.load(.acquire)) {
            reseed(setting("FUZZ_NVML_SEED", 1), @truncate(setting("FUZZ_NVML_GPUS", 8)));
        }
        _ = calls.fetchAdd(1, .monotonic);
        const nth = counts[which].fetchAdd(1, .monotonic);
        const round = counts[comptime place("nvmlDeviceGetCount_v2")].load(.monotonic);
        var mood: Ask = .{ .state = seed.load(.monotonic) ^ (round *% 0x9e37_79b9_7f4a_7c15), .percent = 0, .nth = 0 };
        const percent = moods[mood.below(moods.len)];
        const mixed = seed.load(.monotonic) +% (nth *% 0xd134_2543_de82_ef95) +% (@as(u64, which) << 56);
        var ask: Ask = .{ .state = mixed, .percent = percent, .nth = nth };
        _ = ask.next();
        return ask;
    }

    fn place(comptime name: []const u8) usize {
        @setEvalBranchQuota(10_000);
        for (names, 0..) |known, i| if (std.mem.eql(u8, known, name)) return i;
        unreachable;
    }

    /// SplitMix64.
    pub fn next(self: *Ask) u64 {
        self.state +%= 0x9e37_79b9_7f4a_7c15;
        var z = self.state;
        z = (z ^ (z >> 30)) *% 0xbf58_476d_1ce4_e5b9;
        z = (z ^ (z >> 27)) *% 0x94d0_49bb_1331_11eb;
        return z ^ (z >> 31);
    }

    pub fn below(self: *Ask, limit: u32) u32 {
        return @intCast(self.next() % limit);
    }

    pub fn isLie(self: *Ask) bool {
        return self.below(100) < self.percent;
    }

    fn pick(self: *Ask, comptime T: type, comptime choices: []const T) T {
        return choices[self.below(choices.len)];
    }

    pub fn number(self: *Ask, comptime T: type) T {
        const max = std.math.maxInt(T);
        const half = @as(T, 1) << (@bitSizeOf(T) - 1);
        return switch (self.below(4)) {
            0 => self.pick(T, &.{ max, max - 1, half, half - 1, half + 1 }),
            1 => self.pick(T, &.{ 0, 1, 2, 7, 35, 36, 37, 100, 255, 256, 257, 1_000, 65_535, 65_536 }),
            2 => @truncate(self.next()),
            else => @truncate(self.next() >> @intCast(self.below(64))),
        };
    }

    pub fn give(self: *Ask, comptime T: type, out: ?*T, honest: T) void {
        const pointer = out orelse return;
        if (!self.isLie()) pointer.* = honest else if (self.below(8) != 0) pointer.* = self.number(T);
    }

    /// Null, another's, one that nobody knows, or none at all.
    pub fn giveHandle(self: *Ask, out: anytype, honest: usize) void {
        const pointer = out orelse return;
        if (!self.isLie()) pointer.* = @ptrFromInt(honest) else switch (self.below(4)) {
            0 => pointer.* = null,
            1 => pointer.* = @ptrFromInt(handleOf(self.below(16), 0)),
            2 => pointer.* = @ptrFromInt(self.next() | 1),
            else => {},
        }
    }

    pub fn giveText(self: *Ask, out: ?[*]u8, length: c_uint, honest: anytype) void {
        const buffer = (out orelse return)[0..length];
        const text = honest.written();
        const lie = self.isLie();
        if (!lie or self.below(3) == 0) {
            const fits = @min(text.len, length -| 1);
            @memcpy(buffer[0..fits], text[0..fits]);
            if (fits < length) buffer[fits] = 0;
        }
        if (lie) self.spoil(buffer);
    }

    fn spoil(self: *Ask, buffer: []u8) void {
        const at = self.below(@intCast(buffer.len));
        switch (self.below(10)) {
            0 => @memset(buffer, 'A'),
            1 => self.junk(buffer),
            2 => buffer[0] = 0,
            3 => buffer[at] = self.pick(u8, &.{ 0x00, 0x07, 0x0a, 0x0d, 0x1b, 0x7f, 0x80, 0xff, ' ', '/', '"', '\\' }),
            4 => put(buffer, "GPU-\x1b]0;owned\x07\x1b[31m\r\nlevel=error"),
            5 => put(buffer, "../../../etc/passwd"),
            6 => put(buffer, self.pick([]const u8, &.{ " ", "-", ".", "GPU-", "gpu_0", "${HOME}", "%s%n", "null" })),
            7 => {
                @memset(buffer, 'x');
                buffer[buffer.len - 1] = 0;
            },
            // Another one each time: plausible, and unknown so far.
            8 => _ = std.fmt.bufPrint(buffer, "GPU-{x:0>16}\x00", .{self.next()}) catch {},
            // A duplicate.
            else => put(buffer, "GPU-00000000-5eed-4000-8000-000000000000"),
        }
    }

    pub fn junk(self: *Ask, bytes: []u8) void {
        for (bytes) |*byte| byte.* = @truncate(self.next());
    }

    /// Half of the calls that lie say that they worked.
    pub fn code(self: *Ask) nvml.nvmlReturn_t {
        if (!self.isLie()) return nvml.NVML_SUCCESS;
        return switch (self.below(8)) {
            0 => nvml.NVML_ERROR_GPU_IS_LOST,
            1 => self.below(32),
            2 => self.number(u32),
            3 => self.pick(u32, &.{ 999, 1_000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff }),
            else => nvml.NVML_SUCCESS,
        };
    }
};

fn put(buffer: []u8, text: []const u8) void {
    const length = @min(text.len, buffer.len - 1);
    @memcpy(buffer[0..length], text[0..length]);
    buffer[length] = 0;
}
