//! What tar.zig makes of headers of every format, right and wrong ones, byte by byte.

const std = @import("std");
const header = @import("tar_header.zig");
const input = @import("input.zig");
const tar = @import("tar.zig");
const Writer = @import("tar_writer.zig").Writer;

const gpa = std.testing.allocator;
const end: [1024]u8 = @splat(0);

/// `count` times the same byte.
fn times(comptime count: usize, comptime byte: u8) *const [count]u8 {
    const bytes: [count]u8 = comptime @splat(byte);
    return &bytes;
}

/// Reads a whole tar, in pieces of every awkward size, with `visit` called for every entry.
fn readAll(bytes: []const u8, context: anytype, comptime visit: anytype) !void {
    for ([_]usize{ 1, 511, 513, std.math.maxInt(usize) }) |piece| {
        var buffer: [2048]u8 = undefined;
        var reader: tar.Reader(*input.Memory) = undefined;
        var memory: input.Memory = .{ .rest = bytes, .piece = piece };
        reader = .init(&memory, &buffer, gpa);
        defer reader.deinit();

        var count: usize = 0;
        while (try reader.next()) |entry| : (count += 1) {
            var body: std.ArrayList(u8) = .empty;
            defer body.deinit(gpa);

            while (try reader.chunk()) |part| try body.appendSlice(gpa, part);
            try visit(context, count, entry, body.items);
        }
        try reader.in.drain();
        try std.testing.expectEqual(bytes.len, reader.in.total);
    }
}

fn nothing(_: void, _: usize, _: tar.Entry, _: []const u8) !void {}

fn expectRefused(wanted: tar.Error, bytes: []const u8) !void {
    try std.testing.expectError(wanted, readAll(bytes, {}, nothing));
}

fn expectPath(path: []const u8, _: usize, entry: tar.Entry, _: []const u8) !void {
    try std.testing.expectEqualStrings(path, entry.path);
}

test "an ustar file comes out with every attribute" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "etc/passwd", .mode = "0104755", .data = "root:x" });
    try writer.bytes.appendSlice(gpa, &end);
    try readAll(writer.bytes.items, {}, struct {
        fn visit(_: void, _: usize, entry: tar.Entry, body: []const u8) !void {
            try std.testing.expectEqualStrings("etc/passwd", entry.path);
            try std.testing.expectEqual(tar.Kind.file, entry.kind);
            try std.testing.expectEqual(0o4755, entry.mode);
            try std.testing.expectEqual(1000, entry.uid);
            try std.testing.expectEqual(10, entry.gid);
            try std.testing.expectEqual(1700000000, entry.mtime.sec);
            try std.testing.expectEqual(6, entry.size);
            try std.testing.expectEqualStrings("root:x", body);
        }
    }.visit);
}

test "each kind is what its letter says" {
    const Case = struct { u8, []const u8, tar.Kind };
    const table = [_]Case{
        .{ 0, "f", .file },      .{ 0, "d/", .dir },
        .{ '0', "f", .file },    .{ '0', "d/", .dir },
        .{ '7', "f", .file },    .{ '1', "h", .hardlink },
        .{ '2', "s", .symlink }, .{ '3', "c", .char },
        .{ '4', "b", .block },   .{ '5', "d", .dir },
        .{ '6', "p", .fifo },    .{ 'D', "d", .dir },
    };
    for (table) |case| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.add(.{ .name = case[1], .kind = case[0], .link = "target" });
        try readAll(writer.bytes.items, case[2], struct {
            fn visit(kind: tar.Kind, _: usize, entry: tar.Entry, _: []const u8) !void {
                try std.testing.expectEqual(kind, entry.kind);
            }
        }.visit);
    }
    for ("MNYq8") |kind| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.add(.{ .kind = kind });
        try expectRefused(error.UnknownKind, writer.bytes.items);
    }
}

test "a name is joined from its prefix only where the format has one" {
    const long = times(155, 'p');
    const Case = struct { Writer.Magic, []const u8, []const u8 };
    const table = [_]Case{
        .{ .ustar, long, long ++ "/name" },
        .{ .star, times(131, 'p'), times(131, 'p') ++ "/name" },
        .{ .gnu, long, "name" },
        .{ .v7, long, "name" },
        .{ .ustar, "", "name" },
    };
    for (table) |case| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.add(.{ .name = "name", .magic = case[0], .prefix = case[1] });
        try readAll(writer.bytes.items, case[2], expectPath);
    }
}

