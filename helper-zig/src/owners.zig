//! Which owners exist in this process's user namespace, and what becomes of those that do not.
//!
//! Read from /proc/self/uid_map rather than from the command line: root in a container has a
//! limited map too, and chown(2) to an id outside it is EINVAL.

const std = @import("std");
const sys = @import("sys.zig");

pub const Owner = struct { uid: u32, gid: u32 };

/// Lines the kernel accepts in one map (user_namespaces(7)).
const lines_max = 340;
const map_bytes_max = lines_max * 3 * 11;

const Range = struct { first: u32, count: u32 };

const Ids = struct {
    ranges: [lines_max]Range = undefined,
    count: usize = 0,
    /// The map is unknown: every id is tried.
    all: bool = false,

    fn has(ids: *const Ids, id: u32) bool {
        if (ids.all) return true;
        for (ids.ranges[0..ids.count]) |range| {
            if (id >= range.first and id - range.first < range.count) return true;
        }
        return false;
    }

    fn read(path: [*:0]const u8) Ids {
        var ids: Ids = .{};
        var buffer: [map_bytes_max]u8 = undefined;
        const text = readFile(path, &buffer) orelse return .{ .all = true };
        ids.parse(text) catch return .{ .all = true };
        return ids;
    }

    fn parse(ids: *Ids, text: []const u8) error{Invalid}!void {
        var lines = std.mem.tokenizeScalar(u8, text, '\n');
        while (lines.next()) |line| {
            if (ids.count == lines_max) return error.Invalid;
            var fields = std.mem.tokenizeScalar(u8, line, ' ');
            const first = try number(fields.next());
            _ = try number(fields.next());
            ids.ranges[ids.count] = .{ .first = first, .count = try number(fields.next()) };
            ids.count += 1;
        }
    }

    fn number(text: ?[]const u8) error{Invalid}!u32 {
        return std.fmt.parseInt(u32, text orelse return error.Invalid, 10) catch error.Invalid;
    }
};

/// The owners files can have here.
pub const Owners = struct {
    uids: Ids,
    gids: Ids,
    /// Entries whose owner had to become root.
    squashed: u64 = 0,

    pub fn here() Owners {
        return .{ .uids = .read("/proc/self/uid_map"), .gids = .read("/proc/self/gid_map") };
    }

    /// The owner as it can be; 0 in place of an id that is not mapped.
    pub fn map(owners: *Owners, wanted: Owner) Owner {
        const mapped: Owner = .{
            .uid = if (owners.uids.has(wanted.uid)) wanted.uid else 0,
            .gid = if (owners.gids.has(wanted.gid)) wanted.gid else 0,
        };
        if (mapped.uid != wanted.uid or mapped.gid != wanted.gid) owners.squashed += 1;
        return mapped;
    }
};

fn readFile(path: [*:0]const u8, buffer: []u8) ?[]const u8 {
    const fd = switch (sys.openat(sys.cwd, path, .{}, 0)) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(fd);

    return switch (sys.readAll(fd, buffer)) {
        .ok => |len| buffer[0..len],
        .err => null,
    };
}

test "ids outside the map become root and are counted" {
    var owners: Owners = .{ .uids = .{}, .gids = .{ .all = true } };
    try owners.uids.parse("         0       1000          1\n         1     100000      65536\n");
    const last: Owner = .{ .uid = 65536, .gid = 9 };
    try std.testing.expectEqual(last, owners.map(last));
    try std.testing.expectEqual(0, owners.squashed);
    const beyond: Owner = .{ .uid = 65537, .gid = 9 };
    try std.testing.expectEqual(Owner{ .uid = 0, .gid = 9 }, owners.map(beyond));
    try std.testing.expectEqual(1, owners.squashed);
}
