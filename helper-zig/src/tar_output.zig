//! A tar header written: POSIX pax, "ustar Interchange Format", and an extended header before it
//! for what its fields cannot hold: long names, large numbers, nanoseconds, attributes. Pure.
//!
//! tar.zig reads what this writes, and so do GNU tar, bsdtar and Go's archive/tar.

const std = @import("std");
const header = @import("tar_header.zig");
const tar = @import("tar.zig");

const Allocator = std.mem.Allocator;
const Bytes = std.ArrayList(u8);

pub const Error = error{ OutOfMemory, TooLong };

/// One member about to be written. `path` of a directory needs no slash at its end.
pub const Entry = struct {
    kind: tar.Kind,
    path: []const u8,
    link: []const u8 = "",
    mode: u32,
    uid: u32 = 0,
    gid: u32 = 0,
    mtime: tar.Time,
    size: u64 = 0,
    major: u32 = 0,
    minor: u32 = 0,
    xattrs: []const tar.Xattr = &.{},
};

/// Two blocks of zeros end an archive.
pub const end: [2 * header.block_bytes]u8 = @splat(0);

/// Appends the header of `entry`, whose data follows in the archive, to `out`, which `gpa` has
/// made; `scratch` is for what is in between.
pub fn encode(entry: Entry, out: *Bytes, gpa: Allocator, scratch: Allocator) Error!void {
    var records: Bytes = .empty;
    defer records.deinit(scratch);

    var block: header.Block = @splat(0);
    const slash = if (entry.kind == .dir and !std.mem.endsWith(u8, entry.path, "/")) "/" else "";
    const path = try std.mem.concat(scratch, u8, &.{ entry.path, slash });
    defer scratch.free(path);

    try putText(&block, header.name_field, path, .{ &records, scratch, "path" });
    try putText(&block, header.link_field, entry.link, .{ &records, scratch, "linkpath" });
    putNumber(&block, header.mode_field, entry.mode & 0o7777);
    try putOrRecord(&block, header.uid_field, entry.uid, .{ &records, scratch, "uid" });
    try putOrRecord(&block, header.gid_field, entry.gid, .{ &records, scratch, "gid" });
    try putOrRecord(&block, header.size_field, entry.size, .{ &records, scratch, "size" });
    try putTime(&block, entry.mtime, &records, scratch);
    if (entry.kind == .char or entry.kind == .block) {
        putNumber(&block, header.major_field, entry.major);
        putNumber(&block, header.minor_field, entry.minor);
    }
    for (entry.xattrs) |xattr| {
        const key = try std.mem.concat(scratch, u8, &.{ "SCHILY.xattr.", xattr.name });
        defer scratch.free(key);
        try record(&records, scratch, key, xattr.value);
    }
    if (records.items.len > tar.special_bytes_max) return error.TooLong;
    if (records.items.len > 0) try appendExtended(records.items, out, gpa);
    header.seal(&block, letter(entry.kind));
    try out.appendSlice(gpa, &block);
}

/// Zeros that fill the last block of `size` bytes of data.
pub fn paddingOf(size: u64) usize {
    return @intCast((header.block_bytes - size % header.block_bytes) % header.block_bytes);
}

fn letter(kind: tar.Kind) u8 {
    return switch (kind) {
        .file => '0',
        .hardlink => '1',
        .symlink => '2',
        .char => '3',
        .block => '4',
        .dir => '5',
        .fifo => '6',
    };
}

/// Where a value goes that does not fit its field, and under which key.
const Spare = struct { *Bytes, Allocator, []const u8 };

fn putText(
    block: *header.Block,
    field: header.Field,
    text: []const u8,
    spare: Spare,
) error{OutOfMemory}!void {
    const fitting = @min(text.len, field.len);
    @memcpy(block[field.at..][0..fitting], text[0..fitting]);
    if (text.len > field.len) try record(spare[0], spare[1], spare[2], text);
}

fn putOrRecord(
    block: *header.Block,
    field: header.Field,
    value: u64,
    spare: Spare,
) error{OutOfMemory}!void {
    if (fits(field, value)) return putNumber(block, field, value);
    putNumber(block, field, 0);
    var digits: [20]u8 = undefined;
    const length = std.fmt.printInt(&digits, value, 10, .lower, .{});
    try record(spare[0], spare[1], spare[2], digits[0..length]);
}

fn fits(field: header.Field, value: u64) bool {
    // Three bits a digit, and a NUL at the end.
    return value < @as(u64, 1) << @intCast(3 * (field.len - 1));
}

fn putNumber(block: *header.Block, field: header.Field, value: u64) void {
    var rest = value;
    var at = field.len - 1;
    while (at > 0) : (rest >>= 3) {
        at -= 1;
        block[field.at + at] = '0' + @as(u8, @intCast(rest & 7));
    }
}

