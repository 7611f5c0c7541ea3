//! How to write a layer's tar again, byte for byte: everything of the stream that is not a file's
//! content, and where in the layer each content is. Kept beside its diff/ as `recipe`.
//!
//! A tar made anew from the files would be another tar, with another diffID: nothing on disk says
//! in which order, with which header format, padding, device nodes and foreign owners it came. So
//! the headers are kept as they were (docker's tar-split has the same idea). They are small since
//! each differs from the one before in a few bytes: some 40 bytes a file.
//!
//! After `magic`, operations, each a letter and LEB128 numbers; what they make is joined:
//!
//!   Z count                       zeros
//!   R count bytes                 these bytes
//!   B { equal count bytes }       a block like the last B's, but for these runs, 512 bytes in all
//!   F offset count shared length name
//!                                 content of a file; of the last F's name the first `shared` bytes
//!   D length name                 whatever had this name until now, a file or a directory with all
//!                                 in it, was replaced and is `replaced/N`, N counting D from 0
//!   E                             the end: a file without it is cut off
//!
//! A layer that replaces more than `replaced_max` such things loses content, and has `none`.

const std = @import("std");
const sys = @import("sys.zig");
const header = @import("tar_header.zig");
const names = @import("names.zig");

/// The file's name in a layer's directory.
pub const file_name = "recipe";
pub const magic = "hb recipe 1\n";
/// The whole file where there can be no recipe.
pub const none = "hb recipe none\n";
/// The directory of what was replaced, beside diff/.
pub const replaced_name = "replaced";
/// Far more than any honest tar has.
pub const replaced_max = 1000;

/// Runs of equal bytes shorter than this are cheaper repeated than named.
const equal_min = 3;
const buffer_bytes = 64 << 10;

/// Writes a recipe while the stream goes by. A failure is remembered until `finish`.
pub const Writer = struct {
    fd: sys.Fd,
    failure: ?sys.E = null,
    /// A file's content is or will be gone: there can be no recipe.
    is_lost: bool = false,
    /// How many D there are.
    replaced: u32 = 0,
    zeros: u64 = 0,
    block: header.Block = @splat(0),
    path: names.PathBuffer = undefined,
    path_len: usize = 0,
    length: usize = 0,
    buffer: [buffer_bytes]u8 = undefined,

    /// `fd` stays the caller's.
    pub fn init(writer: *Writer, fd: sys.Fd) void {
        writer.* = .{ .fd = fd };
        writer.put(magic);
    }

    /// A header.
    pub fn addBlock(writer: *Writer, block: *const header.Block) void {
        if (header.isZero(block)) return writer.addZeros(block.len);
        writer.flushZeros();
        writer.put("B");
        var at: usize = 0;
        while (at < block.len) {
            const start = writer.runAt(block, at, true);
            const end = writer.endOfChange(block, start);
            writer.number(start - at);
            writer.number(end - start);
            writer.put(block[start..end]);
            at = end;
        }
        writer.block = block.*;
    }

    /// Any other bytes that are no content.
    pub fn addBytes(writer: *Writer, bytes: []const u8) void {
        if (bytes.len == 0) return;
        if (std.mem.allEqual(u8, bytes, 0)) return writer.addZeros(bytes.len);
        writer.flushZeros();
        writer.put("R");
        writer.number(bytes.len);
        writer.put(bytes);
    }

    /// `count` bytes of the file `path` from `offset` on.
    pub fn addContent(writer: *Writer, path: []const u8, offset: u64, count: u64) void {
        if (count == 0) return;
        if (path.len > names.path_bytes_max) {
            writer.is_lost = true;
            return;
        }
        writer.flushZeros();
        writer.put("F");
        writer.number(offset);
        writer.number(count);
        const known = writer.path[0..writer.path_len];
        const shared = std.mem.findDiff(u8, known, path) orelse path.len;
        writer.number(shared);
        writer.number(path.len - shared);
        writer.put(path[shared..]);
        @memcpy(writer.path[0..path.len], path);
        writer.path_len = path.len;
    }

    /// What had the name `path` was moved to the next of the replaced.
    pub fn addReplaced(writer: *Writer, path: []const u8) void {
        writer.flushZeros();
        writer.put("D");
        writer.number(path.len);
        writer.put(path);
        writer.replaced += 1;
    }

    /// Instead of `finish`: says that there is no recipe.
    pub fn giveUp(writer: *Writer) sys.Result(void) {
        const emptied = sys.ftruncate(writer.fd, 0);
        return if (emptied == .err) emptied else sys.writeAllAt(writer.fd, none, 0);
    }

    /// Writes the rest; the first failure there was, if any.
    pub fn finish(writer: *Writer) sys.Result(void) {
        writer.flushZeros();
        writer.put("E");
        writer.flush();
        return if (writer.failure) |errno| .{ .err = errno } else .{ .ok = {} };
    }

    fn addZeros(writer: *Writer, count: u64) void {
        writer.zeros += count;
    }

    fn flushZeros(writer: *Writer) void {
        if (writer.zeros == 0) return;
        writer.put("Z");
        writer.number(writer.zeros);
        writer.zeros = 0;
    }

    /// Where from `at` on bytes are different from the last block's, or the same.
    fn runAt(writer: *Writer, block: *const header.Block, at: usize, different: bool) usize {
        var end = at;
        while (end < block.len and (block[end] != writer.block[end]) != different) end += 1;
        return end;
    }

    /// The end of a change that begins at `start`, short runs of equal bytes included.
    fn endOfChange(writer: *Writer, block: *const header.Block, start: usize) usize {
        var end = start;
        while (end < block.len) {
            end = writer.runAt(block, end, false);
            const next = writer.runAt(block, end, true);
            if (next - end >= equal_min or next == block.len) return end;
            end = next;
        }
        return end;
    }

    fn number(writer: *Writer, value: u64) void {
        var bytes: [10]u8 = undefined;
        var rest = value;
        for (&bytes, 1..) |*byte, length| {
            const more: u8 = if (rest >= 0x80) 0x80 else 0;
            byte.* = @as(u8, @truncate(rest & 0x7f)) | more;
            rest >>= 7;
            if (more == 0) return writer.put(bytes[0..length]);
        }
    }

    fn put(writer: *Writer, bytes: []const u8) void {
        var rest = bytes;
        while (rest.len > 0) {
            if (writer.length == writer.buffer.len) writer.flush();
            const some = @min(rest.len, writer.buffer.len - writer.length);
            @memcpy(writer.buffer[writer.length..][0..some], rest[0..some]);
            writer.length += some;
            rest = rest[some..];
        }
    }

    fn flush(writer: *Writer) void {
        const length = writer.length;
        writer.length = 0;
        if (writer.failure != null) return;
        const written = sys.writeAll(writer.fd, writer.buffer[0..length]);
        if (written == .err) writer.failure = written.err;
    }
};
