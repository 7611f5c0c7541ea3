//! The payload's output as lines in a file, in the form Kubernetes gave it (CRI, logging.md):
//!
//!   2026-11-22T01:02:03.123456789Z stdout F a whole line, or the end of one
//!   2026-11-22T01:02:03.123456789Z stderr P a piece with more of its line to come
//!
//! A log never stops a container. What cannot be written (a full disk, a quota, a directory that is
//! gone) is left out, and the log goes on where it can. Files hold whole records only, and none
//! grows beyond the limit: `log` becomes `log.1`, that one `log.2`, and the last one goes.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const plan = @import("plan.zig");
const clock = @import("clock.zig");

pub const Stream = enum(u1) { stdout, stderr };

/// The most of a line in one record, as containerd and CRI-O have it.
pub const piece_bytes_max = 16 << 10;

const batch_bytes = 128 << 10;

const file_name = "log";

const stamp_bytes = @typeInfo(clock.Stamp).array.len;

/// `2026-11-22T01:02:03.123456789Z stdout F `.
const Head = [stamp_bytes + " stdout F ".len]u8;

const tag_at = stamp_bytes + " stdout ".len;

/// Records on their way into the file; pages that are never used are never there.
var batch: [batch_bytes]u8 = undefined;

pub const Log = struct {
    /// The container's directory.
    directory: sys.Fd,
    limits: plan.Log,
    fd: sys.Fd = -1,
    /// What the file holds.
    size: u64 = 0,
    /// How much of `batch` is taken.
    filled: usize = 0,
    /// The file's last line has no end: its writer was killed, or cutting it off has failed.
    torn: bool = false,
    streams: [2]Line = .{ .{}, .{} },

    const Line = struct {
        /// The stream's last record in the file is a piece with more to come.
        open: bool = false,
        /// Something behind that record has been left out.
        cut: bool = false,
    };

    /// Continues the log in `directory`, or begins one.
    pub fn open(directory: sys.Fd, limits: plan.Log) Log {
        var log: Log = .{ .directory = directory, .limits = limits };
        log.removeSurplus();
        _ = log.ensureOpen();
        return log;
    }

    pub fn close(log: *Log) void {
        if (log.fd >= 0) sys.close(log.fd);
        log.fd = -1;
    }

    /// Takes down `bytes`, which were just read from `stream`.
    pub fn put(log: *Log, stream: Stream, bytes: []const u8) void {
        if (bytes.len == 0) return;
        const line = &log.streams[@backingInt(stream)];
        log.write(stream, bytes) catch {
            log.filled = 0;
            line.cut = true;
            return;
        };
        line.cut = false;
    }

    fn write(log: *Log, stream: Stream, bytes: []const u8) error{LeftOut}!void {
        if (!log.ensureOpen()) return error.LeftOut;
        const line = log.streams[@backingInt(stream)];
        var head = heading(stream);
        // What follows a gap does not belong to the line before it.
        if (line.cut and line.open) try log.add(stream, &head, "");
        var rest = bytes;
        while (rest.len > 0) {
            const window = rest[0..@min(rest.len, piece_bytes_max + 1)];
            const end = std.mem.findScalar(u8, window, '\n');
            head[tag_at] = if (end == null) 'P' else 'F';
            const text = rest[0 .. end orelse @min(rest.len, piece_bytes_max)];
            try log.add(stream, &head, text);
            rest = rest[text.len + @intFromBool(end != null) ..];
        }
        try log.flush(stream);
    }

    /// Adds a record to the batch; what does not fit any more is written first.
    fn add(log: *Log, stream: Stream, head: *const Head, text: []const u8) error{LeftOut}!void {
        const size = head.len + text.len + 1;
        const before = log.size + log.filled;
        if (log.limits.maxSizeBytes >= 0 and before > 0 and
            before + size > log.limits.maxSizeBytes)
        {
            try log.flush(stream);
            try log.rotate();
        }
        if (log.filled + size > batch.len) try log.flush(stream);
        const record = batch[log.filled..][0..size];
        record[0..head.len].* = head.*;
        @memcpy(record[head.len .. size - 1], text);
        record[size - 1] = '\n';
        log.filled += size;
    }

    /// Writes the batch, all of one stream. Where it does not fit on the disk, its first records.
    fn flush(log: *Log, stream: Stream) error{LeftOut}!void {
        const records = batch[0..log.filled];
        log.filled = 0;
        if (records.len == 0) return;
        if (log.torn) {
            if (sys.writeAll(log.fd, "\n") == .err) return error.LeftOut;
            log.size += 1;
            log.torn = false;
        }
        var written: usize = 0;
        const full = while (written < records.len) switch (sys.write(log.fd, records[written..])) {
            .ok => |length| written += length,
            .err => break true,
        } else false;
        const whole = if (full) endOfLast(records[0..written]) else records.len;
        if (whole > 0) {
            const begin = endOfLast(records[0 .. whole - 1]);
            log.streams[@backingInt(stream)].open = records[begin + tag_at] == 'P';
        }
        log.size += whole;
        if (!full) return;
        if (whole < written and sys.ftruncate(log.fd, log.size) == .err) {
            log.size += written - whole;
            log.torn = true;
        }
        return error.LeftOut;
    }

    fn ensureOpen(log: *Log) bool {
        if (log.fd >= 0) return true;
        const flags: linux.O = .{
            .ACCMODE = .RDWR, // to read how it ends
            .CREAT = true,
            .APPEND = true,
            .NOFOLLOW = true,
        };
        log.fd = switch (sys.openat(log.directory, file_name, flags, 0o600)) {
            .ok => |fd| fd,
            .err => return false,
        };
        const stat = sys.fstat(log.fd);
        log.size = if (stat == .ok) stat.ok.size else 0;
        var last: [1]u8 = .{'\n'};
        if (log.size > 0) _ = sys.readAt(log.fd, &last, log.size - 1);
        log.torn = last[0] != '\n';
        return true;
    }

    /// Makes room for a new `log`.
    fn rotate(log: *Log) error{LeftOut}!void {
        const last = @max(1, log.limits.maxFiles) - 1;
        var free: u32 = 1;
        while (free < last and log.exists(free)) free += 1;
        if (last == 0) {
            // Gone and made anew, not truncated: whoever reads it still has all of it.
            const gone = sys.unlinkat(log.directory, file_name, 0);
            if (gone == .err and gone.err != .NOENT) return error.LeftOut;
        } else while (free > 0) : (free -= 1) {
            const from = Name.of(free - 1);
            const to = Name.of(free);
            const moved = sys.renameat(log.directory, from.path(), log.directory, to.path());
            if (moved == .err and moved.err != .NOENT) return error.LeftOut;
        }
        log.close();
        if (!log.ensureOpen()) return error.LeftOut;
    }

    fn exists(log: *const Log, number: u32) bool {
        const name = Name.of(number);
        return sys.statat(log.directory, name.path(), linux.AT.SYMLINK_NOFOLLOW) == .ok;
    }

    /// What a run with a larger limit has left.
    fn removeSurplus(log: *const Log) void {
        var number = @max(1, log.limits.maxFiles);
        while (log.exists(number)) : (number += 1) {
            const name = Name.of(number);
            if (sys.unlinkat(log.directory, name.path(), 0) == .err) return;
        }
    }
};

