//! Kernel settings under /proc/sys: the container's own (runtime-spec `linux.sysctl`), and single
//! ones of this machine's network.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");

const path_bytes_max = 256;

/// Writes the plan's settings in the container's namespaces, before /proc/sys is sealed. Only those
/// that belong to a namespace of the container's own: all others are the machine's.
pub fn apply(wanted: plan.Linux) report.Error!void {
    var settings = wanted.sysctl.map.iterator();
    while (settings.next()) |setting| {
        const name = setting.key_ptr.*;
        const value = setting.value_ptr.*;
        if (!isOwn(wanted, name))
            return report.fail("set {s}: it is not the container's own", .{name});
        var path: [path_bytes_max]u8 = undefined;
        const text = pathOf(name, &path) orelse
            return report.fail("set {s}: no such setting", .{name});
        const written = writeTo(text, value);
        if (written == .err and isComfort(name, written.err)) continue;
        try report.check(written, "set {s} to {s}", .{ name, value });
    }
}

/// Which namespace a setting belongs to, as runc has it.
fn isOwn(wanted: plan.Linux, name: []const u8) bool {
    const ipc = [_][]const u8{
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    };
    if (std.mem.startsWith(u8, name, "net.")) return wanted.has(.network);
    if (std.mem.startsWith(u8, name, "fs.mqueue.")) return wanted.has(.ipc);
    if (std.mem.eql(u8, name, "kernel.domainname")) return wanted.has(.uts);
    for (ipc) |own| if (std.mem.eql(u8, name, own)) return wanted.has(.ipc);
    return false;
}

/// Settings that spare containers from needing rights, or from waiting: where this kernel does not
/// have them, or a read-only /proc/sys (in another container) does not take them, all goes as
/// without.
fn isComfort(name: []const u8, errno: sys.E) bool {
    const is_one = std.mem.eql(u8, name, "net.ipv4.ip_unprivileged_port_start") or
        std.mem.eql(u8, name, "net.ipv4.ping_group_range") or
        std.mem.eql(u8, name, "net.ipv6.conf.default.accept_dad");
    // EINVAL: groups that are not mapped in the user namespace.
    return is_one and switch (errno) {
        .NOENT, .ROFS, .ACCES, .PERM, .INVAL => true,
        else => false,
    };
}

/// `net.ipv4.ip_forward` -> `/proc/sys/net/ipv4/ip_forward`; null for what leads elsewhere.
fn pathOf(name: []const u8, buffer: *[path_bytes_max]u8) ?[:0]const u8 {
    const top = "/proc/sys/";
    if (std.mem.indexOf(u8, name, "..") != null) return null;
    const path = std.fmt.bufPrintSentinel(buffer, top ++ "{s}", .{name}, 0) catch return null;
    std.mem.replaceScalar(u8, path[top.len..], '.', '/');
    return path;
}

/// A setting of one interface, in this process's network namespace.
pub const OfInterface = struct {
    /// `ipv4/conf/%/forwarding`: the interface's name stands for `%`.
    setting: []const u8,
    interface: []const u8,

    pub fn write(of: OfInterface, value: []const u8) sys.Result(void) {
        var buffer: [path_bytes_max]u8 = undefined;
        const text = of.path(&buffer) orelse return .{ .err = .NAMETOOLONG };
        return writeTo(text, value);
    }

    /// The first byte of the setting.
    pub fn read(of: OfInterface) sys.Result(u8) {
        var buffer: [path_bytes_max]u8 = undefined;
        const text = of.path(&buffer) orelse return .{ .err = .NAMETOOLONG };
        const fd = switch (sys.openat(sys.cwd, text, .{}, 0)) {
            .ok => |fd| fd,
            .err => |e| return .{ .err = e },
        };
        defer sys.close(fd);

        var value: [1]u8 = .{0};
        return switch (sys.read(fd, &value)) {
            .ok => .{ .ok = value[0] },
            .err => |e| .{ .err = e },
        };
    }

    fn path(of: OfInterface, buffer: *[path_bytes_max]u8) ?[:0]const u8 {
        var parts = std.mem.splitScalar(u8, of.setting, '%');
        const before = parts.first();
        const after = parts.rest();
        const words = .{ before, of.interface, after };
        return std.fmt.bufPrintSentinel(buffer, "/proc/sys/net/{s}{s}{s}", words, 0) catch null;
    }
};

fn writeTo(path: [:0]const u8, value: []const u8) sys.Result(void) {
    const fd = switch (sys.openat(sys.cwd, path, .{ .ACCMODE = .WRONLY }, 0)) {
        .ok => |fd| fd,
        .err => |e| return .{ .err = e },
    };
    defer sys.close(fd);

    return sys.writeAll(fd, value);
}

test "only settings of the container's own namespaces are its own" {
    const own: plan.Linux = .{ .namespaces = &.{ .{ .type = .network }, .{ .type = .ipc } } };
    try std.testing.expect(isOwn(own, "net.ipv4.ip_forward"));
    try std.testing.expect(isOwn(own, "kernel.sem"));
    try std.testing.expect(!isOwn(own, "kernel.domainname"));
    try std.testing.expect(!isOwn(own, "kernel.core_pattern"));
    try std.testing.expect(!isOwn(.{}, "net.ipv4.ip_forward"));
}

test "a setting is a path below /proc/sys" {
    var buffer: [path_bytes_max]u8 = undefined;
    const path = pathOf("net.ipv4.ip_forward", &buffer).?;
    try std.testing.expectEqualStrings("/proc/sys/net/ipv4/ip_forward", path);
    try std.testing.expectEqual(null, pathOf("net/../kernel", &buffer));
    const of: OfInterface = .{ .setting = "ipv4/conf/%/forwarding", .interface = "a.b" };
    const full = "/proc/sys/net/ipv4/conf/a.b/forwarding";
    try std.testing.expectEqualStrings(full, of.path(&buffer).?);
}
