//! The parent of a command that was brought into a container (enter.zig): it stays outside, waits
//! for the command and passes its status on.
//!
//! Not the caller itself, which may be stopped (^Z): the end of a container waits until all its
//! processes are reaped (pid_namespaces(7)), and only the parent can do that. Nor the container's
//! pid 1, which need not reap anybody. In a session of its own this process is never stopped.
//!
//! The caller holds a pipe: a byte of it is a signal for the command, zero lets the command live
//! on without the caller, and its end, however that comes, ends the command.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const descriptors = @import("descriptors.zig");

/// The order that lets go of the command.
pub const release = 0;

/// What the keeper hears from, to be its only descriptors.
pub const Sources = struct {
    /// The caller's orders.
    orders: sys.Fd,
    /// Gets the command's pid (as seen here) in four bytes, or ends without.
    born: sys.Fd,
    /// The process that brings the command in.
    usher: sys.Fd,
};

/// As descriptors, once nothing else is open: the first three, which were taken before.
const orders_fd = 0;
const born_fd = 1;
const usher_fd = 2;

/// Keeps the command to its end; exits with its status.
pub fn keep(sources: Sources) noreturn {
    // Also hb's own streams: whoever reads those waits for their end.
    const kept = [_]sys.Fd{ sources.orders, sources.born, sources.usher };
    for (kept, 0..) |fd, number|
        report.check(sys.dupOver(fd, @intCast(number)), "keep a descriptor", .{}) catch sys.exit(1);
    descriptors.closeFrom(3) catch sys.exit(1);

    const pid = waitForBirth() orelse {
        const ended = sys.wait(usher_fd);
        sys.exit(if (ended == .ok) ended.ok.status() else report.exit_hb_failed);
    };
    // Ours and not reaped: the number is still its own.
    const pidfd = switch (sys.openProcess(pid)) {
        .ok => |fd| fd,
        .err => sys.exit(report.exit_hb_failed),
    };
    follow(pid, pidfd);
}

/// The command's pid; null when there will be none.
fn waitForBirth() ?sys.Pid {
    var fds = [_]linux.pollfd{
        .{ .fd = born_fd, .events = linux.POLL.IN, .revents = 0 },
        .{ .fd = orders_fd, .events = 0, .revents = 0 },
    };
    while (fds[0].revents == 0) {
        wait(&fds);
        if (fds[1].revents == 0) continue;
        _ = sys.signalPidfd(usher_fd, signals.number(.KILL));
        return null; // a command just born dies with us, its parent
    }
    var pid: sys.Pid = 0;
    const got = sys.readAll(born_fd, std.mem.asBytes(&pid));
    return if (got == .ok and got.ok == @sizeOf(sys.Pid)) pid else null;
}

fn follow(pid: sys.Pid, pidfd: sys.Fd) noreturn {
    var fds = [_]linux.pollfd{
        .{ .fd = pidfd, .events = linux.POLL.IN, .revents = 0 },
        .{ .fd = orders_fd, .events = linux.POLL.IN, .revents = 0 },
        .{ .fd = usher_fd, .events = linux.POLL.IN, .revents = 0 },
    };
    while (true) {
        wait(&fds);
        if (fds[0].revents != 0) {
            const ended = sys.wait(pidfd);
            sys.exit(if (ended == .ok) ended.ok.status() else report.exit_hb_failed);
        }
        if (fds[1].revents != 0 and !obey(pid, pidfd)) fds[1].fd = -1;
        if (fds[2].revents != 0) {
            _ = sys.wait(usher_fd);
            fds[2].fd = -1;
        }
    }
}

/// Takes one order; false when there will be no other.
fn obey(pid: sys.Pid, pidfd: sys.Fd) bool {
    var order: [1]u8 = .{release};
    const got = sys.read(orders_fd, &order);
    if (got == .err or got.ok == 0) {
        _ = sys.kill(-pid, signals.number(.KILL));
        _ = sys.signalPidfd(pidfd, signals.number(.KILL));
        return false;
    }
    if (order[0] == release) {
        sys.close(orders_fd);
        return false;
    }
    // What a terminal sends goes to all that is in front there, not to the shell of a script alone.
    const to_all = signals.Set.of(&.{ .INT, .QUIT, .HUP, .TERM, .STOP, .CONT }).has(order[0]);
    if (!to_all or sys.kill(-pid, order[0]) == .err) _ = sys.signalPidfd(pidfd, order[0]);
    return true;
}

fn wait(fds: []linux.pollfd) void {
    for (fds) |*fd| fd.revents = 0;
    const forever = -1;
    while (true) {
        const polled = sys.poll(fds, forever);
        if (polled == .ok) return;
        // Stopped and continued; nothing else is known to happen.
        if (polled.err != .INTR) sys.exit(report.exit_hb_failed);
    }
}
