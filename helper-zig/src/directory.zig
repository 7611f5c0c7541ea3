//! The container's directory in the store: made, locked, and removed at the end. One that outlives
//! its run was made and locked by the front end, which hands the lock over.
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

    /// Takes over the directory whose lock this process has inherited, or makes one.
    pub fn open(container: plan.ContainerDirectory) report.Error!Directory {
        const fd = container.lock orelse return create(container);
        const doing = "take over the lock of {s}";
        try report.check(sys.closeOnExec(fd), doing, .{container.directory});
        // It is held already by this very open file description; to lock once more changes nothing.
        try report.check(sys.flock(fd, .exclusive_now), doing, .{container.directory});
        return .{ .fd = fd, .container = container };
    }

    /// Makes the directory and takes its lock.
    fn create(container: plan.ContainerDirectory) report.Error!Directory {
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

    /// Writes config.json, what this container is: for whoever looks at it, and for its next start.
    /// There is always a whole one: the new one takes the old one's place.
    pub fn writePlan(directory: Directory, text: []const u8) sys.Result(void) {
        return writeWhole(directory.fd, "config.json", text);
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

/// Makes or replaces the file `name` at once: who opens it sees what was or what is. Not written
/// through to the disk: what counts after a power cut is in other files.
pub fn writeWhole(dir: sys.Fd, comptime name: [:0]const u8, text: []const u8) sys.Result(void) {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true };
    const fd = switch (sys.openat(dir, name ++ ".new", flags, 0o600)) {
        .ok => |fd| fd,
        .err => |e| return .{ .err = e },
    };
    const written = sys.writeAll(fd, text);
    sys.close(fd);
    const renamed = if (written == .ok) sys.renameat(dir, name ++ ".new", dir, name) else written;
    // A disk that is full has room for nothing less than for what is of no use.
    if (renamed == .err) _ = sys.unlinkat(dir, name ++ ".new", 0);
    return renamed;
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

const files = @import("test_directory.zig");

test "a file is replaced as a whole or left as it was" {
    const directory = try files.Directory.open();
    defer directory.close();
    try files.expectDone(writeWhole(directory.fd, "state.json", "one"));
    try files.expectDone(writeWhole(directory.fd, "state.json", "two"));
    try files.expectFile(directory.fd, "state.json", "two");
    try files.expectAbsent(directory.fd, "state.json.new");
    // A directory cannot be replaced by a file.
    try files.expectDone(sys.mkdirat(directory.fd, "config.json", 0o700));
    try std.testing.expectEqual(sys.E.ISDIR, writeWhole(directory.fd, "config.json", "x").err);
    try files.expectAbsent(directory.fd, "config.json.new");
}

test "a lock that was inherited is taken over, and one that somebody else has is not" {
    const directory = try files.Directory.open();
    defer directory.close();
    const container: plan.ContainerDirectory = .{
        .id = "0123456789ab",
        .directory = directory.path,
        .keep = true,
        .lock = directory.fd,
    };
    const taken = try Directory.open(container);
    try std.testing.expectEqual(directory.fd, taken.fd);

    const other = sys.openat(sys.cwd, directory.path, directory_only, 0).ok;
    defer sys.close(other);
    var second = container;
    second.lock = other;
    const before = report.fd;
    report.fd = -1;
    defer report.fd = before;
    try std.testing.expectError(error.Reported, Directory.open(second));
}
