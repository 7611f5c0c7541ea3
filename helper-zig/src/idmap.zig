//! The id maps of a user namespace (user_namespaces(7)), written from outside by its parent.
//!
//! Ranges need newuidmap(1) and newgidmap(1), which check /etc/subuid and /etc/subgid. They are
//! started together: each costs most of a millisecond of exec and name service look-ups.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const spawn = @import("spawn.zig");
pub const IdMapping = @import("plan.zig").IdMapping;
const IdTools = @import("plan.zig").IdTools;

pub const Maps = struct {
    uid: []const IdMapping,
    gid: []const IdMapping,
    /// Absent: this process writes the maps itself.
    tools: ?IdTools = null,

    /// Whether only one group id exists inside: then setgroups(2) is refused there for good.
    pub fn isSingle(maps: Maps) bool {
        return maps.gid.len == 1 and maps.gid[0].size == 1;
    }
};

/// Lines the kernel accepts in one map (user_namespaces(7)).
pub const mappings_max = 340;

/// Maps under way; `finish` waits for them.
pub const Pending = struct {
    uid: ?spawn.Child = null,
    gid: ?spawn.Child = null,

    pub fn finish(pending: Pending) report.Error!void {
        if (pending.uid) |child| child.finish() catch |err| {
            // The same cause as a rule; one line is enough.
            if (pending.gid) |other| other.abandon();
            return err;
        };
        if (pending.gid) |child| try child.finish();
    }
};

/// Starts mapping the ids of `pid`, a process alone in its new user namespace.
pub fn start(pid: sys.Pid, maps: Maps) report.Error!Pending {
    const tools = maps.tools orelse {
        try writeDirectly(pid, maps);
        return .{};
    };
    const uid = try startTool(tools.newuidmap, pid, maps.uid);
    errdefer uid.abandon();
    const gid = try startTool(tools.newgidmap, pid, maps.gid);
    return .{ .uid = uid, .gid = gid };
}

/// Maps the ids of `pid` and returns when they are in force.
pub fn write(pid: sys.Pid, maps: Maps) report.Error!void {
    const pending = try start(pid, maps);
    return pending.finish();
}

fn startTool(path: [:0]const u8, pid: sys.Pid, map: []const IdMapping) report.Error!spawn.Child {
    var text: [mappings_max * 3 * 11 + 16]u8 = undefined;
    var args: [mappings_max * 3 + 3]?[*:0]const u8 = undefined;
    var writer: std.Io.Writer = .fixed(&text);
    args[0] = path;
    var count: usize = 1;
    // The lengths above hold every number: mappings_max is checked where a map enters.
    appendNumber(&writer, &args, &count, @intCast(pid));
    for (map) |mapping| {
        appendNumber(&writer, &args, &count, mapping.containerID);
        appendNumber(&writer, &args, &count, mapping.hostID);
        appendNumber(&writer, &args, &count, mapping.size);
    }
    args[count] = null;
    return spawn.start(path, args[0..count :null]);
}

fn appendNumber(
    writer: *std.Io.Writer,
    args: []?[*:0]const u8,
    count: *usize,
    number: u32,
) void {
    const begin = writer.end;
    // proven: the buffer is sized for mappings_max lines of three ten-digit numbers.
    writer.print("{d}\x00", .{number}) catch unreachable;
    args[count.*] = @ptrCast(writer.buffer[begin..].ptr);
    count.* += 1;
}

fn writeDirectly(pid: sys.Pid, maps: Maps) report.Error!void {
    const groups = writeMap(pid, "gid_map", maps.gid);
    if (groups == .err and groups.err == .PERM) {
        // Without CAP_SETGID outside, the kernel wants setgroups given up first: dropping a group
        // could otherwise open files that deny that group (CVE-2014-8989).
        try report.check(writeText(pid, "setgroups", "deny"), "deny setgroups", .{});
        try report.check(writeMap(pid, "gid_map", maps.gid), "map group ids", .{});
    } else {
        try report.check(groups, "map group ids", .{});
    }
    try report.check(writeMap(pid, "uid_map", maps.uid), "map user ids", .{});
}

fn writeMap(pid: sys.Pid, name: []const u8, map: []const IdMapping) sys.Result(void) {
    var buffer: [mappings_max * 3 * 11]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    for (map) |m| {
        // proven: sized for mappings_max lines of three ten-digit numbers.
        writer.print("{d} {d} {d}\n", .{ m.containerID, m.hostID, m.size }) catch unreachable;
    }
    return writeText(pid, name, writer.buffered());
}

fn writeText(pid: sys.Pid, name: []const u8, text: []const u8) sys.Result(void) {
    var path: [64:0]u8 = @splat(0);
    // proven: a pid has ten digits at most and the names are those above.
    _ = std.fmt.bufPrint(&path, "/proc/{d}/{s}", .{ pid, name }) catch unreachable;
    const fd = switch (sys.openat(sys.cwd, &path, .{ .ACCMODE = .WRONLY }, 0)) {
        .ok => |fd| fd,
        .err => |e| return .{ .err = e },
    };
    defer sys.close(fd);

    return switch (sys.write(fd, text)) {
        .ok => .{ .ok = {} },
        .err => |e| .{ .err = e },
    };
}

/// `container:host:size[,…]` as the command line has it.
pub fn parse(text: []const u8, out: []IdMapping) error{Invalid}![]const IdMapping {
    var count: usize = 0;
    var lines = std.mem.splitScalar(u8, text, ',');
    while (lines.next()) |line| : (count += 1) {
        if (count == out.len) return error.Invalid;
        var numbers = std.mem.splitScalar(u8, line, ':');
        out[count] = .{
            .containerID = try parseNumber(numbers.next()),
            .hostID = try parseNumber(numbers.next()),
            .size = try parseNumber(numbers.next()),
        };
        if (numbers.next() != null or out[count].size == 0) return error.Invalid;
    }
    return out[0..count];
}

fn parseNumber(text: ?[]const u8) error{Invalid}!u32 {
    return std.fmt.parseInt(u32, text orelse return error.Invalid, 10) catch error.Invalid;
}

test "a map is read as container, host and size" {
    var buffer: [4]IdMapping = undefined;
    const map = try parse("0:1000:1,1:100000:65536", &buffer);
    try std.testing.expectEqual(2, map.len);
    try std.testing.expectEqual(1, map[1].containerID);
    try std.testing.expectEqual(100000, map[1].hostID);
    try std.testing.expectEqual(65536, map[1].size);
}

test "a map with anything missing or left over is refused" {
    var buffer: [1]IdMapping = undefined;
    const refused = [_][]const u8{
        "",       "0",     "0:1",    "0:1:0",       "0:1:2:3",
        "0:1:2,", "a:1:2", "-1:0:1", "0:1:1,1:2:1",
    };
    for (refused) |text| {
        try std.testing.expectError(error.Invalid, parse(text, &buffer));
    }
}
