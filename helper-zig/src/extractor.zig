//! A tar stream under way into a directory: what becomes of each entry. See extract.zig.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const input = @import("input.zig");
const tar = @import("tar.zig");
const names = @import("names.zig");
const xattr = @import("xattr.zig");

const Allocator = std.mem.Allocator;

/// Where to, and how much of what the archive says is done.
pub const Destination = struct {
    /// A path descriptor of the directory.
    top: sys.Fd,
    /// How names below it are looked up.
    resolve: sys.Resolve,
    /// Owners, set-id bits and file capabilities are made as they are listed.
    keeps_owners: bool,
    /// Device nodes are made.
    makes_devices: bool,
};

/// What was read, and of what could not be made as the archive has it.
pub const Counts = struct { bytes: u64, skipped: u64, squashed: u64 };

/// Extracts all of the archive.
pub fn run(source: input.Interruptible, to: Destination, gpa: Allocator) report.Error!Counts {
    const buffer = gpa.alloc(u8, input.buffer_bytes) catch return outOfMemory();
    defer gpa.free(buffer);

    var self: Extractor = .{
        .gpa = gpa,
        .arena = .init(gpa),
        .reader = .init(source, buffer, gpa),
        .to = to,
        .parent = to.top,
    };
    defer self.deinit();

    const read = self.readAll();
    // Also of what was made before something went wrong: until then they are closed to others.
    const described = self.describeDirectories();
    try read;
    try described;
    return .{
        .bytes = self.reader.in.total,
        .skipped = self.skipped,
        .squashed = self.squashed,
    };
}

/// A directory whose attributes come last: its content changes its time.
const Directory = struct { path: [:0]const u8, mode: u32, uid: u32, gid: u32, mtime: tar.Time };

const Place = struct { dir: sys.Fd, name: [:0]const u8 };

