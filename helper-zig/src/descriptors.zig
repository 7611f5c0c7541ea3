//! Closing what is open, whoever opened it: this program's caller may have left anything behind.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");

/// Closes everything above standard error but the two given.
pub fn closeAllBut(keep: [2]sys.Fd) report.Error!void {
    const low = @min(keep[0], keep[1]);
    const high = @max(keep[0], keep[1]);
    try closeRange(3, low - 1);
    try closeRange(low + 1, high - 1);
    try closeFrom(high + 1);
}

/// Closes `first` and everything above it.
pub fn closeFrom(first: sys.Fd) report.Error!void {
    return closeRange(first, std.math.maxInt(sys.Fd));
}

/// Closes `first` to `last`; nothing where that is no range.
pub fn closeRange(first: sys.Fd, last: sys.Fd) report.Error!void {
    if (first > last) return;
    const flags: u32 = 0;
    const closed = sys.call(void, .close_range, .{ first, last, flags });
    if (closed == .err and closed.err == .NOSYS) return closeEach(first, last);
    return report.check(closed, "close inherited descriptors", .{});
}

/// Before Linux 5.9: one by one, as far as descriptors can go.
fn closeEach(first: sys.Fd, last: sys.Fd) report.Error!void {
    const nofile: u32 = 7;
    var own: extern struct { soft: u64, hard: u64 } = undefined;
    try report.check(
        sys.call(void, .prlimit64, .{ @as(sys.Pid, 0), nofile, null, &own }),
        "read RLIMIT_NOFILE",
        .{},
    );
    // What was opened under a limit since lowered is below the hard one still.
    const end: sys.Fd = @intCast(@min(own.hard, 1 << 20));
    var fd = first;
    while (fd <= @min(last, end)) : (fd += 1) sys.close(fd);
}

test "only the two kept stay open" {
    const low = sys.dup(2, 20).ok;
    const high = sys.dup(2, 40).ok;
    const between = sys.dup(2, 30).ok;
    const above = sys.dup(2, 50).ok;
    try closeEach(between, between);
    try closeRange(above, above);
    for ([_]sys.Fd{ between, above }) |fd|
        try std.testing.expectEqual(sys.E.BADF, sys.fstat(fd).err);
    for ([_]sys.Fd{ low, high }) |fd| {
        try std.testing.expect(sys.fstat(fd) == .ok);
        sys.close(fd);
    }
}