/// `log`, `log.1` and so on.
const Name = struct {
    buffer: [file_name.len + 12:0]u8,

    fn of(number: u32) Name {
        var name: Name = .{ .buffer = @splat(0) };
        const text = if (number == 0)
            std.fmt.bufPrint(&name.buffer, file_name, .{})
        else
            std.fmt.bufPrint(&name.buffer, file_name ++ ".{d}", .{number});
        // proven: a number of 32 bits has ten digits at most.
        _ = text catch unreachable;
        return name;
    }

    fn path(name: *const Name) [*:0]const u8 {
        return &name.buffer;
    }
};

fn heading(stream: Stream) Head {
    return (clock.stamp() ++ switch (stream) {
        .stdout => " stdout F ".*,
        .stderr => " stderr F ".*,
    });
}

/// Where the last whole record ends: text within a record has no line end.
fn endOfLast(records: []const u8) usize {
    const at = std.mem.findScalarLast(u8, records, '\n') orelse return 0;
    return at + 1;
}

const testing = std.testing;
const test_directory = @import("test_directory.zig");

/// What `name` in `directory` holds, each record without its timestamp.
fn expectLog(directory: sys.Fd, name: [:0]const u8, expected: []const u8) !void {
    const fd = sys.openat(directory, name, .{}, 0).ok;
    defer sys.close(fd);

    const text = try testing.allocator.alloc(u8, 1 << 20);
    defer testing.allocator.free(text);
    const length = sys.readAll(fd, text).ok;

    var short: std.ArrayList(u8) = .empty;
    defer short.deinit(testing.allocator);
    var lines = std.mem.splitScalar(u8, text[0..length], '\n');
    while (lines.next()) |line| if (line.len > 0) {
        try short.appendSlice(testing.allocator, line[stamp_bytes + 1 ..]);
        try short.append(testing.allocator, '\n');
    };
    try testing.expectEqualStrings(expected, short.items);
}

fn limitFileSize(bytes: u64) !void {
    @import("signals.zig").ignore(.XFSZ);
    const limit: linux.rlimit = .{ .cur = bytes, .max = std.math.maxInt(u64) };
    try testing.expectEqual(0, linux.setrlimit(.FSIZE, &limit));
}

