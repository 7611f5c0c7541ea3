//! Layers that are unpacked and written again: the same bytes, whatever the tar was like.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const recipe = @import("recipe.zig");
const rebuild = @import("rebuild.zig");
const Layer = @import("layer.zig").Layer;
const Writer = @import("tar_writer.zig").Writer;
const files = @import("test_directory.zig");

const gpa = std.testing.allocator;

fn temporary() sys.Fd {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .TMPFILE = true, .DIRECTORY = true };
    return sys.openat(sys.cwd, "/tmp", flags, 0o600).ok;
}

/// Unpacks `stream` into `directory` with a recipe; false if content was lost.
fn unpack(directory: files.Directory, stream: []const u8) !bool {
    const diff = try directory.make("diff", 0o755);
    defer sys.close(diff);
    const in = temporary();
    defer sys.close(in);
    try files.expectDone(sys.writeAll(in, stream));
    _ = sys.seek(in, 0, .start);

    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true };
    const fd = sys.openat(directory.fd, recipe.file_name, flags, 0o600).ok;
    defer sys.close(fd);
    const writer = try gpa.create(recipe.Writer);
    defer gpa.destroy(writer);
    writer.init(fd);
    // Arenas of the process's life, as in the helper.
    var layer = try Layer.init(std.heap.page_allocator, in, diff, true);
    defer layer.deinit();
    layer.reader.in.tap = writer;
    layer.tree.aside = .{ .layer = directory.fd, .recipe = writer };
    try layer.readAll();
    try files.expectDone(writer.finish());
    return !writer.is_lost;
}

fn expectSame(stream: []const u8) !void {
    const directory = try files.Directory.open();
    defer directory.close();
    try std.testing.expect(try unpack(directory, stream));

    const out = temporary();
    defer sys.close(out);
    try rebuild.rebuild(directory.fd, out, gpa);
    try std.testing.expectEqual(stream.len, sys.fstat(out).ok.size);
    const again = try gpa.alloc(u8, stream.len);
    defer gpa.free(again);
    _ = sys.seek(out, 0, .start);
    _ = sys.readAll(out, again).ok;
    try std.testing.expectEqualSlices(u8, stream, again);
}

fn unusual(writer: *Writer) !void {
    const large: [3000]u8 = @splat('x');
    const own = .{ .uid = "0", .gid = "0" };
    try writer.add(.{ .name = "usr/lib/", .kind = '5', .uid = own.uid, .gid = own.gid });
    try writer.add(.{ .name = "lib", .kind = '2', .link = "usr/lib" });
    // By way of the link.
    try writer.add(.{ .name = "./lib//a", .data = &large, .uid = own.uid, .gid = own.gid });
    try writer.add(.{ .name = "lib/b", .kind = '1', .link = "lib/a", .magic = .gnu });
    try writer.add(.{ .name = "lib/.wh.gone", .data = "a whiteout with content" });
    try writer.add(.{ .name = "usr/.wh..wh..opq", .magic = .v7 });
    try writer.add(.{ .name = "elsewhere", .kind = '1', .link = "of/another/layer" });
    try writer.pax('g', &.{"mtime=1"});
    try writer.pax('x', &.{ "mtime=2.5", "comment=whatever this is" });
    try writer.add(.{ .name = "usr/lib/ab", .data = "short", .uid = own.uid, .gid = own.gid });
    try writer.pax('x', &.{ "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=9" });
    const map: [507]u8 = @splat('\n');
    try writer.add(.{ .name = "sparse", .data = "1\n6\n3" ++ map ++ "end" });
    try writer.add(.{ .name = "device", .kind = '3' });
    try writer.add(.{ .name = "empty", .uid = own.uid, .gid = own.gid });
}

test "headers of every kind, owners and links come back as they were" {
    var writer: Writer = .{};
    defer writer.deinit();
    try unusual(&writer);
    try expectSame(writer.bytes.items);
    try writer.bytes.appendNTimes(gpa, 0, 1024);
    try expectSame(writer.bytes.items);
    try writer.bytes.appendNTimes(gpa, 0, 9000);
    try writer.bytes.appendSlice(gpa, "and what trails");
    try expectSame(writer.bytes.items);
}

test "a tar that ends without padding comes back without" {
    var writer: Writer = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "file", .data = "seven b", .uid = "0", .gid = "0" });
    try expectSame(writer.bytes.items[0 .. 512 + 7]);
    try expectSame(writer.bytes.items[0 .. 512 + 70]);
    try expectSame("");
}

test "what a later entry of the name replaces comes back, directories and all" {
    var writer: Writer = .{};
    defer writer.deinit();
    const own = .{ .uid = "0", .gid = "0" };
    for ([_][]const u8{ "one", "two", "three" }) |data| {
        try writer.add(.{ .name = "a/file", .data = data, .uid = own.uid, .gid = own.gid });
        try writer.add(.{ .name = "a/file2", .data = data, .uid = own.uid, .gid = own.gid });
        try writer.add(.{ .name = "link", .kind = '2', .link = data });
        try writer.add(.{ .name = "hard", .kind = '1', .link = "a/file" });
        if (data.len == 5) try writer.add(.{ .name = "a", .kind = '2', .link = "b" });
        try writer.add(.{ .name = "c/x/y", .data = data, .uid = own.uid, .gid = own.gid });
        try writer.add(.{ .name = "c", .data = data, .uid = own.uid, .gid = own.gid });
        if (data.len == 3) try writer.add(.{ .name = "c", .kind = '5' });
    }
    try expectSame(writer.bytes.items);
}

test "a tar that replaces without end is more than a layer keeps" {
    var writer: Writer = .{};
    defer writer.deinit();
    for (0..recipe.replaced_max + 2) |_|
        try writer.add(.{ .name = "file", .data = "data", .uid = "0", .gid = "0" });
    const directory = try files.Directory.open();
    defer directory.close();
    try std.testing.expect(!try unpack(directory, writer.bytes.items));
}

test "a recipe that was cut off or changed is refused" {
    var writer: Writer = .{};
    defer writer.deinit();
    try unusual(&writer);
    const directory = try files.Directory.open();
    defer directory.close();
    try std.testing.expect(try unpack(directory, writer.bytes.items));
    const out = temporary();
    defer sys.close(out);
    const before = report.fd;
    report.fd = -1;
    defer report.fd = before;

    const flags: linux.O = .{ .ACCMODE = .RDWR };
    const fd = sys.openat(directory.fd, recipe.file_name, flags, 0).ok;
    defer sys.close(fd);
    const size = sys.fstat(fd).ok.size;
    try files.expectDone(sys.ftruncate(fd, size - 1));
    try std.testing.expectError(error.Reported, rebuild.rebuild(directory.fd, out, gpa));
    try files.expectDone(sys.writeAllAt(fd, "?", recipe.magic.len));
    try std.testing.expectError(error.Reported, rebuild.rebuild(directory.fd, out, gpa));
}
