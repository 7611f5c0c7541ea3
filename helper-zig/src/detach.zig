//! `run -d`: the supervisor goes on by itself, and the process hb has become waits until the
//! payload has started, tells so, and ends.
//!
//! ```
//!   in front                            the supervisor
//!   fork ─────────────────────────────▶ a session of its own
//!   ◀──────────── 'k' ───────────────── the payload runs: its streams are /dev/null from now on
//!   ◀──────────── 'f' u8 status ─────── it does not, and why has been said on hb's own streams
//! ```
//! With `attach` the one in front follows the payload's streams instead, to its end: then 'k' is
//! the beginning of that conversation (packets.zig).
//! End of file without either means that the supervisor was killed. The other way nothing is said:
//! when the one in front goes away, the start goes on as it may.

const std = @import("std");
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const descriptors = @import("descriptors.zig");
const plan = @import("plan.zig");
const packets = @import("packets.zig");
const attach_client = @import("attach_client.zig");

/// Which of the two this process is, and its end of what connects them.
pub const Side = union(enum) {
    front: sys.Fd,
    supervisor: Caller,
};

/// Makes the supervisor a process of its own, which keeps `held` open.
pub fn split(wanted: plan.Detach, held: []const sys.Fd) report.Error!Side {
    const doing = "detach";
    const pair = try report.check(sys.socketpair(), doing, .{});
    const sigchld: usize = signals.number(.CHLD);
    var none: sys.Fd = -1;
    const pid = try report.check(sys.clone(sigchld, &none), doing, .{});
    if (pid == 0) {
        // Whatever else hb was given by its caller: somebody may wait for the end of a pipe.
        var keep: [keep_max]sys.Fd = undefined;
        @memcpy(keep[0..held.len], held);
        keep[held.len] = pair[1];
        try descriptors.closeAllBut(keep[0 .. held.len + 1]);
        // Away from the terminal, its ^C and its end; and from the directory hb was started in,
        // which somebody may want to unmount.
        _ = try report.check(sys.setsid(), doing, .{});
        try report.check(sys.chdir("/"), doing, .{});
        return .{ .supervisor = .{ .fd = pair[1], .attach = wanted.attach } };
    }
    // The locks too: they are the supervisor's, and end with it.
    try descriptors.closeAllBut(&.{pair[0]});
    return .{ .front = pair[0] };
}

const keep_max = 16;

/// In front: waits for the start; the exit status of hb.
pub fn follow(supervisor: sys.Fd, wanted: plan.Detach) u8 {
    if (wanted.attach) |attach| return attach_client.follow(supervisor, attach);
    var packet: [2]u8 = @splat(0);
    const length = switch (sys.read(supervisor, &packet)) {
        .ok => |n| n,
        .err => 0,
    };
    if (length == 2 and packet[0] == failed) return packet[1];
    if (length != 1 or packet[0] != started) {
        report.fail("start the container: its supervisor was killed", .{}) catch {};
        return report.exit_hb_failed;
    }
    // A reader that has gone away has no use for the id; the container runs.
    _ = sys.writeAll(1, wanted.print);
    _ = sys.writeAll(1, "\n");
    return 0;
}

const started = 'k';
const failed = 'f';

/// The supervisor's end; -1 when it is hb's own process, in the foreground.
pub const Caller = struct {
    fd: sys.Fd = -1,
    /// It is to follow the payload's streams.
    attach: ?plan.Attach = null,
    is_follower: bool = false,
    is_detached: bool = true,

    pub const foreground: Caller = .{ .is_detached = false };

    pub const Follower = struct { fd: sys.Fd, wishes: packets.Wishes };

    /// The socket as that of a follower's, once; it stays open here for `tellFailed`.
    pub fn becomeFollower(caller: *Caller) ?Follower {
        const wanted = caller.attach orelse return null;
        caller.attach = null;
        caller.is_follower = true;
        return .{
            .fd = switch (sys.dup(caller.fd, 3)) {
                .ok => |fd| fd,
                .err => return null,
            },
            .wishes = .{ .input = wanted.stdin, .output = wanted.output },
        };
    }

    /// The payload runs; from here on there is nobody to talk to.
    pub fn tellStarted(caller: *Caller) void {
        if (caller.fd < 0) return;
        becomeSilent();
        if (!caller.is_follower) _ = sys.send(caller.fd, &.{started});
        sys.close(caller.fd);
        caller.fd = -1;
    }

    /// It never ran, and never will.
    pub fn tellFailed(caller: *Caller, status: u8) void {
        if (caller.fd < 0) return;
        _ = sys.send(caller.fd, &.{ failed, status });
        sys.close(caller.fd);
        caller.fd = -1;
    }
};

fn becomeSilent() void {
    const nowhere = switch (sys.openat(sys.cwd, "/dev/null", .{ .ACCMODE = .RDWR }, 0)) {
        .ok => |fd| fd,
        // Without it hb's own streams stay open, which may keep somebody waiting; not the payload.
        .err => return,
    };
    for (0..3) |number| _ = sys.dupOver(nowhere, @intCast(number));
    if (nowhere > 2) sys.close(nowhere);
}
