//! A byte stream read in large pieces and handed out without copying: headers as blocks, bodies as
//! whatever is in the buffer. `Source` is anything with `read(self, []u8) sys.Result(usize)`.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const header = @import("tar_header.zig");
const recipe = @import("recipe.zig");

/// Large enough that a pull is limited by decompression, not by system calls.
pub const buffer_bytes = 1 << 20;

pub const Error = error{ Truncated, ReadFailed };

pub fn Input(comptime Source: type) type {
    return struct {
        const Self = @This();

        source: Source,
        buffer: []u8,
        start: usize = 0,
        end: usize = 0,
        ended: bool = false,
        /// All bytes received so far.
        total: u64 = 0,
        /// Why error.ReadFailed was returned.
        errno: sys.E = .SUCCESS,
        /// Told of everything that is handed out, but for bodies.
        tap: ?*recipe.Writer = null,

        /// The next block; null where the stream ends before it. A partial block is truncation.
        pub fn block(self: *Self) Error!?*const header.Block {
            while (self.end - self.start < header.block_bytes) {
                if (try self.fill()) continue;
                if (self.end == self.start) return null;
                return error.Truncated;
            }
            defer self.start += header.block_bytes;

            const found = self.buffer[self.start..][0..header.block_bytes];
            if (self.tap) |tap| tap.addBlock(found);
            return found;
        }

        /// At least one byte and at most `limit`, good until the next call.
        pub fn some(self: *Self, limit: u64) Error![]const u8 {
            const piece = try self.body(limit);
            if (self.tap) |tap| tap.addBytes(piece);
            return piece;
        }

        /// As `some`, of a file's content.
        pub fn body(self: *Self, limit: u64) Error![]const u8 {
            if (self.end == self.start and !try self.fill()) return error.Truncated;
            const len: usize = @intCast(@min(limit, self.end - self.start));
            defer self.start += len;

            return self.buffer[self.start..][0..len];
        }

        /// Passes over `count` bytes.
        pub fn skip(self: *Self, count: u64) Error!void {
            var rest = count;
            while (rest > 0) rest -= (try self.some(rest)).len;
        }

        /// Passes over padding, which a stream's last file may lack.
        pub fn skipPadding(self: *Self, count: u64) Error!void {
            self.skip(count) catch |err| if (err != error.Truncated) return err;
        }

        /// Reads to the end: what follows the tar still counts in the layer's digest.
        pub fn drain(self: *Self) Error!void {
            while (true) {
                if (self.tap) |tap| tap.addBytes(self.buffer[self.start..self.end]);
                self.start = self.end;
                if (!try self.fill()) return;
            }
        }

        /// Reads once; false at the end of the stream.
        fn fill(self: *Self) Error!bool {
            if (self.ended) return false;
            const kept = self.end - self.start;
            std.mem.copyForwards(u8, self.buffer, self.buffer[self.start..self.end]);
            self.start = 0;
            self.end = kept;
            switch (self.source.read(self.buffer[kept..])) {
                .err => |errno| {
                    self.errno = errno;
                    return error.ReadFailed;
                },
                .ok => |count| {
                    self.ended = count == 0;
                    self.end += count;
                    self.total += count;
                    return count > 0;
                },
            }
        }
    };
}

/// A descriptor as a source.
pub const Descriptor = struct {
    fd: sys.Fd,

    pub fn read(self: Descriptor, buffer: []u8) sys.Result(usize) {
        return sys.read(self.fd, buffer);
    }
};

/// A descriptor that is read until a signal arrives; then it fails with EINTR.
pub const Interruptible = struct {
    fd: sys.Fd,
    /// signalfd(2) of signals that are blocked.
    signal_fd: sys.Fd = -1,

    pub fn read(self: Interruptible, buffer: []u8) sys.Result(usize) {
        var fds = [_]linux.pollfd{
            .{ .fd = self.fd, .events = linux.POLL.IN, .revents = 0 },
            .{ .fd = self.signal_fd, .events = linux.POLL.IN, .revents = 0 },
        };
        const polled = sys.poll(&fds, -1);
        if (polled == .err) return .{ .err = polled.err };
        if (fds[1].revents != 0) return .{ .err = .INTR };
        return sys.read(self.fd, buffer);
    }
};

/// Bytes in memory as a source, handed out at most `piece` at a time.
pub const Memory = struct {
    rest: []const u8,
    piece: usize = std.math.maxInt(usize),

    pub fn read(self: *Memory, buffer: []u8) sys.Result(usize) {
        const len = @min(buffer.len, self.rest.len, self.piece);
        @memcpy(buffer[0..len], self.rest[0..len]);
        self.rest = self.rest[len..];
        return .{ .ok = len };
    }
};
