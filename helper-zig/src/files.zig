//! Files of the container that come from memory: /etc/hosts, /etc/hostname, /etc/resolv.conf.
//!
//! One small tmpfs holds them, an empty directory for mask.zig, and the mount point of the root. It
//! covers the container's directory, where the container cannot see it; single files of it are
//! bound over the image's own. The image's files are never written: a link there may lead to a
//! file of the host's.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const mount = @import("mount.zig");
const inside = @import("inside.zig");

const restricted = sysmount.attr.nosuid | sysmount.attr.nodev | sysmount.attr.noexec;

/// The tmpfs.
pub const Memory = struct {
    fd: sys.Fd,

    /// Makes it, on top of the container's directory `home`.
    pub fn open(home: sys.Fd) report.Error!Memory {
        const doing = "make a file system for the container's own files";
        const context = try report.check(sysmount.fsopen("tmpfs"), doing, .{});
        defer sys.close(context);

        // The payload may write to these files: bounded, or they would take the host's memory.
        try report.check(sysmount.setString(context, "size", "8m"), doing, .{});
        try report.check(sysmount.setString(context, "mode", "755"), doing, .{});
        try report.check(sysmount.create(context), doing, .{});
        const fd = try report.check(sysmount.fsmount(context, restricted), doing, .{});
        try report.check(sysmount.moveMount(fd, home), doing, .{});
        try report.check(sys.mkdirat(fd, empty_name, 0o555), doing, .{});
        // `root.path` of a container with layers: in memory, it costs no inode of the store's.
        try report.check(sys.mkdirat(fd, root_name, 0o755), doing, .{});
        return .{ .fd = fd };
    }

    pub fn close(memory: Memory) void {
        sys.close(memory.fd);
    }

    /// A detached mount of the empty directory.
    pub fn emptyDirectory(memory: Memory) sys.Result(sys.Fd) {
        return sysmount.openTree(memory.fd, empty_name, .this);
    }

    const empty_name = "empty";
    const root_name = "rootfs";
};

/// Puts every planned file over what the image has at its place, made if missing. As docker: a
/// symbolic link in the image is followed (inside the root) and its target covered. A mount of the
/// user's at the same place stays on top.
pub fn place(
    files: []const plan.PlannedFile,
    memory: Memory,
    mounts: []const plan.Mount,
    root: inside.Root,
) report.Error!void {
    for (files, 0..) |file, i| {
        if (isMounted(file.destination, mounts)) continue;
        var name: [16:0]u8 = @splat(0);
        // proven: an index has ten digits at most in a plan of bounded size.
        _ = std.fmt.bufPrint(&name, "{d}", .{i}) catch unreachable;
        try fill(memory, &name, file);
        try cover(memory, &name, file, root);
    }
}

fn isMounted(destination: []const u8, mounts: []const plan.Mount) bool {
    for (mounts) |it| if (std.mem.eql(u8, it.destination, destination)) return true;
    return false;
}

fn fill(memory: Memory, name: [*:0]const u8, file: plan.PlannedFile) report.Error!void {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true };
    const fd = try report.check(
        sys.openat(memory.fd, name, flags, 0o644),
        "write {s}",
        .{file.destination},
    );
    defer sys.close(fd);

    return report.check(sys.writeAll(fd, file.content), "write {s}", .{file.destination});
}

fn cover(
    memory: Memory,
    name: [*:0]const u8,
    file: plan.PlannedFile,
    root: inside.Root,
) report.Error!void {
    const target = try root.makeFile(file.destination);
    defer sys.close(target);

    const copy = try report.check(
        sysmount.openTree(memory.fd, name, .this),
        "bind {s}",
        .{file.destination},
    );
    defer sys.close(copy);

    try mount.attach(.{
        .mount = copy,
        .target = target,
        .change = .{ .set = restricted, .propagation = sysmount.ms.private },
        .depth = .this,
        .source = "a file",
        .destination = file.destination,
    });
}
