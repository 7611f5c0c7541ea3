//! `hb-init remove`: a tree gone, whatever it holds. rm -rf that follows no symbolic link.
//!
//! Every step is one name under an open directory, so nothing outside can be reached however the
//! tree is changed meanwhile. Depth is no matter: what lies deeper than the descriptors kept is
//! first moved up to the top of the tree. Directories without permissions are given them.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const userns = @import("userns.zig");
const dirent = @import("dirent.zig");
const names = @import("names.zig");

/// Open directories at a time.
const depth_max = 24;
const records_bytes = 8 << 10;

const Level = struct {
    fd: sys.Fd,
    name: names.NameBuffer,
    records: dirent.Records,
    buffer: [records_bytes]u8 align(8),
};

var levels: [depth_max]Level = undefined;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    return removeAll(args) catch 1;
}

const Job = struct { paths: []const [*:0]const u8 };

fn removeAll(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        if (!try flags.take(std.mem.span(args[at]), std.mem.span(args[at + 1]))) break;
    }
    if (at == args.len) return report.fail("remove needs a path", .{});
    return userns.run(try flags.maps(), Job{ .paths = args[at..] }, removePaths);
}

fn removePaths(job: Job) u8 {
    var status: u8 = 0;
    for (job.paths) |path| tree(sys.cwd, path) catch {
        status = 1;
    };
    return status;
}

/// Removes `path` under `dir` with everything in it. What is not there is no failure.
/// `path` may have several parts; only its last is not followed.
pub fn tree(dir: sys.Fd, path: [*:0]const u8) report.Error!void {
    const shown = std.mem.span(path);
    if (!try isFullDirectory(dir, path, shown)) return;
    const root = try openDirectory(dir, path, shown);
    defer sys.close(root);

    try contents(root, shown);
    const gone = sys.unlinkat(dir, path, linux.AT.REMOVEDIR);
    if (gone == .err and gone.err == .NOENT) return;
    return report.check(gone, "remove {s}", .{shown});
}

/// Removes everything in the directory `root`.
pub fn contents(root: sys.Fd, shown: []const u8) report.Error!void {
    var moved: u32 = 0;
    while (true) {
        const before = moved;
        try pass(root, shown, &moved);
        if (moved == before) return;
    }
}

/// Walks the tree once, depth first. Directories too deep are moved into `root` for the next pass.
fn pass(root: sys.Fd, shown: []const u8, moved: *u32) report.Error!void {
    try report.check(rewind(root), "list {s}", .{shown});
    push(0, root, "");
    var depth: usize = 0;
    errdefer for (levels[1 .. depth + 1]) |*level| sys.close(level.fd);

    while (true) {
        const level = &levels[depth];
        const entry = try nextEntry(level, shown) orelse {
            if (depth == 0) return;
            depth -= 1;
            sys.close(level.fd);
            try removeDirectory(levels[depth].fd, std.mem.sliceTo(&level.name, 0));
            continue;
        };
        if (!entry.is_dir and !entry.unknown) {
            try unlink(level.fd, entry.name);
        } else if (try isFullDirectory(level.fd, entry.name, entry.name)) {
            if (depth + 1 == depth_max) {
                try moveUp(level.fd, entry.name, root, moved);
            } else {
                const fd = try openDirectory(level.fd, entry.name, entry.name);
                depth += 1;
                push(depth, fd, entry.name);
            }
        }
    }
}

fn push(depth: usize, fd: sys.Fd, name: []const u8) void {
    const level = &levels[depth];
    level.fd = fd;
    level.records = .{ .bytes = &.{} };
    @memcpy(level.name[0..name.len], name);
    level.name[name.len] = 0;
}

fn nextEntry(level: *Level, shown: []const u8) report.Error!?dirent.Dirent {
    while (true) {
        if (level.records.next()) |entry| return entry;
        const got = sys.getdents(level.fd, &level.buffer);
        const len = try report.check(got, "list {s}", .{shown});
        if (len == 0) return null;
        level.records = .{ .bytes = level.buffer[0..len] };
    }
}

/// Removes a file or an empty directory; true if it is a directory with something in it.
fn isFullDirectory(dir: sys.Fd, name: [*:0]const u8, shown: []const u8) report.Error!bool {
    switch (sys.unlinkat(dir, name, 0)) {
        .ok => return false,
        .err => |e| switch (e) {
            .NOENT => return false,
            // POSIX says EPERM for a directory; Linux says EISDIR.
            .ISDIR, .PERM => {},
            .ACCES => try openUp(dir),
            else => try report.check(sys.Result(void){ .err = e }, "remove {s}", .{shown}),
        },
    }
    const gone = sys.unlinkat(dir, name, linux.AT.REMOVEDIR);
    if (gone == .ok or gone.err == .NOENT) return false;
    if (gone.err == .NOTEMPTY or gone.err == .EXIST) return true;
    if (gone.err == .NOTDIR) {
        try unlink(dir, std.mem.span(name));
        return false;
    }
    try report.check(gone, "remove {s}", .{shown});
    return false;
}

