//! The streams of a container that others than hb's own terminal have a part in: what the payload
//! writes goes to the log, to hb's own streams where it runs in the foreground, and to everyone who
//! follows; what they send is what it reads.
//!
//! What somebody has not taken yet is not followed by more, so nothing piles up: hb's own streams
//! may take their time, a follower two seconds, the log as long as its write takes.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const clock = @import("clock.zig");
const poll = @import("poll.zig");
const pump = @import("pump.zig");
const signals = @import("signals.zig");
const terminal = @import("terminal.zig");
const packets = @import("packets.zig");
const follower_module = @import("follower.zig");
const Follower = follower_module.Follower;
const Log = @import("log.zig").Log;
const Stream = @import("log.zig").Stream;

const POLL = linux.POLL;

const followers_max = 64;

/// A packet each; pages that are never used are never there.
var chunks: [2][1 + packets.output_bytes_max]u8 = undefined;
var inputs: [followers_max][1 + packets.input_bytes_max]u8 = undefined;
var own_input: [packets.input_bytes_max]u8 = undefined;

/// One stream the payload writes.
const Source = struct {
    end: pump.End = .{ .fd = -1 },
    chunk: *[1 + packets.output_bytes_max]u8,
    /// How much of `chunk` is on its way, the kind's byte included.
    filled: usize = 0,
    /// hb's own, and how much of `chunk` it has taken.
    own: ?pump.End = null,
    taken: usize = 0,
    slot: poll.Slot = 0,
    own_slot: poll.Slot = 0,

    fn ownIsBusy(source: *const Source) bool {
        return source.own != null and source.taken < source.filled;
    }

    fn flushOwn(source: *Source) void {
        const own = source.own orelse return;
        switch (own.write(source.chunk[source.taken..source.filled])) {
            .ok => |length| source.taken += length,
            .err => |e| if (e != .AGAIN) {
                // As a pipe without us would: the payload's next write finds nobody.
                source.close();
                // A reader or terminal that has gone away knows it; a full disk is news.
                if (e != .PIPE and e != .IO)
                    report.failErrno(e, "pass on the container's output", .{});
            },
        }
    }

    fn close(source: *Source) void {
        if (source.end.fd >= 0 and source.end.owned) sys.close(source.end.fd);
        source.end.fd = -1;
        const own = source.own orelse return;
        if (own.owned) sys.close(own.fd);
        source.own = null;
    }
};

