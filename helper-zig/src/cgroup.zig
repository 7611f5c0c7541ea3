//! The container's cgroup, which hb has made with its limits in force (src/lifecycle/cgroup.ts):
//! putting the container in, telling that it ran out of memory, and removing it. cgroups(7).
//!
//! The supervisor is never in it: the limits are the payload's, and who reports that a limit was
//! reached must not be stopped by it.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const Listing = @import("dirent.zig").Listing;

pub const Cgroup = struct {
    /// The container's.
    id: []const u8 = "",
    /// None where nothing is limited.
    directories: []const plan.Text = &.{},
    /// Processes killed for want of memory that have been told of.
    kills_told: u64 = 0,

    pub fn of(it: *const plan.Plan) Cgroup {
        const id = it.hb.container.id;
        const planned = it.hb.cgroup orelse return .{ .id = id };
        return .{ .id = id, .directories = planned.directories };
    }

    /// Puts the child in, which waits: nothing of the payload runs outside.
    pub fn enter(cgroup: Cgroup, child: sys.Pid) report.Error!void {
        var text: [16]u8 = undefined;
        // proven: a pid has ten digits at most.
        const pid = std.fmt.bufPrint(&text, "{d}", .{child}) catch unreachable;
        for (cgroup.directories) |path| {
            const doing = "put the container into the cgroup {s}";
            const opened = open(path, "cgroup.procs", .{ .ACCMODE = .WRONLY });
            const file = try report.check(opened, doing, .{path});
            defer sys.close(file);

            try report.check(sys.writeAll(file, pid), doing, .{path});
        }
    }

    /// Whether processes were killed for want of memory since this was asked last, and why.
    pub fn takeShortage(cgroup: *Cgroup) ?Shortage {
        for (cgroup.directories) |path| {
            const kills = numberIn(path, "memory.events", "oom_kill") orelse
                numberIn(path, "memory.oom_control", "oom_kill") orelse continue;
            if (kills <= cgroup.kills_told) return null;
            cgroup.kills_told = kills;
            // Else the machine, or a cgroup above, has run out of it.
            const reached = numberIn(path, "memory.events", "oom") orelse
                numberIn(path, "memory.failcnt", "") orelse 0;
            const limit = numberIn(path, "memory.max", "") orelse
                numberIn(path, "memory.limit_in_bytes", "");
            return .{ .limit = if (reached > 0) limit else null };
        }
        return null;
    }

    /// Lets a paused container go on, for it is to end: signals wait until then, and in version 1
    /// SIGKILL does as well.
    pub fn thaw(cgroup: Cgroup) void {
        for (cgroup.directories) |path| put(path, "cgroup.freeze", "0");
        var buffer: [freezer_bytes_max]u8 = undefined;
        if (cgroup.freezer(&buffer)) |path| put(path, "freezer.state", "THAWED");
    }

    /// Where `hb pause` puts a container in version 1 (src/lifecycle/freezer.ts).
    fn freezer(cgroup: Cgroup, buffer: *[freezer_bytes_max]u8) ?[:0]const u8 {
        const top = "/sys/fs/cgroup/freezer/hb";
        if (cgroup.id.len == 0) return null;
        return std.fmt.bufPrintSentinel(buffer, top ++ "/{s}", .{cgroup.id}, 0) catch null;
    }

    /// Removes what is empty of processes once the container has ended. What resists is left to
    /// the next command that finds the container dead.
    pub fn remove(cgroup: Cgroup) void {
        for (cgroup.directories) |path| removeTree(sys.cwd, path);
        var buffer: [freezer_bytes_max]u8 = undefined;
        if (cgroup.freezer(&buffer)) |path| removeTree(sys.cwd, path);
    }
};

const freezer_bytes_max = 128;

/// A setting that may be missing.
fn put(path: plan.Text, name: []const u8, value: []const u8) void {
    const opened = open(path, name, .{ .ACCMODE = .WRONLY });
    if (opened == .err) return;
    _ = sys.writeAll(opened.ok, value);
    sys.close(opened.ok);
}

