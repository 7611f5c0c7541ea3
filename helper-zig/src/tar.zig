//! A tar stream as entries: v7, ustar, GNU and PAX headers folded into one shape, bodies streamed.
//!
//! Not here: files, names' safety, whiteouts. Nothing is trusted: every size is bounded before it
//! is used, every number checked, and a header that makes no sense ends the stream with an error.
//!
//! Where formats leave room, this does what Go's archive/tar does, because docker, containerd and
//! podman read layers with it, and an image must not mean two things. Exceptions: sparse files of
//! every kind are read, and global PAX headers give owners and times.

const std = @import("std");
const header = @import("tar_header.zig");
const pax = @import("pax.zig");
const sparse = @import("sparse.zig");
const input = @import("input.zig");
const extended = @import("tar_extended.zig");

const Allocator = std.mem.Allocator;

/// As Go's maxSpecialFileSize: what an extended header or a long name may take.
pub const special_bytes_max = 1 << 20;
/// PATH_MAX without its NUL: no kernel takes a longer name or link target in one piece.
pub const path_bytes_max = 4095;
/// One PAX 1.0 sparse map line: a 64-bit decimal and room to spare.
const sparse_line_bytes_max = 24;

pub const Error = input.Error || extended.Error || error{
    BadChecksum,
    UnknownKind,
    LoneZeroBlock,
};

pub const Time = pax.Time;
pub const Extent = sparse.Extent;
pub const Kind = enum { file, hardlink, symlink, char, block, dir, fifo };
pub const Xattr = extended.Xattr;

/// One member. Slices are good until the next call of `next`.
pub const Entry = struct {
    kind: Kind,
    path: []const u8,
    link: []const u8 = "",
    mode: u16 = 0,
    uid: u32 = 0,
    gid: u32 = 0,
    mtime: Time = .{},
    /// The file's size when unpacked; of a sparse file more than is stored.
    size: u64 = 0,
    major: u32 = 0,
    minor: u32 = 0,
    xattrs: []const Xattr = &.{},
    /// Where the stored bytes belong; null when they are simply the file.
    extents: ?[]const Extent = null,
};

/// What went wrong, in words that finish "the layer is damaged: ".
pub fn words(err: Error) []const u8 {
    return switch (err) {
        error.Truncated => "the tar stream ends in the middle of an entry",
        error.ReadFailed => "the tar stream cannot be read",
        error.BadChecksum => "a tar header has a wrong checksum",
        error.BadNumber => "a tar header has a number that is none or out of range",
        error.BadPax => "a PAX header is malformed",
        error.BadSparse => "the map of a sparse file is malformed",
        error.BadName => "an entry has no name, or one with a NUL in it",
        error.TooLong => "a name or an extended header is too long",
        error.UnknownKind => "an entry is of a kind that tar readers do not know",
        error.LoneZeroBlock => "a single zero block stands in the middle of the tar stream",
        error.OutOfMemory => "out of memory",
    };
}

