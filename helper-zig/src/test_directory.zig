//! A directory of its own for a test, gone afterwards.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const remove = @import("remove.zig");

var count: u32 = 0;

pub const Directory = struct {
    fd: sys.Fd,
    path: [:0]const u8,
    buffer: *[64]u8,

    pub fn open() !Directory {
        count += 1;
        const buffer = try std.testing.allocator.create([64]u8);
        const numbers = .{ sys.getpid(), count };
        const path = try std.fmt.bufPrintSentinel(buffer, "/tmp/hb-test-{d}-{d}", numbers, 0);
        sys.clearUmask();
        try expectDone(sys.mkdirat(sys.cwd, path, 0o700));
        const fd = sys.openat(sys.cwd, path, sys.directory_flags, 0);
        return .{ .fd = fd.ok, .path = path, .buffer = buffer };
    }

    pub fn close(directory: Directory) void {
        sys.close(directory.fd);
        remove.tree(sys.cwd, directory.path) catch {
            // Said already; what is left is in /tmp.
        };
        std.testing.allocator.destroy(directory.buffer);
    }

    /// A new directory in it, opened.
    pub fn make(directory: Directory, name: [:0]const u8, mode: u32) !sys.Fd {
        try expectDone(sys.mkdirat(directory.fd, name, mode));
        return sys.openat(directory.fd, name, sys.directory_flags, 0).ok;
    }
};

pub fn expectDone(outcome: sys.Result(void)) !void {
    try std.testing.expectEqual(sys.Result(void){ .ok = {} }, outcome);
}

pub fn writeFile(dir: sys.Fd, path: [:0]const u8, text: []const u8) !void {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true };
    const fd = sys.openat(dir, path, flags, 0o644).ok;
    defer sys.close(fd);
    try expectDone(sys.writeAll(fd, text));
}

pub fn expectFile(dir: sys.Fd, path: [:0]const u8, text: []const u8) !void {
    var buffer: [256]u8 = undefined;
    const fd = sys.openat(dir, path, .{ .NOFOLLOW = true }, 0).ok;
    defer sys.close(fd);
    try std.testing.expectEqualStrings(text, buffer[0..sys.readAll(fd, &buffer).ok]);
}

pub fn expectMode(dir: sys.Fd, path: [:0]const u8, mode: u32) !void {
    const stat = sys.statat(dir, path, linux.AT.SYMLINK_NOFOLLOW).ok;
    try std.testing.expectEqual(mode, stat.mode);
}

pub fn expectAbsent(dir: sys.Fd, path: [:0]const u8) !void {
    const looked = sys.statat(dir, path, linux.AT.SYMLINK_NOFOLLOW);
    try std.testing.expectEqual(.NOENT, looked.err);
}