/// Whole seconds after 1970 have a field; anything else is a record.
fn putTime(
    block: *header.Block,
    time: tar.Time,
    records: *Bytes,
    gpa: Allocator,
) error{OutOfMemory}!void {
    const whole: u64 = if (time.sec < 0) 0 else @intCast(time.sec);
    putNumber(block, header.mtime_field, if (fits(header.mtime_field, whole)) whole else 0);
    if (time.nsec == 0 and time.sec >= 0 and fits(header.mtime_field, whole)) return;
    // Before 1970 the nanoseconds count forward, and the decimal fraction away from zero.
    const back = time.sec < 0 and time.nsec > 0;
    const sec = if (back) time.sec + 1 else time.sec;
    const nsec = if (back) std.time.ns_per_s - time.nsec else time.nsec;
    var text: [32]u8 = undefined;
    const parts = .{ if (time.sec < 0) "-" else "", @abs(sec), nsec };
    // proven: a sign, 19 digits, a point and nine digits.
    const value = std.fmt.bufPrint(&text, "{s}{d}.{d:0>9}", parts) catch unreachable;
    try record(records, gpa, "mtime", value);
}

/// `LENGTH KEY=VALUE\n`, the length counting its own digits.
fn record(
    records: *Bytes,
    gpa: Allocator,
    key: []const u8,
    value: []const u8,
) error{OutOfMemory}!void {
    const rest = key.len + value.len + 3;
    var length = rest + 1;
    while (std.fmt.count("{d}", .{length}) + rest != length) length += 1;
    try records.print(gpa, "{d} {s}=", .{ length, key });
    try records.appendSlice(gpa, value);
    try records.append(gpa, '\n');
}

fn appendExtended(records: []const u8, out: *Bytes, gpa: Allocator) error{OutOfMemory}!void {
    var block: header.Block = @splat(0);
    const name = "PaxHeaders/entry";
    @memcpy(block[0..name.len], name);
    putNumber(&block, header.mode_field, 0o644);
    for ([_]header.Field{ header.uid_field, header.gid_field, header.mtime_field }) |field|
        putNumber(&block, field, 0);
    putNumber(&block, header.size_field, records.len);
    header.seal(&block, 'x');
    try out.appendSlice(gpa, &block);
    try out.appendSlice(gpa, records);
    try out.appendNTimes(gpa, 0, paddingOf(records.len));
}

fn expectReadBack(entry: Entry) !void {
    const input = @import("input.zig");
    const gpa = std.testing.allocator;
    var bytes: Bytes = .empty;
    defer bytes.deinit(gpa);

    try encode(entry, &bytes, gpa, gpa);
    try bytes.appendSlice(gpa, &end);
    var buffer: [4 << 10]u8 = undefined;
    var source: input.Memory = .{ .rest = bytes.items };
    var reader: tar.Reader(*input.Memory) = .init(&source, &buffer, gpa);
    defer reader.deinit();

    const read = (try reader.next()).?;
    try std.testing.expectEqual(entry.kind, read.kind);
    try std.testing.expectEqualStrings(entry.path, std.mem.trimEnd(u8, read.path, "/"));
    try std.testing.expectEqualStrings(entry.link, read.link);
    try std.testing.expectEqual(entry.mode, read.mode);
    try std.testing.expectEqual(entry.uid, read.uid);
    try std.testing.expectEqual(entry.gid, read.gid);
    try std.testing.expectEqual(entry.mtime, read.mtime);
    try std.testing.expectEqual(entry.size, read.size);
    try std.testing.expectEqual(entry.major, read.major);
    try std.testing.expectEqual(entry.minor, read.minor);
    try std.testing.expectEqual(entry.xattrs.len, read.xattrs.len);
    for (entry.xattrs, read.xattrs) |wanted, got| {
        try std.testing.expectEqualStrings(wanted.name, got.name);
        try std.testing.expectEqualStrings(wanted.value, got.value);
    }
}

test "what fits the fields is plain ustar" {
    const gpa = std.testing.allocator;
    var bytes: Bytes = .empty;
    defer bytes.deinit(gpa);

    const entry: Entry = .{ .kind = .file, .path = "a/b", .mode = 0o4755, .mtime = .{ .sec = 1 } };
    try encode(entry, &bytes, gpa, gpa);
    try std.testing.expectEqual(header.block_bytes, bytes.items.len);
    try expectReadBack(entry);
}

test "what does not fit comes back all the same" {
    const hundred: [100]u8 = @splat('d');
    const long = hundred ++ "/" ++ hundred ++ hundred;
    const time: tar.Time = .{ .sec = 1_700_000_000, .nsec = 1 };
    try expectReadBack(.{ .kind = .dir, .path = long, .mode = 0o1777, .mtime = time });
    try expectReadBack(.{ .kind = .dir, .path = &hundred, .mode = 0o755, .mtime = time });
    try expectReadBack(.{
        .kind = .symlink,
        .path = "link",
        .link = long,
        .mode = 0o777,
        .mtime = .{ .sec = -2, .nsec = 750_000_000 },
    });
    try expectReadBack(.{
        .kind = .file,
        .path = "large",
        .mode = 0o644,
        .uid = 3_000_000_000,
        .gid = 0o10000000,
        .size = 9 << 30,
        .mtime = .{ .sec = -1 },
        .xattrs = &.{
            .{ .name = "user.a", .value = "line\nline\x00=" },
            .{ .name = "security.capability", .value = "\x01\x00\x00\x02" },
        },
    });
    const disk: Entry = .{ .kind = .block, .path = "sda", .mode = 0o660, .mtime = .{}, .major = 8 };
    try expectReadBack(disk);
}
