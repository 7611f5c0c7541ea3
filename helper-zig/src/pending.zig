//! What a layer asks of the layers below it, kept beside its diff/ as `pending`.
//!
//! A layer is unpacked knowing nothing of those below, under a name that holds for every stack it
//! is in. What only a stack can answer is written down here and answered by `complete`. Records,
//! each a letter and one or two strings that end with NUL:
//!
//!   D path           a directory with no entry of its own: it has the attributes it has below
//!   L path target    a hard link to a file this layer does not have
//!   O                the root is opaque, which overlayfs has no mark for
//!   E                the end: a file without it is cut off
//!
//! A D record's path is empty for the root.

const std = @import("std");

pub const Error = error{BadPending};

/// The file's name in a layer's directory.
pub const file_name = "pending";
/// Ten times what the largest layers seen need.
pub const bytes_max = 64 << 20;
/// The last byte of a whole file.
pub const end_mark = 'E';

pub const Record = union(enum) {
    directory: [:0]const u8,
    link: Link,
    opaque_root,

    pub const Link = struct { path: [:0]const u8, target: [:0]const u8 };
};

/// Walks the records of a pending file.
pub const Records = struct {
    rest: []const u8,

    pub fn next(records: *Records) Error!?Record {
        if (records.rest.len == 0) return null;
        const letter = records.rest[0];
        records.rest = records.rest[1..];
        return switch (letter) {
            'D' => .{ .directory = try records.string() },
            'L' => .{ .link = .{ .path = try records.string(), .target = try records.string() } },
            'O' => .opaque_root,
            end_mark => null,
            else => error.BadPending,
        };
    }

    fn string(records: *Records) Error![:0]const u8 {
        const end = std.mem.findScalar(u8, records.rest, 0) orelse return error.BadPending;
        defer records.rest = records.rest[end + 1 ..];

        return records.rest[0..end :0];
    }
};

/// Collects records for one file.
pub const Writer = struct {
    gpa: std.mem.Allocator,
    bytes: std.ArrayList(u8) = .empty,
    count: u64 = 0,

    pub fn directory(writer: *Writer, path: []const u8) error{OutOfMemory}!void {
        try writer.append('D', &.{path});
    }

    pub fn link(writer: *Writer, path: []const u8, target: []const u8) error{OutOfMemory}!void {
        try writer.append('L', &.{ path, target });
    }

    pub fn opaqueRoot(writer: *Writer) error{OutOfMemory}!void {
        try writer.append('O', &.{});
    }

    /// After the last record.
    pub fn end(writer: *Writer) error{OutOfMemory}!void {
        try writer.bytes.append(writer.gpa, end_mark);
    }

    fn append(writer: *Writer, letter: u8, strings: []const []const u8) error{OutOfMemory}!void {
        try writer.bytes.append(writer.gpa, letter);
        for (strings) |string| {
            try writer.bytes.appendSlice(writer.gpa, string);
            try writer.bytes.append(writer.gpa, 0);
        }
        if (writer.bytes.items.len > bytes_max) return error.OutOfMemory;
        writer.count += 1;
    }
};

test "what is written is read back, whatever bytes names have" {
    var writer: Writer = .{ .gpa = std.testing.allocator };
    defer writer.bytes.deinit(std.testing.allocator);

    try writer.directory("");
    try writer.link("a/\xff\n", "b");
    try writer.opaqueRoot();
    try writer.end();
    var records: Records = .{ .rest = writer.bytes.items };
    try std.testing.expectEqualStrings("", (try records.next()).?.directory);
    const link = (try records.next()).?.link;
    try std.testing.expectEqualStrings("a/\xff\n", link.path);
    try std.testing.expectEqualStrings("b", link.target);
    try std.testing.expectEqual(Record.opaque_root, (try records.next()).?);
    try std.testing.expectEqual(null, try records.next());
}

test "a damaged file is refused" {
    for ([_][]const u8{ "X", "D", "Dpath", "La\x00b", "L" }) |bytes| {
        var records: Records = .{ .rest = bytes };
        try std.testing.expectError(error.BadPending, records.next());
    }
}
