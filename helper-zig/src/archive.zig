//! An archive on its way out: headers and small files gathered into large writes, large files sent
//! from descriptor to descriptor, always as many bytes as were announced.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const tar_output = @import("tar_output.zig");

/// As large as a pipe may be (fs.pipe-max-size).
const buffer_bytes = 1 << 20;
/// A file from here on is sent by the kernel.
const large_bytes = 256 << 10;
/// What sendfile(2) sends in one call.
const send_bytes_max: usize = 1 << 30;

pub const Archive = struct {
    fd: sys.Fd,
    gpa: std.mem.Allocator,
    gathered: std.ArrayList(u8) = .empty,
    /// For the header under way.
    scratch: std.heap.ArenaAllocator,

    /// `fd` stays the caller's.
    pub fn init(fd: sys.Fd, gpa: std.mem.Allocator) report.Error!Archive {
        sys.enlargePipe(fd, buffer_bytes);
        var archive: Archive = .{ .fd = fd, .gpa = gpa, .scratch = .init(gpa) };
        archive.gathered.ensureTotalCapacity(gpa, 2 * buffer_bytes) catch return outOfMemory();
        return archive;
    }

    pub fn deinit(archive: *Archive) void {
        archive.gathered.deinit(archive.gpa);
        archive.scratch.deinit();
    }

    /// The header of one member.
    pub fn begin(archive: *Archive, entry: tar_output.Entry) report.Error!void {
        const scratch = archive.scratch.allocator();
        defer _ = archive.scratch.reset(.retain_capacity);

        tar_output.encode(entry, &archive.gathered, archive.gpa, scratch) catch |err| switch (err) {
            error.OutOfMemory => return outOfMemory(),
            error.TooLong => return report.fail(
                "pack {s}: too many extended attributes",
                .{entry.path},
            ),
        };
        if (archive.gathered.items.len >= buffer_bytes) try archive.flush();
    }

    /// The data of the member begun last: `size` bytes of `file`, with zeros for what it lacks.
    pub fn add(archive: *Archive, file: sys.Fd, size: u64, path: []const u8) report.Error!void {
        try archive.content(file, size, path);
        try archive.zeros(tar_output.paddingOf(size));
    }

    /// As `add`, from where `file` stands and without padding.
    pub fn content(archive: *Archive, file: sys.Fd, size: u64, path: []const u8) report.Error!void {
        const sent = if (size >= large_bytes) try archive.send(file, size) else 0;
        const read = try archive.gather(file, size - sent, path);
        try archive.zeros(size - sent - read);
    }

    /// The end of the archive.
    pub fn finish(archive: *Archive) report.Error!void {
        try archive.append(&tar_output.end);
        try archive.flush();
    }

    /// From page cache to pipe, without a copy; less than `size` where that cannot go on.
    fn send(archive: *Archive, file: sys.Fd, size: u64) report.Error!u64 {
        try archive.flush();
        var done: u64 = 0;
        while (done < size) {
            const wanted: usize = @intCast(@min(size - done, send_bytes_max));
            const sent = sys.call(usize, .sendfile, .{ archive.fd, file, null, wanted });
            switch (sent) {
                .ok => |count| if (count == 0) return done else {
                    done += count;
                },
                .err => |e| switch (e) {
                    .INTR => {},
                    .PIPE => return error.Reported, // whoever does not want it has said why
                    // File systems and outputs that cannot do it: by hand.
                    else => return done,
                },
            }
        }
        return done;
    }

    /// Reads at most `size` bytes into the buffer and out again.
    fn gather(
        archive: *Archive,
        file: sys.Fd,
        size: u64,
        path: []const u8,
    ) report.Error!u64 {
        var done: u64 = 0;
        while (done < size) {
            const wanted: usize = @intCast(@min(size - done, buffer_bytes));
            const room = archive.gathered.addManyAsSlice(archive.gpa, wanted) catch
                return outOfMemory();
            const read = try report.check(sys.readAll(file, room), "read {s}", .{path});
            archive.gathered.shrinkRetainingCapacity(archive.gathered.items.len - wanted + read);
            if (archive.gathered.items.len >= buffer_bytes) try archive.flush();
            done += read;
            if (read < wanted) break;
        }
        return done;
    }

    pub fn zeros(archive: *Archive, count: u64) report.Error!void {
        const block: [4 << 10]u8 = @splat(0);
        var rest = count;
        while (rest > 0) {
            const some: usize = @intCast(@min(rest, block.len));
            try archive.append(block[0..some]);
            rest -= some;
        }
    }

    pub fn append(archive: *Archive, bytes: []const u8) report.Error!void {
        archive.gathered.appendSlice(archive.gpa, bytes) catch return outOfMemory();
        if (archive.gathered.items.len >= buffer_bytes) try archive.flush();
    }

    pub fn flush(archive: *Archive) report.Error!void {
        const written = sys.writeAll(archive.fd, archive.gathered.items);
        if (written == .err and written.err == .PIPE) return error.Reported;
        try report.check(written, "write the archive", .{});
        archive.gathered.clearRetainingCapacity();
    }
};

fn outOfMemory() report.Error {
    return report.fail("pack files: out of memory", .{});
}

test "a file that has shrunk is filled up, one that has grown is cut off" {
    const files = @import("test_directory.zig");
    const gpa = std.testing.allocator;
    const directory = try files.Directory.open();
    defer directory.close();

    const short = "short";
    try files.writeFile(directory.fd, "file", short);
    for ([_]u64{ 2, short.len, 600, large_bytes + 1 }) |announced| {
        const flags: linux.O = .{ .ACCMODE = .RDWR, .CREAT = true, .TRUNC = true };
        const out = sys.openat(directory.fd, "out", flags, 0o600).ok;
        defer sys.close(out);
        const file = sys.openat(directory.fd, "file", .{}, 0).ok;
        defer sys.close(file);

        var archive: Archive = try .init(out, gpa);
        defer archive.deinit();

        try archive.add(file, announced, "file");
        try archive.flush();
        const wanted = announced + tar_output.paddingOf(announced);
        try std.testing.expectEqual(wanted, sys.fstat(out).ok.size);
        var begun: [short.len + 1]u8 = undefined;
        const kept: usize = @intCast(@min(announced, short.len));
        _ = sys.readAt(out, &begun, 0).ok;
        try std.testing.expectEqualStrings(short[0..kept], begun[0..kept]);
        try std.testing.expectEqual(0, begun[kept]);
    }
}
