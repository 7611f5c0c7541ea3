//! Taking interfaces away without waiting for the kernel to let go of them.
//!
//! An interface is down within a millisecond, and off the list in the same breath, under the
//! kernel's own lock; then the caller sleeps for tens of them until nothing in the kernel can be
//! using it any more (rcu_barrier(9)). So a child makes the call, and this process goes on when the
//! kernel announces that the interface is down: whoever asks for it or for its name from then on
//! waits for the rest by the kernel's lock. Sockets to nf_tables are closed by the child as well,
//! which takes as long for the same reason.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const descriptors = @import("descriptors.zig");
const report = @import("report.zig");
const netlink = @import("netlink.zig");
const rtnetlink = @import("rtnetlink.zig");

const POLL = linux.POLL;

/// What to remove, and what else closes slowly.
pub const Job = struct {
    routes: netlink.Socket,
    request: *netlink.Builder,
    /// Index of the interface whose removal is waited for.
    index: i32,
    name: []const u8,
    /// Descriptors the child keeps until the end.
    keep: []const sys.Fd,
};

/// Sends the request, and returns when it is being carried out.
pub fn run(job: Job) report.Error!void {
    const doing = "remove the interface {s}";
    const monitor = try report.check(rtnetlink.openMonitor(), doing, .{job.name});
    defer monitor.close();

    job.request.acknowledgeLast();
    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), doing, .{job.name});
    if (pid == 0) work(job);
    defer sys.close(pidfd);

    while (true) {
        var fds = [_]linux.pollfd{
            .{ .fd = job.routes.fd, .events = POLL.IN, .revents = 0 },
            .{ .fd = monitor.fd, .events = POLL.IN, .revents = 0 },
            .{ .fd = pidfd, .events = POLL.IN, .revents = 0 },
        };
        const polled = sys.poll(&fds, -1);
        if (polled == .err and polled.err == .INTR) continue;
        _ = try report.check(polled, doing, .{job.name});
        if (fds[0].revents != 0) {
            const answered = job.routes.answer(job.request.count);
            if (answered == .err and answered.err == .NODEV) return;
            return report.check(answered, doing, .{job.name});
        }
        if (fds[1].revents != 0 and rtnetlink.isGoing(monitor, job.index)) return;
        if (fds[2].revents != 0) return;
    }
}

/// The child: nothing of this process but what the call needs. Locks and streams stay the parent's,
/// whose end must be their end.
fn work(job: Job) noreturn {
    var kept: [8]sys.Fd = undefined;
    var count: usize = 1;
    kept[0] = job.routes.fd;
    for (job.keep) |fd| {
        if (fd < 0 or count == kept.len) continue;
        kept[count] = fd;
        count += 1;
    }
    std.mem.sort(sys.Fd, kept[0..count], {}, std.sort.asc(sys.Fd));
    var first: sys.Fd = 0;
    for (kept[0..count]) |fd| {
        descriptors.closeRange(first, fd - 1) catch sys.exit(1);
        first = fd + 1;
    }
    descriptors.closeFrom(first) catch sys.exit(1);
    _ = job.routes.send(job.request);
    sys.exit(0);
}
