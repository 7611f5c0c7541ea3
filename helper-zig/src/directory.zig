//! The container's directory in the store: made, locked, and removed at the end.
//!
//! A container is alive exactly while its supervisor holds the exclusive lock (flock(2)) on this
//! directory; the kernel lets go of it however the supervisor dies. Layers in use are held by
//! shared locks, so that pruning passes them by.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const remove = @import("remove.zig");

/// Tries at making a directory that a sweep takes away between mkdir and flock.
const tries_max = 8;

const directory_only: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };

pub const Directory = struct {
    fd: sys.Fd,
    container: plan.ContainerDirectory,

    /// Makes the directory and takes its lock.
    pub fn create(container: plan.ContainerDirectory) report.Error!Directory {
        for (0..tries_max) |_| {
            const made = try make(container.directory);
            // Ours alone as long as nothing is in it; anything else in it makes this fail.
            errdefer if (made) {
                _ = sys.unlinkat(sys.cwd, container.directory, linux.AT.REMOVEDIR);
            };
            if (try openLocked(container.directory)) |fd|
                return .{ .fd = fd, .container = container };
        }
        return report.fail("lock {s}: it is taken away again and again", .{container.directory});
    }

    /// Makes what overlayfs needs in it: the writable layer and its work directory.
    pub fn fill(directory: Directory) report.Error!void {
        const below = [_]struct { [*:0]const u8, u32 }{
            .{ "upper", 0o755 },
            .{ "work", 0o700 },
        };
        for (below) |entry| {
            const made = sys.mkdirat(directory.fd, entry[0], entry[1]);
            if (made == .err and made.err == .EXIST) continue;
            try report.check(made, "make {s} in {s}", .{
                entry[0],
                directory.container.directory,
            });
        }
    }

    /// Makes a kept container what it is: its plan, beside the layer it writes. Under the lock:
    /// without both, the directory is garbage to any hb that sweeps the store.
    pub fn keepPlan(directory: Directory, text: []const u8) report.Error!void {
        if (!directory.container.keep) return;
        const doing = "write config.json in {s}";
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true };
        const fd = try report.check(
            sys.openat(directory.fd, "config.json", flags, 0o600),
            doing,
            .{directory.container.directory},
        );
        defer sys.close(fd);

        return report.check(sys.writeAll(fd, text), doing, .{directory.container.directory});
    }

    /// Removes everything and the directory itself, or leaves it when it is to be kept. Some of it
    /// may belong to ids of `userns` (-1: no such namespace), which only its root may touch.
    pub fn finish(directory: Directory, userns: sys.Fd) report.Error!void {
        defer sys.close(directory.fd);
        if (directory.container.keep) return;
        forgetName(directory.container);
        // Entering makes this process root there and nobody outside; nothing but this is left to
        // do. Where it fails, removing as ourselves says what is in the way.
        if (userns >= 0) _ = sys.setns(userns, linux.CLONE.NEWUSER);
        try remove.tree(sys.cwd, directory.container.directory);
    }
};

/// Gives up the name of a container that is not to be kept.
pub fn forgetName(container: plan.ContainerDirectory) void {
    if (container.keep) return;
    // Ours by a lock the front end took and this process inherited; gone already is as well.
    if (container.nameFile) |file| _ = sys.unlinkat(sys.cwd, file, 0);
}

/// False when it is there already.
fn make(path: plan.Text) report.Error!bool {
    // 0700: what a container writes is its owner's business.
    const made = sys.mkdirat(sys.cwd, path, 0o700);
    if (made == .err and made.err == .EXIST) return false;
    try report.check(made, "make the container's directory {s}", .{path});
    return true;
}

/// Null when the name has come to mean another directory meanwhile, or none.
fn openLocked(path: plan.Text) report.Error!?sys.Fd {
    const opened = sys.openat(sys.cwd, path, directory_only, 0);
    if (opened == .err and opened.err == .NOENT) return null;
    const fd = try report.check(opened, "open the container's directory {s}", .{path});
    errdefer sys.close(fd);

    // A sweep may hold it for as long as it takes to remove it.
    try report.check(sys.flock(fd, .exclusive), "lock {s}", .{path});
    const own = try report.check(sys.fstat(fd), "look at {s}", .{path});
    const named = sys.statat(sys.cwd, path, linux.AT.SYMLINK_NOFOLLOW);
    const is_same = named == .ok and own.inode == named.ok.inode and
        std.meta.eql(own.device, named.ok.device);
    if (is_same) return fd;
    sys.close(fd);
    return null;
}

/// The child's own descriptor of the directory: overlayfs takes no layer from another mount
/// namespace than the caller's.
pub fn openWithin(container: plan.ContainerDirectory) report.Error!sys.Fd {
    return report.check(
        sys.openat(sys.cwd, container.directory, .{ .PATH = true, .DIRECTORY = true }, 0),
        "open the container's directory {s}",
        .{container.directory},
    );
}

/// Takes a shared lock on every layer's directory, which is the parent of its `diff`. They are
/// held until this process ends.
pub fn holdLayers(overlay: ?plan.Overlay) report.Error!void {
    const wanted = overlay orelse return;
    for (wanted.lowerdirs) |path| {
        const name = std.fs.path.dirname(path) orelse "/";
        var buffer: [4096:0]u8 = undefined;
        const directory = std.fmt.bufPrintSentinel(&buffer, "{s}", .{name}, 0) catch
            return report.fail("open the layer {s}: name too long", .{path});
        const fd = try report.check(
            sys.openat(sys.cwd, directory, directory_only, 0),
            "open the layer {s}",
            .{directory},
        );
        try report.check(sys.flock(fd, .shared), "lock the layer {s}", .{directory});
    }
}
