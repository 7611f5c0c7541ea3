//! Resource limits of the payload (setrlimit(2)): as asked for, as far as this machine lets us.
//! A limit above our own hard one is lowered to it; podman and runc fail there.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");

const Limit = extern struct { soft: u64, hard: u64 };

/// The numbers of asm-generic/resource.h, which x86_64 and aarch64 share.
const resources = [_][]const u8{
    "RLIMIT_CPU",      "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
    "RLIMIT_CORE",     "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",  "RLIMIT_AS",    "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
};

/// Sets every limit of the plan.
pub fn apply(rlimits: []const plan.Rlimit) report.Error!void {
    for (rlimits) |rlimit| {
        const resource = numberOf(rlimit.type) orelse
            return report.fail("set {s}: not a resource limit", .{rlimit.type});
        const wanted: Limit = .{ .soft = rlimit.soft.value, .hard = rlimit.hard.value };
        const set = change(resource, wanted);
        if (set == .err and set.err == .PERM) {
            try applyLowered(resource, wanted, rlimit.type);
        } else {
            try report.check(set, "set {s}", .{rlimit.type});
        }
    }
}

/// How willingly the kernel kills the container when memory is short. Less willingly than hb itself
/// takes CAP_SYS_RESOURCE on the machine (proc_pid_oom_score_adj(5)): before the user changes, and
/// while /proc is the host's.
pub fn setOomScore(score: ?i16) report.Error!void {
    const wanted = score orelse return;
    const doing = "set the OOM score adjustment to {d}";
    const path = "/proc/self/oom_score_adj";
    const opened = sys.openat(sys.cwd, path, .{ .ACCMODE = .WRONLY }, 0);
    const fd = try report.check(opened, doing, .{wanted});
    defer sys.close(fd);

    var text: [8]u8 = undefined;
    // proven: an i16 has six characters at most.
    const number = std.fmt.bufPrint(&text, "{d}", .{wanted}) catch unreachable;
    return report.check(sys.writeAll(fd, number), doing, .{wanted});
}

/// Raising a hard limit needs CAP_SYS_RESOURCE in the first user namespace.
fn applyLowered(resource: u32, wanted: Limit, name: []const u8) report.Error!void {
    var own: Limit = undefined;
    try report.check(
        sys.call(void, .prlimit64, .{ @as(i32, 0), resource, null, &own }),
        "read {s}",
        .{name},
    );
    const lowered: Limit = .{
        .soft = @min(wanted.soft, own.hard),
        .hard = @min(wanted.hard, own.hard),
    };
    return report.check(change(resource, lowered), "set {s}", .{name});
}

fn change(resource: u32, limit: Limit) sys.Result(void) {
    return sys.call(void, .prlimit64, .{ @as(i32, 0), resource, &limit, null });
}

fn numberOf(name: []const u8) ?u32 {
    for (resources, 0..) |resource, number| {
        if (std.mem.eql(u8, resource, name)) return @intCast(number);
    }
    return null;
}

test "limits have their kernel numbers" {
    try std.testing.expectEqual(7, numberOf("RLIMIT_NOFILE").?);
    const rttime: u32 = @backingInt(linux.rlimit_resource.RTTIME);
    try std.testing.expectEqual(rttime, numberOf("RLIMIT_RTTIME").?);
    try std.testing.expectEqual(null, numberOf("RLIMIT_NOSUCH"));
}
