//! Moving bytes from one descriptor to another, one buffer at a time: the supervisor's part in the
//! container's standard streams. What cannot be written yet is not read either, so that a slow
//! reader slows the writer down and nothing piles up.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const detach_keys = @import("detach_keys.zig");
const DetachKeys = detach_keys.DetachKeys;

/// One end of a pump.
pub const End = struct {
    fd: sys.Fd,
    /// Whether this end is closed once there is nothing more to move: an end of our own making.
    owned: bool = false,
    /// Whether reads and writes here never wait. Descriptors shared with other programs are left
    /// as they are: making those non-blocking would change them for everybody.
    nonblocking: bool = false,

    /// As much as a pipe or terminal that says it is writable takes without waiting (PIPE_BUF).
    const blocking_write_max = 4096;

    /// Writes once, after poll(2) has said that this can be done where writes may wait.
    pub fn write(end: End, bytes: []const u8) sys.Result(usize) {
        const max = if (end.nonblocking) bytes.len else blocking_write_max;
        return sys.write(end.fd, bytes[0..@min(bytes.len, max)]);
    }
};

/// hb's own descriptor as the end of a pump. A terminal stopped by ^S would make a write wait, and
/// with it all signals: it is opened once more, for an open file description of our own.
pub fn outputEnd(fd: sys.Fd) End {
    const stat = switch (sys.fstat(fd)) {
        .ok => |stat| stat,
        .err => return .{ .fd = fd },
    };
    // Writes to a file do not wait for a reader.
    if (stat.kind() == linux.S.IFREG) return .{ .fd = fd, .nonblocking = true };
    if (stat.kind() != linux.S.IFCHR) return .{ .fd = fd };
    var path: [32:0]u8 = @splat(0);
    // proven: a descriptor has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .NONBLOCK = true, .NOCTTY = true };
    return switch (sys.openat(sys.cwd, &path, flags, 0)) {
        .ok => |own| .{ .fd = own, .owned = true, .nonblocking = true },
        // Another user's terminal (su): then in small pieces, when it says that it is ready.
        .err => .{ .fd = fd },
    };
}

pub const Pump = struct {
    from: End,
    to: End,
    buffer: []u8,
    begin: usize = 0,
    end: usize = 0,
    /// Written when `from` ends: a terminal has no end of file but the character for it.
    farewell: Farewell = .none,
    /// The last byte that was read.
    last: u8 = '\n',
    /// What is typed is looked through for these.
    keys: ?*DetachKeys = null,

    pub const Farewell = enum { none, end_of_transmission };

    pub fn isDone(pump: *const Pump) bool {
        return pump.from.fd < 0 and pump.begin == pump.end;
    }

    /// What to wait for: the next bytes, or room for the last ones.
    pub fn interest(pump: *const Pump) linux.pollfd {
        if (pump.begin < pump.end)
            return .{ .fd = pump.to.fd, .events = linux.POLL.OUT, .revents = 0 };
        return .{ .fd = pump.from.fd, .events = linux.POLL.IN, .revents = 0 };
    }

    /// Moves what can be moved, after poll(2) has said that something can.
    pub fn step(pump: *Pump) void {
        if (pump.begin == pump.end) {
            if (!pump.fill()) return;
            // A descriptor that may wait is asked first, by the next poll.
            if (!pump.to.nonblocking) return;
        }
        pump.flush();
    }

    /// Reads once; false when nothing came.
    pub fn fill(pump: *Pump) bool {
        if (pump.from.fd < 0) return false;
        const room = if (pump.keys == null) pump.buffer else pump.buffer[detach_keys.keys_max..];
        switch (sys.read(pump.from.fd, room)) {
            .ok => |length| {
                if (length == 0) {
                    pump.endOfInput();
                    return pump.begin < pump.end;
                }
                pump.begin = 0;
                pump.last = room[length - 1];
                pump.end = if (pump.keys) |keys| keys.take(pump.buffer, length) else length;
                return pump.end > 0;
            },
            .err => |e| {
                // EIO is how a terminal says that it has hung up.
                if (e != .AGAIN) pump.endOfInput();
                return false;
            },
        }
    }

    /// Writes once what is there; gives up on the whole pump when nobody reads any more, which
    /// the writer on the other side learns as from any closed pipe.
    pub fn flush(pump: *Pump) void {
        switch (pump.to.write(pump.buffer[pump.begin..pump.end])) {
            .ok => |length| pump.begin += length,
            .err => |e| if (e != .AGAIN) pump.giveUp(e),
        }
        if (pump.begin < pump.end) return;
        pump.begin = 0;
        pump.end = 0;
        if (pump.from.fd < 0) pump.closeTo();
    }

    fn giveUp(pump: *Pump, errno: sys.E) void {
        pump.close();
        // A reader or terminal that has gone away knows it; a full disk is news.
        if (errno == .PIPE or errno == .IO) return;
        report.failErrno(errno, "pass on the container's output", .{});
    }

    pub fn close(pump: *Pump) void {
        pump.begin = 0;
        pump.end = 0;
        if (pump.from.fd >= 0 and pump.from.owned) sys.close(pump.from.fd);
        pump.from.fd = -1;
        pump.closeTo();
    }

    fn endOfInput(pump: *Pump) void {
        if (pump.from.owned) sys.close(pump.from.fd);
        pump.from.fd = -1;
        if (pump.farewell == .end_of_transmission) {
            // Twice where a line is not finished: the first then only hands that line over.
            const end_of_transmission = 4;
            @memset(pump.buffer[0..2], end_of_transmission);
            pump.begin = 0;
            pump.end = if (pump.last == '\n') 1 else 2;
            pump.farewell = .none;
            return;
        }
        pump.closeTo();
    }

    fn closeTo(pump: *Pump) void {
        if (pump.to.fd >= 0 and pump.to.owned) sys.close(pump.to.fd);
        pump.to.fd = -1;
    }
};

test "bytes go through and the end follows them" {
    const in = sys.pipe().ok;
    const out = sys.pipe().ok;
    defer sys.close(out[0]);
    var buffer: [16]u8 = undefined;
    var pump: Pump = .{
        .from = .{ .fd = in[0], .owned = true },
        .to = .{ .fd = out[1], .owned = true, .nonblocking = true },
        .buffer = &buffer,
    };
    _ = sys.writeAll(in[1], "hello").ok;
    pump.step();
    sys.close(in[1]);
    try std.testing.expect(!pump.isDone());
    pump.step();
    try std.testing.expect(pump.isDone());

    var got: [16]u8 = undefined;
    const length = sys.readAll(out[0], &got).ok;
    try std.testing.expectEqualStrings("hello", got[0..length]);
}

test "a reader that goes away ends the pump" {
    const signals = @import("signals.zig");
    signals.ignore(.PIPE);
    const in = sys.pipe().ok;
    defer sys.close(in[1]);
    const out = sys.pipe().ok;
    sys.close(out[0]);
    var buffer: [16]u8 = undefined;
    var pump: Pump = .{
        .from = .{ .fd = in[0], .owned = true },
        .to = .{ .fd = out[1], .owned = true, .nonblocking = true },
        .buffer = &buffer,
    };
    _ = sys.writeAll(in[1], "hello").ok;
    pump.step();
    try std.testing.expect(pump.isDone());
    try std.testing.expectEqual(sys.E.PIPE, sys.write(in[1], "x").err);
}
