//! `hb-init changes --container DIRECTORY …`: what a container has changed of its image, a line
//! each, sorted by name: `A` added, `C` changed, `D` deleted.
//!
//! docker's rules (ChangesDirs): a directory is changed when its mode or owner is, or when anything
//! in it is; a file also by size or time. What is in a deleted directory is not told.
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
const stack_module = @import("stack.zig");
const Stack = stack_module.Stack;
const Found = stack_module.Found;

/// linux/magic.h: OVERLAYFS_SUPER_MAGIC.
const overlay_magic = 0x794c7630;

var layer_fds: [stack_module.layers_max]sys.Fd = undefined;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    run(args) catch return 1;
    return 0;
}

fn run(args: []const [*:0]const u8) report.Error!void {
    var place: reach.Flags = .{};
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        if (!try place.take(name, std.mem.span(args[at + 1])))
            return report.fail("changes: unknown flag {s}", .{name});
    }
    if (at != args.len) return report.fail("changes: {s} has no value", .{args[at]});
    const container = try reach.Container.load(place);
    const overlay = container.plan.hb.overlay orelse return report.fail(
        "tell the changes of {s}: it is a directory of its own, with no image beneath it",
        .{container.plan.root.path},
    );
    const lowers = try openLayers(overlay.lowerdirs);
    if (lowers.len == 0) return report.fail("tell the changes of an image without layers", .{});
    const reached = try container.enter(.own, .read);
    defer reached.close();

    const opened = sys.openat(container.home, "upper", sys.directory_flags, 0);
    const upper = try report.check(opened, "open the writable layer", .{});
    const kind = sys.fileSystemOf(reached.root.fd);
    const is_overlay = try report.check(kind, "examine the root", .{}) == overlay_magic;
    var changes: Changes = .{
        .arena = .init(std.heap.page_allocator),
        .new = reached.root.fd,
        // A copy of the image has no layer of its own: all of it is compared.
        .upper = if (is_overlay) upper else null,
        .old = .{ .layers = lowers },
    };
    try changes.takeStubs(container.plan);
    try changes.find();
    try changes.print();
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

const Kind = enum { A, C, D };

/// A directory whose content is to be compared.
const Pending = struct {
    path: [:0]const u8,
    /// The same of the layers, if they have a directory there.
    old: ?Found,
    /// All of it may be new.
    is_whole: bool,
};

const Changes = struct {
    arena: std.heap.ArenaAllocator,
    new: sys.Fd,
    upper: ?sys.Fd,
    old: Stack,
    pending: std.ArrayList(Pending) = .empty,
    found: std.StringHashMapUnmanaged(Kind) = .empty,
    /// What hb makes in the writable layer to mount on, and the directories above.
    stubs: std.StringHashMapUnmanaged(void) = .empty,
    /// Those of them that are there and nothing else.
    hidden: std.StringHashMapUnmanaged(void) = .empty,

    fn gpa(self: *Changes) std.mem.Allocator {
        return self.arena.allocator();
    }

    fn takeStubs(self: *Changes, it: plan.Plan) report.Error!void {
        for (it.mounts) |mount| try self.takeStub(mount.destination);
        for (it.hb.files) |file| try self.takeStub(file.destination);
        for (it.hb.volumes) |path| try self.takeStub(path);
    }

    /// A destination may lead through links of the image: `/var/run/x` is mostly `/run/x`.
    fn takeStub(self: *Changes, destination: []const u8) report.Error!void {
        var buffers: [2]names.PathBuffer = undefined;
        const clean = names.clean(destination, &buffers[0]) catch return;
        const resolved = try self.old.resolve(clean, &buffers[1]) orelse clean;
        const path = self.gpa().dupe(u8, resolved) catch return outOfMemory();
        var end: usize = path.len;
        while (end > 0) : (end = std.mem.findScalarLast(u8, path[0..end], '/') orelse 0) {
            self.stubs.put(self.gpa(), path[0..end], {}) catch return outOfMemory();
        }
    }

    fn find(self: *Changes) report.Error!void {
        const root = try self.old.root();
        try self.push(.{ .path = "", .old = root, .is_whole = self.upper == null });
        while (self.pending.pop()) |next| try self.directory(next);
        try self.addParents();
    }

    fn push(self: *Changes, next: Pending) report.Error!void {
        self.pending.append(self.gpa(), next) catch return outOfMemory();
    }

    fn directory(self: *Changes, it: Pending) report.Error!void {
        var buffer: names.PathBuffer = undefined;
        const opened = stack_module.open(
            self.new,
            stack_module.orDot(it.path, &buffer),
            sys.directory_flags,
        );
        if (opened == .err and isGone(opened.err)) return;
        const fd = try report.check(opened, "open /{s}", .{it.path});
        defer sys.close(fd);

        const upper = try self.openUpper(it.path);
        defer if (upper) |dir| sys.close(dir);
        const is_whole = it.is_whole or (upper != null and isRenamed(upper.?));

        var seen: std.StringHashMapUnmanaged(void) = .empty;
        var listing: dirent.Listing = .{ .fd = fd };
        while (try report.check(listing.next(), "list /{s}", .{it.path})) |entry| {
            const path = try self.join(it.path, entry.name);
            const name = names.split(path).name;
            seen.put(self.gpa(), name, {}) catch return outOfMemory();
            if (!is_whole and !isIn(upper, name)) continue;
            try self.compare(fd, path, it.old, is_whole);
        }
        if (it.old) |old| try self.deletions(it.path, old, &seen);
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
        if (old == null and self.isStub(path, new)) {
            self.hidden.put(self.gpa(), path, {}) catch return outOfMemory();
        } else if (old == null) {
            try self.add(path, .A);
        } else if (isDifferent(old.?.stat, new)) {
            try self.add(path, .C);
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

    fn print(self: *Changes) report.Error!void {
        var lines: std.ArrayList(Line) = .empty;
        var entries = self.found.iterator();
        while (entries.next()) |entry| lines.append(self.gpa(), .{
            .kind = entry.value_ptr.*,
            .path = entry.key_ptr.*,
        }) catch return outOfMemory();
        std.mem.sortUnstable(Line, lines.items, {}, Line.isBefore);
        const is_terminal = isTerminal(1);
        var text: std.ArrayList(u8) = .empty;
        for (lines.items) |line| {
            const start = text.items.len;
            text.print(self.gpa(), "{t} /{s}\n", .{ line.kind, line.path }) catch
                return outOfMemory();
            if (is_terminal) report.makeHarmless(text.items[start .. text.items.len - 1]);
        }
        const written = sys.writeAll(1, text.items);
        if (written == .err and written.err == .PIPE) return; // `hb diff x | head`
        return report.check(written, "print the changes", .{});
    }
};

const Line = struct {
    kind: Kind,
    path: []const u8,

    fn isBefore(_: void, a: Line, b: Line) bool {
        return std.mem.lessThan(u8, a.path, b.path);
    }
};

fn isTerminal(fd: sys.Fd) bool {
    var size: [4]u16 = undefined;
    return sys.ioctl(fd, linux.T.IOCGWINSZ, @intFromPtr(&size)) == .ok;
}

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

fn capabilitiesOf(dir: sys.Fd, name: [:0]const u8, buffer: []u8) []const u8 {
    const flags: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true };
    const fd = switch (sys.openat(dir, name, flags, 0)) {
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
