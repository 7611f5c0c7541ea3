//! A layer under way: every entry of the tar becomes a file in the layer's directory.
//!
//! Names are cleaned (names.zig), told from whiteouts (whiteout.zig) and resolved inside the layer
//! (tree.zig); every file is made new, by one name under an open directory, and what was there of
//! that name goes first. What can only be done at the end is in finish.zig.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const input = @import("input.zig");
const tar = @import("tar.zig");
const names = @import("names.zig");
const xattr = @import("xattr.zig");
const whiteout = @import("whiteout.zig");
const pending = @import("pending.zig");
const copy = @import("copy_file.zig");
const Owners = @import("owners.zig").Owners;
const tree_module = @import("tree.zig");
const Tree = tree_module.Tree;
const Place = tree_module.Place;

const Allocator = std.mem.Allocator;
const Tar = tar.Reader(input.Descriptor);

pub fn outOfMemory() report.Error {
    return report.fail("unpack a layer: out of memory", .{});
}

/// A whiteout or a hard link that waits for the end of the layer.
pub const Waiting = struct { dir: tree_module.Id, name: [:0]const u8, target: [:0]const u8 = "" };

/// More than any layer has, and little enough memory.
const waiting_max = 1 << 20;

/// A layer under way.
pub const Layer = struct {
    gpa: Allocator,
    reader: Tar,
    tree: Tree,
    owners: Owners,
    arena: std.heap.ArenaAllocator,
    scratch: *xattr.Scratch,
    in_user_namespace: bool,
    pending: pending.Writer,
    whiteouts: std.ArrayList(Waiting) = .empty,
    links: std.ArrayList(Waiting) = .empty,
    /// Names of nodes that can not be made here, in case a hard link is made to one.
    skipped_places: std.StringHashMapUnmanaged(void) = .empty,
    path_buffer: names.PathBuffer = undefined,
    link_buffer: names.PathBuffer = undefined,
    entries: u64 = 0,
    skipped: u64 = 0,

    /// `stream` is the tar, `root` the layer's directory; both stay the caller's.
    pub fn init(
        gpa: Allocator,
        stream: sys.Fd,
        root: sys.Fd,
        in_user_namespace: bool,
    ) error{OutOfMemory}!Layer {
        sys.enlargePipe(stream, input.buffer_bytes);
        const buffer = try gpa.alloc(u8, input.buffer_bytes);
        return .{
            .gpa = gpa,
            .reader = .init(.{ .fd = stream }, buffer, gpa),
            .tree = try .init(gpa, root),
            .owners = .here(),
            .arena = .init(gpa),
            .scratch = try gpa.create(xattr.Scratch),
            .in_user_namespace = in_user_namespace,
            .pending = .{ .gpa = gpa },
        };
    }

    pub fn deinit(self: *Layer) void {
        // The process ends; only descriptors outlive this in a test.
        self.tree.deinit();
        self.arena.deinit();
    }

    /// Unpacks every entry, and reads what trails them.
    pub fn readAll(self: *Layer) report.Error!void {
        while (self.reader.next() catch |err| return self.damaged(err)) |entry| {
            self.entries += 1;
            try self.add(&entry);
        }
        self.reader.in.drain() catch |err| return self.damaged(err);
    }

    fn damaged(self: *Layer, err: tar.Error) report.Error {
        if (err == error.ReadFailed) {
            report.failErrno(self.reader.in.errno, "read the layer", .{});
            return error.Reported;
        }
        return report.fail("unpack a layer: {s}, after {d} entries", .{
            tar.words(err), self.entries,
        });
    }

    fn add(self: *Layer, entry: *const tar.Entry) report.Error!void {
        const path = names.clean(entry.path, &self.path_buffer) catch {
            return report.fail("unpack {s}: name too long", .{entry.path});
        };
        if (path.len == 0) return self.addRoot(entry);
        const parts = names.split(path);
        switch (whiteout.meaningOfParent(parts.parent)) {
            .ignored => return,
            .refused => return report.fail("unpack {s}: a whiteout holds nothing", .{path}),
            else => {},
        }
        switch (whiteout.meaning(parts.name)) {
            .plain => try self.addFile(entry, path),
            .ignored => {},
            .refused => return report.fail("unpack {s}: this whiteout hides nothing", .{path}),
            .@"opaque" => {
                const place = try self.tree.place(path);
                self.tree.at(place.dir).is_opaque = true;
            },
            .hides => |hidden| {
                const place = try self.tree.place(path);
                try self.wait(&self.whiteouts, .{ .dir = place.dir, .name = hidden });
            },
        }
    }

    fn addRoot(self: *Layer, entry: *const tar.Entry) report.Error!void {
        if (entry.kind != .dir) {
            return report.fail("unpack {s}: the root is a directory", .{entry.path});
        }
        try self.describe(.root, entry);
    }

    fn addFile(self: *Layer, entry: *const tar.Entry, path: [:0]const u8) report.Error!void {
        const place = try self.tree.place(path);
        switch (entry.kind) {
            .dir => {
                // The owner's own bits stay until the end, so that content can be made; the rest
                // is final already for most.
                const mode = (entry.mode & 0o777) | 0o700;
                try self.describe(try self.tree.directory(place, mode), entry);
            },
            .file => try self.addRegular(entry, place, path),
            .symlink => try self.addSymlink(entry, place, path),
            .hardlink => try self.addLink(entry, place, path),
            .fifo => try self.addNode(entry, place, path, linux.S.IFIFO),
            .char => try self.addDevice(entry, place, path, linux.S.IFCHR),
            .block => try self.addDevice(entry, place, path, linux.S.IFBLK),
        }
    }

    /// Notes what a directory is to be, and gives it its attributes.
    fn describe(self: *Layer, id: tree_module.Id, entry: *const tar.Entry) report.Error!void {
        const owner = self.owners.map(.{ .uid = entry.uid, .gid = entry.gid });
        self.tree.at(id).attributes = .{ .mode = entry.mode, .owner = owner, .mtime = entry.mtime };
        const had = self.tree.at(id).has_xattrs;
        if (entry.xattrs.len == 0 and !had) return;
        const fd = try self.tree.fdOf(id);
        if (had) try xattr.clear(fd, self.scratch, entry.path);
        // Now, not at the end: an owner set later takes no attribute from a directory.
        self.tree.at(id).has_xattrs = try setXattrs(fd, entry);
    }

    fn addRegular(
        self: *Layer,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
    ) report.Error!void {
        const fd = try self.create(place, entry.mode & 0o777, path);
        defer sys.close(fd);

        self.noteContent(place, entry);
        if (entry.extents) |extents| {
            try self.writeSparse(fd, entry.size, extents, path);
        } else while (self.reader.chunk() catch |err| return self.damaged(err)) |piece| {
            try report.check(sys.writeAll(fd, piece), "write {s}", .{path});
        }
        const owner = self.owners.map(.{ .uid = entry.uid, .gid = entry.gid });
        if (owner.uid != 0 or owner.gid != 0) {
            const owned = sys.fchown(fd, owner.uid, owner.gid);
            try report.check(owned, "change the owner of {s}", .{path});
        }
        // After the owner and the content: both take set-id bits and capabilities away.
        if (entry.mode & 0o7000 != 0) {
            try report.check(sys.fchmod(fd, entry.mode), "change the mode of {s}", .{path});
        }
        if (entry.xattrs.len > 0) _ = try setXattrs(fd, entry);
        const timed = sys.setModifiedOf(fd, entry.mtime.sec, entry.mtime.nsec);
        try report.check(timed, "set the time of {s}", .{path});
    }

    /// Tells the recipe which file the body becomes, by its real name: links may have led here.
    fn noteContent(self: *Layer, place: Place, entry: *const tar.Entry) void {
        const recipe = self.reader.in.tap orelse return;
        var buffer: names.PathBuffer = undefined;
        const whole = self.tree.pathIn(place, &buffer) catch {
            recipe.is_lost = true;
            return;
        };
        const extents = entry.extents orelse return recipe.addContent(whole, 0, entry.size);
        for (extents) |it| recipe.addContent(whole, it.offset, it.size);
    }

    fn create(self: *Layer, place: Place, mode: u32, path: []const u8) report.Error!sys.Fd {
        const flags: linux.O = .{
            .ACCMODE = .WRONLY,
            .CREAT = true,
            .EXCL = true,
            .NOFOLLOW = true,
        };
        const dir = try self.tree.fdOf(place.dir);
        const made = sys.openat(dir, place.name, flags, mode);
        if (made == .ok or made.err != .EXIST) return report.check(made, "make {s}", .{path});
        try self.tree.clear(place);
        return report.check(sys.openat(dir, place.name, flags, mode), "make {s}", .{path});
    }

    fn writeSparse(
        self: *Layer,
        fd: sys.Fd,
        size: u64,
        extents: []const tar.Extent,
        path: []const u8,
    ) report.Error!void {
        try report.check(sys.ftruncate(fd, size), "size {s}", .{path});
        for (extents) |extent| {
            var at = extent.offset;
            const end = extent.offset + extent.size;
            while (at < end) {
                // proven: the extents' sizes add up to what is stored (sparse.validate).
                const piece = (self.reader.chunkUpTo(end - at) catch |err|
                    return self.damaged(err)) orelse unreachable;
                try report.check(sys.writeAllAt(fd, piece, at), "write {s}", .{path});
                at += piece.len;
            }
        }
    }

    fn addSymlink(
        self: *Layer,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
    ) report.Error!void {
        // The parser bounds it and allows no NUL.
        const target = self.link_buffer[0..entry.link.len];
        @memcpy(target, entry.link);
        self.link_buffer[target.len] = 0;
        const terminated = self.link_buffer[0..target.len :0];
        const dir = try self.tree.fdOf(place.dir);
        var made = sys.symlinkat(terminated, dir, place.name);
        if (made == .err and made.err == .EXIST) {
            try self.tree.clear(place);
            made = sys.symlinkat(terminated, dir, place.name);
        }
        try report.check(made, "make link {s}", .{path});
        try self.attribute(entry, place, path);
    }

    fn addNode(
        self: *Layer,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
        kind: u32,
    ) report.Error!void {
        const dir = try self.tree.fdOf(place.dir);
        const mode = kind | (entry.mode & 0o777);
        var made = sys.mknodat(dir, place.name, mode, entry.major, entry.minor);
        if (made == .err and made.err == .EXIST) {
            try self.tree.clear(place);
            made = sys.mknodat(dir, place.name, mode, entry.major, entry.minor);
        }
        if (made == .err and made.err == .PERM and kind != linux.S.IFIFO) {
            return self.skip(place, path);
        }
        try report.check(made, "make {s}", .{path});
        try self.attribute(entry, place, path);
        if (entry.mode & 0o7000 == 0) return;
        const changed = sys.chmodat(dir, place.name, entry.mode);
        try report.check(changed, "change the mode of {s}", .{path});
    }

    fn addDevice(
        self: *Layer,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
        kind: u32,
    ) report.Error!void {
        // overlayfs would take this device for a whiteout, so that is what it is: the same as
        // `.wh.NAME`, which any layer may say.
        if (kind == linux.S.IFCHR and entry.major == 0 and entry.minor == 0) {
            try self.tree.clear(place);
            return self.wait(&self.whiteouts, .{ .dir = place.dir, .name = place.name });
        }
        if (self.in_user_namespace) {
            try self.tree.clear(place);
            return self.skip(place, path);
        }
        return self.addNode(entry, place, path, kind);
    }

    fn skip(self: *Layer, place: Place, path: []const u8) report.Error!void {
        _ = place;
        self.skipped += 1;
        const key = self.arena.allocator().dupe(u8, path) catch return outOfMemory();
        self.skipped_places.put(self.gpa, key, {}) catch return outOfMemory();
    }

    fn addLink(
        self: *Layer,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
    ) report.Error!void {
        const target = names.clean(entry.link, &self.link_buffer) catch {
            return report.fail("unpack {s}: link target too long", .{path});
        };
        if (std.mem.eql(u8, target, path)) return;
        if (self.skipped_places.contains(target)) return self.skip(place, path);
        if (try self.linkInLayer(place, path, target)) return;
        // Nothing of this name may stay: it will be the lower file.
        try self.tree.clear(place);
        try self.wait(&self.links, .{ .dir = place.dir, .name = place.name, .target = target });
    }

    /// Makes the hard link if its target is in this layer.
    pub fn linkInLayer(
        self: *Layer,
        place: Place,
        path: []const u8,
        target: [:0]const u8,
    ) report.Error!bool {
        if (target.len == 0) return report.fail("unpack {s}: hard link to a directory", .{path});
        const from = try self.tree.find(target) orelse return false;
        if (self.tree.lookup(from.dir, from.name) != null) {
            return report.fail("unpack {s}: hard link to a directory", .{path});
        }
        // In this order the second call can not close what the first one opened.
        _ = try self.tree.fdOf(from.dir);
        const dir = try self.tree.fdOf(place.dir);
        const from_dir = try self.tree.fdOf(from.dir);
        var made = sys.linkat(from_dir, from.name, dir, place.name);
        if (made == .err and made.err == .EXIST) {
            if (from.dir == place.dir and std.mem.eql(u8, from.name, place.name)) return true;
            // Only if the target is there: otherwise the link is put off and clears it itself.
            try self.tree.clear(place);
            made = sys.linkat(from_dir, from.name, dir, place.name);
        }
        if (made == .err and made.err == .NOENT) return false;
        if (made == .err and made.err == .MLINK) {
            // The file system has no more links for this file: a copy has to do.
            try copy.fileDurably(.{ .dir = from_dir, .name = from.name }, .{
                .dir = dir,
                .name = place.name,
            }, self.scratch);
            return true;
        }
        try report.check(made, "link {s} to {s}", .{ path, target });
        return true;
    }

    /// Owner and time of something that is not opened.
    fn attribute(
        self: *Layer,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
    ) report.Error!void {
        const dir = try self.tree.fdOf(place.dir);
        const owner = self.owners.map(.{ .uid = entry.uid, .gid = entry.gid });
        if (owner.uid != 0 or owner.gid != 0) {
            const owned = sys.lchownat(dir, place.name, owner.uid, owner.gid);
            try report.check(owned, "change the owner of {s}", .{path});
        }
        const timed = sys.setModified(dir, place.name, entry.mtime.sec, entry.mtime.nsec);
        try report.check(timed, "set the time of {s}", .{path});
    }

    fn wait(self: *Layer, list: *std.ArrayList(Waiting), waiting: Waiting) report.Error!void {
        if (list.items.len >= waiting_max) return outOfMemory();
        const arena = self.arena.allocator();
        const own: Waiting = .{
            .dir = waiting.dir,
            .name = arena.dupeSentinel(u8, waiting.name, 0) catch return outOfMemory(),
            .target = arena.dupeSentinel(u8, waiting.target, 0) catch return outOfMemory(),
        };
        list.append(self.gpa, own) catch return outOfMemory();
    }
};

/// Sets what is kept of an entry's attributes; whether there was any.
fn setXattrs(fd: sys.Fd, entry: *const tar.Entry) report.Error!bool {
    var any = false;
    for (entry.xattrs) |attribute| {
        if (!xattr.isKept(attribute.name)) continue;
        try xattr.set(fd, attribute.name, attribute.value, entry.path);
        any = true;
    }
    return any;
}
