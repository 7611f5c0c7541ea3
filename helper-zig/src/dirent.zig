//! The records of getdents64(2).

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");

pub const Dirent = struct {
    name: [:0]const u8,
    is_dir: bool,
    /// The file system does not say what kinds its entries are.
    unknown: bool,
};

/// Walks what one getdents64 call returned, leaving out `.` and `..`.
pub const Records = struct {
    bytes: []align(8) const u8,
    at: usize = 0,

    // struct linux_dirent64: u64 d_ino, s64 d_off, u16 d_reclen, u8 d_type, d_name.
    const len_at = 16;
    const kind_at = 18;
    const name_at = 19;

    pub fn next(records: *Records) ?Dirent {
        while (records.at < records.bytes.len) {
            const record = records.bytes[records.at..];
            records.at += std.mem.readInt(u16, record[len_at..][0..2], .native);
            const name = std.mem.span(@as([*:0]const u8, @ptrCast(record[name_at..].ptr)));
            if (std.mem.eql(u8, name, ".") or std.mem.eql(u8, name, "..")) continue;
            return .{
                .name = name,
                .is_dir = record[kind_at] == linux.DT.DIR,
                .unknown = record[kind_at] == linux.DT.UNKNOWN,
            };
        }
        return null;
    }
};

/// The entries of an open directory, from where it was left off.
pub const Listing = struct {
    fd: sys.Fd,
    records: Records = .{ .bytes = &.{} },
    buffer: [4 << 10]u8 align(8) = undefined,

    pub fn next(listing: *Listing) sys.Result(?Dirent) {
        while (true) {
            if (listing.records.next()) |entry| return .{ .ok = entry };
            const length = switch (sys.getdents(listing.fd, &listing.buffer)) {
                .ok => |length| length,
                .err => |e| return .{ .err = e },
            };
            if (length == 0) return .{ .ok = null };
            listing.records = .{ .bytes = listing.buffer[0..length] };
        }
    }
};
