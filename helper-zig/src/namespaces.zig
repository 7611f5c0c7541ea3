//! The container's namespaces: made all at once by clone(2), and what little is set inside them.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");

/// clone(2)'s flags for the new namespaces the plan lists. A cgroup namespace begins where its
/// maker is: a child that is yet to be put into a cgroup makes its own later (cgroup.zig).
pub fn cloneFlags(it: *const plan.Plan) usize {
    return flagsOf(it.linux, it.hb.cgroup != null);
}

fn flagsOf(wanted: plan.Linux, has_cgroup: bool) usize {
    var flags: usize = 0;
    for (wanted.namespaces) |namespace| {
        if (namespace.path != null) continue;
        if (namespace.type == .cgroup and has_cgroup) continue;
        flags |= cloneFlag(namespace.type);
    }
    return flags;
}

fn cloneFlag(kind: plan.NamespaceType) usize {
    return switch (kind) {
        .user => linux.CLONE.NEWUSER,
        .mount => linux.CLONE.NEWNS,
        .pid => linux.CLONE.NEWPID,
        .network => linux.CLONE.NEWNET,
        .ipc => linux.CLONE.NEWIPC,
        .uts => linux.CLONE.NEWUTS,
        .cgroup => linux.CLONE.NEWCGROUP,
    };
}

/// Enters the user namespace the plan names, before the clone: what is made then belongs to it.
/// This process becomes its root and keeps its own user outside.
pub fn joinUser(wanted: plan.Linux) report.Error!void {
    const path = wanted.joined(.user) orelse return;
    try joinAt(.user, path);
    // Gaining rights makes the files of this process in /proc root's; they are needed.
    _ = try report.check(sys.prctl(.SET_DUMPABLE, 1), "look into /proc", .{});
}

/// Enters the other namespaces the plan names, while their paths are still the host's.
pub fn join(wanted: plan.Linux) report.Error!void {
    for (wanted.namespaces) |namespace| {
        const path = namespace.path orelse continue;
        if (namespace.type != .user) try joinAt(namespace.type, path);
    }
}

fn joinAt(kind: plan.NamespaceType, path: plan.Text) report.Error!void {
    const doing = "join the {t} namespace {s}";
    const fd = try report.check(sys.openat(sys.cwd, path, .{}, 0), doing, .{ kind, path });
    defer sys.close(fd);

    return report.check(sys.setns(fd, @intCast(cloneFlag(kind))), doing, .{ kind, path });
}

/// Whether groups can no longer be set in this user namespace (user_namespaces(7)).
pub fn denySetgroups() bool {
    const fd = switch (sys.openat(sys.cwd, "/proc/self/setgroups", .{}, 0)) {
        .ok => |fd| fd,
        .err => return false,
    };
    defer sys.close(fd);

    var buffer: [8]u8 = undefined;
    const length = switch (sys.read(fd, &buffer)) {
        .ok => |n| n,
        .err => return false,
    };
    return std.mem.startsWith(u8, buffer[0..length], "deny");
}

/// Says why the namespaces could not be made; hints.zig knows the switches that forbid it.
pub fn sayWhy(errno: sys.E, wanted: plan.Linux) report.Error {
    if (wanted.has(.user)) {
        report.failErrno(errno, "create a user namespace", .{});
    } else {
        report.failErrno(errno, "create the container's namespaces", .{});
    }
    return error.Reported;
}

/// A descriptor of the user namespace `pid` is in: as long as it is open, its ids can be used.
pub fn openUser(pid: sys.Pid) report.Error!sys.Fd {
    var path: [32:0]u8 = @splat(0);
    // proven: a pid has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/{d}/ns/user", .{pid}) catch unreachable;
    return report.check(sys.openat(sys.cwd, &path, .{}, 0), "open the user namespace", .{});
}

/// Names the container, when it has a UTS namespace of its own.
pub fn setHostname(it: plan.Plan) report.Error!void {
    if (!it.linux.has(.uts) or it.hostname.len == 0) return;
    return report.check(
        sys.call(void, .sethostname, .{ it.hostname.ptr, it.hostname.len }),
        "set the hostname {s}",
        .{it.hostname},
    );
}

/// A session keyring of its own: keys of the caller's session stay out (keyctl(2)).
pub fn joinKeyring() report.Error!void {
    const join_session_keyring = 1;
    const joined = sys.call(usize, .keyctl, .{ @as(u32, join_session_keyring), null });
    if (joined == .err) switch (joined.err) {
        // No keyrings in this kernel, or an outer container's filter hides them: nothing leaks.
        .NOSYS, .PERM => return,
        // No room for another keyring in the user's quota: the link to the caller's must go still.
        .DQUOT => return,
        else => {},
    };
    _ = try report.check(joined, "join a session keyring", .{});
}

test "every namespace of the plan is asked for" {
    const wanted: plan.Linux = .{ .namespaces = &.{ .{ .type = .user }, .{ .type = .pid } } };
    const flags = linux.CLONE.NEWUSER | linux.CLONE.NEWPID;
    try std.testing.expectEqual(flags, flagsOf(wanted, false));
    const joined: plan.Linux = .{ .namespaces = &.{
        .{ .type = .network, .path = "/run/netns/a" },
        .{ .type = .pid },
    } };
    try std.testing.expectEqual(linux.CLONE.NEWPID, flagsOf(joined, false));
}

test "a child that will be put into a cgroup makes its cgroup namespace there" {
    const wanted: plan.Linux = .{ .namespaces = &.{ .{ .type = .cgroup }, .{ .type = .pid } } };
    try std.testing.expectEqual(linux.CLONE.NEWPID, flagsOf(wanted, true));
}
