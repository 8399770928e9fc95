//! The GPUs that enumeration has shown, by UUID: an index or a handle is another GPU's after a hot plug.

const std = @import("std");
const abi = @import("abi.zig");
const nvml = @import("nvml.zig");

pub const Uuid = [abi.Text.uuid]u8;

/// Where a link's error counters are read; it differs between generations of GPUs.
pub const LinkCounters = enum { unknown, data_link, counts, calls, none };

pub const Device = struct {
    handle: nvml.nvmlDevice_t,
    uuid: Uuid,
    index: u32,
    /// In the enumeration that is under way.
    seen: bool,
    /// In the last whole enumeration.
    present: bool,
    /// Another number each time that it comes: its events are registered anew then.
    arrival: u32,
    mig: bool,
    facts: Facts,
};

/// What hardly ever changes, so that it is not asked for each period.
pub const Facts = struct {
    /// Rounds until they are read anew.
    rounds_left: u32,
    name: [abi.Text.name]u8,
    bus_id: [abi.Text.bus_id]u8,
    slowdown_c: ?u32,
    shutdown_c: ?u32,
    /// Links that this GPU does not have, a bit each.
    absent_links: u64,
    link_counters: LinkCounters,
};

/// The sampler's own.
pub const Table = struct {
    count: u32,
    arrivals: u32,
    /// A GPU came, went, or has another handle.
    changed: bool,
    slots: [abi.max_gpus]Device,

    pub fn begin(self: *Table) void {
        for (self.all()) |*device| device.seen = false;
    }

    pub fn all(self: *Table) []Device {
        return self.slots[0..self.count];
    }

    /// Null for a UUID that this enumeration has shown already.
    pub fn see(self: *Table, uuid: Uuid, handle: nvml.nvmlDevice_t, index: u32) ?*Device {
        const device = self.find(uuid) orelse self.add(uuid) orelse return null;
        if (device.seen) return null;
        if (!device.present or device.handle != handle) {
            self.changed = true;
            self.arrivals +%= 1;
            device.arrival = self.arrivals;
            device.facts.rounds_left = 0;
        }
        device.seen = true;
        device.handle = handle;
        device.index = index;
        return device;
    }

    /// The GPU that was at an index in the last enumeration and has not been seen in this one.
    pub fn missingAt(self: *Table, index: u32) ?*Device {
        for (self.all()) |*device| {
            if (device.present and !device.seen and device.index == index) return device;
        }
        return null;
    }

    /// Those seen are present now. True where the event thread should know of a change.
    pub fn finish(self: *Table) bool {
        for (self.all()) |*device| {
            self.changed = self.changed or device.present != device.seen;
            device.present = device.seen;
        }
        defer self.changed = false;
        return self.changed;
    }

    fn find(self: *Table, uuid: Uuid) ?*Device {
        for (self.all()) |*device| {
            if (std.mem.eql(u8, &device.uuid, &uuid)) return device;
        }
        return null;
    }

    /// GPUs that went are kept, because events of theirs may still come, until the place is needed.
    fn add(self: *Table, uuid: Uuid) ?*Device {
        const device = if (self.count < self.slots.len) blk: {
            self.count += 1;
            break :blk &self.slots[self.count - 1];
        } else for (self.all()) |*candidate| {
            if (!candidate.present and !candidate.seen) break candidate;
        } else return null;
        device.* = std.mem.zeroes(Device);
        device.uuid = uuid;
        return device;
    }
};

/// What the event thread needs to know of a GPU.
pub const Known = struct {
    handle: nvml.nvmlDevice_t,
    uuid: Uuid,
    arrival: u32,
    present: bool,
    mig: bool,
};

/// The table as the event thread sees it. The lock is held while copying and never during a call.
pub const Board = struct {
    lock: std.c.pthread_mutex_t,
    generation: std.atomic.Value(u32),
    count: u32,
    known: [abi.max_gpus]Known,

    pub fn write(self: *Board, table: *Table) void {
        _ = std.c.pthread_mutex_lock(&self.lock);
        defer _ = std.c.pthread_mutex_unlock(&self.lock);
        self.count = table.count;
        for (table.all(), self.known[0..table.count]) |device, *known| known.* = .{
            .handle = device.handle,
            .uuid = device.uuid,
            .arrival = device.arrival,
            .present = device.present,
            .mig = device.mig,
        };
        _ = self.generation.fetchAdd(1, .release);
    }

    pub const View = struct {
        generation: u32 = 0,
        count: u32 = 0,
        known: [abi.max_gpus]Known = undefined,

        pub fn all(self: *View) []Known {
            return self.known[0..self.count];
        }

        /// One that is there, or else one that was there once.
        pub fn find(self: *View, handle: nvml.nvmlDevice_t) ?*Known {
            var gone: ?*Known = null;
            for (self.all()) |*known| {
                if (known.handle != handle) continue;
                if (known.present) return known;
                gone = known;
            }
            return gone;
        }
    };

    /// False where nothing has changed.
    pub fn read(self: *Board, view: *View) bool {
        if (self.generation.load(.acquire) == view.generation) return false;
        _ = std.c.pthread_mutex_lock(&self.lock);
        defer _ = std.c.pthread_mutex_unlock(&self.lock);
        view.generation = self.generation.load(.monotonic);
        view.count = self.count;
        @memcpy(view.known[0..view.count], self.known[0..self.count]);
        return true;
    }
};