/// A tar stream over `Source` (see input.zig).
pub fn Reader(comptime Source: type) type {
    return struct {
        const Self = @This();

        in: input.Input(Source),
        gpa: Allocator,
        block: header.Block = undefined,
        /// Stored bytes of the current entry not yet handed out, and the padding after them.
        remaining: u64 = 0,
        padding: u64 = 0,
        /// Extended headers were read whose entry is still to come.
        announced: bool = false,
        local: extended.Extended = .{},
        global: extended.Extended = .{},
        long_path: ?[]const u8 = null,
        long_link: ?[]const u8 = null,
        pax_bytes: std.ArrayList(u8) = .empty,
        path_bytes: std.ArrayList(u8) = .empty,
        link_bytes: std.ArrayList(u8) = .empty,
        joined_bytes: [path_bytes_max]u8 = undefined,

        pub fn init(source: Source, buffer: []u8, gpa: Allocator) Self {
            return .{ .in = .{ .source = source, .buffer = buffer }, .gpa = gpa };
        }

        pub fn deinit(self: *Self) void {
            self.pax_bytes.deinit(self.gpa);
            self.path_bytes.deinit(self.gpa);
            self.link_bytes.deinit(self.gpa);
            self.local.deinit(self.gpa);
        }

        /// The next entry; null at the end, after which `in.drain` reads what trails.
        pub fn next(self: *Self) Error!?Entry {
            try self.in.skip(self.remaining);
            try self.in.skipPadding(self.padding);
            self.forget();
            while (try self.nextBlock()) {
                if (!header.checksumMatches(&self.block)) return error.BadChecksum;
                switch (header.kind(&self.block)) {
                    // 'X' is Solaris's spelling of 'x'.
                    'x', 'X' => try self.readLocal(),
                    'g' => try self.readGlobal(),
                    'L' => self.long_path = try self.readLong(&self.path_bytes),
                    'K' => self.long_link = try self.readLong(&self.link_bytes),
                    // GNU's volume label names the archive, not a file.
                    'V' => try self.skipSpecial(),
                    else => return try self.entry(),
                }
            }
            return null;
        }

        /// The next piece of the entry's stored bytes; null after the last.
        pub fn chunk(self: *Self) Error!?[]const u8 {
            return self.chunkUpTo(self.remaining);
        }

        /// As `chunk`, of at most `limit` bytes.
        pub fn chunkUpTo(self: *Self, limit: u64) Error!?[]const u8 {
            const wanted = @min(limit, self.remaining);
            if (wanted == 0) return null;
            const piece = try self.in.body(wanted);
            self.remaining -= piece.len;
            return piece;
        }

        fn forget(self: *Self) void {
            self.remaining = 0;
            self.padding = 0;
            self.announced = false;
            self.local.reset();
            self.long_path = null;
            self.long_link = null;
        }

        /// Two zero blocks end a tar; its plain end does too, as every tar reader allows.
        fn nextBlock(self: *Self) Error!bool {
            const block = try self.in.block() orelse {
                if (self.announced) return error.Truncated;
                return false;
            };
            self.block = block.*;
            if (!header.isZero(&self.block)) return true;
            if (self.announced) return error.Truncated;
            const second = self.in.block() catch |err| switch (err) {
                error.Truncated => return false,
                else => return err,
            };
            if (second) |found| if (!header.isZero(found)) return error.LoneZeroBlock;
            return false;
        }

        fn sizeInHeader(self: *Self) Error!u64 {
            const size = try header.number(header.bytes(&self.block, header.size_field));
            if (size < 0) return error.BadNumber;
            return @intCast(size);
        }

        /// The data of an entry that is about another entry.
        fn readSpecial(self: *Self, list: *std.ArrayList(u8)) Error![]const u8 {
            const size = try self.sizeInHeader();
            if (size > special_bytes_max) return error.TooLong;
            self.announced = true;
            list.clearRetainingCapacity();
            try list.ensureTotalCapacity(self.gpa, @intCast(size));
            while (list.items.len < size) {
                list.appendSliceAssumeCapacity(try self.in.some(size - list.items.len));
            }
            try self.in.skip(paddingOf(size));
            return list.items;
        }

        fn skipSpecial(self: *Self) Error!void {
            const size = try self.sizeInHeader();
            try self.in.skip(size);
            try self.in.skipPadding(paddingOf(size));
        }

        fn readLong(self: *Self, list: *std.ArrayList(u8)) Error![]const u8 {
            return header.untilNul(try self.readSpecial(list));
        }

        fn readLocal(self: *Self) Error!void {
            self.local.reset();
            var records: pax.Records = .{ .rest = try self.readSpecial(&self.pax_bytes) };
            while (try records.next()) |record| try self.local.apply(self.gpa, record);
        }

        /// Owners and times only: a name, a size or a map for all files can not be meant.
        fn readGlobal(self: *Self) Error!void {
            const announced = self.announced;
            var scratch: std.ArrayList(u8) = .empty;
            defer scratch.deinit(self.gpa);

            var records: pax.Records = .{ .rest = try self.readSpecial(&scratch) };
            while (try records.next()) |record| _ = try self.global.applyCommon(record);
            // It may be the last thing of a tar.
            self.announced = announced;
        }

        /// The entry whose header is in `block`, with what was announced for it.
        fn entry(self: *Self) Error!Entry {
            const stored = self.local.size orelse try self.sizeInHeader();
            var out: Entry = .{ .kind = .file, .path = try self.path() };
            out.kind = try kindOf(header.kind(&self.block), out.path, stored);
            out.link = try self.link(out.kind);
            try self.readAttributes(&out);
            if (out.kind == .file) {
                out.size = stored;
                self.remaining = stored;
                self.padding = paddingOf(stored);
                try self.readSparse(&out);
            } else if (header.kind(&self.block) == 'D') {
                // GNU's incremental directory lists its files; every other kind has no data,
                // whatever its size field says (archive/tar: isHeaderOnlyType).
                self.remaining = stored;
                self.padding = paddingOf(stored);
            }
            return out;
        }

        fn path(self: *Self) Error![]const u8 {
            const name = header.text(&self.block, header.name_field);
            const prefix = header.prefix(&self.block);
            const chosen = self.long_path orelse self.local.sparse_name orelse
                self.local.path orelse if (prefix.len == 0) name else blk: {
                const parts = .{ prefix, name };
                // Fits: 155 + 1 + 100 bytes at most.
                break :blk std.fmt.bufPrint(&self.joined_bytes, "{s}/{s}", parts) catch
                    return error.TooLong;
            };
            if (chosen.len == 0) return error.BadName;
            if (chosen.len > path_bytes_max) return error.TooLong;
            return chosen;
        }

        fn link(self: *Self, kind: Kind) Error![]const u8 {
            if (kind != .hardlink and kind != .symlink) return "";
            const chosen = self.long_link orelse self.local.link orelse
                header.text(&self.block, header.link_field);
            if (chosen.len == 0) return error.BadName;
            if (chosen.len > path_bytes_max) return error.TooLong;
            return chosen;
        }

        fn readAttributes(self: *Self, out: *Entry) Error!void {
            const mode = try header.number(header.bytes(&self.block, header.mode_field));
            if (mode < 0) return error.BadNumber;
            // Some writers add the file type, which the kind says already.
            out.mode = @intCast(mode & 0o7777);
            out.uid = self.local.uid orelse self.global.uid orelse
                try owner(header.bytes(&self.block, header.uid_field));
            out.gid = self.local.gid orelse self.global.gid orelse
                try owner(header.bytes(&self.block, header.gid_field));
            out.mtime = self.local.mtime orelse self.global.mtime orelse
                .{ .sec = try header.number(header.bytes(&self.block, header.mtime_field)) };
            out.xattrs = self.local.xattrs.items;
            if (out.kind != .char and out.kind != .block) return;
            if (!header.hasDevice(&self.block)) return;
            out.major = try deviceNumber(header.bytes(&self.block, header.major_field), 1 << 12);
            out.minor = try deviceNumber(header.bytes(&self.block, header.minor_field), 1 << 20);
        }

        fn readSparse(self: *Self, out: *Entry) Error!void {
            const at = &self.local;
            if (header.kind(&self.block) == 'S') {
                try self.readOldMap(out);
            } else if (at.sparse_major == 1 and at.sparse_minor == 0) {
                out.size = at.sparse_size orelse return error.BadSparse;
                try self.readMapInBody();
            } else if (at.sparse_major != 0) {
                return error.BadSparse;
            } else if (at.has_map) {
                out.size = at.sparse_size orelse return error.BadSparse;
            } else {
                return;
            }
            const sizes: sparse.Sizes = .{ .real = out.size, .stored = self.remaining };
            try sparse.validate(self.local.extents.items, sizes);
            out.extents = self.local.extents.items;
        }

        /// Old GNU: four extents in the header, more in blocks that follow it.
        fn readOldMap(self: *Self, out: *Entry) Error!void {
            const real = try header.number(
                header.bytes(&self.block, header.sparse_real_size_field),
            );
            if (real < 0) return error.BadNumber;
            out.size = @intCast(real);
            self.local.extents.clearRetainingCapacity();
            const first = header.sparse_in_header;
            try sparse.fromBlock(&self.local.extents, self.gpa, &self.block, first);
            var more = self.block[first.extended_at] != 0;
            while (more) {
                const block = try self.in.block() orelse return error.Truncated;
                const known = self.local.extents.items.len;
                const area = header.sparse_in_extension;
                try sparse.fromBlock(&self.local.extents, self.gpa, block, area);
                // A block without extents would let a stream go on for ever.
                if (self.local.extents.items.len == known) return error.BadSparse;
                more = block[area.extended_at] != 0;
            }
        }

        /// PAX 1.0: decimals in lines at the head of the body, padded to a block.
        fn readMapInBody(self: *Self) Error!void {
            self.local.extents.clearRetainingCapacity();
            var used: u64 = 0;
            const count = try self.mapLine(&used);
            if (count > sparse.extents_max) return error.BadSparse;
            for (0..@intCast(count)) |_| {
                const offset = try self.mapLine(&used);
                const size = try self.mapLine(&used);
                const extent: Extent = .{ .offset = offset, .size = size };
                try sparse.append(&self.local.extents, self.gpa, extent);
            }
            const gap = paddingOf(used);
            if (gap > self.remaining) return error.BadSparse;
            self.remaining -= gap;
            try self.in.skip(gap);
        }

        fn mapLine(self: *Self, used: *u64) Error!u64 {
            var line: [sparse_line_bytes_max]u8 = undefined;
            for (0..line.len) |len| {
                if (self.remaining == 0) return error.BadSparse;
                // No content of the file, though it stands in the body.
                const byte = try self.in.some(1);
                self.remaining -= 1;
                used.* += 1;
                if (byte[0] == '\n') return sparse.decimal(line[0..len]);
                line[len] = byte[0];
            }
            return error.BadSparse;
        }
    };
}

fn paddingOf(size: u64) u64 {
    return (header.block_bytes - size % header.block_bytes) % header.block_bytes;
}

fn owner(field: []const u8) Error!u32 {
    const id = try header.number(field);
    if (id < 0) return error.BadNumber;
    return extended.ownerOf(@intCast(id));
}

fn deviceNumber(field: []const u8, limit: i64) Error!u32 {
    const value = try header.number(field);
    if (value < 0 or value >= limit) return error.BadNumber;
    return @intCast(value);
}

fn kindOf(flag: u8, path: []const u8, stored: u64) Error!Kind {
    const slash = path[path.len - 1] == '/';
    return switch (flag) {
        // Before ustar a directory was a file whose name ends with a slash; some writers of '0'
        // kept to that.
        0 => if (slash) .dir else .file,
        '0' => if (slash and stored == 0) .dir else .file,
        '7', 'S' => .file,
        '1' => .hardlink,
        '2' => .symlink,
        '3' => .char,
        '4' => .block,
        '5', 'D' => .dir,
        '6' => .fifo,
        else => error.UnknownKind,
    };
}

test {
    _ = @import("tar_test.zig");
}
