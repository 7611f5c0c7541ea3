//! The records of getdents64(2).

const std = @import("std");
const linux = std.os.linux;

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
