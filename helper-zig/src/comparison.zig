//! What a container's root has that its image has not, and the reverse.
//!
//! New is the container's root as overlayfs shows it, without what is mounted in it; old are its
//! layers (stack.zig). Only directories the upper layer has need be looked at, but for those that
//! were renamed: their content is in the layers under another name.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const names = @import("names.zig");
const dirent = @import("dirent.zig");
const plan = @import("plan.zig");
const reach = @import("reach.zig");
const rootfs = @import("rootfs.zig");
const whiteout = @import("whiteout.zig");
const xattr = @import("xattr.zig");
const stack_module = @import("stack.zig");
const Stack = stack_module.Stack;
const Found = stack_module.Found;

var layer_fds: [stack_module.layers_max]sys.Fd = undefined;

/// Compares the container that the flags `args` name with its image.
pub fn run(args: []const [*:0]const u8, depth: Depth) report.Error!Changes {
    var place: reach.Flags = .{};
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        if (!try place.take(name, std.mem.span(args[at + 1])))
            return report.fail("compare: unknown flag {s}", .{name});
    }
    if (at != args.len) return report.fail("compare: {s} has no value", .{args[at]});
    const container = try reach.Container.load(place);
    const overlay = container.plan.hb.overlay orelse return report.fail(
        "tell the changes of {s}: it is a directory of its own, with no image beneath it",
        .{container.plan.root.path},
    );
    const lowers = try openLayers(overlay.lowerdirs);
    if (lowers.len == 0) return report.fail("tell the changes of an image without layers", .{});
    const reached = try container.enter(.own, .read);
    errdefer reached.close();

    const opened = sys.openat(container.home, "upper", sys.directory_flags, 0);
    const upper = try report.check(opened, "open the writable layer", .{});
    const gpa = std.heap.page_allocator;
    var changes: Changes = .{
        .arena = .init(gpa),
        .depth = depth,
        .reached = reached,
        // A copy of the image has no layer of its own: all of it is compared.
        .upper = if (rootfs.hasCopy(container.home)) null else upper,
        .old = .{ .layers = lowers },
        .scratch = gpa.create(xattr.Scratch) catch return outOfMemory(),
    };
    try changes.takeStubs(container.plan);
    try changes.find();
    return changes;
}

/// In the host's mount namespace, whose paths these are.
fn openLayers(paths: []const plan.Text) report.Error![]const sys.Fd {
    if (paths.len > layer_fds.len) return report.fail("the image has too many layers", .{});
    for (paths, layer_fds[0..paths.len]) |path, *fd| {
        const opened = sys.openat(sys.cwd, path, sys.directory_flags, 0);
        fd.* = try report.check(opened, "open {s}", .{path});
    }
    return layer_fds[0..paths.len];
}

/// docker's letters: added, changed, deleted.
pub const Kind = enum { A, C, D };

/// How much of a change counts.
pub const Depth = enum {
    /// docker's rules (ChangesDirs): a directory is changed when its mode or owner is, or when
    /// anything in it is; a file also by size or time.
    told,
    /// All that a layer needs to show the same: every file the upper layer has, however like the
    /// image's it looks, and attributes. Not what is in anonymous volumes, which is no part of an
    /// image, though the upper layer has it.
    exact,
};

/// "Deleted" in a directory, this says that nothing of the image's is to be seen in it: the name's
/// whiteout is the mark `.wh..wh..opq` (OCI image-spec, layer.md, "Opaque Whiteout").
pub const opaque_name = ".wh..opq";

/// One name below the root.
pub const Change = struct {
    kind: Kind,
    path: []const u8,

    fn isBefore(_: void, a: Change, b: Change) bool {
        return std.mem.lessThan(u8, a.path, b.path);
    }
};

/// A directory whose content is to be compared.
const Pending = struct {
    path: [:0]const u8,
    /// The same of the layers, if they have a directory there.
    old: ?Found,
    /// All of it may be new.
    is_whole: bool,
};