test "GNU's long names and link targets go before the entry" {
    const long = times(300, 'n');
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.add(.{ .kind = 'K', .magic = .gnu, .data = times(200, 't') ++ "\x00" });
    try writer.add(.{ .kind = 'L', .magic = .gnu, .data = long ++ "\x00" });
    try writer.add(.{ .kind = '2', .magic = .gnu, .name = long[0..100], .link = times(100, 't') });
    try writer.add(.{ .name = "next" });
    try readAll(writer.bytes.items, {}, struct {
        fn visit(_: void, count: usize, entry: tar.Entry, _: []const u8) !void {
            const wanted = if (count == 0) times(300, 'n') else "next";
            try std.testing.expectEqualStrings(wanted, entry.path);
            if (count == 0) try std.testing.expectEqualStrings(times(200, 't'), entry.link);
        }
    }.visit);
}

test "PAX records stand over the header, and only for one entry" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.pax('x', &.{
        "path=caf\xc3\xa9\xff", "uid=3000000",                      "gid=7",
        "size=4",               "mtime=-1.25",                      "SCHILY.xattr.user.a=b=c\nd",
        "comment=of no matter", "SCHILY.xattr.security.x=\x01\x00", "SCHILY.xattr.user.a=last",
    });
    try writer.add(.{ .name = "short", .size = 0, .data = "" });
    try writer.addData("body");
    try writer.add(.{ .name = "next" });
    try readAll(writer.bytes.items, {}, struct {
        fn visit(_: void, count: usize, entry: tar.Entry, body: []const u8) !void {
            if (count == 1) {
                try std.testing.expectEqual(1000, entry.uid);
                return std.testing.expectEqual(0, entry.xattrs.len);
            }
            try std.testing.expectEqualStrings("caf\xc3\xa9\xff", entry.path);
            try std.testing.expectEqual(3000000, entry.uid);
            try std.testing.expectEqual(7, entry.gid);
            try std.testing.expectEqual(-2, entry.mtime.sec);
            try std.testing.expectEqual(750000000, entry.mtime.nsec);
            try std.testing.expectEqualStrings("body", body);
            try std.testing.expectEqual(2, entry.xattrs.len);
            try std.testing.expectEqualStrings("last", entry.xattrs[0].value);
            try std.testing.expectEqualStrings("\x01\x00", entry.xattrs[1].value);
        }
    }.visit);
}

test "a global PAX header gives owners and times, never names or sizes" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.pax('g', &.{ "comment=0123", "uid=5", "path=all", "size=99" });
    try writer.add(.{ .name = "file" });
    try writer.pax('g', &.{"uid="});
    try readAll(writer.bytes.items, {}, struct {
        fn visit(_: void, _: usize, entry: tar.Entry, _: []const u8) !void {
            try std.testing.expectEqualStrings("file", entry.path);
            try std.testing.expectEqual(5, entry.uid);
            try std.testing.expectEqual(0, entry.size);
        }
    }.visit);
}

test "sparse files of PAX 0.0, 0.1 and 1.0 have the same extents" {
    const map = "2\n0\n1\n4095\n1\n";
    const table = [_]struct { []const []const u8, []const u8 }{
        .{ &.{
            "GNU.sparse.size=4096",  "GNU.sparse.numblocks=2", "GNU.sparse.offset=0",
            "GNU.sparse.numbytes=1", "GNU.sparse.offset=4095", "GNU.sparse.numbytes=1",
            "path=sparse",
        }, "ab" },
        .{ &.{
            "GNU.sparse.size=4096", "GNU.sparse.map=0,1,4095,1", "GNU.sparse.name=sparse",
        }, "ab" },
        .{ &.{
            "GNU.sparse.major=1",       "GNU.sparse.minor=0", "GNU.sparse.name=sparse",
            "GNU.sparse.realsize=4096",
        }, map ++ times(512 - map.len, '\x00') ++ "ab" },
    };
    for (table) |case| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.pax('x', case[0]);
        try writer.add(.{ .name = "GNUSparseFile.1/sparse", .data = case[1] });
        try writer.add(.{ .name = "after" });
        try readAll(writer.bytes.items, {}, expectSparse);
    }
}

fn expectSparse(_: void, count: usize, entry: tar.Entry, body: []const u8) !void {
    if (count == 1) return std.testing.expectEqualStrings("after", entry.path);
    try std.testing.expectEqualStrings("sparse", entry.path);
    try std.testing.expectEqual(4096, entry.size);
    try std.testing.expectEqualStrings("ab", body);
    const extents = entry.extents.?;
    try std.testing.expectEqual(4095, extents[extents.len - 1].offset);
}

