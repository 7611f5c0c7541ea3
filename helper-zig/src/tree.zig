//! The directories of a layer while it is unpacked: what they are to become, and a few of them
//! open.
//!
//! Every directory of the layer was made here, so the table is the truth about which names are
//! directories, and a path is resolved without asking the kernel. Symbolic links in a path are
//! followed as the image means them: inside the layer's root. Whatever this concludes, the kernel
//! checks: directories are opened beneath one already open, refusing every link (openat2(2)).
//!
//! A directory's owner, mode and time are kept until the end: its content changes the time, and
//! set-group-id would be inherited by what is made in it.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const names = @import("names.zig");
const recipe = @import("recipe.zig");
const remove = @import("remove.zig");
const tar = @import("tar.zig");
const Owner = @import("owners.zig").Owner;

const Allocator = std.mem.Allocator;

/// More directories than any layer has; about 150 bytes each.
const directories_max = 1 << 20;
/// As the kernel's MAXSYMLINKS.
const links_max = 40;
const open_max = 64;
/// What is left of a path and the link targets put before it.
const rest_bytes_max = 2 * names.path_bytes_max + 2;

const nofollow = std.os.linux.AT.SYMLINK_NOFOLLOW;

/// The mode of a directory nobody describes.
pub const default_mode = 0o755;

/// A directory's place in the table.
pub const Id = enum(u32) { root = 0, none = std.math.maxInt(u32), _ };

/// What a directory is to be in the end.
pub const Attributes = struct { mode: u16, owner: Owner, mtime: tar.Time };

pub const Node = struct {
    parent: Id,
    name: []const u8,
    first_child: Id = .none,
    next_sibling: Id = .none,
    previous_sibling: Id = .none,
    fd: sys.Fd = -1,
    /// The mode it has for now.
    mode: u16,
    /// Null when the layer has no entry for it.
    attributes: ?Attributes = null,
    alive: bool = true,
    has_xattrs: bool = false,
    /// Hides what lower layers have in it.
    is_opaque: bool = false,
    /// Has taken the place of whatever lower layers have under its name.
    is_replacement: bool = false,
};

/// A name in a directory.
pub const Place = struct { dir: Id, name: [:0]const u8 };

/// The directory that diff/ is in, and who is told what becomes of content.
pub const Aside = struct { layer: sys.Fd, recipe: *recipe.Writer };

const Key = struct { parent: Id, name: []const u8 };
const KeyContext = struct {
    pub fn hash(_: KeyContext, key: Key) u64 {
        return std.hash.Wyhash.hash(@backingInt(key.parent), key.name);
    }
    pub fn eql(_: KeyContext, a: Key, b: Key) bool {
        return a.parent == b.parent and std.mem.eql(u8, a.name, b.name);
    }
};