const Extractor = struct {
    gpa: Allocator,
    arena: std.heap.ArenaAllocator,
    reader: tar.Reader(input.Interruptible),
    to: Destination,
    directories: std.ArrayList(Directory) = .empty,
    /// The directory of the latest entry: the next is mostly in it, too.
    parent: sys.Fd,
    parent_path: names.PathBuffer = undefined,
    parent_len: usize = 0,
    path_buffer: names.PathBuffer = undefined,
    link_buffer: names.PathBuffer = undefined,
    entries: u64 = 0,
    skipped: u64 = 0,
    squashed: u64 = 0,

    fn deinit(self: *Extractor) void {
        if (self.parent != self.to.top) sys.close(self.parent);
        self.directories.deinit(self.gpa);
        self.arena.deinit();
        self.reader.deinit();
    }

    fn readAll(self: *Extractor) report.Error!void {
        while (self.reader.next() catch |err| return self.damaged(err)) |entry| {
            self.entries += 1;
            try self.add(&entry);
        }
        // Whoever writes it is not to be told that nobody reads what trails.
        self.reader.in.drain() catch |err| return self.damaged(err);
    }

    fn damaged(self: *Extractor, err: tar.Error) report.Error {
        if (err == error.ReadFailed) {
            if (self.reader.in.errno == .INTR) return report.fail("extract: interrupted", .{});
            report.failErrno(self.reader.in.errno, "read the archive", .{});
            return error.Reported;
        }
        const is_first = self.entries == 0 and err == error.BadChecksum;
        if (is_first) return report.fail(
            "read the archive: it is no tar; if it is compressed, decompress it first",
            .{},
        );
        return report.fail("read the archive: {s}, after {d} entries", .{
            tar.words(err), self.entries,
        });
    }

    fn add(self: *Extractor, entry: *const tar.Entry) report.Error!void {
        if (!names.staysBelow(entry.path)) return report.fail(
            "extract {s}: the name leads out of the directory",
            .{entry.path},
        );
        const path = names.clean(entry.path, &self.path_buffer) catch
            return report.fail("extract {s}: name too long", .{entry.path});
        // The directory itself: it is there, and keeps what it is.
        if (path.len == 0 and entry.kind == .dir) return;
        if (path.len == 0) return overDirectory(entry.path);
        const place = try self.placeOf(path);
        switch (entry.kind) {
            .dir => try self.addDirectory(entry, place, path),
            .file => try self.addFile(entry, place, path),
            .symlink => try self.addSymlink(entry, place, path),
            .hardlink => try self.addLink(entry, place, path),
            .fifo => try self.addNode(entry, place, path, linux.S.IFIFO),
            .char => try self.addDevice(entry, place, path, linux.S.IFCHR),
            .block => try self.addDevice(entry, place, path, linux.S.IFBLK),
        }
    }

    /// Where `path` is, its missing parents made; good until the next call.
    fn placeOf(self: *Extractor, path: [:0]const u8) report.Error!Place {
        const parts = names.split(path);
        const known = self.parent_path[0..self.parent_len];
        if (!std.mem.eql(u8, parts.parent, known)) {
            const dir = try self.openParent(parts.parent);
            if (self.parent != self.to.top) sys.close(self.parent);
            self.parent = dir;
            self.parent_len = parts.parent.len;
            @memcpy(self.parent_path[0..self.parent_len], parts.parent);
        }
        return .{ .dir = self.parent, .name = parts.name };
    }

    const directory_path: linux.O = .{ .PATH = true, .DIRECTORY = true };

    /// A descriptor of the directory; `top` itself for "".
    fn openParent(self: *Extractor, path: []const u8) report.Error!sys.Fd {
        if (path.len == 0) return self.to.top;
        var buffer: names.PathBuffer = undefined;
        @memcpy(buffer[0..path.len], path);
        buffer[path.len] = 0;
        const whole = buffer[0..path.len :0];
        const opened = sys.openat2(self.to.top, whole, directory_path, 0, self.to.resolve);
        if (opened == .ok) return opened.ok;
        if (opened.err != .NOENT) return noParent(opened.err, path);
        var dir = self.to.top;
        var end: usize = 0;
        while (end < path.len) {
            const start = end + @intFromBool(end > 0);
            end = std.mem.findScalarPos(u8, path, start, '/') orelse path.len;
            buffer[end] = 0;
            const next = self.openOrMake(dir, buffer[0..end :0], start);
            if (dir != self.to.top) sys.close(dir);
            dir = try next;
            if (end < path.len) buffer[end] = '/';
        }
        return dir;
    }

    /// The directory `prefix`, whose last part begins at `start` and is in `dir`.
    fn openOrMake(
        self: *Extractor,
        dir: sys.Fd,
        prefix: [:0]const u8,
        start: usize,
    ) report.Error!sys.Fd {
        const there = sys.openat2(self.to.top, prefix, directory_path, 0, self.to.resolve);
        if (there == .ok) return there.ok;
        if (there.err != .NOENT) return noParent(there.err, prefix);
        const made = sys.mkdirat(dir, prefix[start..], 0o755);
        try report.check(made, "make directory {s}", .{prefix});
        const opened = sys.openat2(self.to.top, prefix, directory_path, 0, self.to.resolve);
        return report.check(opened, "open {s}", .{prefix});
    }

    fn addDirectory(
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: [:0]const u8,
    ) report.Error!void {
        // Its owner's alone as long as it is not what it is to be.
        const made = sys.mkdirat(place.dir, place.name, 0o700);
        if (made == .err and made.err == .EXIST) {
            const stat = try look(place, path) orelse return overDirectory(path);
            if (stat.kind() != linux.S.IFDIR) return report.fail(
                "extract {s}: a directory cannot take the place of a file",
                .{path},
            );
        } else try report.check(made, "make directory {s}", .{path});
        if (entry.xattrs.len > 0) {
            const opened = sys.openat(place.dir, place.name, sys.directory_flags, 0);
            const fd = try report.check(opened, "open {s}", .{path});
            defer sys.close(fd);

            try self.setXattrs(fd, entry);
        }
        self.directories.append(self.gpa, .{
            .path = self.arena.allocator().dupeSentinel(u8, path, 0) catch return outOfMemory(),
            .mode = entry.mode,
            .uid = entry.uid,
            .gid = entry.gid,
            .mtime = entry.mtime,
        }) catch return outOfMemory();
    }

    /// From the last to the first: a directory comes before what is in it.
    fn describeDirectories(self: *Extractor) report.Error!void {
        while (self.directories.pop()) |it| {
            const opened =
                sys.openat2(self.to.top, it.path, sys.directory_flags, 0, self.to.resolve);
            if (opened == .err and opened.err == .NOENT) continue; // somebody has removed it
            const fd = try report.check(opened, "open {s}", .{it.path});
            defer sys.close(fd);

            try self.own(fd, it.uid, it.gid, it.path);
            const changed = sys.fchmod(fd, self.modeOf(it.mode));
            try report.check(changed, "change the mode of {s}", .{it.path});
            const timed = sys.setModifiedOf(fd, it.mtime.sec, it.mtime.nsec);
            try report.check(timed, "set the time of {s}", .{it.path});
        }
    }

    fn addFile(
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: [:0]const u8,
    ) report.Error!void {
        const is_gone = try clear(place, path, .file);
        const flags = if (is_gone) new else old;
        const opened = sys.openat(place.dir, place.name, flags, 0o600);
        const fd = try report.check(opened, "make {s}", .{path});
        defer sys.close(fd);
        errdefer if (is_gone) {
            _ = sys.unlinkat(place.dir, place.name, 0);
        };

        if (entry.extents) |extents| {
            try self.writeSparse(fd, entry.size, extents, path);
        } else while (self.reader.chunk() catch |err| return self.damaged(err)) |piece| {
            try report.check(sys.writeAll(fd, piece), "write {s}", .{path});
        }
        try self.own(fd, entry.uid, entry.gid, path);
        // After the owner, who takes set-id bits away, and the content, which does so as well.
        const mode = self.modeOf(entry.mode);
        try report.check(sys.fchmod(fd, mode), "change the mode of {s}", .{path});
        try self.setXattrs(fd, entry);
        const timed = sys.setModifiedOf(fd, entry.mtime.sec, entry.mtime.nsec);
        try report.check(timed, "set the time of {s}", .{path});
    }

    const new: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .NOFOLLOW = true };
    /// A file that cannot be replaced, because it is mounted. It may have become a fifo by now.
    const old: linux.O = .{ .ACCMODE = .WRONLY, .TRUNC = true, .NOFOLLOW = true, .NONBLOCK = true };

    fn writeSparse(
        self: *Extractor,
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
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: [:0]const u8,
    ) report.Error!void {
        _ = try clear(place, path, .other);
        const target = self.terminated(entry.link);
        const made = sys.symlinkat(target, place.dir, place.name);
        try report.check(made, "make link {s}", .{path});
        try self.describe(entry, place, path);
    }

    fn addLink(
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: [:0]const u8,
    ) report.Error!void {
        if (!names.staysBelow(entry.link)) return report.fail(
            "extract {s}: its hard link to {s} leads out of the directory",
            .{ path, entry.link },
        );
        const target = names.clean(entry.link, &self.link_buffer) catch
            return report.fail("extract {s}: link target too long", .{path});
        if (std.mem.eql(u8, target, path)) return;
        const parts = names.split(target);
        const from = try self.openParent(parts.parent);
        defer if (from != self.to.top) sys.close(from);

        _ = try clear(place, path, .other);
        const linked = sys.linkat(from, parts.name, place.dir, place.name);
        return report.check(linked, "link {s} to {s}", .{ path, target });
    }

    fn addDevice(
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: [:0]const u8,
        kind: u32,
    ) report.Error!void {
        // Outside of a container's mounts, which are all nodev, it would open a disk.
        if (self.to.makes_devices) return self.addNode(entry, place, path, kind);
        self.skipped += 1;
    }

    fn addNode(
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: [:0]const u8,
        kind: u32,
    ) report.Error!void {
        _ = try clear(place, path, .other);
        const mode = kind | self.modeOf(entry.mode);
        const made = sys.mknodat(place.dir, place.name, mode, entry.major, entry.minor);
        if (made == .err and made.err == .PERM and kind != linux.S.IFIFO) {
            self.skipped += 1; // no user namespace may make one
            return;
        }
        try report.check(made, "make {s}", .{path});
        try self.describe(entry, place, path);
    }

    /// Owner and time of something that is not opened.
    fn describe(
        self: *Extractor,
        entry: *const tar.Entry,
        place: Place,
        path: []const u8,
    ) report.Error!void {
        if (self.to.keeps_owners) {
            var owned = sys.lchownat(place.dir, place.name, entry.uid, entry.gid);
            if (owned == .err and owned.err == .INVAL) {
                self.squashed += 1;
                owned = sys.lchownat(place.dir, place.name, 0, 0);
            }
            try report.check(owned, "change the owner of {s}", .{path});
        }
        const timed = sys.setModified(place.dir, place.name, entry.mtime.sec, entry.mtime.nsec);
        return report.check(timed, "set the time of {s}", .{path});
    }

    /// Set-id bits speak of the owner: with another one, whoever executes the container's program
    /// would become the caller.
    fn modeOf(self: *const Extractor, mode: u32) u32 {
        return if (self.to.keeps_owners) mode else mode & 0o1777;
    }

    /// Gives `fd` its owner; root for an id that does not exist here.
    fn own(self: *Extractor, fd: sys.Fd, uid: u32, gid: u32, path: []const u8) report.Error!void {
        if (!self.to.keeps_owners) return;
        const both = sys.fchown(fd, uid, gid);
        if (both == .ok) return;
        if (both.err != .INVAL) return report.check(both, "change the owner of {s}", .{path});
        self.squashed += 1;
        for ([_][2]u32{ .{ uid, sys.unchanged_id }, .{ sys.unchanged_id, gid } }) |one| {
            var owned = sys.fchown(fd, one[0], one[1]);
            if (owned == .err and owned.err == .INVAL) {
                owned = if (one[1] == sys.unchanged_id)
                    sys.fchown(fd, 0, sys.unchanged_id)
                else
                    sys.fchown(fd, sys.unchanged_id, 0);
            }
            try report.check(owned, "change the owner of {s}", .{path});
        }
    }

    fn setXattrs(self: *Extractor, fd: sys.Fd, entry: *const tar.Entry) report.Error!void {
        for (entry.xattrs) |it| {
            if (!xattr.isKept(it.name)) continue;
            if (!self.to.keeps_owners and !std.mem.startsWith(u8, it.name, "user.")) continue;
            try xattr.set(fd, it.name, it.value, entry.path);
        }
    }

    /// The parser bounds a link's target and allows no NUL in it.
    fn terminated(self: *Extractor, target: []const u8) [:0]const u8 {
        @memcpy(self.link_buffer[0..target.len], target);
        self.link_buffer[target.len] = 0;
        return self.link_buffer[0..target.len :0];
    }
};