pub const Changes = struct {
    arena: std.heap.ArenaAllocator,
    depth: Depth,
    reached: reach.Reached,
    upper: ?sys.Fd,
    old: Stack,
    pending: std.ArrayList(Pending) = .empty,
    found: std.StringHashMapUnmanaged(Kind) = .empty,
    scratch: *xattr.Scratch,
    /// Anonymous volumes, where their content does not count.
    volumes: std.StringHashMapUnmanaged(void) = .empty,
    /// What hb makes in the writable layer to mount on, and the directories above.
    stubs: std.StringHashMapUnmanaged(void) = .empty,
    /// Those of them that are there and nothing else.
    hidden: std.StringHashMapUnmanaged(void) = .empty,

    /// Lets go of the container.
    pub fn close(self: *Changes) void {
        self.reached.close();
    }

    /// The container's.
    pub fn root(self: *Changes) sys.Fd {
        return self.reached.root.fd;
    }

    pub fn gpa(self: *Changes) std.mem.Allocator {
        return self.arena.allocator();
    }

    fn takeStubs(self: *Changes, it: plan.Plan) report.Error!void {
        for (it.mounts) |mount| try self.takeStub(try self.placeOf(mount.destination));
        for (it.hb.files) |file| try self.takeStub(try self.placeOf(file.destination));
        for (it.hb.volumes) |volume| {
            const path = try self.placeOf(volume);
            try self.takeStub(path);
            if (self.depth == .exact)
                self.volumes.put(self.gpa(), path, {}) catch return outOfMemory();
        }
    }

    /// A destination may lead through links of the image: `/var/run/x` is mostly `/run/x`.
    fn placeOf(self: *Changes, destination: []const u8) report.Error![]const u8 {
        var buffers: [2]names.PathBuffer = undefined;
        const clean = names.clean(destination, &buffers[0]) catch return "";
        const resolved = try self.old.resolve(clean, &buffers[1]) orelse clean;
        return self.gpa().dupe(u8, resolved) catch outOfMemory();
    }

    fn takeStub(self: *Changes, path: []const u8) report.Error!void {
        var end: usize = path.len;
        while (end > 0) : (end = std.mem.findScalarLast(u8, path[0..end], '/') orelse 0) {
            self.stubs.put(self.gpa(), path[0..end], {}) catch return outOfMemory();
        }
    }

    /// Fills `found`.
    fn find(self: *Changes) report.Error!void {
        const old = try self.old.root();
        const now = try report.check(sys.fstat(self.root()), "examine /", .{});
        if (self.depth == .exact and isDifferent(old.stat, now)) try self.add("", .C);
        try self.push(.{ .path = "", .old = old, .is_whole = self.upper == null });
        while (self.pending.pop()) |next| try self.directory(next);
        try self.addParents();
    }

    fn push(self: *Changes, next: Pending) report.Error!void {
        self.pending.append(self.gpa(), next) catch return outOfMemory();
    }

    fn directory(self: *Changes, it: Pending) report.Error!void {
        var buffer: names.PathBuffer = undefined;
        const opened = stack_module.open(
            self.root(),
            stack_module.orDot(it.path, &buffer),
            sys.directory_flags,
        );
        if (opened == .err and isGone(opened.err)) return;
        const fd = try report.check(opened, "open /{s}", .{it.path});
        defer sys.close(fd);

        const upper = try self.openUpper(it.path);
        defer if (upper) |dir| sys.close(dir);
        const is_whole = it.is_whole or (upper != null and isRenamed(upper.?));
        var old = it.old;
        if (self.depth == .exact and old != null and upper != null and
            whiteout.isOpaque(upper.?))
        {
            try self.add(try self.join(it.path, opaque_name), .D);
            old = null; // so that all of it is new
        }

        var seen: std.StringHashMapUnmanaged(void) = .empty;
        var listing: dirent.Listing = .{ .fd = fd };
        while (try report.check(listing.next(), "list /{s}", .{it.path})) |entry| {
            const path = try self.join(it.path, entry.name);
            const name = names.split(path).name;
            seen.put(self.gpa(), name, {}) catch return outOfMemory();
            if (!is_whole and !isIn(upper, name)) continue;
            if (self.volumes.contains(path)) continue;
            try self.compare(fd, path, old, is_whole);
        }
        if (old) |below| try self.deletions(it.path, below, &seen);
    }

    fn openUpper(self: *Changes, path: []const u8) report.Error!?sys.Fd {
        const upper = self.upper orelse return null;
        const stack: Stack = .{ .layers = &.{upper} };
        return stack.openDirectory(0, path);
    }

    /// One name that may have changed.
    fn compare(
        self: *Changes,
        dir: sys.Fd,
        path: [:0]const u8,
        parent: ?Found,
        is_whole: bool,
    ) report.Error!void {
        const name = names.split(path).name;
        const looked = sys.statat(dir, name, linux.AT.SYMLINK_NOFOLLOW);
        if (looked == .err and isGone(looked.err)) return;
        const new = try report.check(looked, "examine /{s}", .{path});
        const old = if (parent) |it| try self.old.child(path, it.bottom) else null;
        const is_directory = new.kind() == linux.S.IFDIR;
        if (self.depth == .exact and new.kind() == linux.S.IFSOCK) {
            // tar has no word for it; but what it has replaced is gone.
            return if (old != null) self.add(path, .D);
        }
        if (old == null and self.isStub(path, new)) {
            self.hidden.put(self.gpa(), path, {}) catch return outOfMemory();
        } else if (old == null) {
            try self.add(path, .A);
        } else if (isDifferent(old.?.stat, new)) {
            try self.add(path, .C);
        } else if (self.depth == .exact) {
            if (try self.isToBeKept(dir, path, old.?)) try self.add(path, .C);
        } else if (!is_directory and try self.hasOtherCapabilities(dir, path, old.?)) {
            try self.add(path, .C);
        }
        if (!is_directory) return;
        const below = if (old) |it| (if (it.isDirectory()) it else null) else null;
        try self.push(.{ .path = path, .old = below, .is_whole = is_whole });
    }

    /// Made to mount on: a directory, or a file that nobody has written to.
    fn isStub(self: *Changes, path: []const u8, new: sys.Stat) bool {
        if (!self.stubs.contains(path)) return false;
        return new.kind() == linux.S.IFDIR or (new.kind() == linux.S.IFREG and new.size == 0);
    }

    /// Of what looks the same as the image's: a file may have other content of the same size and
    /// time, and anything other attributes.
    fn isToBeKept(self: *Changes, dir: sys.Fd, path: [:0]const u8, old: Found) report.Error!bool {
        const kind = old.stat.kind();
        if (kind != linux.S.IFDIR and self.upper != null) return true;
        if (kind != linux.S.IFDIR and kind != linux.S.IFREG) return false;
        const parts = names.split(path);
        const from = try self.old.openDirectory(old.layer, parts.parent) orelse return false;
        defer sys.close(from);

        const new = sys.openat(dir, parts.name, flags_to_look, 0);
        if (new == .err and isGone(new.err)) return false;
        const new_fd = try report.check(new, "open /{s}", .{path});
        defer sys.close(new_fd);

        const before = sys.openat(from, parts.name, flags_to_look, 0);
        const before_fd = try report.check(before, "open /{s} of the image", .{path});
        defer sys.close(before_fd);

        return !try xattr.same(new_fd, before_fd, self.scratch, path);
    }

    /// A file's capabilities change nothing else that can be seen.
    fn hasOtherCapabilities(
        self: *Changes,
        dir: sys.Fd,
        path: [:0]const u8,
        old: Found,
    ) report.Error!bool {
        if (old.stat.kind() != linux.S.IFREG) return false;
        const parts = names.split(path);
        const from = try self.old.openDirectory(old.layer, parts.parent) orelse return false;
        defer sys.close(from);

        var buffers: [2][64]u8 = undefined;
        const new = capabilitiesOf(dir, parts.name, &buffers[0]);
        const before = capabilitiesOf(from, parts.name, &buffers[1]);
        return !std.mem.eql(u8, new, before);
    }

    /// Names the layers have in a directory and the container does not.
    fn deletions(
        self: *Changes,
        path: [:0]const u8,
        old: Found,
        seen: *std.StringHashMapUnmanaged(void),
    ) report.Error!void {
        for (old.layer..old.bottom) |index| {
            const fd = try self.old.openDirectory(index, path) orelse continue;
            defer sys.close(fd);

            var listing: dirent.Listing = .{ .fd = fd };
            while (try report.check(listing.next(), "list /{s}", .{path})) |entry| {
                if (seen.contains(entry.name)) continue;
                const below = try self.join(path, entry.name);
                seen.put(self.gpa(), names.split(below).name, {}) catch return outOfMemory();
                // It may be a whiteout itself, or be hidden by one.
                if (try self.old.child(below, old.bottom) != null) try self.add(below, .D);
            }
        }
    }

    /// What was found, by name: what is in a directory after the directory.
    pub fn sorted(self: *Changes) report.Error![]const Change {
        var all: std.ArrayList(Change) = .empty;
        var entries = self.found.iterator();
        while (entries.next()) |entry| all.append(self.gpa(), .{
            .kind = entry.value_ptr.*,
            .path = entry.key_ptr.*,
        }) catch return outOfMemory();
        std.mem.sortUnstable(Change, all.items, {}, Change.isBefore);
        return all.items;
    }

    fn add(self: *Changes, path: []const u8, kind: Kind) report.Error!void {
        self.found.put(self.gpa(), path, kind) catch return outOfMemory();
    }

    /// Every directory above a change has changed; above what was added in one that hb made, too.
    fn addParents(self: *Changes) report.Error!void {
        var all: std.ArrayList([]const u8) = .empty;
        var keys = self.found.keyIterator();
        while (keys.next()) |path| all.append(self.gpa(), path.*) catch return outOfMemory();
        for (all.items) |path| {
            var end = path.len;
            while (std.mem.findScalarLast(u8, path[0..end], '/')) |slash| : (end = slash) {
                const parent = path[0..slash];
                if (self.found.contains(parent)) break;
                try self.add(parent, if (self.hidden.contains(parent)) .A else .C);
            }
        }
    }

    fn join(self: *Changes, parent: []const u8, name: []const u8) report.Error![:0]const u8 {
        const separator = if (parent.len == 0) "" else "/";
        const parts = .{ parent, separator, name };
        const path = std.fmt.allocPrintSentinel(self.gpa(), "{s}{s}{s}", parts, 0) catch
            return outOfMemory();
        if (path.len <= names.path_bytes_max) return path;
        return report.fail("compare {s}: path too long", .{path});
    }
};