pub const Tree = struct {
    gpa: Allocator,
    arena: std.heap.ArenaAllocator,
    nodes: std.ArrayList(Node) = .empty,
    index: std.HashMapUnmanaged(Key, Id, KeyContext, 80) = .empty,
    /// Which nodes have a descriptor, replaced in turn.
    open: [open_max]Id = @splat(.none),
    open_next: usize = 0,
    /// The parent path last resolved; consecutive entries mostly share it.
    last_path: names.PathBuffer = undefined,
    last_len: usize = 0,
    last: Id = .none,
    /// Where content goes that a later entry replaces; absent: away.
    aside: ?Aside = null,

    /// `root` is the layer's own directory; it stays the caller's.
    pub fn init(gpa: Allocator, root: sys.Fd) error{OutOfMemory}!Tree {
        var self: Tree = .{ .gpa = gpa, .arena = .init(gpa) };
        const node: Node = .{ .parent = .root, .name = "", .fd = root, .mode = default_mode };
        try self.nodes.append(gpa, node);
        return self;
    }

    pub fn deinit(self: *Tree) void {
        for (self.open) |id| if (id != .none) sys.close(self.at(id).fd);
        self.nodes.deinit(self.gpa);
        self.index.deinit(self.gpa);
        self.arena.deinit();
    }

    pub fn at(self: *Tree, id: Id) *Node {
        return &self.nodes.items[@backingInt(id)];
    }

    pub fn lookup(self: *Tree, dir: Id, name: []const u8) ?Id {
        return self.index.get(.{ .parent = dir, .name = name });
    }

    /// Where `path` is, its missing parents made; `path` is clean and not the root.
    pub fn place(self: *Tree, path: [:0]const u8) report.Error!Place {
        const parts = names.split(path);
        const cached = self.last != .none and
            std.mem.eql(u8, parts.parent, self.last_path[0..self.last_len]);
        if (!cached) {
            // With `make` it is always found.
            self.last = (try self.walk(parts.parent, .make)).?;
            @memcpy(self.last_path[0..parts.parent.len], parts.parent);
            self.last_len = parts.parent.len;
        }
        return .{ .dir = self.last, .name = parts.name };
    }

    /// Where `path` would be; null when its parent is not in this layer.
    pub fn find(self: *Tree, path: [:0]const u8) report.Error!?Place {
        const parts = names.split(path);
        const dir = try self.walk(parts.parent, .look) orelse return null;
        return .{ .dir = dir, .name = parts.name };
    }

    const Missing = enum { make, look };

    /// The directory at `path`, symbolic links followed inside the root.
    fn walk(self: *Tree, path: []const u8, missing: Missing) report.Error!?Id {
        var buffer: [2][rest_bytes_max]u8 = undefined;
        var current: usize = 0;
        var rest = path;
        var dir: Id = .root;
        var links: usize = 0;
        while (true) {
            rest = std.mem.trimStart(u8, rest, "/");
            if (rest.len == 0) return dir;
            const end = std.mem.findScalar(u8, rest, '/') orelse rest.len;
            const part = rest[0..end];
            const after = rest[end..];
            if (std.mem.eql(u8, part, "..")) dir = self.at(dir).parent;
            if (std.mem.eql(u8, part, ".") or std.mem.eql(u8, part, "..")) {
                rest = after;
                continue;
            }
            if (self.lookup(dir, part)) |child| {
                dir = child;
                rest = after;
                continue;
            }
            switch (try self.readLink(dir, part, &buffer[current])) {
                .absent => {
                    if (missing == .look) return null;
                    dir = try self.make(dir, part, default_mode);
                    rest = after;
                },
                .other => {
                    if (missing == .look) return null;
                    return report.fail("unpack {s}: its parent {s} is a file", .{ path, part });
                },
                .link => |target| {
                    links += 1;
                    if (links > links_max or target.len + after.len > rest_bytes_max) {
                        return report.fail("unpack {s}: too many symbolic links", .{path});
                    }
                    if (target[0] == '/') dir = .root;
                    @memcpy(buffer[current][target.len..][0..after.len], after);
                    rest = buffer[current][0 .. target.len + after.len];
                    current = 1 - current;
                },
            }
        }
    }

    const Link = union(enum) { absent, other, link: []const u8 };

    fn readLink(self: *Tree, dir: Id, name: []const u8, buffer: []u8) report.Error!Link {
        var terminated: names.NameBuffer = undefined;
        const path = names.terminated(name, &terminated) orelse return .absent;
        return switch (sys.readlinkat(try self.fdOf(dir), path, buffer)) {
            // An empty target can not be made on Linux.
            .ok => |len| .{ .link = buffer[0..len] },
            .err => |e| switch (e) {
                .NOENT => .absent,
                .INVAL => .other,
                else => {
                    report.failErrno(e, "read link {s}", .{name});
                    return error.Reported;
                },
            },
        };
    }

    /// Makes the directory `name`; nothing of that name is there.
    fn make(self: *Tree, dir: Id, name: []const u8, mode: u16) report.Error!Id {
        var buffer: names.NameBuffer = undefined;
        const path = names.terminated(name, &buffer) orelse {
            return report.fail("make directory {s}: name too long", .{name});
        };
        const made = sys.mkdirat(try self.fdOf(dir), path, mode);
        try report.check(made, "make directory {s}", .{name});
        return self.add(dir, name, mode);
    }

    fn add(self: *Tree, dir: Id, name: []const u8, mode: u16) report.Error!Id {
        return self.addUnchecked(dir, name, mode) catch
            report.fail("unpack {s}: too many directories", .{name});
    }

    fn addUnchecked(self: *Tree, dir: Id, name: []const u8, mode: u16) error{OutOfMemory}!Id {
        if (self.nodes.items.len >= directories_max) return error.OutOfMemory;
        const own = try self.arena.allocator().dupe(u8, name);
        const id: Id = @fromBackingInt(@intCast(self.nodes.items.len));
        const sibling = self.at(dir).first_child;
        try self.nodes.append(self.gpa, .{
            .parent = dir,
            .name = own,
            .next_sibling = sibling,
            .mode = mode,
        });
        try self.index.put(self.gpa, .{ .parent = dir, .name = own }, id);
        if (sibling != .none) self.at(sibling).previous_sibling = id;
        self.at(dir).first_child = id;
        return id;
    }

    /// The directory at `where`, made if it is not there; a file of that name gives way to it.
    pub fn directory(self: *Tree, where: Place, mode: u16) report.Error!Id {
        if (self.lookup(where.dir, where.name)) |known| return known;
        const fd = try self.fdOf(where.dir);
        var made = sys.mkdirat(fd, where.name, mode);
        if (made == .err and made.err == .EXIST) {
            try self.clear(where);
            made = sys.mkdirat(fd, where.name, mode);
        }
        try report.check(made, "make directory {s}", .{where.name});
        return self.add(where.dir, where.name, mode);
    }

    /// Removes what is at `where`, if anything: an earlier entry of the same layer.
    pub fn clear(self: *Tree, where: Place) report.Error!void {
        // A path may have led through it.
        self.last = .none;
        if (self.lookup(where.dir, where.name)) |id| self.forget(id);
        const looked = sys.statat(try self.fdOf(where.dir), where.name, nofollow);
        if (looked == .err and looked.err == .NOENT) return;
        const kind = (try report.check(looked, "examine {s}", .{where.name})).kind();
        const has_content = kind == std.os.linux.S.IFREG or kind == std.os.linux.S.IFDIR;
        if (has_content and try self.moveAside(where)) return;
        return remove.tree(try self.fdOf(where.dir), where.name);
    }

    /// False where it is not kept, which the recipe knows then.
    fn moveAside(self: *Tree, where: Place) report.Error!bool {
        const aside = self.aside orelse return false;
        var buffer: names.PathBuffer = undefined;
        const path = self.pathIn(where, &buffer) catch "";
        if (path.len == 0 or aside.recipe.replaced == recipe.replaced_max) {
            aside.recipe.is_lost = true;
            return false;
        }
        // From the second on it is there.
        _ = sys.mkdirat(aside.layer, recipe.replaced_name, 0o700);
        var name: [64]u8 = undefined;
        const number = .{ recipe.replaced_name, aside.recipe.replaced };
        // proven: a word and ten digits.
        const to = std.fmt.bufPrintSentinel(&name, "{s}/{d}", number, 0) catch unreachable;
        const moved = sys.renameat(try self.fdOf(where.dir), where.name, aside.layer, to);
        try report.check(moved, "move {s} aside", .{where.name});
        aside.recipe.addReplaced(path);
        return true;
    }

    /// Takes a directory and all beneath it out of the table.
    fn forget(self: *Tree, top: Id) void {
        const node = self.at(top);
        if (node.previous_sibling != .none) {
            self.at(node.previous_sibling).next_sibling = node.next_sibling;
        } else self.at(node.parent).first_child = node.next_sibling;
        if (node.next_sibling != .none) {
            self.at(node.next_sibling).previous_sibling = node.previous_sibling;
        }
        var id = top;
        while (true) {
            // Down to a leaf, which is dropped, then on with what its parent has left.
            while (self.at(id).first_child != .none) id = self.at(id).first_child;
            const leaf = self.at(id);
            leaf.alive = false;
            _ = self.index.remove(.{ .parent = leaf.parent, .name = leaf.name });
            for (&self.open) |*slot| if (slot.* == id) {
                sys.close(leaf.fd);
                slot.* = .none;
            };
            if (id == top) return;
            self.at(leaf.parent).first_child = leaf.next_sibling;
            id = leaf.parent;
        }
    }

    /// A descriptor of the directory, good until the next call.
    pub fn fdOf(self: *Tree, id: Id) report.Error!sys.Fd {
        if (self.at(id).fd >= 0) return self.at(id).fd;
        var buffer: names.PathBuffer = undefined;
        var start: usize = buffer.len - 1;
        buffer[start] = 0;
        var above = id;
        // The root is always open.
        while (self.at(above).fd < 0) : (above = self.at(above).parent) {
            const name = self.at(above).name;
            const slash: usize = if (above == id) 0 else 1;
            if (name.len + slash > start) return report.fail("open {s}: path too long", .{name});
            if (slash > 0) buffer[start - 1] = '/';
            start -= name.len + slash;
            @memcpy(buffer[start..][0..name.len], name);
        }
        const path = buffer[start .. buffer.len - 1 :0];
        const resolve: sys.Resolve = .{
            .beneath = true,
            .no_symlinks = true,
            .no_magiclinks = true,
            .no_xdev = true,
        };
        const opened = sys.openat2(self.at(above).fd, path, sys.directory_flags, 0, resolve);
        const fd = try report.check(opened, "open directory {s}", .{path});
        self.keep(id, fd);
        return fd;
    }

    fn keep(self: *Tree, id: Id, fd: sys.Fd) void {
        const slot = &self.open[self.open_next];
        self.open_next = (self.open_next + 1) % open_max;
        if (slot.* != .none) {
            sys.close(self.at(slot.*).fd);
            self.at(slot.*).fd = -1;
        }
        slot.* = id;
        self.at(id).fd = fd;
    }

    /// The path of a name in a directory from the root, in `buffer`.
    pub fn pathIn(self: *Tree, where: Place, buffer: *names.PathBuffer) error{TooLong}![]const u8 {
        var above: names.PathBuffer = undefined;
        const dir = try self.pathOf(where.dir, &above);
        const separator = if (dir.len == 0) "" else "/";
        const length = dir.len + separator.len + where.name.len;
        if (length > names.path_bytes_max) return error.TooLong;
        return std.fmt.bufPrint(buffer, "{s}{s}{s}", .{ dir, separator, where.name }) catch
            error.TooLong;
    }

    /// The path of a directory from the root, in `buffer`.
    pub fn pathOf(self: *Tree, id: Id, buffer: *names.PathBuffer) error{TooLong}![]const u8 {
        var start: usize = buffer.len;
        var above = id;
        while (above != .root) : (above = self.at(above).parent) {
            const name = self.at(above).name;
            const slash: usize = if (above == id) 0 else 1;
            if (name.len + slash > start) return error.TooLong;
            if (slash > 0) buffer[start - 1] = '/';
            start -= name.len + slash;
            @memcpy(buffer[start..][0..name.len], name);
        }
        return buffer[start..];
    }
};
