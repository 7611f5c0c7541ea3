//! What PAX headers say about the entry after them, or about all entries. Pure.

const std = @import("std");
const pax = @import("pax.zig");
const sparse = @import("sparse.zig");

const Allocator = std.mem.Allocator;

pub const Error = pax.Error || sparse.Error || error{ BadNumber, BadName, TooLong, OutOfMemory };

/// More attributes than a file can carry: the kernel lists at most 64 KiB of names.
const xattrs_max = 1024;

pub const Xattr = struct { name: []const u8, value: []const u8 };

/// Values as given; null where nothing was said. Slices belong to whoever has the records.
pub const Extended = struct {
    path: ?[]const u8 = null,
    link: ?[]const u8 = null,
    size: ?u64 = null,
    uid: ?u32 = null,
    gid: ?u32 = null,
    mtime: ?pax.Time = null,
    sparse_major: u64 = 0,
    sparse_minor: u64 = 0,
    sparse_name: ?[]const u8 = null,
    sparse_size: ?u64 = null,
    /// An offset of PAX 0.0 that waits for its size.
    sparse_offset: ?u64 = null,
    has_map: bool = false,
    xattrs: std.ArrayList(Xattr) = .empty,
    extents: sparse.Extents = .empty,

    pub fn deinit(self: *Extended, gpa: Allocator) void {
        self.xattrs.deinit(gpa);
        self.extents.deinit(gpa);
    }

    /// Forgets everything but the memory it has.
    pub fn reset(self: *Extended) void {
        self.* = .{ .xattrs = self.xattrs, .extents = self.extents };
        self.xattrs.clearRetainingCapacity();
        self.extents.clearRetainingCapacity();
    }

    /// Takes one record of a header about one entry.
    pub fn apply(self: *Extended, gpa: Allocator, record: pax.Record) Error!void {
        const value = record.value;
        if (try self.applyCommon(record)) return;
        if (std.mem.eql(u8, record.key, "path")) {
            self.path = try nameOrNull(value);
        } else if (std.mem.eql(u8, record.key, "linkpath")) {
            self.link = try nameOrNull(value);
        } else if (std.mem.eql(u8, record.key, "size")) {
            self.size = if (value.len == 0) null else try pax.decimal(value);
        } else if (std.mem.cutPrefix(u8, record.key, "SCHILY.xattr.")) |name| {
            try self.setXattr(gpa, .{ .name = name, .value = value });
        } else if (std.mem.cutPrefix(u8, record.key, "GNU.sparse.")) |name| {
            try self.applySparse(gpa, name, value);
        }
    }

    /// Records that mean the same for one entry and for all; false if this is none of them. An
    /// empty value takes back what was said.
    pub fn applyCommon(self: *Extended, record: pax.Record) Error!bool {
        const blank = record.value.len == 0;
        if (std.mem.eql(u8, record.key, "uid")) {
            self.uid = if (blank) null else try ownerOf(try pax.decimal(record.value));
        } else if (std.mem.eql(u8, record.key, "gid")) {
            self.gid = if (blank) null else try ownerOf(try pax.decimal(record.value));
        } else if (std.mem.eql(u8, record.key, "mtime")) {
            self.mtime = if (blank) null else try pax.time(record.value);
        } else return false;
        return true;
    }

    /// The last record of a name stands.
    fn setXattr(self: *Extended, gpa: Allocator, xattr: Xattr) Error!void {
        if (xattr.name.len == 0 or std.mem.findScalar(u8, xattr.name, 0) != null) {
            return error.BadPax;
        }
        for (self.xattrs.items) |*known| if (std.mem.eql(u8, known.name, xattr.name)) {
            known.* = xattr;
            return;
        };
        if (self.xattrs.items.len >= xattrs_max) return error.TooLong;
        try self.xattrs.append(gpa, xattr);
    }

    fn applySparse(
        self: *Extended,
        gpa: Allocator,
        name: []const u8,
        value: []const u8,
    ) Error!void {
        if (std.mem.eql(u8, name, "major")) {
            self.sparse_major = try sparse.decimal(value);
        } else if (std.mem.eql(u8, name, "minor")) {
            self.sparse_minor = try sparse.decimal(value);
        } else if (std.mem.eql(u8, name, "name")) {
            self.sparse_name = try nameOrNull(value);
        } else if (std.mem.eql(u8, name, "size") or std.mem.eql(u8, name, "realsize")) {
            self.sparse_size = try sparse.decimal(value);
        } else if (std.mem.eql(u8, name, "map")) {
            try sparse.fromMap(&self.extents, gpa, value);
            self.has_map = true;
        } else if (std.mem.eql(u8, name, "numblocks")) {
            self.extents.clearRetainingCapacity();
            self.has_map = true;
        } else if (std.mem.eql(u8, name, "offset")) {
            self.sparse_offset = try sparse.decimal(value);
        } else if (std.mem.eql(u8, name, "numbytes")) {
            const offset = self.sparse_offset orelse return error.BadSparse;
            self.sparse_offset = null;
            const extent: sparse.Extent = .{ .offset = offset, .size = try sparse.decimal(value) };
            try sparse.append(&self.extents, gpa, extent);
        }
    }
};

/// The highest 32-bit id means "unchanged" to chown(2), so it is none.
pub fn ownerOf(id: u64) Error!u32 {
    if (id >= std.math.maxInt(u32)) return error.BadNumber;
    return @intCast(id);
}

fn nameOrNull(value: []const u8) Error!?[]const u8 {
    if (value.len == 0) return null;
    if (std.mem.findScalar(u8, value, 0) != null) return error.BadName;
    return value;
}