pub const Fanout = struct {
    sources: [2]Source = .{ .{ .chunk = &chunks[0] }, .{ .chunk = &chunks[1] } },
    log: ?Log = null,
    followers: [followers_max]Follower = @splat(.{}),
    /// What the payload reads; -1 when that is nothing.
    input: pump.End = .{ .fd = -1 },
    input_slot: poll.Slot = 0,
    /// hb's own standard input.
    pumped: ?pump.Pump = null,
    pumped_slot: poll.Slot = 0,
    /// The payload reads its end of file once nobody is left who could send more (`run -i` and
    /// `start -ai`); a container started with `run -d -i` waits for the next to attach.
    ends_input: bool = false,
    is_terminal: bool = false,
    started: bool = false,
    /// Signals followers have sent, for the supervisor to deliver.
    signals: signals.Set = .none,
    /// The end of everybody's patience once the payload has ended.
    last_call: clock.Timer = .{},
    is_over: bool = false,

    /// Where an output of the payload's goes: a new pipe, whose other end is given to it.
    pub fn openOutput(fanout: *Fanout, stream: Stream, own: ?pump.End) report.Error!sys.Fd {
        const pipe = try report.check(sys.pipe(), "open a pipe for output", .{});
        try report.check(sys.setNonBlocking(pipe[0]), "prepare output", .{});
        const source = &fanout.sources[@backingInt(stream)];
        source.end = .{ .fd = pipe[0], .owned = true, .nonblocking = true };
        source.own = own;
        return pipe[1];
    }

    /// Where the payload's input comes from: a new pipe, whose other end is given to it.
    pub fn openInput(fanout: *Fanout, has_own: bool) report.Error!sys.Fd {
        const pipe = try report.check(sys.pipe(), "open a pipe for standard input", .{});
        try report.check(sys.setNonBlocking(pipe[1]), "prepare standard input", .{});
        fanout.input = .{ .fd = pipe[1], .owned = true, .nonblocking = true };
        if (has_own) fanout.takeOwnInput(.none);
        return pipe[0];
    }

    /// The payload's terminal is all its streams.
    pub fn useTerminal(
        fanout: *Fanout,
        master: sys.Fd,
        interactive: bool,
        has_own: bool,
    ) void {
        fanout.is_terminal = true;
        const end: pump.End = .{ .fd = master, .nonblocking = true };
        fanout.sources[0].end = end;
        if (has_own) fanout.sources[0].own = pump.outputEnd(1);
        if (!interactive) return;
        fanout.input = end;
        if (has_own) fanout.takeOwnInput(.end_of_transmission);
    }

    fn takeOwnInput(fanout: *Fanout, farewell: pump.Pump.Farewell) void {
        var to = fanout.input;
        to.owned = false; // it is the followers', too
        fanout.pumped = .{
            .from = .{ .fd = 0 },
            .to = to,
            .buffer = &own_input,
            .farewell = farewell,
        };
    }

    pub fn hasRoom(fanout: *const Fanout) bool {
        for (&fanout.followers) |*follower| if (!follower.isThere()) return true;
        return false;
    }

    /// Takes in a follower, by a socket that is ours from now on; there must be room.
    pub fn join(fanout: *Fanout, fd: sys.Fd, wishes: packets.Wishes) void {
        for (&fanout.followers, &inputs) |*follower, *buffer| {
            if (follower.isThere()) continue;
            follower.* = .{ .fd = fd, .wishes = wishes, .buffer = buffer };
            if (fanout.started) fanout.greet(follower);
            return;
        }
    }

    /// The payload runs: those who were there before may begin.
    pub fn start(fanout: *Fanout) void {
        fanout.started = true;
        for (&fanout.followers) |*follower| {
            if (follower.isThere() and !follower.is_greeted) fanout.greet(follower);
        }
    }

    fn greet(fanout: *Fanout, follower: *Follower) void {
        const offer: packets.Offer = .{
            .terminal = fanout.is_terminal,
            .input = fanout.input.fd >= 0 and follower.wishes.input,
        };
        follower.is_greeted = true;
        const sent = packets.send(follower.fd, .accepted, &.{@bitCast(offer)});
        if (sent == .err) _ = fanout.drop(follower);
    }

    // -- the loop --

    pub fn interest(fanout: *Fanout, set: *poll.Set) void {
        var has_input = false;
        for (&fanout.followers) |*follower| {
            if (!follower.isThere()) continue;
            follower.interest(set);
            has_input = has_input or follower.input.len > 0;
        }
        if (fanout.last_call.at != null and fanout.hasSlow()) set.until(fanout.last_call);
        for (&fanout.sources, 0..) |*source, i| {
            source.slot = set.add(if (fanout.isBusy(i)) -1 else source.end.fd, POLL.IN);
            const own: sys.Fd = if (source.own) |own| own.fd else -1;
            source.own_slot = set.add(if (source.ownIsBusy()) own else -1, POLL.OUT);
        }
        fanout.input_slot = set.add(if (has_input) fanout.input.fd else -1, POLL.OUT);
        // Not taken before there is somebody to read it.
        const pumped = if (fanout.pumped) |*pumped| pumped else return;
        const idle = !fanout.started or pumped.isDone();
        const wanted = pumped.interest();
        fanout.pumped_slot = set.add(if (idle) -1 else wanted.fd, wanted.events);
    }

    /// Moves what can be moved, after poll(2) has said what can.
    pub fn step(fanout: *Fanout, set: *const poll.Set) void {
        for (&fanout.sources, 0..) |*source, i| {
            if (set.ready(source.own_slot) != 0) source.flushOwn();
            if (set.ready(source.slot) != 0) _ = fanout.fill(i);
        }
        if (fanout.last_call.goesOff()) fanout.is_over = true;
        for (&fanout.followers) |*follower| {
            if (!follower.isThere()) continue;
            const ready = set.ready(follower.slot);
            if (ready & POLL.OUT != 0 and !fanout.catchUp(follower)) continue;
            if (ready & ~@as(i16, POLL.OUT) != 0) fanout.hear(follower);
            if (!follower.isThere()) continue;
            if (follower.patience.goesOff() or (fanout.is_over and follower.isBehind()))
                _ = fanout.drop(follower);
        }
        if (set.ready(fanout.input_slot) != 0) fanout.feed();
        const pumped = if (fanout.pumped) |*pumped| pumped else return;
        if (set.ready(fanout.pumped_slot) == 0) return;
        pumped.step();
        if (pumped.isDone()) fanout.endInput();
    }

    /// Whether somebody still has to take the latest bytes of a source.
    fn isBusy(fanout: *const Fanout, index: usize) bool {
        if (fanout.sources[index].ownIsBusy()) return true;
        for (&fanout.followers) |*follower| {
            if (follower.isThere() and follower.waiting[index]) return true;
        }
        return false;
    }

    fn hasSlow(fanout: *const Fanout) bool {
        for (&fanout.followers) |*follower| {
            if (follower.isThere() and follower.isBehind()) return true;
        }
        return false;
    }

    /// Reads a source once, and hands what came to everybody; false when nothing came.
    fn fill(fanout: *Fanout, index: usize) bool {
        const source = &fanout.sources[index];
        if (source.end.fd < 0) return false;
        const length = switch (sys.read(source.end.fd, source.chunk[1..])) {
            .ok => |length| length,
            // EIO is how a terminal says that it has hung up.
            .err => |e| if (e == .AGAIN) return false else 0,
        };
        if (length == 0) {
            source.close();
            return false;
        }
        const stream: Stream = @fromBackingInt(@intCast(index));
        const kind: packets.Kind = if (stream == .stdout) .output else .errors;
        source.chunk[0] = @backingInt(kind);
        source.filled = 1 + length;
        source.taken = 1;
        if (fanout.log) |*log| log.put(stream, source.chunk[1..source.filled]);
        for (&fanout.followers) |*follower| {
            if (!follower.isThere() or !follower.wishes.output) continue;
            const took = follower.give(index, source.chunk[0..source.filled]);
            if (!took or (fanout.is_over and follower.isBehind())) _ = fanout.drop(follower);
        }
        // One that may wait is asked first, by the next poll.
        if (source.own) |own| if (own.nonblocking) source.flushOwn();
        return true;
    }

    /// False when it is no more.
    fn catchUp(fanout: *Fanout, follower: *Follower) bool {
        for (&fanout.sources, 0..) |*source, i| {
            if (!follower.waiting[i]) continue;
            if (!follower.give(i, source.chunk[0..source.filled])) return fanout.drop(follower);
        }
        if (follower.owed_answer and !follower.answer()) return fanout.drop(follower);
        return true;
    }

    fn hear(fanout: *Fanout, follower: *Follower) void {
        switch (follower.hear()) {
            .nothing => {},
            .gone => _ = fanout.drop(follower),
            .input => if (fanout.input.fd < 0) {
                if (!follower.answer()) _ = fanout.drop(follower);
            },
            .input_end => {
                follower.wishes.input = false;
                fanout.endInput();
            },
            .signal => |signal| fanout.signals.add(signal),
            .size => |size| if (fanout.is_terminal)
                terminal.setSize(fanout.sources[0].end.fd, size),
        }
    }

    /// Returns false, for `return fanout.drop(follower)`.
    fn drop(fanout: *Fanout, follower: *Follower) bool {
        const gave_input = follower.wishes.input;
        follower.close();
        if (gave_input) fanout.endInput();
        return false;
    }

    /// Passes on the followers' input, as much as there is room for.
    fn feed(fanout: *Fanout) void {
        for (&fanout.followers) |*follower| {
            if (!follower.isThere() or follower.input.len == 0) continue;
            switch (sys.write(fanout.input.fd, follower.input)) {
                .ok => |length| follower.input = follower.input[length..],
                .err => |e| return if (e != .AGAIN) fanout.closeInput(),
            }
            if (follower.input.len == 0 and !follower.answer()) _ = fanout.drop(follower);
        }
    }

    /// One who could send input no longer does.
    fn endInput(fanout: *Fanout) void {
        if (!fanout.ends_input or fanout.input.fd < 0) return;
        if (fanout.pumped) |*pumped| if (!pumped.isDone()) return;
        for (&fanout.followers) |*follower| {
            if (follower.isThere() and follower.wishes.input) return;
        }
        // A terminal stays open; where it matters, the character for the end has been written.
        if (!fanout.is_terminal) fanout.closeInput();
    }

    fn closeInput(fanout: *Fanout) void {
        if (fanout.input.fd >= 0 and fanout.input.owned) sys.close(fanout.input.fd);
        fanout.input.fd = -1;
        if (fanout.pumped) |*pumped| pumped.close();
        for (&fanout.followers) |*follower| {
            // Nobody reads it, which is no reason to keep its sender waiting.
            if (follower.input.len > 0 and !follower.answer()) _ = fanout.drop(follower);
        }
    }

    // -- the end --

    /// After the payload's end: reads what is left. True as long as somebody has not taken it.
    pub fn drain(fanout: *Fanout) bool {
        fanout.closeInput();
        if (fanout.last_call.at == null and !fanout.is_over)
            fanout.last_call.start(follower_module.patience_ms);
        var pending = false;
        for (0..fanout.sources.len) |i| {
            while (!fanout.isBusy(i) and fanout.fill(i)) {}
            pending = pending or fanout.isBusy(i);
        }
        return pending;
    }

    /// One of those who have had everything and only wait to be told of the end: by a socket that
    /// is the caller's from now on. Null when there are no more.
    pub fn leave(fanout: *Fanout) ?sys.Fd {
        for (&fanout.followers) |*follower| {
            if (!follower.isThere()) continue;
            if (follower.leave()) |fd| return fd;
        }
        return null;
    }

    pub fn close(fanout: *Fanout) void {
        for (&fanout.followers) |*follower| if (follower.isThere()) follower.close();
        for (&fanout.sources) |*source| source.close();
        fanout.closeInput();
        if (fanout.log) |*log| log.close();
        fanout.log = null;
    }
};

