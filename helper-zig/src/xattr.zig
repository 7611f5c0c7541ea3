//! Which extended attributes of a layer reach its files, and how they are set and copied.
//!
//! Kept: user.* and file capabilities, which is what images have. Dropped without a word:
//! overlayfs's own marks (a layer could redirect lookups with them), trusted.* (host root's),
//! labels and ACLs (security.selinux, system.posix_acl_*), which belong to the machine they are
//! from.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");

/// XATTR_NAME_MAX and XATTR_SIZE_MAX (linux/limits.h).
const name_bytes_max = 255;
const value_bytes_max = 64 << 10;
const list_bytes_max = 64 << 10;

pub fn isKept(name: []const u8) bool {
    if (std.mem.eql(u8, name, "security.capability")) return true;
    return std.mem.startsWith(u8, name, "user.") and
        !std.mem.startsWith(u8, name, "user.overlay.");
}

/// Sets one attribute. File systems that have none are lived with: the file is whole without.
pub fn set(fd: sys.Fd, name: []const u8, value: []const u8, path: []const u8) report.Error!void {
    var buffer: [name_bytes_max + 1]u8 = undefined;
    if (name.len > name_bytes_max) {
        return report.fail("set an extended attribute of {s}: name too long", .{path});
    }
    @memcpy(buffer[0..name.len], name);
    buffer[name.len] = 0;
    const outcome = sys.fsetxattr(fd, buffer[0..name.len :0], value);
    if (outcome == .err and outcome.err == .OPNOTSUPP) return;
    return report.check(outcome, "set extended attribute {s} of {s}", .{ name, path });
}

/// Buffers for walking a file's attributes: large, so made once.
pub const Scratch = struct {
    list: [list_bytes_max]u8,
    other_list: [list_bytes_max]u8,
    value: [value_bytes_max]u8,
    other_value: [value_bytes_max]u8,
};

/// The names worth keeping of what `fd` carries.
pub const Names = struct {
    rest: []const u8,

    pub fn of(fd: sys.Fd, buffer: []u8) sys.Result(Names) {
        return switch (sys.flistxattr(fd, buffer)) {
            .ok => |len| .{ .ok = .{ .rest = buffer[0..len] } },
            .err => |e| if (e == .OPNOTSUPP) .{ .ok = .{ .rest = "" } } else .{ .err = e },
        };
    }

    pub fn next(names: *Names) ?[:0]const u8 {
        while (std.mem.findScalar(u8, names.rest, 0)) |end| {
            const name = names.rest[0..end :0];
            names.rest = names.rest[end + 1 ..];
            if (isKept(name)) return name;
        }
        return null;
    }
};

/// Gives `to` the attributes of `from`.
pub fn copy(from: sys.Fd, to: sys.Fd, scratch: *Scratch, path: []const u8) report.Error!void {
    const listed = Names.of(from, &scratch.list);
    var names = try report.check(listed, "list extended attributes of {s}", .{path});
    while (names.next()) |name| {
        const got = sys.fgetxattr(from, name, &scratch.value);
        const len = try report.check(got, "read extended attribute {s} of {s}", .{ name, path });
        try set(to, name, scratch.value[0..len], path);
    }
}

/// Takes away the attributes a layer can have given.
pub fn clear(fd: sys.Fd, scratch: *Scratch, path: []const u8) report.Error!void {
    const listed = Names.of(fd, &scratch.list);
    var names = try report.check(listed, "list extended attributes of {s}", .{path});
    while (names.next()) |name| {
        const gone = sys.fremovexattr(fd, name);
        try report.check(gone, "remove extended attribute {s} of {s}", .{ name, path });
    }
}

/// Whether two files carry the same attributes.
pub fn same(a: sys.Fd, b: sys.Fd, scratch: *Scratch, path: []const u8) report.Error!bool {
    const listed = Names.of(a, &scratch.list);
    const others = Names.of(b, &scratch.other_list);
    var names = try report.check(listed, "list extended attributes of {s}", .{path});
    var other_names = try report.check(others, "list extended attributes of {s}", .{path});
    var count: usize = 0;
    while (names.next()) |name| : (count += 1) {
        const got = sys.fgetxattr(a, name, &scratch.value);
        const len = try report.check(got, "read extended attribute {s} of {s}", .{ name, path });
        switch (sys.fgetxattr(b, name, &scratch.other_value)) {
            .ok => |other_len| {
                const other = scratch.other_value[0..other_len];
                if (!std.mem.eql(u8, scratch.value[0..len], other)) return false;
            },
            .err => return false,
        }
    }
    while (other_names.next()) |_| count -%= 1;
    return count == 0;
}

test "overlay marks and machine labels are not taken from a layer" {
    for ([_][]const u8{
        "trusted.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy",
        "trusted.x",              "security.selinux",      "system.posix_acl_access",
        "user",                   "security.capabilityx",
    }) |name| try std.testing.expect(!isKept(name));
    try std.testing.expect(isKept("user.mime_type"));
    try std.testing.expect(isKept("security.capability"));
}
