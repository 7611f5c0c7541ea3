//! Reading what `hello` needs of /proc: files, fields, tables (proc(5)). No judgement.

const std = @import("std");
const linux = std.os.linux;
const dirent = @import("dirent.zig");
const sys = @import("sys.zig");

const file_bytes_max = 64 * 1024;

/// The whole of a small file; null if it cannot be opened or read.
pub fn read(arena: std.mem.Allocator, path: [*:0]const u8) ?[]const u8 {
    const fd = switch (sys.openat(linux.AT.FDCWD, path, .{ .ACCMODE = .RDONLY }, 0)) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(fd);

    const Scratch = struct {
        var bytes: [file_bytes_max]u8 = undefined;
    };
    return switch (sys.readAll(fd, &Scratch.bytes)) {
        .ok => |n| arena.dupe(u8, Scratch.bytes[0..n]) catch null,
        .err => null,
    };
}

/// The value of `Name:\tvalue` in /proc/self/status.
pub fn field(status: []const u8, name: []const u8) ?[]const u8 {
    var lines = std.mem.splitScalar(u8, status, '\n');
    while (lines.next()) |line| {
        if (line.len <= name.len or line[name.len] != ':') continue;
        if (!std.mem.startsWith(u8, line, name)) continue;
        return std.mem.trim(u8, line[name.len + 1 ..], " \t");
    }
    return null;
}

pub fn hexField(status: []const u8, name: []const u8) ?u64 {
    return std.fmt.parseInt(u64, field(status, name) orelse return null, 16) catch null;
}

pub const IdRange = struct {
    /// What the first id here is outside.
    outside: u32,
    /// How many ids are mapped in all.
    count: u32,
};

/// Sums up a uid_map; null if it is empty or not one.
pub fn idRange(map: []const u8) ?IdRange {
    var range: ?IdRange = null;
    var lines = std.mem.tokenizeScalar(u8, map, '\n');
    while (lines.next()) |line| {
        var words = std.mem.tokenizeScalar(u8, line, ' ');
        const inside = number(words.next()) orelse return null;
        const outside = number(words.next()) orelse return null;
        const count = number(words.next()) orelse return null;
        if (range == null) range = .{ .outside = outside, .count = 0 };
        if (inside == 0) range.?.outside = outside;
        range.?.count +|= count;
    }
    return range;
}

fn number(text: ?[]const u8) ?u32 {
    return std.fmt.parseInt(u32, text orelse return null, 10) catch null;
}

pub const RootMount = struct { type: []const u8 };

/// The mount at `/`: the last line for it covers the others.
pub fn rootMount(mountinfo: []const u8) ?RootMount {
    var found: ?RootMount = null;
    var lines = std.mem.tokenizeScalar(u8, mountinfo, '\n');
    while (lines.next()) |line| {
        if (!std.mem.eql(u8, word(line, 4) orelse continue, "/")) continue;
        const rest = std.mem.find(u8, line, " - ") orelse continue;
        found = .{ .type = word(line[rest + 3 ..], 0) orelse continue };
    }
    return found;
}

/// Whether any mount passes on what is mounted below it.
pub fn isShared(mountinfo: []const u8) bool {
    var lines = std.mem.tokenizeScalar(u8, mountinfo, '\n');
    while (lines.next()) |line| {
        const end = std.mem.find(u8, line, " - ") orelse line.len;
        if (std.mem.find(u8, line[0..end], " shared:") != null) return true;
    }
    return false;
}

/// Whether a mount point cannot be reached from our root.
pub fn seesOutside(mountinfo: []const u8) bool {
    var lines = std.mem.tokenizeScalar(u8, mountinfo, '\n');
    while (lines.next()) |line| {
        const point = word(line, 4) orelse continue;
        if (!std.mem.startsWith(u8, point, "/")) return true;
    }
    return false;
}

fn word(line: []const u8, position: usize) ?[]const u8 {
    var words = std.mem.tokenizeScalar(u8, line, ' ');
    for (0..position) |_| _ = words.next();
    return words.next();
}

/// The names in /proc/net/dev, `lo` first as the kernel has them; at most a few.
pub fn interfaces(arena: std.mem.Allocator, text: []const u8) []const u8 {
    const shown_max = 3;
    var list: std.ArrayList(u8) = .empty;
    var count: usize = 0;
    var lines = std.mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        const colon = std.mem.findScalar(u8, line, ':') orelse continue;
        const name = std.mem.trim(u8, line[0..colon], " ");
        count += 1;
        if (count > shown_max) continue;
        if (count > 1) list.appendSlice(arena, ", ") catch return "";
        list.appendSlice(arena, name) catch return "";
    }
    if (count > shown_max) list.appendSlice(arena, ", …") catch return "";
    return list.items;
}

