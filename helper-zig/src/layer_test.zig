//! Layers that try to leave their directory, and layers that are only unusual.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const finish = @import("finish.zig");
const pending = @import("pending.zig");
const Layer = @import("layer.zig").Layer;
const Writer = @import("tar_writer.zig").Writer;
const files = @import("test_directory.zig");

const gpa = std.testing.allocator;
const Fields = Writer.Fields;

/// A layer unpacked into `diff` of a directory that also has `outside/secret`.
const Unpacked = struct {
    directory: files.Directory,
    diff: sys.Fd,

    fn of(entries: []const Fields) !Unpacked {
        const directory = try files.Directory.open();
        errdefer directory.close();
        sys.close(try directory.make("outside", 0o777));
        try files.writeFile(directory.fd, "outside/secret", "secret");
        const diff = try directory.make("diff", 0o755);
        errdefer sys.close(diff);

        const stream = try streamOf(entries);
        defer sys.close(stream);
        // Arenas of the process's life, as in the helper.
        var layer = try Layer.init(std.heap.page_allocator, stream, diff, true);
        defer layer.deinit();
        try layer.readAll();
        try finish.run(&layer, directory.fd);
        return .{ .directory = directory, .diff = diff };
    }

    fn close(unpacked: Unpacked) void {
        sys.close(unpacked.diff);
        unpacked.directory.close();
    }

    /// The pending records as the file has them, with the mark at its end.
    fn expectPending(unpacked: Unpacked, comptime records: []const u8) !void {
        const whole = records ++ [_]u8{pending.end_mark};
        try files.expectFile(unpacked.directory.fd, pending.file_name, whole);
    }

    fn expectOutsideUntouched(unpacked: Unpacked) !void {
        const root = unpacked.directory.fd;
        try files.expectFile(root, "outside/secret", "secret");
        try files.expectMode(root, "outside/secret", linux.S.IFREG | 0o644);
        // Its entries are ".", ".." and the secret.
        const outside = sys.openat(root, "outside", sys.directory_flags, 0).ok;
        defer sys.close(outside);
        var buffer: [512]u8 align(8) = undefined;
        try std.testing.expect(sys.getdents(outside, &buffer).ok <= 3 * 32);
    }
};

fn streamOf(entries: []const Fields) !sys.Fd {
    var writer: Writer = .{};
    defer writer.deinit();
    for (entries) |entry| {
        var owned = entry;
        // The tests run as anybody.
        owned.uid = "0";
        owned.gid = "0";
        try writer.add(owned);
    }
    const flags: linux.O = .{ .ACCMODE = .RDWR, .TMPFILE = true, .DIRECTORY = true };
    const fd = sys.openat(sys.cwd, "/tmp", flags, 0o600).ok;
    try files.expectDone(sys.writeAll(fd, writer.bytes.items));
    _ = sys.seek(fd, 0, .start);
    return fd;
}

fn expectRefused(entries: []const Fields) !void {
    const before = report.fd;
    report.fd = -1;
    defer report.fd = before;
    try std.testing.expectError(error.Reported, Unpacked.of(entries));
}

fn file(name: []const u8, data: []const u8) Fields {
    return .{ .name = name, .data = data };
}

fn dir(name: []const u8, mode: []const u8) Fields {
    return .{ .name = name, .kind = '5', .mode = mode };
}

fn symlink(name: []const u8, target: []const u8) Fields {
    return .{ .name = name, .kind = '2', .link = target };
}

fn hardlink(name: []const u8, target: []const u8) Fields {
    return .{ .name = name, .kind = '1', .link = target };
}

test "dots in a name do not lead out of the layer" {
    const layer = try Unpacked.of(&.{file("../../outside/secret", "evil")});
    defer layer.close();
    try files.expectFile(layer.diff, "outside/secret", "evil");
    try layer.expectOutsideUntouched();
}

test "a symbolic link as parent leads to a place inside the layer" {
    for ([_][]const u8{ "/../outside", "../outside", "../../../../outside" }) |target| {
        const layer = try Unpacked.of(&.{ symlink("link", target), file("link/secret", "evil") });
        defer layer.close();
        try files.expectFile(layer.diff, "outside/secret", "evil");
        try layer.expectOutsideUntouched();
    }
}

test "nothing is written through a symbolic link, it is replaced" {
    const layer = try Unpacked.of(&.{
        symlink("file", "../outside/secret"),   file("file", "new"),
        symlink("set-id", "../outside/secret"), .{ .name = "set-id", .mode = "4755" },
        symlink("folder", "../outside"),        dir("folder", "700"),
        file("folder/secret", "inside"),
    });
    defer layer.close();
    try files.expectFile(layer.diff, "file", "new");
    try files.expectMode(layer.diff, "set-id", linux.S.IFREG | 0o4755);
    try files.expectFile(layer.diff, "folder/secret", "inside");
    try layer.expectOutsideUntouched();
}

