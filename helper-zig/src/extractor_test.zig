//! What extractor.zig makes of archives that are as they should be, and of others.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const extractor = @import("extractor.zig");
const files = @import("test_directory.zig");
const TestWriter = @import("tar_writer.zig").Writer;

/// Extracts what `writer` has into `directory`, as into a container's or the caller's.
fn extractInto(directory: files.Directory, writer: *TestWriter, to: anytype) !extractor.Counts {
    const pipe = sys.pipe().ok;
    defer sys.close(pipe[0]);
    try files.expectDone(sys.writeAll(pipe[1], writer.bytes.items));
    sys.close(pipe[1]);
    const destination: extractor.Destination = .{
        .top = directory.fd,
        .resolve = to.resolve,
        .keeps_owners = to.keeps_owners,
        .makes_devices = to.makes_devices,
    };
    return extractor.run(.{ .fd = pipe[0] }, destination, std.testing.allocator);
}

const in_container = .{
    .resolve = sys.Resolve{ .beneath = true, .no_magiclinks = true },
    .keeps_owners = true,
    .makes_devices = true,
};
const on_host = .{
    .resolve = sys.Resolve{ .beneath = true, .no_symlinks = true },
    .keeps_owners = false,
    .makes_devices = false,
};

test "no name and no link leads out of the directory" {
    const directory = try files.Directory.open();
    defer directory.close();

    const inner = try directory.make("inner", 0o755);
    try files.writeFile(directory.fd, "outside", "kept");
    try files.expectDone(sys.symlinkat("..", inner, "up"));
    try files.expectDone(sys.symlinkat(directory.path, inner, "absolute"));
    try files.expectDone(sys.symlinkat("../outside", inner, "file"));
    report.fd = -1; // it says why
    defer report.fd = 2;

    const bad = [_]TestWriter.Fields{
        .{ .name = "../outside", .data = "x" },
        .{ .name = "a/../../outside", .data = "x" },
        .{ .name = "up/outside", .data = "x" },
        .{ .name = "up/new/file", .data = "x" },
        .{ .name = "absolute/outside", .data = "x" },
        .{ .name = "up", .kind = '5' },
        .{ .name = "link", .kind = '1', .link = "../outside" },
        .{ .name = "link", .kind = '1', .link = "up/outside" },
    };
    var dir = directory;
    dir.fd = inner;
    for (bad) |fields| inline for (.{ in_container, on_host }) |to| {
        var writer: TestWriter = .{};
        defer writer.deinit();
        try writer.add(fields);
        try std.testing.expectError(error.Reported, extractInto(dir, &writer, to));
        try files.expectFile(directory.fd, "outside", "kept");
        try files.expectAbsent(directory.fd, "new");
        try files.expectAbsent(inner, "link");
    };
    // A link in the last place is replaced, and what it names stays.
    var writer: TestWriter = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "file", .data = "new" });
    try writer.add(.{ .name = "/rooted", .data = "new" });
    _ = try extractInto(dir, &writer, on_host);
    try files.expectFile(inner, "file", "new");
    try files.expectFile(inner, "rooted", "new");
    try files.expectFile(directory.fd, "outside", "kept");
    sys.close(inner);
}

test "a link inside is followed in a container and refused outside of it" {
    const directory = try files.Directory.open();
    defer directory.close();

    sys.close(try directory.make("usr", 0o755));
    try files.expectDone(sys.symlinkat("usr", directory.fd, "bin"));
    var writer: TestWriter = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "bin/new/file", .data = "data" });
    _ = try extractInto(directory, &writer, in_container);
    try files.expectFile(directory.fd, "usr/new/file", "data");
    report.fd = -1; // it says why
    defer report.fd = 2;
    try std.testing.expectError(error.Reported, extractInto(directory, &writer, on_host));
}

test "a file half written is removed, what it was to replace is gone, directories are finished" {
    const directory = try files.Directory.open();
    defer directory.close();

    var writer: TestWriter = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "d", .kind = '5', .mode = "0000555" });
    try writer.add(.{ .name = "d/whole", .data = "whole" });
    try writer.add(.{ .name = "d/half", .data = "half", .size = 100_000 });
    report.fd = -1; // it says why
    defer report.fd = 2;
    try std.testing.expectError(error.Reported, extractInto(directory, &writer, on_host));
    try files.expectFile(directory.fd, "d/whole", "whole");
    try files.expectAbsent(directory.fd, "d/half");
    try files.expectMode(directory.fd, "d", linux.S.IFDIR | 0o555);
}

test "directories and files do not take each other's place, but are merged with their own kind" {
    const directory = try files.Directory.open();
    defer directory.close();

    sys.close(try directory.make("directory", 0o755));
    try files.writeFile(directory.fd, "file", "old");
    report.fd = -1; // it says why
    defer report.fd = 2;
    for ([_]TestWriter.Fields{
        .{ .name = "directory", .data = "x" },
        .{ .name = "directory", .kind = '2', .link = "file" },
        .{ .name = "file", .kind = '5' },
        .{ .name = "file/below", .data = "x" },
        .{ .name = ".", .data = "x" },
    }) |fields| {
        var writer: TestWriter = .{};
        defer writer.deinit();
        try writer.add(fields);
        try std.testing.expectError(error.Reported, extractInto(directory, &writer, in_container));
        try files.expectFile(directory.fd, "file", "old");
    }
    var writer: TestWriter = .{};
    defer writer.deinit();
    try writer.add(.{ .name = "./", .kind = '5', .mode = "0000000" });
    try writer.add(.{ .name = "directory/", .kind = '5', .mode = "0001700" });
    try writer.add(.{ .name = "file", .data = "new" });
    try writer.add(.{ .name = "disk", .kind = '4' });
    const counts = try extractInto(directory, &writer, on_host);
    try std.testing.expectEqual(1, counts.skipped);
    try files.expectMode(directory.fd, "directory", linux.S.IFDIR | 0o1700);
    try files.expectFile(directory.fd, "file", "new");
    try files.expectAbsent(directory.fd, "disk");
}

test "outside, a set-id bit stays with its owner, and a disk stays in the container" {
    const directory = try files.Directory.open();
    defer directory.close();
    const with_owners = .{
        .resolve = on_host.resolve,
        .keeps_owners = true,
        .makes_devices = false,
    };

    inline for (.{ on_host, with_owners }, .{ 0o755, 0o6755 }) |to, mode| {
        var writer: TestWriter = .{};
        defer writer.deinit();
        try writer.add(.{ .name = "directory/", .kind = '5', .mode = "0006755" });
        try writer.add(.{ .name = "program", .mode = "0006755", .data = "mine" });
        try writer.add(.{ .name = "pipe", .kind = '6', .mode = "0006755" });
        try writer.add(.{ .name = "disk", .kind = '4', .mode = "0000666" });
        const counts = try extractInto(directory, &writer, to);
        try std.testing.expectEqual(1, counts.skipped);
        try files.expectMode(directory.fd, "directory", linux.S.IFDIR | mode);
        try files.expectMode(directory.fd, "program", linux.S.IFREG | mode);
        try files.expectAbsent(directory.fd, "disk");
    }
}