/// Processes that were killed for want of memory.
pub const Shortage = struct {
    /// The container's own limit, which was reached; null: there was no memory elsewhere.
    limit: ?u64,
};

/// In the child, once it is in the cgroup: that is where its cgroup namespace begins, so that it
/// sees nothing of the machine's above.
pub fn isolate(it: *const plan.Plan) report.Error!void {
    if (it.hb.cgroup == null or !it.linux.has(.cgroup)) return;
    const made = sys.call(void, .unshare, .{@as(usize, linux.CLONE.NEWCGROUP)});
    return report.check(made, "make a cgroup namespace", .{});
}

fn open(path: plan.Text, name: []const u8, flags: linux.O) sys.Result(sys.Fd) {
    var buffer: [std.Io.Dir.max_path_bytes]u8 = undefined;
    const file = std.fmt.bufPrintSentinel(&buffer, "{s}/{s}", .{ path, name }, 0) catch
        return .{ .err = .NAMETOOLONG };
    return sys.openat(sys.cwd, file, flags, 0);
}

/// The number after the word `key` in a file of the cgroup, or its only one where there is no key.
fn numberIn(path: plan.Text, name: []const u8, key: []const u8) ?u64 {
    const file = switch (open(path, name, .{})) {
        .ok => |file| file,
        .err => return null,
    };
    defer sys.close(file);

    var buffer: [1024]u8 = undefined;
    const length = switch (sys.readAll(file, &buffer)) {
        .ok => |length| length,
        .err => return null,
    };
    return numberAfter(buffer[0..length], key);
}

fn numberAfter(text: []const u8, key: []const u8) ?u64 {
    var lines = std.mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        var words = std.mem.tokenizeScalar(u8, line, ' ');
        if (key.len > 0 and !std.mem.eql(u8, words.next() orelse "", key)) continue;
        return std.fmt.parseInt(u64, words.next() orelse "", 10) catch null;
    }
    return null;
}

/// A payload that may write to its cgroup can have made others in it.
fn removeTree(dir: sys.Fd, path: [:0]const u8) void {
    const removed = sys.unlinkat(dir, path, linux.AT.REMOVEDIR);
    if (removed == .ok or removed.err != .BUSY) return;
    const fd = switch (sys.openat(dir, path, sys.directory_flags, 0)) {
        .ok => |fd| fd,
        .err => return,
    };
    defer sys.close(fd);

    var listing: Listing = .{ .fd = fd };
    while (true) {
        const next = listing.next();
        const entry = (if (next == .ok) next.ok else null) orelse break;
        if (entry.is_dir) removeTree(fd, entry.name);
    }
    // Said by nobody: whoever finds the container dead tries again.
    _ = sys.unlinkat(dir, path, linux.AT.REMOVEDIR);
}

test "a number is found by its key, or is the only one there" {
    const events = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n";
    try std.testing.expectEqual(3, numberAfter(events, "oom_kill"));
    try std.testing.expectEqual(2, numberAfter(events, "oom"));
    try std.testing.expectEqual(67108864, numberAfter("67108864\n", ""));
    try std.testing.expectEqual(null, numberAfter("max\n", ""));
    try std.testing.expectEqual(null, numberAfter(events, "kill"));
}

const files = @import("test_directory.zig");

test "processes killed for want of memory are told once" {
    const place = try files.Directory.open();
    defer place.close();
    try files.writeFile(place.fd, "memory.events", "oom 1\noom_kill 1\n");
    try files.writeFile(place.fd, "memory.max", "67108864\n");
    var cgroup: Cgroup = .{ .directories = &.{place.path} };
    try std.testing.expectEqual(64 << 20, cgroup.takeShortage().?.limit);
    try std.testing.expectEqual(null, cgroup.takeShortage());
    try files.writeFile(place.fd, "memory.events", "oom 0\noom_kill 2\n");
    try std.testing.expectEqual(null, cgroup.takeShortage().?.limit);
}
