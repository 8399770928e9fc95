//! What one thread hands to another without a lock: every record in order (Ring), or the newest state alone (Latest).
//! Zeroed memory is an empty one of either.

const std = @import("std");

/// One producer, one consumer. When it is full the new record is dropped, and its number with it, so that the consumer
/// sees how many are missing and where.
pub fn Ring(comptime Record: type, comptime capacity: usize) type {
    comptime std.debug.assert(std.math.isPowerOfTwo(capacity));
    return struct {
        /// Records put in, by the producer.
        head: std.atomic.Value(u64) align(64),
        /// The number of the next record, put in or dropped.
        next_seq: std.atomic.Value(u64),
        /// Records taken out, by the consumer.
        tail: std.atomic.Value(u64) align(64),
        slots: [capacity]Record align(64),

        const Self = @This();

        /// Fills in `seq`. False where the record was dropped.
        pub fn push(self: *Self, record: Record) bool {
            const seq = self.next_seq.load(.monotonic);
            const head = self.head.load(.monotonic);
            const fits = head - self.tail.load(.acquire) < capacity;
            if (fits) {
                const slot = &self.slots[head % capacity];
                slot.* = record;
                slot.seq = seq;
                self.head.store(head + 1, .release);
            }
            // After the head: whoever reads this number first finds all records before it.
            self.next_seq.store(seq + 1, .release);
            return fits;
        }

        pub const Drained = struct {
            count: u32,
            /// Every record with a smaller number was put in or dropped before this drain began. If fewer came out than
            /// fitted, those that have not come out are lost.
            next_seq: u64,
        };

        pub fn drain(self: *Self, out: []Record) Drained {
            const next_seq = self.next_seq.load(.acquire);
            const tail = self.tail.load(.monotonic);
            const count = @min(self.head.load(.acquire) - tail, out.len);
            for (out[0..count], tail..) |*record, at| record.* = self.slots[at % capacity];
            self.tail.store(tail + count, .release);
            return .{ .count = @intCast(count), .next_seq = next_seq };
        }
    };
}

/// One producer, one consumer, three buffers: the producer never waits, and the consumer gets the newest whole one.
pub fn Latest(comptime Value: type) type {
    return struct {
        /// The exchanged buffer's number, and `fresh` while the consumer has not seen it.
        exchanged: std.atomic.Value(u8),
        front: u8,
        back: u8,
        started: bool,
        buffers: [3]Value,

        const Self = @This();
        const fresh: u8 = 4;

        /// Before either side uses it.
        pub fn start(self: *Self) void {
            self.front = 1;
            self.back = 2;
            self.started = true;
        }

        /// The producer's own buffer: it may hold an older value.
        pub fn edit(self: *Self) *Value {
            std.debug.assert(self.started);
            return &self.buffers[self.back];
        }

        pub fn publish(self: *Self) void {
            self.back = self.exchanged.swap(self.back | fresh, .acq_rel) & 3;
        }

        /// The newest value where it was not taken before; good until the next take.
        pub fn take(self: *Self) ?*const Value {
            if (self.exchanged.load(.monotonic) & fresh == 0) return null;
            self.front = self.exchanged.swap(self.front, .acq_rel) & 3;
            return &self.buffers[self.front];
        }
    };
}

const Numbered = struct { seq: u64 = 0, value: u64 };

fn emptyRing(comptime capacity: usize) Ring(Numbered, capacity) {
    return std.mem.zeroes(Ring(Numbered, capacity));
}

test "records come out in order, and numbered" {
    var ring = emptyRing(4);
    for (0..3) |value| try std.testing.expect(ring.push(.{ .value = value }));
    var out: [2]Numbered = undefined;
    try std.testing.expectEqual(2, ring.drain(&out).count);
    try std.testing.expectEqual(1, out[1].seq);
    try std.testing.expectEqual(1, out[1].value);
    try std.testing.expectEqual(1, ring.drain(&out).count);
    try std.testing.expectEqual(2, out[0].value);
    try std.testing.expectEqual(0, ring.drain(&out).count);
}

test "what does not fit is dropped and leaves a gap in the numbers" {
    var ring = emptyRing(4);
    for (0..10) |value| try std.testing.expectEqual(value < 4, ring.push(.{ .value = value }));
    var out: [8]Numbered = undefined;
    const first = ring.drain(&out);
    try std.testing.expectEqual(4, first.count);
    try std.testing.expectEqual(10, first.next_seq);
    try std.testing.expect(ring.push(.{ .value = 77 }));
    try std.testing.expectEqual(1, ring.drain(&out).count);
    try std.testing.expectEqual(10, out[0].seq);
    try std.testing.expectEqual(77, out[0].value);
}

test "two threads lose nothing that is not counted" {
    const total = 200_000;
    const Shared = Ring(Numbered, 64);
    const ring = try std.testing.allocator.create(Shared);
    defer std.testing.allocator.destroy(ring);
    ring.* = std.mem.zeroes(Shared);
    const thread = try std.Thread.spawn(.{}, struct {
        fn run(shared: *Shared) void {
            for (0..total) |value| _ = shared.push(.{ .value = value });
        }
    }.run, .{ring});
    var out: [16]Numbered = undefined;
    var expected: u64 = 0;
    var seen: u64 = 0;
    var lost: u64 = 0;
    while (expected < total) {
        const drained = ring.drain(&out);
        for (out[0..drained.count]) |record| {
            try std.testing.expectEqual(record.seq, record.value);
            try std.testing.expect(record.seq >= expected);
            lost += record.seq - expected;
            expected = record.seq + 1;
        }
        seen += drained.count;
        if (drained.count < out.len and drained.next_seq > expected) {
            lost += drained.next_seq - expected;
            expected = drained.next_seq;
        }
    }
    thread.join();
    try std.testing.expectEqual(total, seen + lost);
}

test "only the newest state is taken, once" {
    var latest = std.mem.zeroes(Latest(u64));
    latest.start();
    try std.testing.expectEqual(null, latest.take());
    for (1..6) |value| {
        latest.edit().* = value;
        latest.publish();
    }
    try std.testing.expectEqual(5, latest.take().?.*);
    try std.testing.expectEqual(null, latest.take());
    latest.edit().* = 6;
    latest.publish();
    try std.testing.expectEqual(6, latest.take().?.*);
}

test "a state is never seen half written" {
    const Pair = [64]u64;
    const Shared = Latest(Pair);
    const shared = try std.testing.allocator.create(Shared);
    defer std.testing.allocator.destroy(shared);
    shared.* = std.mem.zeroes(Shared);
    shared.start();
    const rounds = 20_000;
    const thread = try std.Thread.spawn(.{}, struct {
        fn run(latest: *Shared) void {
            for (1..rounds + 1) |value| {
                latest.edit().* = @splat(value);
                latest.publish();
            }
        }
    }.run, .{shared});
    var last: u64 = 0;
    while (last < rounds) {
        const value = shared.take() orelse continue;
        for (value) |part| try std.testing.expectEqual(value[0], part);
        try std.testing.expect(value[0] > last);
        last = value[0];
    }
    thread.join();
}
