//! Closing what is open, whoever opened it: this program's caller may have left anything behind.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");

/// Closes everything above standard error but those given; a negative one is none.
pub fn closeAllBut(keep: []const sys.Fd) report.Error!void {
    var first: sys.Fd = 3;
    while (lowest(keep, first)) |fd| : (first = fd + 1) try closeRange(first, fd - 1);
    try closeFrom(first);
}

/// The lowest of `fds` that is not below `first`.
fn lowest(fds: []const sys.Fd, first: sys.Fd) ?sys.Fd {
    var found: ?sys.Fd = null;
    for (fds) |fd| {
        if (fd >= first and fd < found orelse std.math.maxInt(sys.Fd)) found = fd;
    }
    return found;
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

test "only those kept stay open" {
    const low = sys.dup(2, 20).ok;
    const high = sys.dup(2, 40).ok;
    const between = sys.dup(2, 30).ok;
    const above = sys.dup(2, 50).ok;
    // In a process of its own: the test runner has descriptors too.
    var pidfd: sys.Fd = -1;
    const flags = std.os.linux.CLONE.PIDFD | @as(usize, @backingInt(std.os.linux.SIG.CHLD));
    if (sys.clone(flags, &pidfd).ok == 0) {
        closeAllBut(&.{ high, -1, low, high }) catch sys.exit(1);
        for ([_]sys.Fd{ between, above }) |fd| if (sys.fstat(fd) == .ok) sys.exit(2);
        for ([_]sys.Fd{ low, high }) |fd| if (sys.fstat(fd) == .err) sys.exit(3);
        sys.exit(0);
    }
    try std.testing.expectEqual(0, sys.wait(pidfd).ok.status());
    for ([_]sys.Fd{ low, high, between, above, pidfd }) |fd| sys.close(fd);
}

test "a range is closed one by one before Linux 5.9" {
    const fd = sys.dup(2, 20).ok;
    try closeEach(fd, fd);
    try std.testing.expectEqual(sys.E.BADF, sys.fstat(fd).err);
}