pub const Content = enum { absent, empty, content };

/// Whether reading a file or listing a directory yields anything.
pub fn showsContent(path: [*:0]const u8) Content {
    const fd = switch (sys.openat(linux.AT.FDCWD, path, .{ .ACCMODE = .RDONLY }, 0)) {
        .ok => |fd| fd,
        .err => |errno| return if (errno == .NOENT) .absent else .empty,
    };
    defer sys.close(fd);

    var buffer: [1024]u8 align(8) = undefined;
    switch (sys.read(fd, buffer[0..1])) {
        .ok => |n| return if (n == 0) .empty else .content,
        .err => |errno| if (errno != .ISDIR) return .empty,
    }
    const listed = sys.result(usize, linux.getdents64(fd, &buffer, buffer.len));
    if (listed == .err) return .empty;
    // Two entries of 24 bytes: `.` and `..`.
    return if (listed.ok > 48) .content else .empty;
}

/// The lowest open descriptor above standard error; null if there is none or /proc is missing.
pub fn leakedDescriptor() ?i32 {
    const path = "/proc/self/fd";
    const dir = switch (sys.openat(linux.AT.FDCWD, path, .{ .DIRECTORY = true }, 0)) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(dir);

    var lowest: ?i32 = null;
    var buffer: [1024]u8 align(8) = undefined;
    while (true) {
        const listed = sys.result(usize, linux.getdents64(dir, &buffer, buffer.len));
        if (listed == .err or listed.ok == 0) return lowest;
        var records: dirent.Records = .{ .bytes = buffer[0..listed.ok] };
        while (records.next()) |entry| {
            const fd = std.fmt.parseInt(i32, entry.name, 10) catch continue;
            if (fd > 2 and fd != dir and fd < lowest orelse std.math.maxInt(i32)) lowest = fd;
        }
    }
}

pub const Answer = enum { yes, no, absent };

/// Whether the mount that `path` is on is read-only (statfs(2), ST_RDONLY).
pub fn isReadonly(path: [*:0]const u8) Answer {
    // struct statfs of 64-bit architectures: fifteen words, f_flags the eleventh.
    var words: [15]u64 = @splat(0);
    const rc = linux.syscall2(.statfs, @intFromPtr(path), @intFromPtr(&words));
    if (sys.result(void, rc) == .err) return .absent;
    const st_rdonly = 1;
    return if (words[10] & st_rdonly != 0) .yes else .no;
}

test "a status field is found by its whole name" {
    const status = "Seccomp_filters:\t1\nSeccomp:\t2\nCapBnd:\t00000000a80425fb\n";
    try std.testing.expectEqualStrings("2", field(status, "Seccomp").?);
    try std.testing.expectEqual(@as(?u64, 0xa80425fb), hexField(status, "CapBnd"));
    try std.testing.expectEqual(null, field(status, "Cap"));
}

test "id ranges add up and the root's own is told" {
    const range = idRange("         0       1001          1\n         1     100000      65536\n").?;
    try std.testing.expectEqual(1001, range.outside);
    try std.testing.expectEqual(65537, range.count);
    const everything = idRange("         0          0 4294967295\n").?;
    try std.testing.expectEqual(std.math.maxInt(u32), everything.count);
    try std.testing.expectEqual(null, idRange(""));
}

test "the root mount is the last one at /" {
    const text =
        "20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n" ++
        "30 20 0:40 / / rw,relatime - overlay overlay rw\n" ++
        "31 30 0:41 / /proc rw - proc proc rw\n";
    try std.testing.expectEqualStrings("overlay", rootMount(text).?.type);
    try std.testing.expect(isShared(text));
    try std.testing.expect(!isShared("30 20 0:40 / / rw master:1 - overlay overlay rw\n"));
    try std.testing.expect(!seesOutside(text));
}

test "interfaces are listed, the fourth as dots" {
    var buffer: [256]u8 = undefined;
    var arena = std.heap.FixedBufferAllocator.init(&buffer);
    const text = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 3 4\n w1: 5\n w2: 6\n";
    try std.testing.expectEqualStrings("lo, eth0, w1, …", interfaces(arena.allocator(), text));
}
