//! Which names of a layer are whiteouts (OCI image-spec, layer.md, "Whiteouts"), and overlayfs's
//! form of them (Linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque
//! directories").

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");

/// What a name in a layer says.
pub const Meaning = union(enum) {
    /// A file of that name.
    plain,
    /// The directory it stands in hides everything below it.
    @"opaque",
    /// The named sibling of lower layers is hidden.
    hides: [:0]const u8,
    /// aufs's own bookkeeping, in images of docker's first years; it names no file.
    ignored,
    /// It would hide the directory itself, its parent, or nothing.
    refused,
};

pub const prefix = ".wh.";
const aufs_prefix = ".wh..wh.";
const opaque_name = ".wh..wh..opq";

/// The meaning of the last part of a path.
pub fn meaning(name: [:0]const u8) Meaning {
    if (!std.mem.startsWith(u8, name, prefix)) return .plain;
    if (std.mem.eql(u8, name, opaque_name)) return .@"opaque";
    if (std.mem.startsWith(u8, name, aufs_prefix)) return .ignored;
    const hidden = name[prefix.len..];
    const none = hidden.len == 0 or std.mem.eql(u8, hidden, ".") or std.mem.eql(u8, hidden, "..");
    return if (none) .refused else .{ .hides = hidden };
}

/// The meaning of a path's earlier parts: a directory can not be a whiteout and hold something.
pub fn meaningOfParent(parent: []const u8) Meaning {
    var parts = std.mem.splitScalar(u8, parent, '/');
    while (parts.next()) |part| {
        if (std.mem.startsWith(u8, part, aufs_prefix)) return .ignored;
        if (std.mem.startsWith(u8, part, prefix)) return .refused;
    }
    return .plain;
}

/// Makes overlayfs's whiteout. Allowed in a user namespace too (Linux 5.8).
pub fn make(dir: sys.Fd, name: [*:0]const u8) sys.Result(void) {
    return sys.mknodat(dir, name, linux.S.IFCHR, 0, 0);
}

pub fn is(stat: sys.Stat) bool {
    return stat.kind() == linux.S.IFCHR and stat.node.major == 0 and stat.node.minor == 0;
}

/// The attribute that makes a directory opaque: overlayfs reads trusted.* unless it is mounted
/// with userxattr, which it is wherever trusted.* can not be written.
pub fn opaqueXattr(in_user_namespace: bool) [:0]const u8 {
    return if (in_user_namespace) "user.overlay.opaque" else "trusted.overlay.opaque";
}

/// Whether the directory `fd` was made opaque, under either name.
pub fn isOpaque(fd: sys.Fd) bool {
    var value: [1]u8 = undefined;
    for ([_]bool{ true, false }) |user| switch (sys.fgetxattr(fd, opaqueXattr(user), &value)) {
        .ok => |len| if (len == 1 and value[0] == 'y') return true,
        .err => {},
    };
    return false;
}

fn expectMeaning(wanted: std.meta.Tag(Meaning), actual: Meaning) !void {
    try std.testing.expectEqual(wanted, std.meta.activeTag(actual));
}

test "whiteouts are told from names that only look like them" {
    const Case = struct { [:0]const u8, std.meta.Tag(Meaning) };
    const table = [_]Case{
        .{ "file", .plain },             .{ ".wh", .plain },
        .{ "x.wh.y", .plain },           .{ ".wh.file", .hides },
        .{ ".wh..hidden", .hides },      .{ ".wh....", .hides },
        .{ ".wh..wh..opq", .@"opaque" }, .{ ".wh..wh.plnk", .ignored },
    };
    for (table) |case| try expectMeaning(case[1], meaning(case[0]));
    try std.testing.expectEqualStrings("file", meaning(".wh.file").hides);
}

test "a whiteout of nothing, of the directory itself or of its parent is refused" {
    for ([_][:0]const u8{ ".wh.", ".wh..", ".wh..." }) |name| {
        try expectMeaning(.refused, meaning(name));
    }
    try expectMeaning(.refused, meaningOfParent("a/.wh.b"));
    try expectMeaning(.refused, meaningOfParent(".wh./x"));
    try expectMeaning(.ignored, meaningOfParent(".wh..wh.plnk"));
    try expectMeaning(.plain, meaningOfParent("a/b"));
}
