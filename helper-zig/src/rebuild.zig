//! `hb-init rebuild`: a layer's directory -> on stdout the tar stream it was unpacked from.
//!
//!   rebuild [maps] --layer DIRECTORY
//!
//! What to write is in the layer's recipe (recipe.zig), contents come from its diff/. Whoever reads
//! compares the stream with the diffID: a recipe or a file that has changed shows there, so nothing
//! here has to notice more than what would lead out of the layer or read for ever.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const userns = @import("userns.zig");
const recipe = @import("recipe.zig");
const recipe_reader = @import("recipe_reader.zig");
const Files = recipe_reader.Files;
const Reader = recipe_reader.Reader;
const Archive = @import("archive.zig").Archive;

const stdout: sys.Fd = 1;
const buffer_bytes = 64 << 10;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    return parseAndRun(args) catch 1;
}

const Job = struct { layer: [:0]const u8 };

fn parseAndRun(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var layer: ?[:0]const u8 = null;
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try flags.take(name, value)) continue;
        if (!std.mem.eql(u8, name, "--layer"))
            return report.fail("rebuild: unknown flag {s}", .{name});
        layer = value;
    }
    if (at != args.len or layer == null) return report.fail("rebuild needs --layer", .{});
    return userns.run(try flags.maps(), Job{ .layer = layer.? }, run);
}

/// Inside the user namespace, whose root may read every file of the layer.
fn run(job: Job) u8 {
    signals.ignore(.PIPE); // a reader that goes away is an errno
    const dir = sys.openat(sys.cwd, job.layer, sys.directory_flags, 0);
    const fd = report.check(dir, "open {s}", .{job.layer}) catch return 1;
    rebuild(fd, stdout, std.heap.page_allocator) catch return 1;
    return 0;
}

/// Writes the tar of the layer whose directory is `layer` to `out`.
pub fn rebuild(layer: sys.Fd, out: sys.Fd, gpa: std.mem.Allocator) report.Error!void {
    const opened = sys.openat(layer, recipe.file_name, .{ .NOFOLLOW = true }, 0);
    const source = try report.check(opened, "open the layer's recipe", .{});
    defer sys.close(source);
    if (recipe_reader.isNone(source))
        return report.fail("rebuild a layer: its tar replaces more than a layer keeps", .{});
    var files = recipe_reader.Files.init(layer, source, gpa) catch |err| return switch (err) {
        error.OutOfMemory => outOfMemory(),
        error.Damaged => report.fail("rebuild a layer: its recipe is damaged", .{}),
    };
    defer files.deinit();

    const buffer = gpa.alloc(u8, buffer_bytes) catch return outOfMemory();
    defer gpa.free(buffer);
    var archive: Archive = try .init(out, gpa);
    defer archive.deinit();

    var reader: Reader = .init(source, buffer);
    try writeAll(&reader, &files, &archive);
    return archive.flush();
}

fn writeAll(reader: *Reader, files: *const Files, archive: *Archive) report.Error!void {
    reader.begin() catch return damaged(reader);
    while (true) switch (reader.next() catch return damaged(reader)) {
        .zeros => |count| try archive.zeros(count),
        .bytes => |count| {
            var rest = count;
            while (rest > 0) {
                const piece = reader.piece(rest) catch return damaged(reader);
                try archive.append(piece);
                rest -= piece.len;
            }
        },
        .block => |block| try archive.append(block),
        .content => |it| {
            const fd = try openFile(files, it.path, reader.operations);
            defer sys.close(fd);
            _ = try report.check(sys.seek(fd, it.offset, .start), "read {s}", .{it.path});
            try archive.content(fd, it.count, it.path);
        },
        .replaced => {},
        .end => return,
    };
}

fn openFile(files: *const Files, path: [:0]const u8, operation: u64) report.Error!sys.Fd {
    const fd = try report.check(files.open(path, operation), "open {s}", .{path});
    errdefer sys.close(fd);

    const stat = try report.check(sys.fstat(fd), "examine {s}", .{path});
    if (stat.kind() == linux.S.IFREG) return fd;
    return report.fail("rebuild a layer: {s} is no file any more", .{path});
}

fn damaged(reader: *const Reader) report.Error {
    const doing = "rebuild a layer: its recipe is damaged, after {d} operations";
    return report.fail(doing, .{reader.operations});
}

fn outOfMemory() report.Error {
    return report.fail("rebuild a layer: out of memory", .{});
}
