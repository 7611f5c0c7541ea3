//! Signal dispositions and masks: what the helper holds back, and the clean slate it hands on.
//!
//! Bun leaves SIGPIPE and SIGXFSZ ignored, and an ignored signal stays ignored across execve
//! (signal(7)); Debian 12's pasta refuses to start that way, and a payload would never see EPIPE.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");

pub const Signal = linux.SIG;

/// The highest signal number (real-time signals included).
pub const highest: u8 = 64;

pub fn number(signal: Signal) u8 {
    return @intCast(@backingInt(signal));
}

/// `SIGTERM`, or `signal 40` for one without a name.
pub fn nameOf(signal: u8, buffer: *[16]u8) []const u8 {
    const known = std.enums.tagName(Signal, @fromBackingInt(signal));
    // proven: names have six letters at most, and a byte three digits.
    if (known) |name| return std.fmt.bufPrint(buffer, "SIG{s}", .{name}) catch unreachable;
    return std.fmt.bufPrint(buffer, "signal {d}", .{signal}) catch unreachable;
}

/// A set of signals, as rt_sigprocmask(2) takes it on the architectures hb runs on.
pub const Set = struct {
    bits: u64 = 0,

    pub const none: Set = .{};
    pub const all: Set = .{ .bits = std.math.maxInt(u64) };

    pub fn of(signals: []const Signal) Set {
        var set: Set = .{};
        for (signals) |signal| set.bits |= bit(number(signal));
        return set;
    }

    pub fn without(set: Set, signals: []const Signal) Set {
        return .{ .bits = set.bits & ~of(signals).bits };
    }

    pub fn has(set: Set, signal: u8) bool {
        return set.bits & bit(signal) != 0;
    }

    pub fn add(set: *Set, signal: u8) void {
        set.bits |= bit(signal);
    }

    fn bit(signal: anytype) u64 {
        return @as(u64, 1) << @as(u6, @intCast(signal - 1));
    }
};

/// Makes `set` the blocked signals.
pub fn block(set: Set) void {
    const setmask = 2;
    // Fails only for a bad address or command.
    _ = sys.call(void, .rt_sigprocmask, .{ @as(u32, setmask), &set.bits, null, @as(usize, 8) });
}

/// A descriptor that reads the signals of `set`, which must be blocked.
pub fn descriptor(set: Set) sys.Result(sys.Fd) {
    const flags: u32 = @bitCast(linux.O{ .CLOEXEC = true, .NONBLOCK = true });
    return sys.call(sys.Fd, .signalfd4, .{
        @as(i32, -1), &set.bits, @as(usize, 8), flags,
    });
}

/// Every disposition back to its default and nothing blocked: how anything we exec starts.
pub fn reset() void {
    var which: u8 = 1;
    while (which <= highest) : (which += 1) setDisposition(which, linux.SIG.DFL);
    block(.none);
}

/// Takes no notice of `signal`.
pub fn ignore(signal: Signal) void {
    setDisposition(@intCast(@backingInt(signal)), linux.SIG.IGN);
}

pub fn restoreDefault(signal: Signal) void {
    setDisposition(number(signal), linux.SIG.DFL);
}

fn setDisposition(which: u8, handler: ?linux.Sigaction.handler_fn) void {
    // SIGKILL and SIGSTOP cannot be set; std asserts it and the kernel would say EINVAL.
    if (which == number(.KILL) or which == number(.STOP)) return;
    const action: linux.Sigaction = .{
        .handler = .{ .handler = handler },
        .mask = @splat(0),
        .flags = 0,
    };
    _ = linux.sigaction(@fromBackingInt(which), &action, null);
}

test "a set holds what it was made of and nothing else" {
    const some = Set.of(&.{ .INT, .TERM });
    try std.testing.expect(some.has(2));
    try std.testing.expect(some.has(15));
    try std.testing.expect(!some.has(1));
    try std.testing.expect(!some.without(&.{.INT}).has(2));
    try std.testing.expect(Set.all.has(highest));
}

test "signals have their names" {
    var buffer: [16]u8 = undefined;
    try std.testing.expectEqualStrings("SIGKILL", nameOf(9, &buffer));
    try std.testing.expectEqualStrings("SIGVTALRM", nameOf(26, &buffer));
    try std.testing.expectEqualStrings("signal 40", nameOf(40, &buffer));
}
