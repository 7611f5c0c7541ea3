//! What a process would notice of a signal, by its own word in /proc.

const std = @import("std");
const sys = @import("sys.zig");
const signals = @import("signals.zig");

/// Whether `signal` would do anything to the process `pid`: handled, blocked (to be taken by
/// sigwait or signalfd), or ignored on purpose. proc_pid_status(5).
pub fn isNoticed(pid: sys.Pid, signal: u8) bool {
    var path: [32:0]u8 = @splat(0);
    // proven: a pid has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/{d}/status", .{pid}) catch unreachable;
    const fd = switch (sys.openat(sys.cwd, &path, .{}, 0)) {
        .ok => |fd| fd,
        // Unknown: let it have the signal.
        .err => return true,
    };
    defer sys.close(fd);

    var buffer: [4096]u8 = undefined;
    const length = switch (sys.readAll(fd, &buffer)) {
        .ok => |n| n,
        .err => return true,
    };
    return isInStatus(buffer[0..length], signal);
}

fn isInStatus(status: []const u8, signal: u8) bool {
    for ([_][]const u8{ "\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t" }) |name| {
        const at = std.mem.indexOf(u8, status, name) orelse return true;
        const line = std.mem.sliceTo(status[at + name.len ..], '\n');
        const bits = std.fmt.parseInt(u64, line, 16) catch return true;
        const set: signals.Set = .{ .bits = bits };
        if (set.has(signal)) return true;
    }
    return false;
}

test "a signal is noticed when it is handled, blocked or ignored" {
    const status = "Name:\tsh\n" ++
        "SigBlk:\t0000000000000001\n" ++
        "SigIgn:\t0000000000000002\n" ++
        "SigCgt:\t0000000000004000\n";
    try std.testing.expect(isInStatus(status, 1));
    try std.testing.expect(isInStatus(status, 2));
    try std.testing.expect(isInStatus(status, 15));
    try std.testing.expect(!isInStatus(status, 3));
}
