//! A directory that is being made, and becomes visible whole or not at all.
//!
//! One process at a time makes it: the maker holds flock(2) on the staging directory, others wait
//! in the kernel and then find it made. The lock is on the inode, so whoever gets it checks that
//! the name still means that inode. Words go to the front end on stdout, its consent comes on
//! `control_fd`, and end of file means no:
//!
//! ```
//!   waiting            somebody else is making it
//!   present            it is there; nothing to do
//!   ready              the lock is held, the directory is empty
//!   unpacked {...}     the content is complete (unpack.zig, complete.zig)
//!     <- commit        the digests are right
//!   committed          it has its name, and is held by a shared lock until control ends
//! ```

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const remove = @import("remove.zig");

/// Where the front end's consent comes from.
const control_fd: sys.Fd = 3;
/// Where the words above go.
const words_fd: sys.Fd = 1;

/// Only its maker looks into a directory that is not complete.
const private_mode = 0o700;

pub const Paths = struct { staging: [:0]const u8, commit: [:0]const u8 };

/// The exclusive right to fill `paths.staging`, and the directory itself.
pub const Staging = struct {
    paths: Paths,
    fd: sys.Fd,

    /// Takes the lock and empties the directory; null when the result is there already.
    pub fn open(paths: Paths) report.Error!?Staging {
        while (true) {
            if (try exists(paths.commit)) return null;
            const fd = try lockedDirectory(paths.staging) orelse continue;
            errdefer sys.close(fd);

            const staging: Staging = .{ .paths = paths, .fd = fd };
            if (try exists(paths.commit)) {
                staging.discard();
                return null;
            }
            // What a killed maker left.
            try remove.contents(fd, paths.staging);
            return staging;
        }
    }

    /// Gives the content its name once the front end agrees, and keeps it from being collected
    /// until the front end has its own lock.
    pub fn commit(staging: Staging) report.Error!void {
        if (!try agreed()) return report.fail("unpack: the front end took it back", .{});
        const paths = staging.paths;
        const renamed = sys.renameat(sys.cwd, paths.staging, sys.cwd, paths.commit);
        try report.check(renamed, "rename {s} to {s}", .{ paths.staging, paths.commit });
        // flock(2) does not convert in one step: another may hold the lock in between, and if it
        // was the collector the layer is gone again.
        try report.check(sys.flock(staging.fd, .shared), "lock {s}", .{paths.commit});
        if (!try isNamed(staging.fd, paths.commit)) {
            return report.fail("unpack {s}: it was removed at once", .{paths.commit});
        }
        try say("committed\n", .{});
        waitForEnd();
    }

    /// Removes everything made so far. Failures are reported and otherwise left to the collector.
    pub fn discard(staging: Staging) void {
        remove.contents(staging.fd, staging.paths.staging) catch {};
        // Still under the lock, so that who waits for it sees the name gone.
        _ = sys.unlinkat(sys.cwd, staging.paths.staging, linux.AT.REMOVEDIR);
        sys.close(staging.fd);
    }
};

/// Tells the front end something; it may be gone, and then there is no point in going on.
pub fn say(comptime format: []const u8, args: anytype) report.Error!void {
    var buffer: [512]u8 = undefined;
    // proven: the words above and a few numbers.
    const text = std.fmt.bufPrint(&buffer, format, args) catch unreachable;
    return report.check(sys.writeAll(words_fd, text), "tell the front end", .{});
}

/// What a complete directory holds, for the front end's records and notices.
pub const Summary = struct {
    entries: u64,
    /// The length of the tar stream.
    bytes: u64 = 0,
    /// Questions left for `complete`.
    pending: u64 = 0,
    /// Entries whose owner does not exist here and became root.
    squashed: u64 = 0,
    /// Device nodes that can not be made here.
    skipped: u64 = 0,
};

pub fn sayUnpacked(summary: Summary) report.Error!void {
    try say("unpacked {{\"entries\":{d},\"bytes\":{d},\"pending\":{d}," ++
        "\"squashed\":{d},\"skipped\":{d}}}\n", .{
        summary.entries,  summary.bytes,   summary.pending,
        summary.squashed, summary.skipped,
    });
}

/// Waits until the front end lets go.
pub fn waitForEnd() void {
    var buffer: [64]u8 = undefined;
    while (true) switch (sys.read(control_fd, &buffer)) {
        .ok => |len| if (len == 0) return,
        .err => return,
    };
}

fn agreed() report.Error!bool {
    const word = "commit\n";
    var buffer: [word.len]u8 = undefined;
    const len = try report.check(sys.readAll(control_fd, &buffer), "read control", .{});
    return std.mem.eql(u8, buffer[0..len], word);
}

/// The directory `path`, made if need be and locked; null when it lost its name meanwhile.
fn lockedDirectory(path: [:0]const u8) report.Error!?sys.Fd {
    const made = sys.mkdirat(sys.cwd, path, private_mode);
    if (made == .err and made.err != .EXIST) try report.check(made, "make {s}", .{path});
    const fd = switch (sys.openat(sys.cwd, path, sys.directory_flags, 0)) {
        .ok => |fd| fd,
        .err => |e| {
            if (e == .NOENT) return null;
            report.failErrno(e, "open {s}", .{path});
            return error.Reported;
        },
    };
    errdefer sys.close(fd);

    const free = sys.flock(fd, .exclusive_now);
    if (free == .err) {
        if (free.err != .AGAIN) try report.check(free, "lock {s}", .{path});
        try say("waiting\n", .{});
        // Not for the exclusive lock: once this directory has its name, its maker keeps a shared
        // one on the same inode for as long as a container runs on it. The shared lock comes when
        // the maker is done or dead; then start over, and it is `present` or ours.
        try report.check(sys.flock(fd, .shared), "lock {s}", .{path});
        sys.close(fd);
        return null;
    }
    if (try isNamed(fd, path)) return fd;
    sys.close(fd);
    return null;
}

/// Whether `path` still names the directory `fd`.
fn isNamed(fd: sys.Fd, path: [:0]const u8) report.Error!bool {
    const own = try report.check(sys.fstat(fd), "examine {s}", .{path});
    return switch (sys.statat(sys.cwd, path, linux.AT.SYMLINK_NOFOLLOW)) {
        .ok => |named| named.inode == own.inode and std.meta.eql(named.device, own.device),
        .err => |e| if (e == .NOENT) false else {
            report.failErrno(e, "examine {s}", .{path});
            return error.Reported;
        },
    };
}

fn exists(path: [:0]const u8) report.Error!bool {
    return switch (sys.statat(sys.cwd, path, linux.AT.SYMLINK_NOFOLLOW)) {
        .ok => true,
        .err => |e| if (e == .NOENT) false else {
            report.failErrno(e, "examine {s}", .{path});
            return error.Reported;
        },
    };
}