const testing = std.testing;
const test_directory = @import("test_directory.zig");

/// A payload's side of a fan-out, and one turn of the supervisor's loop.
const Scene = struct {
    fanout: Fanout = .{},
    output: sys.Fd = -1,
    input: sys.Fd = -1,

    fn open(scene: *Scene) !void {
        signals.ignore(.PIPE);
        scene.output = try scene.fanout.openOutput(.stdout, null);
        scene.input = try scene.fanout.openInput(false);
        try testing.expectEqual(sys.Result(void){ .ok = {} }, sys.setNonBlocking(scene.input));
        scene.fanout.start();
    }

    fn follow(scene: *Scene, wishes: packets.Wishes) !sys.Fd {
        const pair = sys.socketpair().ok;
        try testing.expect(scene.fanout.hasRoom());
        scene.fanout.join(pair[0], wishes);
        try expectPacket(pair[1], if (wishes.input) "k\x02" else "k\x00");
        return pair[1];
    }

    fn turn(scene: *Scene) !void {
        var set: poll.Set = .{};
        scene.fanout.interest(&set);
        try set.wait();
        scene.fanout.step(&set);
    }

    fn close(scene: *Scene) void {
        scene.fanout.close();
        sys.close(scene.output);
        sys.close(scene.input);
    }
};

