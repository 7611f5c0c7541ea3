//! One program that follows the container's streams, as the supervisor sees it (packets.zig). It
//! is not trusted to read, to write sense, or to be there: what it does wrong ends it alone.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const packets = @import("packets.zig");
const poll = @import("poll.zig");
const clock = @import("clock.zig");
const signals = @import("signals.zig");
const terminal = @import("terminal.zig");

/// What a packet from a follower asks of the supervisor.
pub const Request = union(enum) {
    nothing,
    /// It has gone, or must.
    gone,
    /// There is input (`Follower.input`).
    input,
    /// There will be no more input.
    input_end,
    signal: u8,
    size: terminal.Size,
};

/// How long a follower that does not read may hold up the payload.
pub const patience_ms = 2000;

pub const Follower = struct {
    fd: sys.Fd = -1,
    wishes: packets.Wishes = .{},
    /// The streams whose latest bytes it has not taken yet.
    waiting: [2]bool = .{ false, false },
    /// Its input has arrived, and it has not been told.
    owed_answer: bool = false,
    /// When it is given up, should it still not have taken all this.
    patience: clock.Timer = .{},
    /// It knows what there is to follow.
    is_greeted: bool = false,
    slot: poll.Slot = 0,
    buffer: *[1 + packets.input_bytes_max]u8 = undefined,
    /// Input on its way to the payload, within `buffer`.
    input: []const u8 = "",

    pub fn isThere(follower: *const Follower) bool {
        return follower.fd >= 0;
    }

    pub fn interest(follower: *Follower, set: *poll.Set) void {
        const room: i16 = if (follower.isBehind()) linux.POLL.OUT else 0;
        follower.slot = set.add(follower.fd, linux.POLL.IN | room);
        set.until(follower.patience);
    }

    pub fn isBehind(follower: *const Follower) bool {
        return follower.waiting[0] or follower.waiting[1] or follower.owed_answer;
    }

    /// Hands it the bytes of a stream, as a packet; false when it is no more.
    pub fn give(follower: *Follower, stream: usize, packet: []const u8) bool {
        const sent = packets.sendWhole(follower.fd, packet);
        return follower.note(sent, &follower.waiting[stream]);
    }

    /// Tells it that its input has reached the payload; false when it is no more.
    pub fn answer(follower: *Follower) bool {
        follower.input = "";
        return follower.note(packets.send(follower.fd, .accepted, ""), &follower.owed_answer);
    }

    fn note(follower: *Follower, sent: sys.Result(void), behind: *bool) bool {
        if (sent == .err and sent.err != .AGAIN) return false;
        behind.* = sent == .err;
        if (!follower.isBehind()) {
            follower.patience.stop();
        } else if (sent == .ok or follower.patience.at == null) {
            follower.patience.start(patience_ms);
        }
        return true;
    }

    /// What it has to say next.
    pub fn hear(follower: *Follower) Request {
        // Not before the last input has been answered: the buffer is that input's.
        var small: [8]u8 = undefined;
        const buffer: []u8 = if (follower.input.len == 0) follower.buffer else &small;
        const packet = switch (packets.receive(follower.fd, buffer)) {
            .ok => |packet| packet,
            .err => |e| return if (e == .AGAIN) .nothing else .gone,
        };
        if (packet.len == 0) return .gone;
        const body = packet[1..];
        switch (@as(packets.Kind, @fromBackingInt(packet[0]))) {
            .input => {
                if (!follower.wishes.input or follower.input.len > 0) return .gone;
                if (body.len == 0) return .gone;
                follower.input = body;
                return .input;
            },
            .input_end => return .input_end,
            .signal => {
                if (body.len != 1 or body[0] == 0 or body[0] > signals.highest) return .gone;
                return .{ .signal = body[0] };
            },
            .size => {
                if (body.len != 4) return .gone;
                return .{ .size = .{
                    .rows = std.mem.readInt(u16, body[0..2], .little),
                    .columns = std.mem.readInt(u16, body[2..4], .little),
                } };
            },
            else => return .gone,
        }
    }

    /// Its socket, with room for one more packet; null, and closed, where that does not come.
    pub fn leave(follower: *Follower) ?sys.Fd {
        var patience: clock.Timer = .{};
        patience.start(patience_ms);
        while (true) {
            var set: poll.Set = .{};
            const slot = set.add(follower.fd, linux.POLL.OUT);
            set.until(patience);
            set.wait() catch break;
            const fd = follower.fd;
            const has_room = set.ready(slot) & linux.POLL.OUT != 0;
            if (has_room) follower.* = .{ .buffer = follower.buffer };
            if (has_room) return fd;
            if (patience.goesOff()) break;
        }
        follower.close();
        return null;
    }

    pub fn close(follower: *Follower) void {
        sys.close(follower.fd);
        follower.* = .{ .buffer = follower.buffer };
    }
};

const testing = std.testing;

test "what a follower may not say ends it" {
    var buffer: [1 + packets.input_bytes_max]u8 = undefined;
    const wrong = [_][]const u8{
        "i",    "i" ++ "12345678", "s",         "s\x00", "s\x41", "z12", "q",
        "oxxx", "x\x00",           "s\x02\x02",
    };
    for (wrong) |packet| {
        const pair = sys.socketpair().ok;
        defer sys.close(pair[1]);
        var follower: Follower = .{ .fd = pair[0], .buffer = &buffer };
        defer follower.close();
        _ = packets.sendWhole(pair[1], packet).ok;
        try testing.expectEqual(Request.gone, follower.hear());
    }
}

test "input is heard once it has been answered, and signals at any time" {
    var buffer: [1 + packets.input_bytes_max]u8 = undefined;
    const pair = sys.socketpair().ok;
    defer sys.close(pair[1]);
    var follower: Follower = .{ .fd = pair[0], .buffer = &buffer, .wishes = .{ .input = true } };
    defer follower.close();

    try testing.expectEqual(Request.nothing, follower.hear());
    _ = packets.sendWhole(pair[1], "ihello").ok;
    try testing.expectEqual(Request.input, follower.hear());
    _ = packets.sendWhole(pair[1], "s\x0f").ok;
    try testing.expectEqual(Request{ .signal = 15 }, follower.hear());
    try testing.expectEqualStrings("hello", follower.input);
    _ = packets.sendWhole(pair[1], "z\x18\x00\x50\x00").ok;
    const size: Request = .{ .size = .{ .rows = 24, .columns = 80 } };
    try testing.expectEqual(size, follower.hear());
    try testing.expect(follower.answer());
    _ = packets.sendWhole(pair[1], "imore").ok;
    try testing.expectEqual(Request.input, follower.hear());
    _ = packets.sendWhole(pair[1], "itoo soon").ok;
    try testing.expectEqual(Request.gone, follower.hear());
}

test "a follower that reads nothing falls behind, and catches up" {
    var buffer: [1 + packets.input_bytes_max]u8 = undefined;
    const pair = sys.socketpair().ok;
    defer sys.close(pair[1]);
    var follower: Follower = .{ .fd = pair[0], .buffer = &buffer };
    defer follower.close();

    const packet: [1 << 10]u8 = @splat('o');
    while (!follower.isBehind()) try testing.expect(follower.give(0, &packet));
    try testing.expect(follower.patience.at != null);
    var read: [1 << 10]u8 = undefined;
    while (packets.receive(pair[1], &read) == .ok) {}
    try testing.expect(follower.give(0, &packet));
    try testing.expectEqual(null, follower.patience.at);
    sys.close(pair[1]);
    try testing.expect(!follower.give(0, &packet));
    _ = sys.dup(follower.fd, pair[1]).ok; // for the deferred close
}