test "lines are told from pieces, and each stream's from the other's" {
    const scene = try test_directory.Directory.open();
    defer scene.close();
    var log: Log = .open(scene.fd, .{});
    defer log.close();

    log.put(.stdout, "one\ntw");
    log.put(.stderr, "\n");
    log.put(.stdout, "o\n\nthree");
    try expectLog(scene.fd, "log",
        \\stdout F one
        \\stdout P tw
        \\stderr F 
        \\stdout F o
        \\stdout F 
        \\stdout P three
        \\
    );
}

test "a line longer than a piece is cut into pieces, and none is longer" {
    const scene = try test_directory.Directory.open();
    defer scene.close();
    var log: Log = .open(scene.fd, .{});
    defer log.close();

    const piece: [piece_bytes_max]u8 = @splat('x');
    log.put(.stdout, piece ++ "\n" ++ piece ++ "y\n" ++ piece);
    const first = "stdout F " ++ piece ++ "\n";
    const second = "stdout P " ++ piece ++ "\nstdout F y\n";
    try expectLog(scene.fd, "log", first ++ second ++ "stdout P " ++ piece ++ "\n");
}

test "more records than a batch holds are written in order" {
    const scene = try test_directory.Directory.open();
    defer scene.close();
    var log: Log = .open(scene.fd, .{});
    defer log.close();

    const lines: [10_000][2]u8 = @splat("z\n".*);
    const records: [10_000][11]u8 = @splat("stderr F z\n".*);
    log.put(.stderr, @ptrCast(&lines));
    try expectLog(scene.fd, "log", @ptrCast(&records));
    try testing.expectEqual(log.size, sys.fstat(log.fd).ok.size);
}

test "files stay within the limit, and there are never more than were asked for" {
    const scene = try test_directory.Directory.open();
    defer scene.close();
    const record = @typeInfo(Head).array.len + "00\n".len;
    var log: Log = .open(scene.fd, .{ .maxSizeBytes = 2 * record + 1, .maxFiles = 3 });
    defer log.close();

    log.put(.stdout, "00\n01\n02\n03\n04\n05\n06\n07\n08\n");
    try expectLog(scene.fd, "log.2", "stdout F 04\nstdout F 05\n");
    try expectLog(scene.fd, "log.1", "stdout F 06\nstdout F 07\n");
    try expectLog(scene.fd, "log", "stdout F 08\n");
    try test_directory.expectAbsent(scene.fd, "log.3");

    var smaller: Log = .open(scene.fd, .{ .maxSizeBytes = 2 * record, .maxFiles = 1 });
    defer smaller.close();
    try test_directory.expectAbsent(scene.fd, "log.1");
    try test_directory.expectAbsent(scene.fd, "log.2");
    smaller.put(.stdout, "09\n10\n");
    try expectLog(scene.fd, "log", "stdout F 10\n");
}

test "a full disk cuts the log at a whole record, and a fresh line follows when there is room" {
    const scene = try test_directory.Directory.open();
    defer scene.close();
    var log: Log = .open(scene.fd, .{});
    defer log.close();

    log.put(.stdout, "begun ");
    try limitFileSize(log.size + 70);
    log.put(.stdout, "and ended\nthis goes");
    log.put(.stdout, "on\nsome more\n");
    try testing.expectEqual(log.size, sys.fstat(log.fd).ok.size);
    try limitFileSize(std.math.maxInt(u64));
    log.put(.stdout, "later\n");
    try expectLog(scene.fd, "log",
        \\stdout P begun 
        \\stdout F and ended
        \\stdout F later
        \\
    );

    try limitFileSize(log.size + 60);
    log.put(.stdout, "open");
    log.put(.stdout, "lost");
    try limitFileSize(std.math.maxInt(u64));
    log.put(.stdout, "the end\n");
    try expectLog(scene.fd, "log",
        \\stdout P begun 
        \\stdout F and ended
        \\stdout F later
        \\stdout P open
        \\stdout F 
        \\stdout F the end
        \\
    );
}

test "a record a killed writer has not finished does not run into the next one" {
    const scene = try test_directory.Directory.open();
    defer scene.close();
    const torn = clock.stamp() ++ " stdout F to";
    try test_directory.writeFile(scene.fd, "log", torn);
    var log: Log = .open(scene.fd, .{});
    defer log.close();

    log.put(.stdout, "whole\n");
    try expectLog(scene.fd, "log", "stdout F to\nstdout F whole\n");
}

test "a log in a directory that is gone takes what it is given" {
    const scene = try test_directory.Directory.open();
    const inner = try scene.make("inner", 0o700);
    defer sys.close(inner);
    defer scene.close();
    try test_directory.expectDone(sys.unlinkat(scene.fd, "inner", linux.AT.REMOVEDIR));
    var log: Log = .open(inner, .{});
    log.put(.stdout, "unheard\n");
    try testing.expectEqual(-1, log.fd);
}