fn isIn(upper: ?sys.Fd, name: [:0]const u8) bool {
    const dir = upper orelse return false;
    return sys.statat(dir, name, linux.AT.SYMLINK_NOFOLLOW) == .ok;
}

/// Whether overlayfs takes a directory's lower part from another name ("redirect_dir").
fn isRenamed(fd: sys.Fd) bool {
    var value: [1]u8 = undefined;
    for ([_][*:0]const u8{ "trusted.overlay.redirect", "user.overlay.redirect" }) |name| {
        const got = sys.fgetxattr(fd, name, &value);
        if (got == .ok or got.err == .RANGE) return true; // whatever it is
    }
    return false;
}

const flags_to_look: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true };

fn capabilitiesOf(dir: sys.Fd, name: [:0]const u8, buffer: []u8) []const u8 {
    const fd = switch (sys.openat(dir, name, flags_to_look, 0)) {
        .ok => |fd| fd,
        .err => return "",
    };
    defer sys.close(fd);

    return switch (sys.fgetxattr(fd, "security.capability", buffer)) {
        .ok => |length| buffer[0..length],
        .err => "",
    };
}

/// Of a directory neither size nor time: both change with what is in it.
fn isDifferent(old: sys.Stat, new: sys.Stat) bool {
    if (old.mode != new.mode or old.uid != new.uid or old.gid != new.gid) return true;
    if (!std.meta.eql(old.node, new.node)) return true;
    if (new.kind() == linux.S.IFDIR) return false;
    return old.size != new.size or !isSameTime(old.modified, new.modified);
}

/// Images made from tars of whole seconds are compared by those.
fn isSameTime(a: sys.Stat.Modified, b: sys.Stat.Modified) bool {
    return a.sec == b.sec and (a.nsec == b.nsec or a.nsec == 0 or b.nsec == 0);
}

fn isGone(errno: sys.E) bool {
    return errno == .NOENT or errno == .NOTDIR or errno == .LOOP;
}

fn outOfMemory() report.Error {
    return report.fail("compare files: out of memory", .{});
}