fn noParent(errno: sys.E, path: []const u8) report.Error {
    return switch (errno) {
        .XDEV => report.fail("extract {s}: a link in it leads out of the directory", .{path}),
        .LOOP => report.fail("extract {s}: there is a symbolic link in it", .{path}),
        else => {
            report.failErrno(errno, "open {s}", .{path});
            return error.Reported;
        },
    };
}

fn look(place: Place, path: []const u8) report.Error!?sys.Stat {
    const looked = sys.statat(place.dir, place.name, linux.AT.SYMLINK_NOFOLLOW);
    if (looked == .err and looked.err == .NOENT) return null;
    return try report.check(looked, "examine {s}", .{path});
}

/// Removes what an entry that is no directory takes the place of. False: it is mounted and has to
/// stay, and its content can be replaced.
fn clear(place: Place, path: []const u8, kind: enum { file, other }) report.Error!bool {
    const stat = try look(place, path) orelse return true;
    if (stat.kind() == linux.S.IFDIR) return overDirectory(path);
    const gone = sys.unlinkat(place.dir, place.name, 0);
    const is_mounted = gone == .err and gone.err == .BUSY;
    if (is_mounted and kind == .file and stat.kind() == linux.S.IFREG) return false;
    if (gone == .err and gone.err == .NOENT) return true;
    try report.check(gone, "replace {s}", .{path});
    return true;
}

fn overDirectory(path: []const u8) report.Error {
    return report.fail("extract {s}: a file cannot take the place of a directory", .{path});
}

fn outOfMemory() report.Error {
    return report.fail("extract files: out of memory", .{});
}
