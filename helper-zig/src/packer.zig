//! Files into an archive, one at a time: whoever walks says which and under what names.
//!
//! Whoever else writes to the tree meanwhile changes names under our feet: everything is opened by
//! one name below an open directory, symbolic links are never followed, and what has gone is left
//! out. Sockets are left out, as tar has no word for them.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const names = @import("names.zig");
const xattr = @import("xattr.zig");
const tar = @import("tar.zig");
const tar_output = @import("tar_output.zig");
const Archive = @import("archive.zig").Archive;

/// A file, whatever its names are.
pub const Inode = struct {
    device: sys.Stat.Device,
    inode: u64,

    pub fn of(stat: sys.Stat) Inode {
        return .{ .device = stat.device, .inode = stat.inode };
    }
};

pub const Packer = struct {
    gpa: std.mem.Allocator,
    arena: std.heap.ArenaAllocator,
    archive: Archive,
    is_root_owned: bool,
    scratch: *xattr.Scratch,
    /// The first name of every file with several.
    links: std.AutoHashMapUnmanaged(Inode, []const u8) = .empty,
    xattrs: std.ArrayList(tar.Xattr) = .empty,
    values: std.heap.ArenaAllocator,

    /// The archive goes to `fd`, which stays the caller's.
    pub fn init(fd: sys.Fd, gpa: std.mem.Allocator) report.Error!Packer {
        return .{
            .gpa = gpa,
            .arena = .init(gpa),
            .archive = try .init(fd, gpa),
            .is_root_owned = false,
            .scratch = gpa.create(xattr.Scratch) catch return outOfMemory(),
            .values = .init(gpa),
        };
    }

    /// The open directory `fd` as `name`, without what is in it.
    pub fn directory(
        packer: *Packer,
        fd: sys.Fd,
        name: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        var it = packer.entry(.dir, name, stat);
        it.xattrs = try packer.attributes(fd, name);
        return packer.archive.begin(it);
    }

    /// What is called `from` in the directory `dir`, and is no directory, as `name`.
    pub fn one(
        packer: *Packer,
        dir: sys.Fd,
        from: [:0]const u8,
        name: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        switch (stat.kind()) {
            linux.S.IFREG => return packer.regular(dir, from, name),
            linux.S.IFLNK => return packer.symlink(dir, from, name, stat),
            linux.S.IFIFO => try packer.archive.begin(packer.entry(.fifo, name, stat)),
            linux.S.IFCHR => try packer.archive.begin(packer.entry(.char, name, stat)),
            linux.S.IFBLK => try packer.archive.begin(packer.entry(.block, name, stat)),
            else => {},
        }
    }

    fn regular(
        packer: *Packer,
        dir: sys.Fd,
        from: [:0]const u8,
        name: []const u8,
    ) report.Error!void {
        // It may have become a fifo, which would have us wait, or a terminal.
        const flags: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .NOCTTY = true };
        const opened = sys.openat(dir, from, flags, 0);
        if (opened == .err and isGone(opened.err)) return;
        const fd = try report.check(opened, "open {s}", .{name});
        defer sys.close(fd);

        const stat = try report.check(sys.fstat(fd), "examine {s}", .{name});
        if (stat.kind() != linux.S.IFREG) return;
        var it = packer.entry(.file, name, stat);
        if (stat.links > 1) {
            const slot = try packer.firstName(stat, name);
            if (slot) |first| {
                it.kind = .hardlink;
                it.link = first;
                return packer.archive.begin(it);
            }
        }
        it.size = stat.size;
        it.xattrs = try packer.attributes(fd, name);
        try packer.archive.begin(it);
        return packer.archive.add(fd, stat.size, name);
    }

    /// The name a file was packed under already; null when this is its first.
    fn firstName(packer: *Packer, stat: sys.Stat, name: []const u8) report.Error!?[]const u8 {
        const slot = packer.links.getOrPut(packer.gpa, .of(stat)) catch return outOfMemory();
        if (slot.found_existing) return slot.value_ptr.*;
        slot.value_ptr.* = packer.arena.allocator().dupe(u8, name) catch return outOfMemory();
        return null;
    }

    fn symlink(
        packer: *Packer,
        dir: sys.Fd,
        from: [:0]const u8,
        name: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        var target: names.PathBuffer = undefined;
        const read = sys.readlinkat(dir, from, &target);
        if (read == .err and (isGone(read.err) or read.err == .INVAL)) return;
        const length = try report.check(read, "read link {s}", .{name});
        var it = packer.entry(.symlink, name, stat);
        it.link = target[0..length];
        return packer.archive.begin(it);
    }

    pub fn entry(
        packer: *Packer,
        kind: tar.Kind,
        name: []const u8,
        stat: sys.Stat,
    ) tar_output.Entry {
        const kept = !packer.is_root_owned;
        return .{
            .kind = kind,
            .path = name,
            .mode = stat.mode & 0o7777,
            .uid = if (kept) stat.uid else 0,
            .gid = if (kept) stat.gid else 0,
            .mtime = .{ .sec = stat.modified.sec, .nsec = stat.modified.nsec },
            .major = stat.node.major,
            .minor = stat.node.minor,
        };
    }

    /// What is kept of the attributes of `fd`, good until the next call.
    fn attributes(packer: *Packer, fd: sys.Fd, name: []const u8) report.Error![]const tar.Xattr {
        packer.xattrs.clearRetainingCapacity();
        const listed = xattr.Names.of(fd, &packer.scratch.list);
        var found = try report.check(listed, "list extended attributes of {s}", .{name});
        if (found.rest.len == 0) return packer.xattrs.items;
        _ = packer.values.reset(.retain_capacity);
        while (found.next()) |key| {
            const value = switch (sys.fgetxattr(fd, key, &packer.scratch.value)) {
                .ok => |length| packer.scratch.value[0..length],
                .err => continue, // taken away meanwhile, or not ours to read
            };
            const own = packer.values.allocator().dupe(u8, value) catch return outOfMemory();
            packer.xattrs.append(packer.gpa, .{ .name = key, .value = own }) catch
                return outOfMemory();
        }
        return packer.xattrs.items;
    }
};

/// The name is not what it was when it was listed.
pub fn isGone(errno: sys.E) bool {
    return errno == .NOENT or errno == .NOTDIR or errno == .LOOP or errno == .NXIO;
}

fn outOfMemory() report.Error {
    return report.fail("pack files: out of memory", .{});
}
