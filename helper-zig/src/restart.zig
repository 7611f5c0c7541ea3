//! Whether and when a container is started again, by docker's rules (moby's restartmanager): 100 ms
//! after its end, twice as long after every further one up to a minute, from the beginning again
//! once it has run for ten seconds.

const std = @import("std");
const plan = @import("plan.zig");

const delay_first_ms = 100;
const delay_max_ms = 60_000;
/// A run this long was no failure of the start.
const success_ms = 10_000;

pub const Policy = struct {
    kind: Kind = .no,
    /// For `on-failure`; 0: as often as it takes.
    retries_max: u32 = 0,

    /// The numbers are those of the control socket.
    pub const Kind = enum(u8) { no, @"on-failure", always, @"unless-stopped" };

    pub fn of(wanted: ?plan.Restart) Policy {
        const it = wanted orelse return .{};
        return .{
            .kind = switch (it.policy) {
                .@"on-failure" => .@"on-failure",
                .always => .always,
                .@"unless-stopped" => .@"unless-stopped",
            },
            .retries_max = it.maximumRetryCount,
        };
    }

    /// Whether a container that ended with `status`, by itself, starts again. `count`: how often
    /// it has done so already.
    pub fn startsAgain(policy: Policy, status: u8, count: u32) bool {
        return switch (policy.kind) {
            .no => false,
            .always, .@"unless-stopped" => true,
            .@"on-failure" => status != 0 and
                (policy.retries_max == 0 or count < policy.retries_max),
        };
    }
};

/// The time between an end and the next start.
pub const BackOff = struct {
    delay_ms: u64 = 0,

    /// After a run that took `ran_ms`.
    pub fn next(back_off: *BackOff, ran_ms: u64) u64 {
        const is_first = back_off.delay_ms == 0 or ran_ms >= success_ms;
        const doubled = @min(back_off.delay_ms * 2, delay_max_ms);
        back_off.delay_ms = if (is_first) delay_first_ms else doubled;
        return back_off.delay_ms;
    }
};

test "a policy tells failures from ends, and counts" {
    const on_failure: Policy = .{ .kind = .@"on-failure", .retries_max = 2 };
    try std.testing.expect(on_failure.startsAgain(1, 1));
    try std.testing.expect(!on_failure.startsAgain(1, 2));
    try std.testing.expect(!on_failure.startsAgain(0, 0));
    const endless: Policy = .{ .kind = .@"on-failure" };
    try std.testing.expect(endless.startsAgain(1, 1000));
    const always: Policy = .{ .kind = .always };
    try std.testing.expect(always.startsAgain(0, 1000));
    try std.testing.expect(!Policy.of(null).startsAgain(1, 0));
}

test "the time between starts doubles up to a minute and starts over" {
    var back_off: BackOff = .{};
    for ([_]u64{ 100, 200, 400 }) |expected|
        try std.testing.expectEqual(expected, back_off.next(5));
    for (0..10) |_| _ = back_off.next(5);
    try std.testing.expectEqual(60_000, back_off.next(5));
    try std.testing.expectEqual(100, back_off.next(10_000));
}