fn expectPacket(fd: sys.Fd, expected: []const u8) !void {
    var buffer: [1 + packets.output_bytes_max]u8 = undefined;
    try testing.expectEqualStrings(expected, packets.receive(fd, &buffer).ok);
}

fn say(fd: sys.Fd, bytes: []const u8) !void {
    try testing.expectEqual(sys.Result(void){ .ok = {} }, sys.writeAll(fd, bytes));
}

test "everybody who follows gets all output, and then waits for the end" {
    var scene: Scene = .{};
    try scene.open();
    const one = try scene.follow(.{ .output = true });
    defer sys.close(one);
    try say(scene.output, "hello");
    try scene.turn();
    const two = try scene.follow(.{ .output = true });
    defer sys.close(two);
    try say(scene.output, "again");
    try testing.expect(!scene.fanout.drain());
    while (scene.fanout.leave()) |fd| {
        _ = packets.send(fd, .ended, &.{7}).ok;
        sys.close(fd);
    }
    scene.close();
    for ([_][]const u8{ "ohello", "oagain", "x\x07", "" }) |packet| try expectPacket(one, packet);
    for ([_][]const u8{ "oagain", "x\x07", "" }) |packet| try expectPacket(two, packet);
}

test "a follower that does not read stops the others until its time is over" {
    var scene: Scene = .{};
    try scene.open();
    defer scene.close();
    const slow = try scene.follow(.{ .output = true });
    defer sys.close(slow);
    const quick = try scene.follow(.{ .output = true });
    defer sys.close(quick);
    const line: [4096]u8 = @splat('x');
    while (!scene.fanout.hasSlow()) {
        try say(scene.output, &line);
        try scene.turn();
        try expectPacket(quick, "o" ++ line);
    }
    try say(scene.output, "later");
    scene.fanout.followers[0].patience.start(1);
    try scene.turn(); // waits for nothing but that
    try testing.expect(!scene.fanout.hasSlow());
    try scene.turn();
    try expectPacket(quick, "olater");
}

