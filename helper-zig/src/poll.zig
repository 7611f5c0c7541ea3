//! What one turn of a loop waits for: descriptors, and the nearest of some deadlines. Made anew for
//! every turn; each part of the program adds what it has and remembers where.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const clock = @import("clock.zig");

/// More than all parts together ever add.
const fds_max = 256;

/// Where in the set something was added.
pub const Slot = u16;

pub const Set = struct {
    fds: [fds_max]linux.pollfd = undefined,
    count: Slot = 0,
    deadline: ?u64 = null,

    /// Adds a descriptor; a negative one is waited for in vain.
    pub fn add(set: *Set, fd: sys.Fd, events: i16) Slot {
        return set.addAll(&.{.{ .fd = fd, .events = events, .revents = 0 }});
    }

    /// Adds some; the first one's place, the others follow.
    pub fn addAll(set: *Set, fds: []const linux.pollfd) Slot {
        const first = set.count;
        @memcpy(set.fds[first..][0..fds.len], fds);
        set.count += @intCast(fds.len);
        return first;
    }

    /// Waits until `timer` goes off at the latest.
    pub fn until(set: *Set, timer: clock.Timer) void {
        const at = timer.at orelse return;
        set.deadline = @min(at, set.deadline orelse at);
    }

    /// Waits; returns early, with nothing ready, when this process was stopped and continued.
    pub fn wait(set: *Set) report.Error!void {
        const polled = sys.poll(set.fds[0..set.count], set.timeout());
        if (polled == .ok) return;
        // poll(2) leaves them as they were then.
        for (set.fds[0..set.count]) |*fd| fd.revents = 0;
        if (polled.err == .INTR) return;
        _ = try report.check(polled, "wait for the container", .{});
    }

    fn timeout(set: *const Set) i32 {
        const forever = -1;
        const deadline = set.deadline orelse return forever;
        return std.math.lossyCast(i32, deadline -| clock.now());
    }

    /// What has happened there: poll(2)'s revents, 0 for nothing.
    pub fn ready(set: *const Set, slot: Slot) i16 {
        return set.fds[slot].revents;
    }

    /// Has what happened there be dealt with.
    pub fn forget(set: *Set, slot: Slot) void {
        set.fds[slot].revents = 0;
    }

    /// The `count` that were added together at `slot`.
    pub fn span(set: *const Set, slot: Slot, comptime count: usize) *const [count]linux.pollfd {
        return set.fds[slot..][0..count];
    }
};

test "the nearest deadline ends the waiting" {
    const pipe = sys.pipe().ok;
    defer sys.close(pipe[0]);
    defer sys.close(pipe[1]);

    var set: Set = .{};
    const slot = set.add(pipe[0], linux.POLL.IN);
    var near: clock.Timer = .{};
    var far: clock.Timer = .{};
    near.start(5);
    far.start(60_000);
    for ([_]clock.Timer{ far, .{}, near }) |timer| set.until(timer);
    try set.wait();
    try std.testing.expectEqual(0, set.ready(slot));
    try std.testing.expect(near.goesOff());
    try std.testing.expect(!far.goesOff());
}
