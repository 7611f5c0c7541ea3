//! What a power cut does to a layer, done to one by hand: each is seen, and nothing else.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const finish = @import("finish.zig");
const recipe = @import("recipe.zig");
const losses = @import("losses.zig");
const Layer = @import("layer.zig").Layer;
const Writer = @import("tar_writer.zig").Writer;
const files = @import("test_directory.zig");

const gpa = std.testing.allocator;

/// A layer that was unpacked whole.
const Unpacked = struct {
    directory: files.Directory,
    diff: sys.Fd,

    fn make() !Unpacked {
        const directory = try files.Directory.open();
        const diff = try directory.make("diff", 0o755);
        const in = sys.openat(directory.fd, "tar", .{ .ACCMODE = .RDWR, .CREAT = true }, 0o600).ok;
        defer sys.close(in);
        var tar: Writer = .{};
        defer tar.deinit();
        try fill(&tar);
        try files.expectDone(sys.writeAll(in, tar.bytes.items));
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
        try layer.readAll();
        try files.expectDone(writer.finish());
        try finish.run(&layer, directory.fd);
        return .{ .directory = directory, .diff = diff };
    }

    fn deinit(unpacked: Unpacked) void {
        sys.close(unpacked.diff);
        unpacked.directory.close();
    }

    fn open(unpacked: Unpacked, name: [:0]const u8) sys.Fd {
        return sys.openat(unpacked.diff, name, .{ .ACCMODE = .RDWR }, 0).ok;
    }

    fn expect(unpacked: Unpacked, is_certain: bool, words: []const u8) !void {
        const loss = (try losses.find(unpacked.directory.fd)).?;
        try std.testing.expectEqual(is_certain, loss.is_certain);
        var buffer: [256]u8 = undefined;
        const name = loss.name[0..loss.name_len];
        const said = try std.fmt.bufPrint(&buffer, "{s}{s}", .{ name, loss.why });
        try std.testing.expectEqualStrings(words, said);
    }
};

const page = 4096;

fn fill(tar: *Writer) !void {
    const own = .{ .uid = "0", .gid = "0" };
    const data: [4 * page]u8 = @splat('x');
    try tar.add(.{ .name = "dir/", .kind = '5', .uid = own.uid, .gid = own.gid });
    try tar.add(.{ .name = "dir/large", .data = &data, .uid = own.uid, .gid = own.gid });
    try tar.add(.{ .name = "dir/empty", .uid = own.uid, .gid = own.gid });
    try tar.add(.{ .name = "no/parent", .data = "x", .uid = own.uid, .gid = own.gid });
    try tar.pax('x', &.{
        "GNU.sparse.major=1",        "GNU.sparse.minor=0",
        "GNU.sparse.realsize=99999", "GNU.sparse.name=sparse",
    });
    const map: [504]u8 = @splat('\n');
    const body = "1\n50000\n3".* ++ map[0 .. 512 - 9].* ++ "end".*;
    try tar.add(.{ .name = "s", .data = &body, .uid = own.uid, .gid = own.gid });
}

test "a whole layer has lost nothing, holes of its tar included" {
    const layer: Unpacked = try .make();
    defer layer.deinit();
    try std.testing.expectEqual(null, try losses.find(layer.directory.fd));
}

test "a file without its data is cut off, and one that is gone is missing" {
    const layer: Unpacked = try .make();
    defer layer.deinit();
    const fd = layer.open("dir/large");
    defer sys.close(fd);
    try files.expectDone(sys.ftruncate(fd, 4 * page - 1));
    try layer.expect(true, "dir/large is cut off");
    try files.expectDone(sys.ftruncate(fd, 0));
    try layer.expect(true, "dir/large is cut off");
    try files.expectDone(sys.unlinkat(layer.diff, "dir/large", 0));
    try layer.expect(true, "dir/large is missing");
    try files.expectDone(sys.symlinkat("empty", layer.diff, "dir/large"));
    try layer.expect(true, "dir/large cannot be opened");
}

test "a file of the right size without its data has a hole" {
    const layer: Unpacked = try .make();
    defer layer.deinit();
    const fd = layer.open("dir/large");
    defer sys.close(fd);
    // fallocate(2): FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE.
    const hole = .{ fd, @as(u32, 3), @as(u64, page), @as(u64, page) };
    const punched = sys.call(void, .fallocate, hole);
    if (punched == .err and punched.err == .OPNOTSUPP) return error.SkipZigTest;
    try files.expectDone(punched);
    try layer.expect(false, "dir/large has a hole");
}

test "a recipe and a pending file that are cut off count as lost" {
    const layer: Unpacked = try .make();
    defer layer.deinit();
    for ([_][:0]const u8{ "pending", "recipe" }) |name| {
        const fd = sys.openat(layer.directory.fd, name, .{ .ACCMODE = .RDWR }, 0).ok;
        defer sys.close(fd);
        const size = sys.fstat(fd).ok.size;
        var end: [1]u8 = undefined;
        _ = sys.readAt(fd, &end, size - 1).ok;
        const text = if (name[0] == 'p') "its pending file is cut off" else "its recipe is cut off";
        for ([_]u64{ size - 1, 0 }) |less| {
            try files.expectDone(sys.ftruncate(fd, less));
            try layer.expect(true, text);
        }
        if (name[0] == 'r') return;
        try files.expectDone(sys.writeAllAt(fd, &end, 0));
    }
}
