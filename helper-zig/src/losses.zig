//! `hb-init losses`: which layers have lost some of what was written to them.
//!
//!   losses [maps] LAYER...
//!
//! A layer is not synced while it is unpacked. After a power cut all its names are there, as the
//! directory that was renamed into place was made before (a journal keeps the order), but its
//! files may lack data. XFS and btrfs record a size only when the data is on the disk, so that a
//! file is short; so does ext4 mostly, but since Linux 5.6 (dioread_nolock) a file there can also
//! have its size and an extent that was never written, which reads as zeros and is told from data
//! by SEEK_HOLE (lseek(2)). Both are looked for in every file that the layer's recipe names.
//!
//! For each layer that has lost something, in order, a line on stdout with its number from 0, a
//! letter and words:
//!
//!   c  something is cut off or missing
//!   h  a file has a hole its tar did not have. File systems that compress (ZFS) make one of zeros
//!      themselves; only the content can tell.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const userns = @import("userns.zig");
const recipe = @import("recipe.zig");
const recipe_reader = @import("recipe_reader.zig");
const pending = @import("pending.zig");

const Files = recipe_reader.Files;
const Reader = recipe_reader.Reader;

const stdout: sys.Fd = 1;
const buffer_bytes = 64 << 10;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    return parseAndRun(args) catch 1;
}

const Job = struct { layers: []const [*:0]const u8 };

fn parseAndRun(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        if (!try flags.take(std.mem.span(args[at]), std.mem.span(args[at + 1]))) break;
    }
    return userns.run(try flags.maps(), Job{ .layers = args[at..] }, run);
}

fn run(job: Job) u8 {
    for (job.layers, 0..) |path, number| say(std.mem.span(path), number) catch return 1;
    return 0;
}

fn say(path: [:0]const u8, number: usize) report.Error!void {
    const opened = sys.openat(sys.cwd, path, sys.directory_flags, 0);
    const layer = try report.check(opened, "open {s}", .{path});
    defer sys.close(layer);

    const loss = try find(layer) orelse return;
    var text: [2 * linux.PATH_MAX]u8 = undefined;
    const letter: u8 = if (loss.is_certain) 'c' else 'h';
    const name = loss.name[0..loss.name_len];
    const args = .{ number, letter, name, loss.why };
    // proven: a name that fits PATH_MAX and a few words.
    const line = std.fmt.bufPrint(&text, "{d} {c} {s}{s}\n", args) catch unreachable;
    report.makeHarmless(line[0 .. line.len - 1]);
    return report.check(sys.writeAll(stdout, line), "tell the front end", .{});
}

/// The first thing found that a layer has lost.
pub const Loss = struct {
    is_certain: bool,
    why: []const u8,
    name: [linux.PATH_MAX]u8 = undefined,
    name_len: usize = 0,

    fn of(name: []const u8, is_certain: bool, why: []const u8) Loss {
        var loss: Loss = .{ .is_certain = is_certain, .why = why };
        loss.name_len = @min(name.len, loss.name.len);
        @memcpy(loss.name[0..loss.name_len], name[0..loss.name_len]);
        return loss;
    }
};

/// What the layer whose directory is `layer` has lost; null when that is nothing, or when it has no
/// recipe to tell by.
pub fn find(layer: sys.Fd) report.Error!?Loss {
    if (try findInPending(layer)) |loss| return loss;
    const opened = sys.openat(layer, recipe.file_name, .{ .NOFOLLOW = true }, 0);
    if (opened == .err and opened.err == .NOENT) return null;
    const source = try report.check(opened, "open the layer's recipe", .{});
    defer sys.close(source);
    const cut: Loss = .of("", true, "its recipe is cut off");
    const stat = try report.check(sys.fstat(source), "examine the layer's recipe", .{});
    if (holeBefore(source, 0, stat.size)) return cut;
    _ = sys.seek(source, 0, .start);
    if (recipe_reader.isNone(source)) return null;
    var files = Files.init(layer, source, std.heap.page_allocator) catch return cut;
    defer files.deinit();

    var buffer: [buffer_bytes]u8 = undefined;
    var reader: Reader = .init(source, &buffer);
    return findIn(&reader, &files) catch cut;
}

fn findIn(reader: *Reader, files: *const Files) recipe_reader.Error!?Loss {
    try reader.begin();
    var doubtful: ?Loss = null;
    while (true) switch (try reader.next()) {
        .zeros, .block, .replaced => {},
        .bytes => |count| try reader.skip(count),
        .content => |content| {
            const loss = findInFile(files, content, reader.operations) orelse continue;
            if (loss.is_certain) return loss;
            if (doubtful == null) doubtful = loss;
        },
        .end => return doubtful,
    };
}

fn findInFile(files: *const Files, content: recipe_reader.Content, operation: u64) ?Loss {
    const path = content.path;
    const fd = switch (files.open(path, operation)) {
        .ok => |fd| fd,
        .err => |errno| return if (errno == .NOENT)
            .of(path, true, " is missing")
        else
            .of(path, true, " cannot be opened"),
    };
    defer sys.close(fd);

    const stat = switch (sys.fstat(fd)) {
        .ok => |stat| stat,
        .err => return .of(path, true, " cannot be examined"),
    };
    if (stat.kind() != linux.S.IFREG) return .of(path, true, " is no file");
    const end = content.offset +| content.count;
    if (stat.size < end) return .of(path, true, " is cut off");
    return if (holeBefore(fd, content.offset, end)) .of(path, false, " has a hole") else null;
}

/// Whether `fd` lacks data between `start` and `end`, as far as the file system tells.
fn holeBefore(fd: sys.Fd, start: u64, end: u64) bool {
    if (start == end) return false;
    return switch (sys.seek(fd, start, .hole)) {
        .ok => |at| at < end,
        .err => false,
    };
}

/// The questions to lower layers, which end with a mark.
fn findInPending(layer: sys.Fd) report.Error!?Loss {
    const opened = sys.openat(layer, pending.file_name, .{ .NOFOLLOW = true }, 0);
    if (opened == .err and opened.err == .NOENT) return null;
    const fd = try report.check(opened, "open the pending file", .{});
    defer sys.close(fd);

    const stat = try report.check(sys.fstat(fd), "examine the pending file", .{});
    var last: [1]u8 = .{0};
    if (stat.size > 0)
        _ = try report.check(sys.readAt(fd, &last, stat.size - 1), "read the pending file", .{});
    const is_whole = last[0] == pending.end_mark and !holeBefore(fd, 0, stat.size);
    return if (is_whole) null else .of("", true, "its pending file is cut off");
}