fn unlink(dir: sys.Fd, name: [:0]const u8) report.Error!void {
    var gone = sys.unlinkat(dir, name, 0);
    if (gone == .err and gone.err == .ACCES) {
        try openUp(dir);
        gone = sys.unlinkat(dir, name, 0);
    }
    if (gone == .err and gone.err == .NOENT) return;
    return report.check(gone, "remove {s}", .{name});
}

fn removeDirectory(dir: sys.Fd, name: []const u8) report.Error!void {
    var buffer: names.NameBuffer = undefined;
    // proven: the name came from a directory entry.
    const path = names.terminated(name, &buffer) orelse unreachable;
    const gone = sys.unlinkat(dir, path, linux.AT.REMOVEDIR);
    // Something moved up, or made meanwhile: the next pass sees it.
    if (gone == .err and (gone.err == .NOENT or gone.err == .NOTEMPTY)) return;
    return report.check(gone, "remove {s}", .{name});
}

/// Opens a directory for listing, changing its mode where it forbids that.
fn openDirectory(dir: sys.Fd, path: [*:0]const u8, shown: []const u8) report.Error!sys.Fd {
    const opened = sys.openat(dir, path, sys.directory_flags, 0);
    if (opened == .ok or opened.err != .ACCES) return report.check(opened, "open {s}", .{shown});
    // A directory, as its failed removal told; were it exchanged for a symbolic link just now,
    // this would change the mode of a file its owner could change anyway.
    try report.check(sys.chmodat(dir, path, 0o700), "open up {s}", .{shown});
    return report.check(sys.openat(dir, path, sys.directory_flags, 0), "open {s}", .{shown});
}

fn openUp(dir: sys.Fd) report.Error!void {
    if (dir == sys.cwd) return;
    return report.check(sys.fchmod(dir, 0o700), "open up a directory", .{});
}

fn moveUp(dir: sys.Fd, name: [:0]const u8, root: sys.Fd, moved: *u32) report.Error!void {
    var buffer: [32]u8 = undefined;
    while (true) {
        moved.* += 1;
        // proven: ten digits at most.
        const to = std.fmt.bufPrintSentinel(&buffer, ".hb-deep-{d}", .{moved.*}, 0) catch
            unreachable;
        var done = sys.renameat(dir, name, root, to);
        if (done == .err and done.err == .ACCES) {
            // A directory's `..` changes with its parent, which takes leave to write to all three.
            for ([_]sys.Fd{ dir, root }) |fd| try openUp(fd);
            try report.check(sys.chmodat(dir, name, 0o700), "open up {s}", .{name});
            done = sys.renameat(dir, name, root, to);
        }
        // A tree may hold a directory of that name.
        if (done == .err and (done.err == .NOTEMPTY or done.err == .NOTDIR)) continue;
        return report.check(done, "move {s}", .{name});
    }
}

fn rewind(fd: sys.Fd) sys.Result(void) {
    return switch (sys.seek(fd, 0, .start)) {
        .ok => .{ .ok = {} },
        .err => |e| .{ .err = e },
    };
}

test "a deep tree with closed directories and links goes, what the links name stays" {
    const files = @import("test_directory.zig");
    const directory = try files.Directory.open();
    defer directory.close();
    try files.writeFile(directory.fd, "kept", "kept");

    var fd = try directory.make("tree", 0o700);
    for (0..3 * depth_max) |_| {
        try files.writeFile(fd, "file", "");
        try files.expectDone(sys.symlinkat(directory.path, fd, "link"));
        try files.expectDone(sys.mkdirat(fd, "shut", 0));
        try files.expectDone(sys.mkdirat(fd, "d", 0o700));
        const next = sys.openat(fd, "d", sys.directory_flags, 0).ok;
        // Closed behind us: neither listed nor entered without a change of mode.
        try files.expectDone(sys.fchmod(fd, 0));
        sys.close(fd);
        fd = next;
    }
    sys.close(fd);
    try tree(directory.fd, "tree");
    try files.expectAbsent(directory.fd, "tree");
    try files.expectFile(directory.fd, "kept", "kept");
    try tree(directory.fd, "tree");
}