test "a directory replaced by a symbolic link is not remembered as a directory" {
    const layer = try Unpacked.of(&.{
        dir("a", "755"),            file("a/file", "1"),
        symlink("a", "../outside"), file("a/secret", "evil"),
    });
    defer layer.close();
    try files.expectFile(layer.diff, "outside/secret", "evil");
    try layer.expectOutsideUntouched();
}

test "a hard link does not reach a file outside" {
    const layer = try Unpacked.of(&.{
        symlink("out", "../outside"),          hardlink("stolen", "out/secret"),
        hardlink("dots", "../outside/secret"),
    });
    defer layer.close();
    try files.expectAbsent(layer.diff, "stolen");
    try files.expectAbsent(layer.diff, "dots");
    try layer.expectPending("Lstolen\x00out/secret\x00Ldots\x00outside/secret\x00D\x00");
}

test "entries that make no sense are refused" {
    try expectRefused(&.{file("a/.wh.", "")});
    try expectRefused(&.{file(".wh..", "")});
    try expectRefused(&.{file(".wh...", "")});
    try expectRefused(&.{file(".wh./x", "")});
    try expectRefused(&.{symlink(".", "/etc")});
    try expectRefused(&.{ file("a", ""), file("a/b", "") });
    try expectRefused(&.{ dir("a", "755"), hardlink("b", "a") });
    try expectRefused(&.{hardlink("b", "/")});
    try expectRefused(&.{ symlink("a", "b"), symlink("b", "a"), file("a/x", "") });
}

test "a directory that denies its own content keeps its mode and its content" {
    const layer = try Unpacked.of(&.{
        dir("shut", "0"), file("shut/file", "x"), dir("sealed", "555"), file("sealed/file", "x"),
    });
    defer layer.close();
    try files.expectMode(layer.diff, "shut", linux.S.IFDIR);
    try files.expectMode(layer.diff, "sealed", linux.S.IFDIR | 0o555);
    // So that anybody can remove it.
    try files.expectDone(sys.chmodat(layer.diff, "shut", 0o700));
    try files.expectFile(layer.diff, "sealed/file", "x");
}

test "in an opaque directory, and below it, there are no whiteouts" {
    const layer = try Unpacked.of(&.{
        file("d/e/.wh.gone", ""), file("d/.wh.gone", ""), file("d/.wh..wh..opq", ""),
        file("new/.wh.gone", ""), file("new/file", "x"),  file(".wh.new", ""),
    });
    defer layer.close();
    for ([_][:0]const u8{ "d/e/gone", "d/gone", "new/gone" }) |path|
        try files.expectAbsent(layer.diff, path);
    try files.expectFile(layer.diff, "new/file", "x");
}

test "a whiteout hides what is below, wherever it stands in the layer" {
    const layer = try Unpacked.of(&.{
        file("file", "new"),                file(".wh.file", ""),   dir("folder", "755"),
        file("folder/new", "1"),            file(".wh.folder", ""), file(".wh.gone", ""),
        .{ .name = "device", .kind = '3' },
    });
    defer layer.close();
    try files.expectFile(layer.diff, "file", "new");
    try files.expectMode(layer.diff, "gone", linux.S.IFCHR);
    // What overlayfs would take for a whiteout is one.
    try files.expectMode(layer.diff, "device", linux.S.IFCHR);
    const folder = sys.openat(layer.diff, "folder", sys.directory_flags, 0).ok;
    defer sys.close(folder);
    try std.testing.expect(@import("whiteout.zig").isOpaque(folder));
}

test "directories without an entry are pending, unless the layer hides those below" {
    const layer = try Unpacked.of(&.{
        dir(".", "755"),      file("a/b/file", ""), file("c/.wh..wh..opq", ""),
        file("c/d/file", ""), file(".wh.e", ""),    file("e/file", ""),
    });
    defer layer.close();
    try layer.expectPending("Da\x00Da/b\x00Dc\x00");
}

test "a hard link may come before its target, and to itself" {
    const layer = try Unpacked.of(&.{
        dir(".", "755"), hardlink("b", "a"), file("a", "1"), hardlink("a", "a"),
    });
    defer layer.close();
    try files.expectFile(layer.diff, "a", "1");
    const a = sys.statat(layer.diff, "a", 0).ok;
    try std.testing.expectEqual(2, a.links);
    try files.expectAbsent(layer.directory.fd, pending.file_name);
}