/// Copies text that the library wrote into a buffer: false where it has no end, is empty, or is not plain ASCII.
pub fn copyText(comptime length: usize, out: *[length]u8, from: *const [length]u8) bool {
    out.* = @splat(0);
    const end = std.mem.findScalar(u8, from, 0) orelse return false;
    for (from[0..end]) |char| if (char < 0x20 or char > 0x7e) return false;
    @memcpy(out[0..end], from[0..end]);
    return end > 0;
}

const testing = std.testing;

fn uuidOf(comptime text: []const u8) Uuid {
    var uuid: Uuid = @splat(0);
    @memcpy(uuid[0..text.len], text);
    return uuid;
}

fn handleOf(number: usize) nvml.nvmlDevice_t {
    return @ptrFromInt(number);
}

fn emptyTable() !*Table {
    const table = try testing.allocator.create(Table);
    table.* = std.mem.zeroes(Table);
    return table;
}

test "a GPU that goes and comes back has arrived anew" {
    const table = try emptyTable();
    defer testing.allocator.destroy(table);
    table.begin();
    try testing.expectEqual(1, table.see(uuidOf("GPU-a"), handleOf(1), 0).?.arrival);
    try testing.expect(table.finish());
    table.begin();
    _ = table.see(uuidOf("GPU-a"), handleOf(1), 0);
    try testing.expect(!table.finish());
    table.begin();
    try testing.expect(table.finish());
    table.begin();
    try testing.expectEqual(2, table.see(uuidOf("GPU-a"), handleOf(1), 3).?.arrival);
    try testing.expect(table.finish());
    try testing.expectEqual(1, table.count);
}

test "one UUID twice in one enumeration counts once" {
    const table = try emptyTable();
    defer testing.allocator.destroy(table);
    table.begin();
    try testing.expect(table.see(uuidOf("GPU-a"), handleOf(1), 0) != null);
    try testing.expect(table.see(uuidOf("GPU-a"), handleOf(2), 1) == null);
}

test "an index without a handle is the GPU that was there" {
    const table = try emptyTable();
    defer testing.allocator.destroy(table);
    table.begin();
    _ = table.see(uuidOf("GPU-a"), handleOf(1), 0);
    _ = table.see(uuidOf("GPU-b"), handleOf(2), 1);
    _ = table.finish();
    table.begin();
    _ = table.see(uuidOf("GPU-a"), handleOf(1), 0);
    try testing.expectEqualStrings("GPU-b", std.mem.sliceTo(&table.missingAt(1).?.uuid, 0));
    try testing.expect(table.missingAt(0) == null);
}

test "GPUs that went give their place to those that come" {
    const table = try emptyTable();
    defer testing.allocator.destroy(table);
    for (0..3) |generation| {
        table.begin();
        for (0..abi.max_gpus) |i| {
            var uuid: Uuid = @splat(0);
            _ = try std.fmt.bufPrint(&uuid, "GPU-{d}-{d}", .{ generation, i });
            try testing.expect(table.see(uuid, handleOf(i + 1), @intCast(i)) != null or generation == 1);
        }
        _ = table.finish();
    }
    try testing.expectEqual(abi.max_gpus, table.count);
}

test "an event of a GPU that went is still its own" {
    const table = try emptyTable();
    defer testing.allocator.destroy(table);
    const board = try testing.allocator.create(Board);
    defer testing.allocator.destroy(board);
    board.* = std.mem.zeroes(Board);
    table.begin();
    _ = table.see(uuidOf("GPU-a"), handleOf(1), 0);
    _ = table.finish();
    table.begin();
    _ = table.finish();
    board.write(table);
    var view: Board.View = .{};
    try testing.expect(board.read(&view));
    try testing.expect(!board.read(&view));
    try testing.expectEqualStrings("GPU-a", std.mem.sliceTo(&view.find(handleOf(1)).?.uuid, 0));
    try testing.expect(view.find(handleOf(2)) == null);
}

test "text without an end, or with other bytes, is not taken" {
    var out: [4]u8 = undefined;
    try testing.expect(copyText(4, &out, "abc\x00"));
    try testing.expectEqualStrings("abc\x00", &out);
    try testing.expect(!copyText(4, &out, "abcd"));
    try testing.expect(!copyText(4, &out, "a\x07c\x00"));
    try testing.expect(!copyText(4, &out, "\x00bcd"));
    try testing.expectEqualStrings("\x00\x00\x00\x00", &out);
}
