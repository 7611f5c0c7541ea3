//! Moving this process into the cgroups of a running container (cgroups(7)), so that its limits,
//! freezer and end hold for what is about to be started as well.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");

const path_bytes_max = 4096;

/// Moves this process to `directories`, those of the container whose first process is `pid`. One
/// that does not exist was not to be had when the container was made.
pub fn join(directories: []const plan.Text, pid: sys.Pid) report.Error!void {
    for (directories) |directory| {
        const moved = move(directory, "");
        const errno = switch (moved) {
            .ok => continue,
            .err => |errno| errno,
        };
        if (errno == .NOENT) continue;
        // "No internal processes": the payload has made cgroups of its own and lives in one.
        if (errno == .BUSY or errno == .OPNOTSUPP) {
            var buffer: [path_bytes_max]u8 = undefined;
            const suffix = below(directory, pid, &buffer) orelse "";
            if (move(directory, suffix) == .ok) continue;
        }
        report.failErrno(errno, "join the container's cgroup {s}", .{directory});
        return error.Reported;
    }
}

fn move(directory: []const u8, suffix: []const u8) sys.Result(void) {
    var buffer: [path_bytes_max]u8 = undefined;
    const parts = .{ directory, suffix };
    const path = std.fmt.bufPrintSentinel(&buffer, "{s}{s}/cgroup.procs", parts, 0) catch
        return .{ .err = .NAMETOOLONG };
    const fd = switch (sys.openat(sys.cwd, path, .{ .ACCMODE = .WRONLY }, 0)) {
        .ok => |fd| fd,
        .err => |errno| return .{ .err = errno },
    };
    defer sys.close(fd);

    return sys.writeAll(fd, "0"); // whoever writes
}

/// What follows `directory` in the version 2 path of `pid`; null when it is not below it.
fn below(directory: []const u8, pid: sys.Pid, buffer: *[path_bytes_max]u8) ?[]const u8 {
    var path: [32:0]u8 = undefined;
    // proven: a pid has ten digits at most.
    const file = std.fmt.bufPrintSentinel(&path, "/proc/{d}/cgroup", .{pid}, 0) catch unreachable;
    const fd = switch (sys.openat(sys.cwd, file, .{}, 0)) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(fd);

    const length = switch (sys.readAll(fd, buffer)) {
        .ok => |n| n,
        .err => return null,
    };
    return suffixOf(std.fs.path.basename(directory), buffer[0..length]);
}

fn suffixOf(name: []const u8, cgroups: []const u8) ?[]const u8 {
    var lines = std.mem.tokenizeScalar(u8, cgroups, '\n');
    while (lines.next()) |line| {
        if (!std.mem.startsWith(u8, line, "0::/")) continue;
        var parts = std.mem.tokenizeScalar(u8, line[3..], '/');
        while (parts.next()) |part| {
            if (std.mem.eql(u8, part, name)) return parts.buffer[parts.index..];
        }
    }
    return null;
}

test "what a payload has made below its cgroup is found" {
    const cgroups = "4:memory:/x\n0::/user.slice/hb-abc/init.scope\n";
    try std.testing.expectEqualStrings("/init.scope", suffixOf("hb-abc", cgroups).?);
    try std.testing.expectEqualStrings("", suffixOf("init.scope", cgroups).?);
    try std.testing.expectEqual(null, suffixOf("hb-def", cgroups));
}

test "a cgroup that was never made is passed over" {
    try join(&.{"/sys/fs/cgroup/no-such-cgroup-here"}, sys.getpid());
}
