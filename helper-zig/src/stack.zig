//! Stacked layers read as overlayfs would show them, without mounting them.
//!
//! Layers are diff/ directories, topmost first. A name belongs to the topmost layer that has it; a
//! directory is merged with those of the same name below it, down to one that is opaque or to
//! something that is no directory. (Documentation/filesystems/overlayfs.rst.)

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const names = @import("names.zig");
const whiteout = @import("whiteout.zig");

/// overlayfs takes 500 at most (fs/overlayfs/params.h, OVL_MAX_STACK); patches come on top.
pub const layers_max = 1024;
/// As the kernel's MAXSYMLINKS.
const links_max = 40;

/// Something in the merged tree.
pub const Found = struct {
    /// The topmost layer that has it.
    layer: usize,
    stat: sys.Stat,
    /// Of a directory: layers from here on down take no part in it.
    bottom: usize,

    pub fn isDirectory(found: Found) bool {
        return found.stat.kind() == linux.S.IFDIR;
    }
};

pub const Stack = struct {
    layers: []const sys.Fd,

    /// The root, which every layer has.
    pub fn root(stack: Stack) report.Error!Found {
        const stat = try report.check(sys.fstat(stack.layers[0]), "examine a layer", .{});
        return .{ .layer = 0, .stat = stat, .bottom = stack.layers.len };
    }

    /// What the merged tree has at `path`, a clean path, no symbolic link in it followed.
    pub fn find(stack: Stack, path: []const u8) report.Error!?Found {
        var found = try stack.root();
        var end: usize = 0;
        while (end < path.len) {
            if (!found.isDirectory()) return null;
            const start = if (end == 0) 0 else end + 1;
            end = std.mem.findScalarPos(u8, path, start, '/') orelse path.len;
            found = try stack.child(path[0..end], found.bottom) orelse return null;
        }
        return found;
    }

    /// What is at `path`, whose parent is a merged directory that ends above layer `bottom`.
    pub fn child(stack: Stack, path: []const u8, bottom: usize) report.Error!?Found {
        var top: ?Found = null;
        for (stack.layers[0..bottom], 0..) |layer, index| {
            const stat = try look(layer, path) orelse continue;
            const is_directory = stat.kind() == linux.S.IFDIR;
            if (top) |*found| {
                if (is_directory and !try stack.isOpaque(index, path)) continue;
                // A directory that is opaque is the last one; anything else is hidden itself.
                found.bottom = if (is_directory) index + 1 else index;
                return top;
            }
            if (whiteout.is(stat)) return null;
            top = .{ .layer = index, .stat = stat, .bottom = bottom };
            if (!is_directory) return top;
            if (try stack.isOpaque(index, path)) {
                top.?.bottom = index + 1;
                return top;
            }
        }
        return top;
    }

    fn isOpaque(stack: Stack, index: usize, path: []const u8) report.Error!bool {
        const fd = try stack.openDirectory(index, path) orelse return false;
        defer sys.close(fd);

        return whiteout.isOpaque(fd);
    }

    /// The directory `path` of one layer; null if it has none there.
    pub fn openDirectory(stack: Stack, index: usize, path: []const u8) report.Error!?sys.Fd {
        var buffer: names.PathBuffer = undefined;
        const opened = open(stack.layers[index], orDot(path, &buffer), sys.directory_flags);
        if (opened == .err and isAbsent(opened.err)) return null;
        return try report.check(opened, "open {s}", .{path});
    }

    /// `path` with the symbolic links in its parents followed inside the merged root, in `buffer`;
    /// null if they lead nowhere. What is at its end may be missing, and is not followed.
    pub fn resolve(
        stack: Stack,
        path: [:0]const u8,
        buffer: *names.PathBuffer,
    ) report.Error!?[:0]const u8 {
        var spare: names.PathBuffer = undefined;
        @memcpy(buffer[0 .. path.len + 1], path[0 .. path.len + 1]);
        var whole: [:0]const u8 = buffer[0..path.len :0];
        var end: usize = 0;
        var links: usize = 0;
        while (std.mem.findScalarPos(u8, whole, end, '/')) |slash| {
            const found = try stack.find(whole[0..slash]) orelse return null;
            if (found.isDirectory()) {
                end = slash + 1;
                continue;
            }
            links += 1;
            if (found.stat.kind() != linux.S.IFLNK or links > links_max) return null;
            const target = try stack.readLink(found.layer, whole[0..slash], &spare) orelse
                return null;
            whole = join(whole, slash, target, buffer) orelse return null;
            end = 0;
        }
        return whole;
    }

    fn readLink(
        stack: Stack,
        index: usize,
        path: []const u8,
        buffer: *names.PathBuffer,
    ) report.Error!?[]const u8 {
        var terminated: names.PathBuffer = undefined;
        const whole = orDot(path, &terminated);
        const parts = names.split(whole);
        const fd = try stack.openDirectory(index, parts.parent) orelse return null;
        defer sys.close(fd);

        const read = sys.readlinkat(fd, parts.name, buffer);
        return buffer[0..try report.check(read, "read link {s}", .{path})];
    }
};

