//! Before Linux 5.12: what mount_setattr(2) does to a mount and all below it, done one mount at a
//! time by mount(2)'s remount.
//!
//! A remount replaces the flags, so it must repeat those there are: in a user namespace they are
//! locked, and the kernel refuses to drop one. What is below is found in /proc/self/mountinfo: a
//! user namespace may not bind a directory without the mounts below it, which may hide something.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const ms = sysmount.ms;

/// Changes the mount that is in place and has `fd` as its root, and with `.below` all under it.
pub fn apply(
    fd: sys.Fd,
    change: sysmount.Change,
    depth: sysmount.Depth,
    destination: []const u8,
) report.Error!void {
    const path = descriptorPath(fd);
    const spread: u32 = @intCast(change.propagation);
    if (spread != 0) {
        const below = if (depth == .below) ms.rec else 0;
        try report.check(
            sysmount.mount(null, &path, null, spread | below, null),
            "change the propagation of {s}",
            .{destination},
        );
    }
    const wanted = legacyFlags(change.set);
    const kept = try report.check(sysmount.flagsOf(fd), "look at {s}", .{destination});
    try remount(fd, kept | wanted, destination);
    if (depth == .below and wanted != 0) try restrictBelow(fd, wanted, destination);
}

/// Takes the read-only flag off again: of one mount, which got it from us.
pub fn makeWritable(fd: sys.Fd, destination: []const u8) report.Error!void {
    const kept = try report.check(sysmount.flagsOf(fd), "look at {s}", .{destination});
    return remount(fd, kept & ~ms.rdonly, destination);
}

fn remount(fd: sys.Fd, flags: u32, destination: []const u8) report.Error!void {
    const path = descriptorPath(fd);
    return report.check(
        sysmount.mount(null, &path, null, flags | ms.remount | ms.bind, null),
        "restrict the mount on {s}",
        .{destination},
    );
}

fn restrictBelow(fd: sys.Fd, wanted: u32, destination: []const u8) report.Error!void {
    const doing = "look at what is mounted below {s}";
    var path_buffer: [path_bytes_max]u8 = undefined;
    const length = try report.check(
        sys.readlinkat(sys.cwd, &descriptorPath(fd), &path_buffer),
        doing,
        .{destination},
    );
    const top = path_buffer[0..length];
    const text = try readAll("/proc/self/mountinfo", doing, destination);
    defer std.heap.page_allocator.free(text);

    var lines = std.mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        var buffer: [path_bytes_max:0]u8 = undefined;
        const found = Mount.parse(line, &buffer) catch
            return report.fail(doing ++ ": not understood: {s}", .{ destination, line });
        if (!isBelow(found.point, top)) continue;
        const at = switch (sys.openat2(sys.cwd, found.point, .{ .PATH = true }, 0, no_links)) {
            .ok => |at| at,
            // Another mount covers this one, as it does in the container.
            .err => |e| if (e == .NOENT or e == .NOTDIR) continue else {
                report.failErrno(e, doing, .{destination});
                return error.Reported;
            },
        };
        defer sys.close(at);

        if (try mountId(at, destination) != found.id) continue; // covered as well
        try remount(at, found.flags | wanted, found.point);
    }
}

/// Mount points have none; one that appears meanwhile is not ours to follow.
const no_links: sys.Resolve = .{ .no_symlinks = true, .no_magiclinks = true };

const path_bytes_max = 4096;

/// One line of /proc/self/mountinfo, proc_pid_mountinfo(5).
const Mount = struct {
    id: u32,
    point: [:0]const u8,
    /// MS_* of the mount itself, as a remount must repeat them.
    flags: u32,

    /// The mount point is unescaped into `buffer`.
    fn parse(line: []const u8, buffer: *[path_bytes_max:0]u8) error{Invalid}!Mount {
        var fields = std.mem.splitScalar(u8, line, ' ');
        const id = fields.next() orelse return error.Invalid;
        for ([_][]const u8{ "parent", "device", "root" }) |_|
            _ = fields.next() orelse return error.Invalid;
        const point = fields.next() orelse return error.Invalid;
        const options = fields.next() orelse return error.Invalid;
        return .{
            .id = std.fmt.parseInt(u32, id, 10) catch return error.Invalid,
            .point = try unescape(point, buffer),
            .flags = flagsFrom(options),
        };
    }
};

/// Space, tab, newline and backslash are `\ooo` (mangle_path in fs/seq_file.c).
fn unescape(text: []const u8, buffer: *[path_bytes_max:0]u8) error{Invalid}![:0]const u8 {
    var from: usize = 0;
    var to: usize = 0;
    while (from < text.len) : (to += 1) {
        if (to == buffer.len) return error.Invalid;
        if (text[from] != '\\') {
            buffer[to] = text[from];
            from += 1;
            continue;
        }
        if (text.len - from < 4) return error.Invalid;
        const octal = text[from + 1 ..][0..3];
        buffer[to] = std.fmt.parseInt(u8, octal, 8) catch return error.Invalid;
        from += 4;
    }
    buffer[to] = 0;
    return buffer[0..to :0];
}

fn flagsFrom(options: []const u8) u32 {
    const table = [_]struct { []const u8, u32 }{
        .{ "ro", ms.rdonly },         .{ "nosuid", ms.nosuid },
        .{ "nodev", ms.nodev },       .{ "noexec", ms.noexec },
        .{ "noatime", ms.noatime },   .{ "nodiratime", ms.nodiratime },
        .{ "relatime", ms.relatime }, .{ "nosymfollow", ms.nosymfollow },
    };
    var flags: u32 = 0;
    var words = std.mem.splitScalar(u8, options, ',');
    while (words.next()) |word| {
        for (table) |row| if (std.mem.eql(u8, word, row[0])) {
            flags |= row[1];
        };
    }
    // Neither of the two has no word of its own, and a remount would make it relatime.
    return if (flags & (ms.noatime | ms.relatime) == 0) flags | ms.strictatime else flags;
}

