//! A running container as another process is about to enter it: its first process, held by a
//! descriptor so that no reused pid is taken for it, and what can only be asked about it from
//! outside.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");

/// The container's first process and how this one's surroundings differ from it.
pub const Target = struct {
    pid: sys.Pid,
    pidfd: sys.Fd,
    /// clone(2)'s flags of the namespaces it has and we are not in.
    namespaces: u32,
    /// Its user namespace lets nobody change groups (user_namespaces(7)).
    keep_groups: bool,
    ranges: [ranges_max]plan.IdMapping = undefined,
    ranges_len: usize = 0,

    /// Opens it and makes sure of it: the process must be the supervisor's child, and alive when
    /// that was read, or the number was somebody else's already.
    pub fn open(container: plan.ExecContainer) report.Error!Target {
        const opened = sys.openProcess(container.pid);
        if (opened == .err and opened.err == .SRCH) return ended(container);
        const pidfd = try report.check(opened, "find the container {s}", .{container.id});
        errdefer sys.close(pidfd);

        const is_ours = parentOf(container.pid) == container.supervisor;
        if (!is_ours or sys.signalPidfd(pidfd, 0) == .err) return ended(container);
        var target: Target = .{
            .pid = container.pid,
            .pidfd = pidfd,
            .namespaces = try differences(container),
            .keep_groups = deniesGroups(container.pid),
        };
        try target.readRanges(container);
        return target;
    }

    /// The group ids that exist in it.
    pub fn gidMappings(target: *const Target) []const plan.IdMapping {
        return target.ranges[0..target.ranges_len];
    }

    /// Whether its user namespace is another than ours.
    pub fn hasUsers(target: *const Target) bool {
        return target.namespaces & linux.CLONE.NEWUSER != 0;
    }

    fn readRanges(target: *Target, container: plan.ExecContainer) report.Error!void {
        var buffer: [file_bytes_max]u8 = undefined;
        const text = readFile(&buffer, container.pid, "gid_map") orelse return ended(container);
        var lines = std.mem.tokenizeScalar(u8, text, '\n');
        while (lines.next()) |line| {
            if (target.ranges_len == ranges_max) break; // more than any range of /etc/subgid makes
            target.ranges[target.ranges_len] = parseRange(line) orelse continue;
            target.ranges_len += 1;
        }
    }
};

const ranges_max = 64;
const file_bytes_max = 4096;

fn ended(container: plan.ExecContainer) report.Error {
    return report.fail("container {s} is not running", .{container.id});
}

const Kind = struct { name: []const u8, flag: u32 };

const kinds = [_]Kind{
    .{ .name = "user", .flag = linux.CLONE.NEWUSER },
    .{ .name = "mnt", .flag = linux.CLONE.NEWNS },
    .{ .name = "pid", .flag = linux.CLONE.NEWPID },
    .{ .name = "net", .flag = linux.CLONE.NEWNET },
    .{ .name = "ipc", .flag = linux.CLONE.NEWIPC },
    .{ .name = "uts", .flag = linux.CLONE.NEWUTS },
    .{ .name = "cgroup", .flag = linux.CLONE.NEWCGROUP },
};

/// The namespaces to join. Not those it shares with us: joining the own user namespace is EINVAL
/// (setns(2)), and for the host's network an ordinary user has no right to.
fn differences(container: plan.ExecContainer) report.Error!u32 {
    var flags: u32 = 0;
    for (kinds) |kind| {
        var own_path: Path = undefined;
        const own = sys.statat(sys.cwd, print(&own_path, "/proc/self/ns/{s}", .{kind.name}), 0);
        // A kind of namespace this kernel does not have.
        if (own == .err and own.err == .NOENT) continue;
        const here = try report.check(own, "look at the own {s} namespace", .{kind.name});
        var path: Path = undefined;
        const parts = .{ container.pid, kind.name };
        const theirs = sys.statat(sys.cwd, print(&path, "/proc/{d}/ns/{s}", parts), 0);
        if (theirs == .err and (theirs.err == .NOENT or theirs.err == .SRCH))
            return ended(container);
        const there = try report.check(theirs, "look at the {s} namespace of container {s}", .{
            kind.name,
            container.id,
        });
        if (there.inode != here.inode) flags |= kind.flag;
    }
    return flags;
}

fn deniesGroups(pid: sys.Pid) bool {
    var buffer: [file_bytes_max]u8 = undefined;
    const text = readFile(&buffer, pid, "setgroups") orelse return false;
    return std.mem.startsWith(u8, text, "deny");
}

/// The parent of `pid` (proc_pid_stat(5)); null when there is no such process.
fn parentOf(pid: sys.Pid) ?sys.Pid {
    var buffer: [file_bytes_max]u8 = undefined;
    return parseParent(readFile(&buffer, pid, "stat") orelse return null);
}

fn parseParent(stat: []const u8) ?sys.Pid {
    // The name in parentheses may hold parentheses and blanks itself.
    const name_end = std.mem.lastIndexOfScalar(u8, stat, ')') orelse return null;
    var fields = std.mem.tokenizeScalar(u8, stat[name_end + 1 ..], ' ');
    _ = fields.next(); // the state
    return std.fmt.parseInt(sys.Pid, fields.next() orelse return null, 10) catch null;
}

/// A line of gid_map: inside, outside, count.
fn parseRange(line: []const u8) ?plan.IdMapping {
    var numbers: [3]u32 = undefined;
    var fields = std.mem.tokenizeScalar(u8, line, ' ');
    for (&numbers) |*number|
        number.* = std.fmt.parseInt(u32, fields.next() orelse return null, 10) catch return null;
    return .{ .containerID = numbers[0], .hostID = numbers[1], .size = numbers[2] };
}

fn readFile(buffer: []u8, pid: sys.Pid, name: []const u8) ?[]const u8 {
    var path: Path = undefined;
    const opened = sys.openat(sys.cwd, print(&path, "/proc/{d}/{s}", .{ pid, name }), .{}, 0);
    const fd = switch (opened) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(fd);

    return switch (sys.readAll(fd, buffer)) {
        .ok => |length| buffer[0..length],
        .err => null,
    };
}

const Path = [40:0]u8;

fn print(path: *Path, comptime format: []const u8, args: anytype) [*:0]const u8 {
    // proven: a pid has ten digits at most, and the names are ours.
    return std.fmt.bufPrintSentinel(path, format, args, 0) catch unreachable;
}

test "the parent is found behind any name" {
    try std.testing.expectEqual(7, parseParent("12 (a) b) c) S 7 12 12 0").?);
    try std.testing.expectEqual(null, parseParent("12 (sh"));
}

test "our own parent is what the kernel says" {
    try std.testing.expectEqual(linux.getppid(), parentOf(sys.getpid()).?);
}

test "a range is three numbers" {
    const range = parseRange("         0     100000      65536").?;
    try std.testing.expectEqual(65536, range.size);
    try std.testing.expectEqual(null, parseRange("0 1"));
}

test "a process that is not the supervisor's child is not entered" {
    report.fd = -1;
    defer report.fd = 2;

    const container: plan.ExecContainer = .{
        .id = "a",
        .directory = "/",
        .pid = sys.getpid(),
        .supervisor = 1 << 22,
    };
    try std.testing.expectError(error.Reported, Target.open(container));
}