/// `whole` with its part up to `slash`, a symbolic link, replaced by the link's target; in
/// `buffer`.
fn join(
    whole: []const u8,
    slash: usize,
    target: []const u8,
    buffer: *names.PathBuffer,
) ?[:0]const u8 {
    var raw: [3 * names.path_bytes_max + 2]u8 = undefined;
    const absolute = std.mem.startsWith(u8, target, "/");
    const link_parent = std.mem.findScalarLast(u8, whole[0..slash], '/') orelse 0;
    const before = if (absolute) "" else whole[0..link_parent];
    // proven: each of the three is a path.
    const parts = .{ before, target, whole[slash + 1 ..] };
    const joined = std.fmt.bufPrint(&raw, "{s}/{s}/{s}", parts) catch unreachable;
    return names.clean(joined, buffer) catch null;
}

fn look(layer: sys.Fd, path: []const u8) report.Error!?sys.Stat {
    var buffer: names.PathBuffer = undefined;
    const parts = names.split(orDot(path, &buffer));
    var parent_buffer: names.PathBuffer = undefined;
    // One name needs no open parent: it is not followed.
    const parent = if (parts.parent.len == 0) layer else blk: {
        const opened = open(layer, orDot(parts.parent, &parent_buffer), sys.directory_flags);
        if (opened == .err and isAbsent(opened.err)) return null;
        break :blk try report.check(opened, "open {s}", .{parts.parent});
    };
    defer if (parent != layer) sys.close(parent);

    return switch (sys.statat(parent, parts.name, linux.AT.SYMLINK_NOFOLLOW)) {
        .ok => |stat| stat,
        .err => |e| if (isAbsent(e)) null else {
            report.failErrno(e, "examine {s}", .{path});
            return error.Reported;
        },
    };
}

/// Opens beneath a layer, whatever links it holds.
pub fn open(layer: sys.Fd, path: [:0]const u8, flags: linux.O) sys.Result(sys.Fd) {
    const resolve: sys.Resolve = .{
        .beneath = true,
        .no_symlinks = true,
        .no_magiclinks = true,
        .no_xdev = true,
    };
    return sys.openat2(layer, path, flags, 0, resolve);
}

/// A path with its NUL; the root as openat2(2) wants it.
pub fn orDot(path: []const u8, buffer: *names.PathBuffer) [:0]const u8 {
    const shown = if (path.len == 0) "." else path;
    // proven: clean paths are bounded.
    std.debug.assert(shown.len <= names.path_bytes_max);
    @memcpy(buffer[0..shown.len], shown);
    buffer[shown.len] = 0;
    return buffer[0..shown.len :0];
}

/// No such name here: a parent may be missing, or something else than a directory in this layer.
fn isAbsent(errno: sys.E) bool {
    return errno == .NOENT or errno == .NOTDIR or errno == .LOOP;
}
