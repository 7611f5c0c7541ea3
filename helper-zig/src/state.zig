//! state.json in the container's directory: the runtime-spec's state and, under `hb`, what else is
//! worth telling. Twin of src/lifecycle/state.ts, which reads it.
//!
//! Only the supervisor writes it, always as a whole: with the payload's start, with its end, and
//! with what changes in between. It is news, not truth: whether a container lives is what the lock
//! on its directory says. So a disk that is full stops no container; the next write may succeed.

const std = @import("std");
const sys = @import("sys.zig");
const clock = @import("clock.zig");
const directory = @import("directory.zig");

/// The runtime-spec's words; hb's `created` has no state.json yet.
pub const Status = enum { running, stopped };

pub const State = struct {
    ociVersion: []const u8 = "1.2.0",
    id: []const u8,
    status: Status = .stopped,
    /// The container's first process, as the host sees it.
    pid: ?sys.Pid = null,
    bundle: []const u8,
    annotations: struct {} = .{},
    hb: Extension = .{},
};

pub const Extension = struct {
    supervisor: sys.Pid = 0,
    startedAt: ?[]const u8 = null,
    finishedAt: ?[]const u8 = null,
    exitCode: ?u8 = null,
    signal: ?u8 = null,
    oomKilled: bool = false,
    /// How it ended, in words.
    reason: ?[]const u8 = null,
    /// What failed a start.
    @"error": ?[]const u8 = null,
    restartCount: u32 = 0,
    /// It has ended and will be started again.
    restarting: bool = false,
    /// Somebody has asked for the end.
    stopped: bool = false,
    health: ?Health = null,
};

pub const Health = struct {
    status: Word = .starting,
    failingStreak: u32 = 0,
    log: []const Result = &.{},

    pub const Word = enum { starting, healthy, unhealthy };

    pub const Result = struct {
        start: []const u8,
        end: []const u8,
        exitCode: i32,
        output: []const u8,
    };
};

/// The state and where it is kept.
pub const Record = struct {
    /// -1: nowhere yet.
    dir: sys.Fd = -1,
    state: State,
    started_at: clock.Stamp = undefined,
    finished_at: clock.Stamp = undefined,

    /// The payload runs.
    pub fn started(record: *Record, pid: sys.Pid) void {
        record.started_at = clock.stamp();
        const before = record.state.hb;
        record.state.status = .running;
        record.state.pid = pid;
        record.state.hb = .{
            .supervisor = sys.getpid(),
            .startedAt = &record.started_at,
            .restartCount = before.restartCount,
            .stopped = before.stopped,
            .health = before.health,
        };
        record.write();
    }

    /// The payload has ended.
    pub fn ended(record: *Record, code: u8) void {
        record.finished_at = clock.stamp();
        record.state.status = .stopped;
        record.state.pid = null;
        record.state.hb.finishedAt = &record.finished_at;
        record.state.hb.exitCode = code;
        record.write();
    }

    /// Writes it, if that is possible.
    pub fn write(record: *const Record) void {
        if (record.dir < 0) return;
        const text = print(&buffer, record.state) orelse return;
        _ = directory.writeWhole(record.dir, "state.json", text);
    }
};

/// Five results of a health check with 4 KiB of output each, all of it escaped, and the rest.
/// Pages that are never used are never there.
var buffer: [160 << 10]u8 = undefined;

/// `value` as one line of JSON; null when it does not fit.
pub fn print(into: []u8, value: anytype) ?[]const u8 {
    var writer: std.Io.Writer = .fixed(into);
    const options: std.json.Stringify.Options = .{ .emit_null_optional_fields = false };
    std.json.Stringify.value(value, options, &writer) catch return null;
    writer.writeByte('\n') catch return null;
    return writer.buffered();
}

const files = @import("test_directory.zig");

test "the state of a container that has ended is the runtime-spec's, and hb's beside it" {
    const place = try files.Directory.open();
    defer place.close();
    var record: Record = .{ .dir = place.fd, .state = .{ .id = "ab", .bundle = "/x \"y\"" } };
    record.started(42);
    const running = "{\"ociVersion\":\"1.2.0\",\"id\":\"ab\",\"status\":\"running\",\"pid\":42," ++
        "\"bundle\":\"/x \\\"y\\\"\",\"annotations\":{},\"hb\":{\"supervisor\":";
    var text: [1024]u8 = undefined;
    try std.testing.expect(std.mem.startsWith(u8, try read(place.fd, &text), running));
    record.ended(137);
    const stopped = try read(place.fd, &text);
    try std.testing.expect(std.mem.indexOf(u8, stopped, "\"pid\"") == null);
    try std.testing.expect(std.mem.indexOf(u8, stopped, "\"exitCode\":137,") != null);
    try std.testing.expect(std.mem.indexOf(u8, stopped, "\"startedAt\":\"2") != null);
}

fn read(dir: sys.Fd, text: []u8) ![]const u8 {
    const fd = sys.openat(dir, "state.json", .{}, 0).ok;
    defer sys.close(fd);
    return text[0..sys.readAll(fd, text).ok];
}

test "what does not fit is not written" {
    var small: [16]u8 = undefined;
    try std.testing.expectEqual(null, print(&small, .{ .text = "longer than that" }));
}
