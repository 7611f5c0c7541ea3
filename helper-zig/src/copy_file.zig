//! One file of any kind but a directory, copied with everything it carries.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const xattr = @import("xattr.zig");

/// A name in an open directory.
pub const Place = struct { dir: sys.Fd, name: [:0]const u8 };

const buffer_bytes = 64 << 10;
const target_bytes_max = 4096;

/// Makes `to` a copy of `from`; nothing of that name is there.
pub fn file(from: Place, to: Place, scratch: *xattr.Scratch) report.Error!void {
    const looked = sys.statat(from.dir, from.name, linux.AT.SYMLINK_NOFOLLOW);
    const stat = try report.check(looked, "examine {s}", .{from.name});
    switch (stat.kind()) {
        linux.S.IFREG => return regular(from, to, stat, scratch),
        linux.S.IFLNK => try symlink(from, to),
        else => {
            const node = stat.node;
            const made = sys.mknodat(to.dir, to.name, stat.mode, node.major, node.minor);
            try report.check(made, "make {s}", .{to.name});
        },
    }
    const owned = sys.lchownat(to.dir, to.name, stat.uid, stat.gid);
    try report.check(owned, "change the owner of {s}", .{to.name});
    if (stat.kind() != linux.S.IFLNK) {
        const changed = sys.chmodat(to.dir, to.name, stat.mode & 0o7777);
        try report.check(changed, "change the mode of {s}", .{to.name});
    }
    const timed = sys.setModified(to.dir, to.name, stat.modified.sec, stat.modified.nsec);
    return report.check(timed, "set the time of {s}", .{to.name});
}

/// As `file`, for a copy that no recipe tells of: its data is on the disk before it is relied upon.
pub fn fileDurably(from: Place, to: Place, scratch: *xattr.Scratch) report.Error!void {
    try file(from, to, scratch);
    const looked = sys.statat(to.dir, to.name, linux.AT.SYMLINK_NOFOLLOW);
    const stat = try report.check(looked, "examine {s}", .{to.name});
    if (stat.kind() != linux.S.IFREG) return;
    const opened = sys.openat(to.dir, to.name, .{ .NOFOLLOW = true }, 0);
    const fd = try report.check(opened, "open {s}", .{to.name});
    defer sys.close(fd);

    return report.check(sys.fdatasync(fd), "sync {s}", .{to.name});
}

fn symlink(from: Place, to: Place) report.Error!void {
    var target: [target_bytes_max]u8 = undefined;
    const read = sys.readlinkat(from.dir, from.name, target[0 .. target.len - 1]);
    const len = try report.check(read, "read link {s}", .{from.name});
    target[len] = 0;
    const made = sys.symlinkat(target[0..len :0], to.dir, to.name);
    return report.check(made, "make link {s}", .{to.name});
}

fn regular(
    from: Place,
    to: Place,
    stat: sys.Stat,
    scratch: *xattr.Scratch,
) report.Error!void {
    const opened = sys.openat(from.dir, from.name, .{ .NOFOLLOW = true }, 0);
    const source = try report.check(opened, "open {s}", .{from.name});
    defer sys.close(source);

    const flags: linux.O = .{
        .ACCMODE = .WRONLY,
        .CREAT = true,
        .EXCL = true,
        .NOFOLLOW = true,
    };
    const made = sys.openat(to.dir, to.name, flags, 0o600);
    const fd = try report.check(made, "make {s}", .{to.name});
    defer sys.close(fd);

    if (sys.reflink(source, fd) == .err) try copyData(source, fd, stat.size, to.name);
    try attributes(source, fd, stat, scratch, to.name);
}

/// Owner, mode, extended attributes and time of `stat` and `source`, in the order in which each
/// leaves the others alone.
pub fn attributes(
    source: sys.Fd,
    fd: sys.Fd,
    stat: sys.Stat,
    scratch: *xattr.Scratch,
    name: []const u8,
) report.Error!void {
    const owned = sys.fchown(fd, stat.uid, stat.gid);
    try report.check(owned, "change the owner of {s}", .{name});
    const changed = sys.fchmod(fd, stat.mode & 0o7777);
    try report.check(changed, "change the mode of {s}", .{name});
    try xattr.copy(source, fd, scratch, name);
    const timed = sys.setModifiedOf(fd, stat.modified.sec, stat.modified.nsec);
    return report.check(timed, "set the time of {s}", .{name});
}

/// Copies the data and leaves the holes.
fn copyData(from: sys.Fd, to: sys.Fd, size: u64, name: []const u8) report.Error!void {
    try report.check(sys.ftruncate(to, size), "size {s}", .{name});
    var at: u64 = 0;
    while (at < size) {
        const data = switch (sys.seek(from, at, .data)) {
            .ok => |found| found,
            .err => |e| if (e == .NXIO) return else at,
        };
        const end = switch (sys.seek(from, data, .hole)) {
            .ok => |found| found,
            .err => size,
        };
        try copyExtent(from, to, data, end, name);
        at = end;
    }
}

fn copyExtent(
    from: sys.Fd,
    to: sys.Fd,
    start: u64,
    end: u64,
    name: []const u8,
) report.Error!void {
    var at = start;
    while (at < end) switch (sys.copyRange(from, to, at, end - at)) {
        .ok => |len| {
            if (len == 0) return report.fail("copy {s}: it became shorter", .{name});
            at += len;
        },
        // Other file systems, or a kernel or sandbox without the call: by hand.
        .err => return copyByHand(from, to, at, end, name),
    };
}

fn copyByHand(
    from: sys.Fd,
    to: sys.Fd,
    start: u64,
    end: u64,
    name: []const u8,
) report.Error!void {
    var buffer: [buffer_bytes]u8 = undefined;
    var at = start;
    while (at < end) {
        const wanted: usize = @intCast(@min(buffer.len, end - at));
        const got = sys.readAt(from, buffer[0..wanted], at);
        const len = try report.check(got, "read {s}", .{name});
        if (len == 0) return report.fail("copy {s}: it became shorter", .{name});
        try report.check(sys.writeAllAt(to, buffer[0..len], at), "write {s}", .{name});
        at += len;
    }
}
