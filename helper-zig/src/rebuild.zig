//! `hb-init rebuild`: a layer's directory -> on stdout the tar stream it was unpacked from.
//!
//!   rebuild [maps] --layer DIRECTORY
//!
//! What to write is in the layer's recipe (recipe.zig), contents come from its diff/. Whoever reads
//! compares the stream with the diffID: a recipe or a file that has changed shows there, so nothing
//! here has to notice more than what would lead out of the layer or read for ever.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const userns = @import("userns.zig");
const names = @import("names.zig");
const header = @import("tar_header.zig");
const input = @import("input.zig");
const recipe = @import("recipe.zig");
const Archive = @import("archive.zig").Archive;

const stdout: sys.Fd = 1;
const buffer_bytes = 64 << 10;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    return parseAndRun(args) catch 1;
}

const Job = struct { layer: [:0]const u8 };

fn parseAndRun(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var layer: ?[:0]const u8 = null;
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try flags.take(name, value)) continue;
        if (!std.mem.eql(u8, name, "--layer"))
            return report.fail("rebuild: unknown flag {s}", .{name});
        layer = value;
    }
    if (at != args.len or layer == null) return report.fail("rebuild needs --layer", .{});
    return userns.run(try flags.maps(), Job{ .layer = layer.? }, run);
}

/// Inside the user namespace, whose root may read every file of the layer.
fn run(job: Job) u8 {
    signals.ignore(.PIPE); // a reader that goes away is an errno
    const dir = sys.openat(sys.cwd, job.layer, sys.directory_flags, 0);
    const fd = report.check(dir, "open {s}", .{job.layer}) catch return 1;
    rebuild(fd, stdout, std.heap.page_allocator) catch return 1;
    return 0;
}

/// Writes the tar of the layer whose directory is `layer` to `out`.
pub fn rebuild(layer: sys.Fd, out: sys.Fd, gpa: std.mem.Allocator) report.Error!void {
    const opened = sys.openat(layer, recipe.file_name, .{ .NOFOLLOW = true }, 0);
    const source = try report.check(opened, "open the layer's recipe", .{});
    defer sys.close(source);
    const diff = sys.openat(layer, "diff", sys.directory_flags, 0);
    const root = try report.check(diff, "open the layer's files", .{});
    defer sys.close(root);

    const buffer = gpa.alloc(u8, buffer_bytes) catch return outOfMemory();
    defer gpa.free(buffer);
    var rebuilder: Rebuilder = .{
        .in = .{ .source = .{ .fd = source }, .buffer = buffer },
        .root = root,
        .archive = try .init(out, gpa),
    };
    defer rebuilder.archive.deinit();

    try rebuilder.all();
    return rebuilder.archive.flush();
}

const Rebuilder = struct {
    in: input.Input(input.Descriptor),
    root: sys.Fd,
    archive: Archive,
    block: header.Block = @splat(0),
    path: names.PathBuffer = undefined,
    path_len: usize = 0,
    operations: u64 = 0,

    fn all(self: *Rebuilder) report.Error!void {
        var begun: [recipe.magic.len]u8 = undefined;
        try self.read(&begun);
        if (!std.mem.eql(u8, &begun, recipe.magic)) return self.damaged();
        while (true) : (self.operations += 1) switch (try self.byte()) {
            'Z' => try self.archive.zeros(try self.number()),
            'R' => try self.bytes(),
            'B' => try self.changes(),
            'F' => try self.content(),
            'E' => return,
            else => return self.damaged(),
        };
    }

    fn bytes(self: *Rebuilder) report.Error!void {
        var rest = try self.number();
        while (rest > 0) {
            const piece = self.in.body(rest) catch return self.damaged();
            try self.archive.append(piece);
            rest -= piece.len;
        }
    }

    fn changes(self: *Rebuilder) report.Error!void {
        var at: usize = 0;
        while (at < self.block.len) {
            const equal = try self.bounded(self.block.len - at);
            const count = try self.bounded(self.block.len - at - equal);
            if (equal + count == 0) return self.damaged();
            at += equal;
            try self.read(self.block[at..][0..count]);
            at += count;
        }
        return self.archive.append(&self.block);
    }

    fn content(self: *Rebuilder) report.Error!void {
        const offset = try self.number();
        const count = try self.number();
        const shared = try self.bounded(self.path_len);
        const length = try self.bounded(names.path_bytes_max - shared);
        try self.read(self.path[shared..][0..length]);
        self.path_len = shared + length;
        self.path[self.path_len] = 0;
        const path = self.path[0..self.path_len :0];

        const fd = try self.open(path);
        defer sys.close(fd);
        _ = try report.check(sys.seek(fd, offset, .start), "read {s}", .{path});
        return self.archive.content(fd, count, path);
    }

    /// The file `path` of the layer; what is none would block, or never end.
    fn open(self: *Rebuilder, path: [:0]const u8) report.Error!sys.Fd {
        const beneath: sys.Resolve = .{
            .beneath = true,
            .no_symlinks = true,
            .no_magiclinks = true,
            .no_xdev = true,
        };
        const flags: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .NOCTTY = true };
        const opened = sys.openat2(self.root, path, flags, 0, beneath);
        const fd = try report.check(opened, "open {s}", .{path});
        errdefer sys.close(fd);

        const stat = try report.check(sys.fstat(fd), "examine {s}", .{path});
        if (stat.kind() == linux.S.IFREG) return fd;
        return report.fail("rebuild a layer: {s} is no file any more", .{path});
    }

    fn bounded(self: *Rebuilder, max: usize) report.Error!usize {
        const value = try self.number();
        return if (value <= max) @intCast(value) else self.damaged();
    }

    fn number(self: *Rebuilder) report.Error!u64 {
        var value: u64 = 0;
        for (0..10) |index| {
            const part = try self.byte();
            const shift: u6 = @intCast(7 * index);
            if (index == 9 and part > 1) return self.damaged();
            value |= @as(u64, part & 0x7f) << shift;
            if (part & 0x80 == 0) return value;
        }
        return self.damaged();
    }

    fn byte(self: *Rebuilder) report.Error!u8 {
        const piece = self.in.body(1) catch return self.damaged();
        return piece[0];
    }

    fn read(self: *Rebuilder, into: []u8) report.Error!void {
        var done: usize = 0;
        while (done < into.len) {
            const piece = self.in.body(into.len - done) catch return self.damaged();
            @memcpy(into[done..][0..piece.len], piece);
            done += piece.len;
        }
    }

    fn damaged(self: *Rebuilder) report.Error {
        const doing = "rebuild a layer: its recipe is damaged, after {d} operations";
        return report.fail(doing, .{self.operations});
    }
};

fn outOfMemory() report.Error {
    return report.fail("rebuild a layer: out of memory", .{});
}
