//! A plan's text: read from a descriptor, parsed, and checked for what its types cannot say.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");

/// Arguments and environment alone may reach 2 MiB (execve(2)); JSON's escapes at worst sixfold.
const plan_bytes_max = 16 << 20;

/// Reads the plan from `fd` to its end and parses it into `arena`. Closes `fd`.
pub fn read(fd: sys.Fd, arena: std.mem.Allocator) report.Error!plan.Received {
    const text = try readText(fd, arena);
    return .{ .plan = try parse(text, arena), .text = text };
}

/// The same of another command's plan.
pub fn readExec(fd: sys.Fd, arena: std.mem.Allocator) report.Error!plan.ExecPlan {
    const it = try parseAs(plan.ExecPlan, try readText(fd, arena), arena);
    try validateProcess(it.process);
    return it;
}

fn readText(fd: sys.Fd, arena: std.mem.Allocator) report.Error![]const u8 {
    defer sys.close(fd);

    const stat = try report.check(sys.fstat(fd), "read the plan", .{});
    if (stat.size > plan_bytes_max)
        return report.fail("read the plan: larger than {d} bytes", .{plan_bytes_max});
    const text = arena.alloc(u8, @intCast(stat.size)) catch return outOfMemory();
    const length = try report.check(sys.readAll(fd, text), "read the plan", .{});
    return text[0..length];
}

/// Parses `text` into `arena`.
pub fn parse(text: []const u8, arena: std.mem.Allocator) report.Error!plan.Plan {
    const it = try parseAs(plan.Plan, text, arena);
    try validate(it);
    return it;
}

fn parseAs(comptime T: type, text: []const u8, arena: std.mem.Allocator) report.Error!T {
    // Every string ends in a system call, which would silently take what is before it.
    if (hasNul(text)) return report.fail("the plan has a zero byte in a string", .{});
    return std.json.parseFromSliceLeaky(T, arena, text, .{
        .ignore_unknown_fields = true,
        .allocate = .alloc_always,
    }) catch |err| return switch (err) {
        error.OutOfMemory => outOfMemory(),
        else => report.fail("parse the plan: {t}", .{err}),
    };
}

/// Whether a string of the JSON `text` has the escape of a zero byte.
fn hasNul(text: []const u8) bool {
    var from: usize = 0;
    while (std.mem.indexOfPos(u8, text, from, "\\u0000")) |at| : (from = at + 1) {
        var before = at;
        while (before > 0 and text[before - 1] == '\\') before -= 1;
        // An odd number of backslashes in front makes this one an escaped backslash.
        if ((at - before) % 2 == 0) return true;
    }
    return false;
}

/// What the types cannot say.
fn validate(it: plan.Plan) report.Error!void {
    try validateProcess(it.process);
    if (it.hb.container.nameFile) |path| {
        if (path.len == 0 or path[0] != '/')
            return report.fail("the plan has a path that is not absolute: \"{s}\"", .{path});
    }
    for ([_]plan.Text{ it.root.path, it.hb.container.directory }) |path| {
        if (path.len == 0 or path[0] != '/')
            return report.fail("the plan has a path that is not absolute: \"{s}\"", .{path});
    }
    for (it.mounts) |mount| {
        if (mount.destination.len == 0 or mount.destination[0] != '/')
            return report.fail("mount on \"{s}\": not an absolute path", .{mount.destination});
    }
    const isolated = it.linux.has(.mount) and it.linux.has(.pid);
    if (!isolated) return report.fail("the plan asks for no mount or no pid namespace", .{});
}

fn validateProcess(process: plan.Process) report.Error!void {
    if (process.args.len == 0) return report.fail("the plan names no program to run", .{});
    const cwd = process.cwd;
    if (cwd.len == 0 or cwd[0] != '/')
        return report.fail("the plan has a path that is not absolute: \"{s}\"", .{cwd});
}

fn outOfMemory() report.Error {
    return report.fail("read the plan: out of memory", .{});
}

test "a zero byte is told from its spelling" {
    try std.testing.expect(hasNul("\"a\\u0000\""));
    try std.testing.expect(hasNul("\"a\\\\\\u0000\""));
    try std.testing.expect(!hasNul("\"a\\\\u0000\""));
}
