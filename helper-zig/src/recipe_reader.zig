//! A recipe (recipe.zig) read back: for whoever writes the tar again (rebuild.zig) and whoever
//! only wants to know which files there must be (losses.zig).

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const names = @import("names.zig");
const header = @import("tar_header.zig");
const input = @import("input.zig");
const recipe = @import("recipe.zig");

const nofollow = linux.AT.SYMLINK_NOFOLLOW;
const buffer_bytes = 64 << 10;

/// It is no recipe, was cut off, or cannot be read.
pub const Error = error{Damaged};

/// Part of a file's content; `path` is good until the next operation.
pub const Content = struct { path: [:0]const u8, offset: u64, count: u64 };

pub const Operation = union(enum) {
    zeros: u64,
    /// So many bytes follow, to be read with `piece` to the last.
    bytes: u64,
    block: *const header.Block,
    content: Content,
    /// What had this name has another place now; see Files.
    replaced: []const u8,
    end,
};

/// Whether the file says that there is no recipe.
pub fn isNone(fd: sys.Fd) bool {
    var begun: [recipe.none.len]u8 = undefined;
    return switch (sys.readAt(fd, &begun, 0)) {
        .ok => |len| std.mem.eql(u8, begun[0..len], recipe.none),
        .err => false,
    };
}

/// A layer's files, by the names the recipe has for them.
pub const Files = struct {
    layer: sys.Fd,
    moves: std.ArrayList(Move) = .empty,
    arena: std.heap.ArenaAllocator,

    /// Until this operation `path`, and what is below it, had the content that is replaced/N now,
    /// N its place in the list.
    const Move = struct { operation: u64, path: []const u8 };

    /// `layer` is the layer's directory and stays the caller's; `recipe_fd` is read through where
    /// there is anything replaced.
    pub fn init(layer: sys.Fd, recipe_fd: sys.Fd, gpa: std.mem.Allocator) !Files {
        var files: Files = .{ .layer = layer, .arena = .init(gpa) };
        errdefer files.deinit();
        const looked = sys.statat(layer, recipe.replaced_name, nofollow);
        if (looked == .err) return files;
        const arena = files.arena.allocator();
        var reader: Reader = .init(recipe_fd, try arena.alloc(u8, buffer_bytes));
        try reader.begin();
        while (files.moves.items.len < recipe.replaced_max) {
            const operation = reader.operations;
            switch (try reader.next()) {
                .bytes => |count| try reader.skip(count),
                .replaced => |path| {
                    const own = try arena.dupe(u8, path);
                    try files.moves.append(arena, .{ .operation = operation, .path = own });
                },
                .end => break,
                else => {},
            }
        }
        _ = sys.seek(recipe_fd, 0, .start);
        return files;
    }

    pub fn deinit(files: *Files) void {
        files.arena.deinit();
    }

    /// Opens the file that had the name `path` at `operation`, without leading out of the layer.
    /// Whoever gets it looks whether it is a file; what is none would block, or never end.
    pub fn open(files: *const Files, path: [:0]const u8, operation: u64) sys.Result(sys.Fd) {
        var buffer: [names.path_bytes_max + 64]u8 = undefined;
        const place = files.placeOf(path, operation, &buffer) catch return .{ .err = .NAMETOOLONG };
        const beneath: sys.Resolve = .{
            .beneath = true,
            .no_symlinks = true,
            .no_magiclinks = true,
            .no_xdev = true,
        };
        const flags: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .NOCTTY = true };
        return sys.openat2(files.layer, place, flags, 0, beneath);
    }

    fn placeOf(files: *const Files, path: []const u8, operation: u64, buffer: []u8) ![:0]u8 {
        for (files.moves.items, 0..) |move, number| {
            if (move.operation < operation or !std.mem.startsWith(u8, path, move.path)) continue;
            const rest = path[move.path.len..];
            if (rest.len > 0 and rest[0] != '/') continue;
            const parts = .{ recipe.replaced_name, number, rest };
            return std.fmt.bufPrintSentinel(buffer, "{s}/{d}{s}", parts, 0);
        }
        return std.fmt.bufPrintSentinel(buffer, "diff/{s}", .{path}, 0);
    }
};

pub const Reader = struct {
    in: input.Input(input.Descriptor),
    block: header.Block = @splat(0),
    path: names.PathBuffer = undefined,
    path_len: usize = 0,
    replaced: names.PathBuffer = undefined,
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
            'D' => .{ .replaced = try self.replacedPath() },
            'E' => .end,
            else => error.Damaged,
        };
    }

    /// At least one byte and at most `limit`.
    pub fn piece(self: *Reader, limit: u64) Error![]const u8 {
        return self.in.body(limit) catch error.Damaged;
    }

    /// Passes over `count` bytes.
    pub fn skip(self: *Reader, count: u64) Error!void {
        var rest = count;
        while (rest > 0) rest -= (try self.piece(rest)).len;
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

    fn replacedPath(self: *Reader) Error![]const u8 {
        const path = self.replaced[0..try self.bounded(names.path_bytes_max)];
        try self.read(path);
        return path;
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
