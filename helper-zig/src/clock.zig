//! Time: what has passed, for deadlines, and what the calendar says, for people and files.

const std = @import("std");
const sys = @import("sys.zig");

/// Milliseconds since some moment in the past; nobody can set this clock.
pub fn now() u64 {
    const time = sys.clock(.MONOTONIC);
    return @as(u64, @intCast(time.sec)) * 1000 + @as(u64, @intCast(time.nsec)) / std.time.ns_per_ms;
}

/// A moment to come, or none.
pub const Timer = struct {
    at: ?u64 = null,

    pub fn start(timer: *Timer, after_ms: u64) void {
        timer.at = now() +| after_ms;
    }

    pub fn stop(timer: *Timer) void {
        timer.at = null;
    }

    /// Whether the moment has come. True once: the timer is stopped then.
    pub fn goesOff(timer: *Timer) bool {
        const at = timer.at orelse return false;
        if (now() < at) return false;
        timer.at = null;
        return true;
    }
};

/// RFC 3339 with nanoseconds, UTC: `2026-11-22T01:02:03.123456789Z`.
pub const Stamp = [30]u8;

/// The present moment.
pub fn stamp() Stamp {
    const time = sys.clock(.REALTIME);
    return stampOf(@intCast(@max(0, time.sec)), @intCast(time.nsec));
}

fn stampOf(seconds: u64, nanoseconds: u32) Stamp {
    const since: std.time.epoch.EpochSeconds = .{ .secs = seconds };
    const year = since.getEpochDay().calculateYearDay();
    const month = year.calculateMonthDay();
    const day = since.getDaySeconds();
    var text: Stamp = undefined;
    const parts = .{
        year.year,             month.month.numeric(),    month.day_index + 1,
        day.getHoursIntoDay(), day.getMinutesIntoHour(), day.getSecondsIntoMinute(),
        nanoseconds,
    };
    const format = "{d:0>4}-{d:0>2}-{d:0>2}T{d:0>2}:{d:0>2}:{d:0>2}.{d:0>9}Z";
    // proven: every part has its width up to the year 9999.
    _ = std.fmt.bufPrint(&text, format, parts) catch unreachable;
    return text;
}

test "a moment is written as RFC 3339 has it" {
    try std.testing.expectEqualStrings("1970-01-01T00:00:00.000000000Z", &stampOf(0, 0));
    const leap = stampOf(1_709_210_096, 7_000_001);
    try std.testing.expectEqualStrings("2024-02-29T12:34:56.007000001Z", &leap);
}

test "a timer goes off once" {
    var timer: Timer = .{};
    try std.testing.expect(!timer.goesOff());
    timer.start(60_000);
    try std.testing.expect(!timer.goesOff());
    timer.start(0);
    try std.testing.expect(timer.goesOff());
    try std.testing.expect(!timer.goesOff());
}
