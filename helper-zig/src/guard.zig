//! What ends the container when its supervisor is killed.
//!
//! The kernel's parent death signal alone does not: it is cleared when a process changes its user
//! or executes a set-user-ID program (prctl(2)), and the entry points of postgres, redis and many
//! others do just that as pid 1. So a second, idle process waits for the supervisor's end, kills
//! the container and removes its cgroup. Usually the container ends first, and the supervisor ends
//! this process.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const descriptors = @import("descriptors.zig");
const Cgroup = @import("cgroup.zig").Cgroup;

pub const Guard = struct {
    pidfd: sys.Fd,

    /// Starts guarding the container behind the pidfd `container`.
    pub fn start(container: sys.Fd, cgroup: Cgroup) report.Error!Guard {
        const doing = "start the container's guard";
        // Opened here and not there: the guard cannot mistake another process for us.
        const own = try report.check(sys.openProcess(sys.getpid()), doing, .{});
        defer sys.close(own);

        var pidfd: sys.Fd = -1;
        const flags = linux.CLONE.PIDFD | @as(usize, signals.number(.CHLD));
        const pid = try report.check(sys.clone(flags, &pidfd), doing, .{});
        if (pid == 0) watch(.{ own, container }, cgroup);
        return .{ .pidfd = pidfd };
    }

    /// Ends it, if it has not ended with the container.
    pub fn end(guard: Guard) void {
        _ = sys.signalPidfd(guard.pidfd, signals.number(.KILL));
        _ = sys.wait(guard.pidfd);
        sys.close(guard.pidfd);
    }
};

fn watch(kept: [2]sys.Fd, cgroup: Cgroup) noreturn {
    _ = sys.prctl(.SET_NAME, @intFromPtr("hb-guard"));
    // Out of the group that a terminal or a shell's `kill -9 -PGID` reaches.
    _ = sys.setsid();
    // Nothing else stays open here: a pipe would not end that the supervisor closes.
    keepOnly(kept) catch sys.exit(1);
    awaitEnd(0);
    cgroup.thaw();
    _ = sys.signalPidfd(1, signals.number(.KILL));
    awaitEnd(1);
    cgroup.remove();
    sys.exit(0);
}

/// Waits until the process behind `pidfd` has ended.
fn awaitEnd(pidfd: sys.Fd) void {
    var fds = [_]linux.pollfd{.{ .fd = pidfd, .events = linux.POLL.IN, .revents = 0 }};
    const forever = -1;
    while (true) {
        const polled = sys.poll(&fds, forever);
        // Stopped and continued; nothing else is known to happen, and then the container ends.
        if (polled == .ok or polled.err != .INTR) return;
    }
}

/// Makes the two descriptors 0 and 1, and closes all others: the directory's lock too, for whoever
/// finds a container whose supervisor was killed is to find it dead.
fn keepOnly(kept: [2]sys.Fd) report.Error!void {
    // fillGaps has made sure that those were taken before any of these was opened.
    for (kept, 0..) |fd, number|
        try report.check(sys.dupOver(fd, @intCast(number)), "keep a descriptor", .{});
    try descriptors.closeFrom(kept.len);
}
