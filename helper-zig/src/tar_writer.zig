//! Tar streams written byte by byte for tests, so that any header can be had, right or wrong.

const std = @import("std");
const header = @import("tar_header.zig");

const gpa = std.testing.allocator;

/// A tar being written.
pub const Writer = struct {
    bytes: std.ArrayList(u8) = .empty,

    pub const Magic = enum { v7, ustar, gnu, star };
    pub const Fields = struct {
        name: []const u8 = "file",
        kind: u8 = '0',
        mode: []const u8 = "0000644",
        uid: []const u8 = "0001750",
        gid: []const u8 = "0000012",
        size: ?u64 = null,
        mtime: []const u8 = "14524770400",
        link: []const u8 = "",
        magic: Magic = .ustar,
        prefix: []const u8 = "",
        data: []const u8 = "",
    };

    pub fn deinit(writer: *Writer) void {
        writer.bytes.deinit(gpa);
    }

    pub fn add(writer: *Writer, fields: Fields) !void {
        var block: header.Block = @splat(0);
        put(&block, 0, fields.name);
        put(&block, 100, fields.mode);
        put(&block, 108, fields.uid);
        put(&block, 116, fields.gid);
        const size = fields.size orelse fields.data.len;
        _ = try std.fmt.bufPrint(block[124..136], "{o:0>11}", .{size});
        put(&block, 136, fields.mtime);
        block[156] = fields.kind;
        put(&block, 157, fields.link);
        put(&block, 257, switch (fields.magic) {
            .v7 => "",
            .gnu => "ustar  \x00",
            .ustar, .star => "ustar\x0000",
        });
        put(&block, 345, fields.prefix);
        if (fields.magic == .star) put(&block, 508, "tar\x00");
        try writer.addBlock(&block);
        try writer.addData(fields.data);
    }

    pub fn addBlock(writer: *Writer, block: *header.Block) !void {
        @memset(block[148..156], ' ');
        var sum: u64 = 0;
        for (block) |byte| sum += byte;
        _ = try std.fmt.bufPrint(block[148..156], "{o:0>6}\x00 ", .{sum});
        try writer.bytes.appendSlice(gpa, block);
    }

    pub fn addData(writer: *Writer, data: []const u8) !void {
        try writer.bytes.appendSlice(gpa, data);
        const padding = (512 - data.len % 512) % 512;
        try writer.bytes.appendNTimes(gpa, 0, padding);
    }

    /// A PAX header of `records`, each KEY=VALUE.
    pub fn pax(writer: *Writer, kind: u8, records: []const []const u8) !void {
        var data: std.ArrayList(u8) = .empty;
        defer data.deinit(gpa);

        for (records) |record| {
            var len = record.len + 3;
            while (std.fmt.count("{d} {s}\n", .{ len, record }) != len) len += 1;
            try data.print(gpa, "{d} {s}\n", .{ len, record });
        }
        try writer.add(.{ .name = "PaxHeaders/x", .kind = kind, .data = data.items });
    }

    fn put(block: *header.Block, at: usize, text: []const u8) void {
        @memcpy(block[at..][0..text.len], text);
    }
};