fn isBelow(path: []const u8, top: []const u8) bool {
    if (!std.mem.startsWith(u8, path, top)) return false;
    return path.len > top.len + 1 and path[top.len] == '/';
}

/// The id of the mount `fd` is on, as the first field of mountinfo has it.
fn mountId(fd: sys.Fd, destination: []const u8) report.Error!u32 {
    const doing = "look at what is mounted below {s}";
    var path: [40:0]u8 = @splat(0);
    // proven: a descriptor has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/self/fdinfo/{d}", .{fd}) catch unreachable;
    const text = try readAll(&path, doing, destination);
    defer std.heap.page_allocator.free(text);

    return parseMountId(text) orelse report.fail(doing ++ ": no mnt_id", .{destination});
}

fn parseMountId(text: []const u8) ?u32 {
    const key = "mnt_id:";
    const at = std.mem.indexOf(u8, text, key) orelse return null;
    const line = std.mem.sliceTo(text[at + key.len ..], '\n');
    return std.fmt.parseInt(u32, std.mem.trim(u8, line, " \t"), 10) catch null;
}

/// A file of /proc to its end; the caller frees it.
fn readAll(
    path: [*:0]const u8,
    comptime doing: []const u8,
    destination: []const u8,
) report.Error![]u8 {
    const allocator = std.heap.page_allocator;
    const fd = try report.check(sys.openat(sys.cwd, path, .{}, 0), doing, .{destination});
    defer sys.close(fd);

    var text: std.ArrayList(u8) = .empty;
    defer text.deinit(allocator);
    while (true) {
        var chunk: [4096]u8 = undefined;
        const length = try report.check(sys.read(fd, &chunk), doing, .{destination});
        if (length == 0) break;
        text.appendSlice(allocator, chunk[0..length]) catch
            return report.fail(doing ++ ": out of memory", .{destination});
    }
    return text.toOwnedSlice(allocator) catch
        report.fail(doing ++ ": out of memory", .{destination});
}

/// MOUNT_ATTR_* as MS_*.
fn legacyFlags(set: u64) u32 {
    const attr = sysmount.attr;
    var flags: u32 = 0;
    if (set & attr.rdonly != 0) flags |= ms.rdonly;
    if (set & attr.nosuid != 0) flags |= ms.nosuid;
    if (set & attr.nodev != 0) flags |= ms.nodev;
    if (set & attr.noexec != 0) flags |= ms.noexec;
    if (set & attr.noatime != 0) flags |= ms.noatime;
    if (set & attr.nodiratime != 0) flags |= ms.nodiratime;
    return flags;
}

/// `/proc/self/fd/N`, which names what the descriptor refers to.
pub fn descriptorPath(fd: sys.Fd) [32:0]u8 {
    var path: [32:0]u8 = @splat(0);
    // proven: a descriptor has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    return path;
}

test "the path of a descriptor ends where its number ends" {
    const path = descriptorPath(17);
    try std.testing.expectEqualStrings("/proc/self/fd/17", std.mem.sliceTo(&path, 0));
}

test "a line of mountinfo gives the mount's id, its place and its own flags" {
    var buffer: [path_bytes_max:0]u8 = undefined;
    const line = "36 35 98:0 /mnt1 /a\\040b\\134\\011c ro,nosuid,noatime shared:1 - ext3 /dev/r rw";
    const mount = try Mount.parse(line, &buffer);
    try std.testing.expectEqual(36, mount.id);
    try std.testing.expectEqualStrings("/a b\\\tc", mount.point);
    try std.testing.expectEqual(ms.rdonly | ms.nosuid | ms.noatime, mount.flags);
}

test "a mount of neither noatime nor relatime is strictatime" {
    try std.testing.expectEqual(ms.strictatime | ms.nodev, flagsFrom("rw,nodev"));
    try std.testing.expectEqual(ms.relatime, flagsFrom("rw,relatime"));
}

test "a line that is cut, or whose escapes are none, is refused" {
    var buffer: [path_bytes_max:0]u8 = undefined;
    const name: [path_bytes_max]u8 = @splat('a');
    const long = "1 1 0:1 / /" ++ name ++ " rw - x x rw";
    for ([_][]const u8{
        "",
        "36 35 98:0 /mnt1",
        "36 35 98:0 / /a",
        "x 35 98:0 / /a rw - x x rw",
        "36 35 98:0 / /a\\04 rw - x x rw",
        "36 35 98:0 / /a\\049 rw - x x rw",
        "36 35 98:0 / /a\\777 rw - x x rw",
        long,
    }) |line| try std.testing.expectError(error.Invalid, Mount.parse(line, &buffer));
}

test "below is what the path continues with a slash" {
    try std.testing.expect(isBelow("/c/sys/fs", "/c/sys"));
    try std.testing.expect(!isBelow("/c/sys", "/c/sys"));
    try std.testing.expect(!isBelow("/c/system", "/c/sys"));
    try std.testing.expect(!isBelow("/sys/fs", "/c/sys"));
}

test "a descriptor's mount is read from its fdinfo" {
    const text = "pos:\t0\nflags:\t012000000\nmnt_id:\t31\nino:\t1\n";
    try std.testing.expectEqual(31, parseMountId(text));
    try std.testing.expectEqual(null, parseMountId("pos:\t0\n"));
}