test "GNU's old sparse format goes on in extension blocks" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "sparse", .kind = 'S', .magic = .gnu, .size = 2 });
    const block = writer.bytes.items[0..512];
    @memcpy(block[386..398], "00000000000\x00");
    @memcpy(block[398..410], "00000000001\x00");
    block[482] = 1;
    @memcpy(block[483..494], "00000010000");
    var copy: header.Block = block.*;
    writer.bytes.clearRetainingCapacity();
    try writer.addBlock(&copy);
    var extension: header.Block = @splat(0);
    @memcpy(extension[0..12], "00000007777\x00");
    @memcpy(extension[12..24], "00000000001\x00");
    try writer.bytes.appendSlice(gpa, &extension);
    try writer.addData("ab");
    try writer.add(.{ .name = "after" });
    try readAll(writer.bytes.items, {}, expectSparse);
}

test "a sparse map that does not fit its file is refused" {
    const maps = [_][]const u8{
        "0,1,4096,1", "0,1", "0,1,1,2", "4,1,0,1", "0,1,9223372036854775807,1",
    };
    for (maps) |map| {
        var record: [64]u8 = undefined;
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.pax('x', &.{
            "GNU.sparse.size=4096",
            try std.fmt.bufPrint(&record, "GNU.sparse.map={s}", .{map}),
        });
        try writer.add(.{ .data = "ab" });
        try expectRefused(error.BadSparse, writer.bytes.items);
    }
}

test "the end may be marked, missing, or followed by anything" {
    const tails = [_][]const u8{
        "",               &end,
        end[0..512],      &(end ++ end),
        end ++ "garbage", end ++ times(7, 0),
    };
    for (tails) |tail| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.add(.{ .data = "body" });
        try writer.bytes.appendSlice(gpa, tail);
        try readAll(writer.bytes.items, "file", expectPath);
    }
    try readAll("", {}, nothing);
}

test "the last file's padding may be missing, its data may not" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.add(.{ .data = "body" });
    try readAll(writer.bytes.items[0..516], "file", expectPath);
    try expectRefused(error.Truncated, writer.bytes.items[0..515]);
    try expectRefused(error.Truncated, writer.bytes.items[0..100]);
}

test "what no tar says is refused" {
    const Case = struct { tar.Error, Writer.Fields };
    const table = [_]Case{
        .{ error.BadName, .{ .name = "" } },
        .{ error.BadName, .{ .kind = '2', .link = "" } },
        .{ error.BadName, .{ .kind = '1', .link = "" } },
        .{ error.BadNumber, .{ .mode = "abc" } },
        .{ error.BadNumber, .{ .uid = "\xff\xff\xff\xff\xff\xff\xff\xff" } },
        .{ error.BadNumber, .{ .uid = "\x80\x00\x00\x00\xff\xff\xff\xff" } },
        .{ error.BadNumber, .{ .gid = "\x80\x00\x00\x01\x00\x00\x00\x00" } },
        .{ error.TooLong, .{ .kind = 'L', .size = 1 << 30 } },
        .{ error.TooLong, .{ .kind = 'x', .size = 1 << 30 } },
        .{ error.Truncated, .{ .kind = 'x', .data = "" } },
        .{ error.Truncated, .{ .data = "", .size = 1 << 32 } },
    };
    for (table) |case| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.add(case[1]);
        try expectRefused(case[0], writer.bytes.items);
    }
}

test "PAX values that are out of bounds are refused" {
    const Case = struct { tar.Error, []const u8 };
    const table = [_]Case{
        .{ error.BadName, "path=a\x00b" },
        .{ error.BadPax, "uid=-1" },
        .{ error.BadNumber, "uid=4294967295" },
        .{ error.BadPax, "size=-5" },
        .{ error.BadPax, "size=18446744073709551616" },
        .{ error.BadPax, "mtime=soon" },
        .{ error.BadPax, "SCHILY.xattr.=x" },
        .{ error.TooLong, "path=" ++ times(4096, 'a') },
    };
    for (table) |case| {
        var writer: Writer = .{};
        defer writer.deinit();
        try writer.pax('x', &.{case[1]});
        try writer.add(.{});
        try expectRefused(case[0], writer.bytes.items);
    }
}

test "a wrong checksum and a lone zero block are refused" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.add(.{});
    writer.bytes.items[0] ^= 1;
    try expectRefused(error.BadChecksum, writer.bytes.items);
    writer.bytes.items[0] ^= 1;
    try writer.bytes.insertSlice(gpa, 0, end[0..512]);
    try expectRefused(error.LoneZeroBlock, writer.bytes.items);
}
