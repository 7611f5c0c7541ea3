//! A recipe (recipe.zig) read back: for whoever writes the tar again (rebuild.zig) and whoever
//! only wants to know which files there must be (losses.zig).

const std = @import("std");
const sys = @import("sys.zig");
const names = @import("names.zig");
const header = @import("tar_header.zig");
const input = @import("input.zig");
const recipe = @import("recipe.zig");

/// It is none, was cut off, or cannot be read.
pub const Error = error{Damaged};

/// Part of a file's content; `path` is good until the next operation.
pub const Content = struct { path: [:0]const u8, offset: u64, count: u64 };

pub const Operation = union(enum) {
    zeros: u64,
    /// So many bytes follow, to be read with `piece` to the last.
    bytes: u64,
    block: *const header.Block,
    content: Content,
    end,
};

/// Opens the file `path` of the layer whose diff/ is `root`, without leading out of it. Whoever
/// gets it looks whether it is a file; what is none would block, or never end.
pub fn openIn(root: sys.Fd, path: [:0]const u8) sys.Result(sys.Fd) {
    const beneath: sys.Resolve = .{
        .beneath = true,
        .no_symlinks = true,
        .no_magiclinks = true,
        .no_xdev = true,
    };
    const flags: std.os.linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .NOCTTY = true };
    return sys.openat2(root, path, flags, 0, beneath);
}

pub const Reader = struct {
    in: input.Input(input.Descriptor),
    block: header.Block = @splat(0),
    path: names.PathBuffer = undefined,
    path_len: usize = 0,
    operations: u64 = 0,

    /// `fd` and `buffer` stay the caller's.
    pub fn init(fd: sys.Fd, buffer: []u8) Reader {
        return .{ .in = .{ .source = .{ .fd = fd }, .buffer = buffer } };
    }

    /// What comes first in the file.
    pub fn begin(self: *Reader) Error!void {
        var begun: [recipe.magic.len]u8 = undefined;
        try self.read(&begun);
        if (!std.mem.eql(u8, &begun, recipe.magic)) return error.Damaged;
    }

    /// The next operation; `end` is the last.
    pub fn next(self: *Reader) Error!Operation {
        defer self.operations += 1;
        return switch (try self.byte()) {
            'Z' => .{ .zeros = try self.number() },
            'R' => .{ .bytes = try self.number() },
            'B' => .{ .block = try self.changes() },
            'F' => .{ .content = try self.content() },
            'E' => .end,
            else => error.Damaged,
        };
    }

    /// At least one byte and at most `limit`.
    pub fn piece(self: *Reader, limit: u64) Error![]const u8 {
        return self.in.body(limit) catch error.Damaged;
    }

    fn changes(self: *Reader) Error!*const header.Block {
        var at: usize = 0;
        while (at < self.block.len) {
            const equal = try self.bounded(self.block.len - at);
            const count = try self.bounded(self.block.len - at - equal);
            if (equal + count == 0) return error.Damaged;
            at += equal;
            try self.read(self.block[at..][0..count]);
            at += count;
        }
        return &self.block;
    }

    fn content(self: *Reader) Error!Content {
        const offset = try self.number();
        const count = try self.number();
        const shared = try self.bounded(self.path_len);
        const length = try self.bounded(names.path_bytes_max - shared);
        try self.read(self.path[shared..][0..length]);
        self.path_len = shared + length;
        self.path[self.path_len] = 0;
        return .{ .path = self.path[0..self.path_len :0], .offset = offset, .count = count };
    }

    fn bounded(self: *Reader, max: usize) Error!usize {
        const value = try self.number();
        return if (value <= max) @intCast(value) else error.Damaged;
    }

    fn number(self: *Reader) Error!u64 {
        var value: u64 = 0;
        for (0..10) |index| {
            const part = try self.byte();
            const shift: u6 = @intCast(7 * index);
            if (index == 9 and part > 1) return error.Damaged;
            value |= @as(u64, part & 0x7f) << shift;
            if (part & 0x80 == 0) return value;
        }
        return error.Damaged;
    }

    fn byte(self: *Reader) Error!u8 {
        return (try self.piece(1))[0];
    }

    fn read(self: *Reader, into: []u8) Error!void {
        var done: usize = 0;
        while (done < into.len) {
            const some = try self.piece(into.len - done);
            @memcpy(into[done..][0..some.len], some);
            done += some.len;
        }
    }
};
