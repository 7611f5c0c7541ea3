//! Names from layers, lexically: a path without `/` at its ends, without `.`, `..` and empty parts.
//!
//! `..` goes no higher than the layer's root, as RESOLVE_IN_ROOT would have it. What symbolic links
//! make of a path is tree.zig's matter.

const std = @import("std");
const tar = @import("tar.zig");

pub const path_bytes_max = tar.path_bytes_max;
/// NAME_MAX: a longer name fits no Linux file system.
pub const name_bytes_max = 255;

/// Room for a path and the NUL the kernel wants.
pub const PathBuffer = [path_bytes_max + 1]u8;
pub const NameBuffer = [name_bytes_max + 1]u8;

/// The cleaned path in `buffer`; empty for the root itself.
pub fn clean(raw: []const u8, buffer: *PathBuffer) error{TooLong}![:0]const u8 {
    var len: usize = 0;
    var parts = std.mem.tokenizeScalar(u8, raw, '/');
    while (parts.next()) |part| {
        if (std.mem.eql(u8, part, ".")) continue;
        if (std.mem.eql(u8, part, "..")) {
            len = std.mem.findScalarLast(u8, buffer[0..len], '/') orelse 0;
            continue;
        }
        const slash: usize = if (len > 0) 1 else 0;
        if (len + slash + part.len > path_bytes_max) return error.TooLong;
        if (slash > 0) buffer[len] = '/';
        @memcpy(buffer[len + slash ..][0..part.len], part);
        len += slash + part.len;
    }
    buffer[len] = 0;
    return buffer[0..len :0];
}

/// Whether the path, read from left to right, stays below where it begins.
pub fn staysBelow(raw: []const u8) bool {
    var depth: usize = 0;
    var parts = std.mem.tokenizeScalar(u8, raw, '/');
    while (parts.next()) |part| {
        if (std.mem.eql(u8, part, ".")) continue;
        const is_up = std.mem.eql(u8, part, "..");
        if (is_up and depth == 0) return false;
        if (is_up) depth -= 1 else depth += 1;
    }
    return true;
}

/// The last part of a cleaned path, and what is before it.
pub fn split(path: [:0]const u8) struct { parent: []const u8, name: [:0]const u8 } {
    const slash = std.mem.findScalarLast(u8, path, '/') orelse
        return .{ .parent = "", .name = path };
    return .{ .parent = path[0..slash], .name = path[slash + 1 ..] };
}

/// `name` with a NUL after it; null when it is too long for any file system.
pub fn terminated(name: []const u8, buffer: *NameBuffer) ?[:0]const u8 {
    if (name.len > name_bytes_max) return null;
    @memcpy(buffer[0..name.len], name);
    buffer[name.len] = 0;
    return buffer[0..name.len :0];
}

test "clean() knows the many spellings of one path" {
    const table = [_][2][]const u8{
        .{ "a/b", "a/b" },   .{ "./a/b/", "a/b" },          .{ "/a//b", "a/b" },
        .{ "a/./b", "a/b" }, .{ "a/c/../b", "a/b" },        .{ "", "" },
        .{ "/", "" },        .{ ".", "" },                  .{ "./", "" },
        .{ "..", "" },       .{ "../../etc", "etc" },       .{ "a/../../../b", "b" },
        .{ "...", "..." },   .{ "a/..x/x..", "a/..x/x.." }, .{ "\xff/\xe9", "\xff/\xe9" },
    };
    for (table) |case| {
        var buffer: PathBuffer = undefined;
        try std.testing.expectEqualStrings(case[1], try clean(case[0], &buffer));
    }
}

test "a path that goes up further than down is told from one that does not" {
    for ([_][]const u8{ "", "/", "a/..", "a/../b", "./a/b/../..", "..a/b" }) |path|
        try std.testing.expect(staysBelow(path));
    for ([_][]const u8{ "..", "/..", "a/../..", "../a", "a/b/../../../c/d" }) |path|
        try std.testing.expect(!staysBelow(path));
}

test "split() gives the root as parent of a plain name" {
    try std.testing.expectEqualStrings("", split("a").parent);
    try std.testing.expectEqualStrings("a/b", split("a/b/c").parent);
    try std.testing.expectEqualStrings("c", split("a/b/c").name);
}
