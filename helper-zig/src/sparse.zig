//! The maps of sparse files in their four spellings, and the check every one of them must pass.
//! Pure.
//!
//! GNU tar manual, "Storing Sparse Files": old GNU (type S), PAX 0.0, 0.1 and 1.0.

const std = @import("std");
const header = @import("tar_header.zig");
const pax = @import("pax.zig");

pub const Error = error{ BadSparse, OutOfMemory };

/// More extents than any image of a disk has in practice; 4 MiB of memory.
pub const extents_max = 1 << 18;

/// A run of stored bytes and where in the file it belongs.
pub const Extent = struct { offset: u64, size: u64 };

pub const Extents = std.ArrayList(Extent);

pub fn append(list: *Extents, gpa: std.mem.Allocator, extent: Extent) Error!void {
    if (list.items.len >= extents_max) return error.BadSparse;
    try list.append(gpa, extent);
}

/// The extents of one header or extension block. An unused slot ends them.
pub fn fromBlock(
    list: *Extents,
    gpa: std.mem.Allocator,
    block: *const header.Block,
    area: header.SparseArea,
) Error!void {
    for (0..area.count) |index| {
        const at = area.at + index * 24;
        if (block[at] == 0) return;
        const offset = header.number(block[at..][0..12]) catch return error.BadSparse;
        const size = header.number(block[at + 12 ..][0..12]) catch return error.BadSparse;
        if (offset < 0 or size < 0) return error.BadSparse;
        try append(list, gpa, .{ .offset = @intCast(offset), .size = @intCast(size) });
    }
}

/// PAX 0.1: one record, `offset,size,offset,size,...`.
pub fn fromMap(list: *Extents, gpa: std.mem.Allocator, map: []const u8) Error!void {
    list.clearRetainingCapacity();
    if (map.len == 0) return;
    var numbers = std.mem.splitScalar(u8, map, ',');
    while (numbers.next()) |offset| {
        const size = numbers.next() orelse return error.BadSparse;
        try append(list, gpa, .{ .offset = try decimal(offset), .size = try decimal(size) });
    }
}

/// A number as the maps write it.
pub fn decimal(digits: []const u8) Error!u64 {
    return pax.decimal(digits) catch return error.BadSparse;
}

/// Of the file, and of what the stream holds of it.
pub const Sizes = struct { real: u64, stored: u64 };

/// In order, not overlapping, inside the file, and together exactly what is stored.
pub fn validate(extents: []const Extent, sizes: Sizes) Error!void {
    var end: u64 = 0;
    var stored: u64 = 0;
    for (extents) |extent| {
        if (extent.offset < end) return error.BadSparse;
        end = std.math.add(u64, extent.offset, extent.size) catch return error.BadSparse;
        if (end > sizes.real) return error.BadSparse;
        // No overflow: the extents do not overlap, so their sum is at most `end`.
        stored += extent.size;
    }
    if (stored != sizes.stored) return error.BadSparse;
}

test "a map must be in order, inside the file and complete" {
    const Case = struct { []const Extent, u64, u64, bool };
    const huge = std.math.maxInt(u64);
    const table = [_]Case{
        .{ &.{}, 10, 0, true },
        .{ &.{ .{ .offset = 0, .size = 2 }, .{ .offset = 8, .size = 2 } }, 10, 4, true },
        .{ &.{ .{ .offset = 4, .size = 2 }, .{ .offset = 0, .size = 2 } }, 10, 4, false },
        .{ &.{ .{ .offset = 0, .size = 4 }, .{ .offset = 3, .size = 2 } }, 10, 6, false },
        .{ &.{.{ .offset = 8, .size = 4 }}, 10, 4, false },
        .{ &.{.{ .offset = 0, .size = 4 }}, 10, 5, false },
        .{ &.{.{ .offset = huge, .size = 4 }}, huge, 4, false },
    };
    for (table) |case| {
        const outcome = validate(case[0], .{ .real = case[1], .stored = case[2] });
        if (case[3]) try outcome else try std.testing.expectError(error.BadSparse, outcome);
    }
}

test "a PAX 0.1 map is pairs of decimals" {
    var list: Extents = .empty;
    defer list.deinit(std.testing.allocator);

    try fromMap(&list, std.testing.allocator, "0,4,4096,1");
    try std.testing.expectEqual(2, list.items.len);
    try std.testing.expectEqual(4096, list.items[1].offset);
    for ([_][]const u8{ "0", "0,1,2", "0,-1", "a,b", "0,1,", "," }) |map| {
        try std.testing.expectError(error.BadSparse, fromMap(&list, std.testing.allocator, map));
    }
}
