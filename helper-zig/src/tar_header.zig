//! One 512-byte tar header block: its fields as values. Pure; nothing here reads or allocates.
//!
//! Follows POSIX pax "ustar Interchange Format" and GNU tar's tar.h. What is lenient is so because
//! real layers need it: both checksum sums, blank numbers, any amount of padding in a field.

const std = @import("std");

pub const block_bytes = 512;
pub const Block = [block_bytes]u8;

pub const Error = error{BadNumber};

/// A field's place in the block.
pub const Field = struct { at: usize, len: usize };

pub const name_field: Field = .{ .at = 0, .len = 100 };
pub const mode_field: Field = .{ .at = 100, .len = 8 };
pub const uid_field: Field = .{ .at = 108, .len = 8 };
pub const gid_field: Field = .{ .at = 116, .len = 8 };
pub const size_field: Field = .{ .at = 124, .len = 12 };
pub const mtime_field: Field = .{ .at = 136, .len = 12 };
pub const link_field: Field = .{ .at = 157, .len = 100 };
pub const major_field: Field = .{ .at = 329, .len = 8 };
pub const minor_field: Field = .{ .at = 337, .len = 8 };

const checksum_field: Field = .{ .at = 148, .len = 8 };
const kind_at = 156;
const magic_at = 257;
const prefix_at = 345;
const ustar_prefix_len = 155;
/// star's prefix is shorter: its access times follow, and "tar\0" ends the block.
const star_prefix_len = 131;

/// GNU's old sparse format (tar.h, struct oldgnu_header and struct sparse_header).
pub const sparse_in_header: SparseArea = .{ .at = 386, .count = 4, .extended_at = 482 };
pub const sparse_in_extension: SparseArea = .{ .at = 0, .count = 21, .extended_at = 504 };
pub const sparse_real_size_field: Field = .{ .at = 483, .len = 12 };

/// Where sparse extents lie in a block, and the flag that another block of them follows.
pub const SparseArea = struct { at: usize, count: usize, extended_at: usize };

/// The bytes of a field.
pub fn bytes(block: *const Block, field: Field) []const u8 {
    return block[field.at..][0..field.len];
}

/// A text field up to its first NUL.
pub fn text(block: *const Block, field: Field) []const u8 {
    return untilNul(bytes(block, field));
}

pub fn untilNul(field: []const u8) []const u8 {
    const end = std.mem.findScalar(u8, field, 0) orelse field.len;
    return field[0..end];
}

pub fn kind(block: *const Block) u8 {
    return block[kind_at];
}

pub fn isZero(block: *const Block) bool {
    return std.mem.allEqual(u8, block, 0);
}

/// ustar's name prefix, which only ustar's own magic announces: GNU keeps times in its place.
pub fn prefix(block: *const Block) []const u8 {
    if (!std.mem.eql(u8, block[magic_at..][0..6], "ustar\x00")) return "";
    const is_star = std.mem.eql(u8, block[508..512], "tar\x00");
    const len: usize = if (is_star) star_prefix_len else ustar_prefix_len;
    return untilNul(block[prefix_at..][0..len]);
}

/// Whether the magic promises the device fields.
pub fn hasDevice(block: *const Block) bool {
    return std.mem.eql(u8, block[magic_at..][0..5], "ustar");
}

/// POSIX sums unsigned bytes; some old writers summed signed ones.
pub fn checksumMatches(block: *const Block) bool {
    const stored = number(bytes(block, checksum_field)) catch return false;
    var unsigned: i64 = 0;
    var signed: i64 = 0;
    for (block, 0..) |byte, at| {
        const inside = at >= checksum_field.at and at < checksum_field.at + checksum_field.len;
        const counted: u8 = if (inside) ' ' else byte;
        unsigned += counted;
        signed += @as(i8, @bitCast(counted));
    }
    return stored == unsigned or stored == signed;
}

/// Makes a filled block ustar's, of the kind `kind_letter`, with its checksum.
pub fn seal(block: *Block, kind_letter: u8) void {
    block[kind_at] = kind_letter;
    @memcpy(block[magic_at..][0..8], "ustar\x0000");
    const checksum = block[checksum_field.at..][0..checksum_field.len];
    @memset(checksum, ' ');
    var sum: u32 = 0;
    for (block) |byte| sum += byte;
    // proven: 512 bytes sum up to six octal digits at most.
    _ = std.fmt.bufPrint(checksum, "{o:0>6}\x00", .{sum}) catch unreachable;
}

/// A numeric field: octal text, or GNU's base-256 when the top bit of its first byte is set.
pub fn number(field: []const u8) Error!i64 {
    if (field[0] & 0x80 != 0) return base256(field);
    const digits = std.mem.trim(u8, untilNul(std.mem.trim(u8, field, " \x00")), " ");
    if (digits.len == 0) return 0;
    var value: i64 = 0;
    for (digits) |digit| {
        if (digit < '0' or digit > '7') return error.BadNumber;
        // Twelve digits are 36 bits at most: no overflow in 63.
        value = value * 8 + (digit - '0');
    }
    return value;
}

/// Two's complement, big endian, its top bit replaced by the marker.
fn base256(field: []const u8) Error!i64 {
    const negative = field[0] & 0x40 != 0;
    var value: i64 = if (negative) -1 else 0;
    for (field, 0..) |byte, at| {
        const digit: u8 = if (at > 0) byte else if (negative) byte | 0x80 else byte & 0x7f;
        value = std.math.mul(i64, value, 256) catch return error.BadNumber;
        value |= digit;
    }
    return value;
}

test "number() reads octal however it is padded" {
    const table = [_]struct { []const u8, i64 }{
        .{ "0000644\x00", 0o644 },             .{ "   644 \x00", 0o644 },
        .{ "644\x00\x00\x00\x00\x00", 0o644 }, .{ "\x00\x00\x00\x00\x00\x00\x00\x00", 0 },
        .{ "        ", 0 },                    .{ "77777777", 0o77777777 },
        .{ "644\x00junk", 0o644 },             .{ "777777777777", 0o777777777777 },
    };
    for (table) |case| try std.testing.expectEqual(case[1], try number(case[0]));
}

test "number() reads base-256, negative times too" {
    const table = [_]struct { []const u8, i64 }{
        .{ "\x80\x00\x00\x00\x00\x00\x04\xd2", 1234 },
        .{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", -1 },
        .{ "\xff\xff\xff\xff\xff\xff\xff\x00", -256 },
        .{ "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", std.math.maxInt(i64) },
    };
    for (table) |case| try std.testing.expectEqual(case[1], try number(case[0]));
}

test "number() refuses what is no number and what has no room" {
    const table = [_][]const u8{
        "00009\x00\x00\x00",
        "-1\x00\x00\x00\x00\x00\x00",
        "0x10\x00\x00\x00\x00",
        "6 4 4\x00\x00\x00",
        "\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00",
        "\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    };
    for (table) |case| try std.testing.expectError(error.BadNumber, number(case));
}

test "a checksum of signed bytes is accepted" {
    var block: Block = @splat(0);
    block[0] = 0xe9;
    @memcpy(block[148..156], "        ");
    var sum: i64 = 0;
    for (block) |byte| sum += @as(i8, @bitCast(byte));
    _ = try std.fmt.bufPrint(block[148..155], "{o:0>6}\x00", .{@as(u64, @intCast(sum))});
    try std.testing.expect(checksumMatches(&block));
    block[1] = 1;
    try std.testing.expect(!checksumMatches(&block));
}