test "input reaches the payload from everybody, and ends with the last where that is wished" {
    for ([_]bool{ true, false }) |ends| {
        var scene: Scene = .{};
        try scene.open();
        defer scene.close();
        scene.fanout.ends_input = ends;
        const one = try scene.follow(.{ .input = true });
        const two = try scene.follow(.{ .input = true });
        defer sys.close(two);
        _ = packets.sendWhole(one, "ione,").ok;
        try scene.turn();
        try scene.turn();
        try expectPacket(one, "k");
        sys.close(one);
        try scene.turn();
        _ = packets.sendWhole(two, "itwo").ok;
        try scene.turn();
        try scene.turn();
        var buffer: [16]u8 = undefined;
        try testing.expectEqualStrings("one,two", buffer[0..sys.read(scene.input, &buffer).ok]);
        try testing.expectEqual(sys.E.AGAIN, sys.read(scene.input, &buffer).err);
        _ = packets.send(two, .input_end, "").ok;
        try scene.turn();
        const last = sys.read(scene.input, &buffer);
        const expected: sys.Result(usize) = if (ends) .{ .ok = 0 } else .{ .err = .AGAIN };
        try testing.expectEqual(expected, last);
    }
}

test "input for a payload that has closed its own is answered all the same" {
    var scene: Scene = .{};
    try scene.open();
    const one = try scene.follow(.{ .input = true });
    defer sys.close(one);
    sys.close(scene.input);
    for (0..2) |_| {
        _ = packets.sendWhole(one, "ihello").ok;
        try scene.turn();
        if (scene.fanout.input.fd >= 0) try scene.turn();
        try expectPacket(one, "k");
    }
    scene.input = sys.dup(one, 3).ok;
    scene.close();
}

test "a log and hb's own streams get what the followers get" {
    const place = try test_directory.Directory.open();
    defer place.close();
    const own = sys.pipe().ok;
    defer sys.close(own[0]);
    var scene: Scene = .{};
    try scene.open();
    scene.fanout.log = .open(place.fd, .{});
    scene.fanout.sources[0].own = .{ .fd = own[1], .owned = true };
    try say(scene.output, "a line\n");
    try scene.turn();
    try scene.turn();
    var buffer: [64]u8 = undefined;
    try testing.expectEqualStrings("a line\n", buffer[0..sys.read(own[0], &buffer).ok]);
    scene.close();
    const fd = sys.openat(place.fd, "log", .{}, 0).ok;
    defer sys.close(fd);
    const record = buffer[0..sys.readAll(fd, &buffer).ok];
    try testing.expect(std.mem.endsWith(u8, record, " stdout F a line\n"));
}
