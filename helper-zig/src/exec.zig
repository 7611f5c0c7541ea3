//! The last steps before the payload: its working directory, the search for its program. Statuses
//! as docker's and the shells': 127 not found, 126 not executable.

const std = @import("std");
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const inside = @import("inside.zig");
const diagnose = @import("diagnose.zig");

/// Where a program is looked for when the environment names no PATH.
const default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const path_bytes_max = 4096;

/// The arguments and environment in the form execve(2) takes.
pub const Program = struct {
    args: [:null]const ?[*:0]const u8,
    env: [:null]const ?[*:0]const u8,
    /// PATH of the container's environment.
    path: []const u8,
    name: [:0]const u8,

    /// From the plan; HOME is the user's where the environment has none (or an empty one).
    pub fn prepare(
        process: plan.Process,
        home: []const u8,
        arena: std.mem.Allocator,
    ) report.Error!Program {
        return build(process, home, arena) catch
            report.fail("prepare the program's arguments: out of memory", .{});
    }

    fn build(
        process: plan.Process,
        home: []const u8,
        arena: std.mem.Allocator,
    ) error{OutOfMemory}!Program {
        const args = try arena.allocSentinel(?[*:0]const u8, process.args.len, null);
        for (process.args, args) |from, *to| to.* = from;

        var env: std.ArrayList(?[*:0]const u8) = .empty;
        try env.ensureTotalCapacity(arena, process.env.len + 2);
        var path: []const u8 = default_path;
        var has_home = false;
        for (process.env) |variable| {
            if (valueOf(variable, "HOME=")) |value| {
                if (value.len == 0) continue;
                has_home = true;
            }
            if (valueOf(variable, "PATH=")) |value| path = value;
            env.appendAssumeCapacity(variable);
        }
        if (!has_home) {
            const text = try std.mem.concatWithSentinel(arena, u8, &.{ "HOME=", home }, 0);
            env.appendAssumeCapacity(text);
        }
        return .{
            .args = args,
            .env = try env.toOwnedSliceSentinel(arena, null),
            .path = path,
            .name = process.args[0],
        };
    }
};

fn valueOf(variable: []const u8, comptime name: []const u8) ?[]const u8 {
    if (!std.mem.startsWith(u8, variable, name)) return null;
    return variable[name.len..];
}

/// Makes the working directory where the image has none, as docker does: root's, mode 755.
pub fn makeCwd(process: plan.Process, root: inside.Root) report.Error!void {
    sys.close(try root.makeDirectory(process.cwd));
}

/// Enters the working directory as root; false when only the payload's user may (a home directory
/// on a volume, say), to be tried again as that user.
pub fn tryEnterCwd(process: plan.Process) report.Error!bool {
    const entered = sys.chdir(process.cwd);
    if (entered == .err and (entered.err == .ACCES or entered.err == .PERM)) return false;
    try report.check(entered, "enter the working directory {s}", .{process.cwd});
    return true;
}

/// Enters the working directory, or fails.
pub fn enterCwd(process: plan.Process) report.Error!void {
    return report.check(
        sys.chdir(process.cwd),
        "enter the working directory {s}",
        .{process.cwd},
    );
}

/// A working directory like /proc/self/fd/7 can be a host directory that a descriptor still holds
/// open; the kernel then says that it is not below the root (CVE-2024-21626).
pub fn verifyCwdIsInside(process: plan.Process) report.Error!void {
    var buffer: [path_bytes_max]u8 = undefined;
    const length = switch (sys.getcwd(&buffer)) {
        .ok => |n| n,
        .err => |e| switch (e) {
            // Longer than any buffer the call takes: deep, and inside.
            .NAMETOOLONG, .RANGE => return,
            else => {
                report.failErrno(e, "find the working directory {s}", .{process.cwd});
                return error.Reported;
            },
        },
    };
    if (length == 0 or buffer[0] != '/')
        return report.fail("the working directory {s} is outside the container", .{process.cwd});
}

/// Becomes the payload; on failure says why and gives the exit status.
pub fn payload(program: Program) u8 {
    signals.reset();
    if (program.name.len == 0) {
        report.fail("exec \"\": the command is empty", .{}) catch {};
        return report.exit_not_found;
    }
    if (std.mem.indexOfScalar(u8, program.name, '/') != null) {
        const errno = sys.execve(program.name, program.args, program.env);
        return diagnose.failure(program.name, program.name, errno);
    }
    return search(program);
}

/// execvp(3) over the container's PATH.
fn search(program: Program) u8 {
    var denied: ?sys.E = null;
    var denied_path: [path_bytes_max:0]u8 = undefined;
    var directories = std.mem.splitScalar(u8, program.path, ':');
    while (directories.next()) |directory| {
        var candidate: [path_bytes_max:0]u8 = undefined;
        const path = join(directory, program.name, &candidate) orelse continue;
        const errno = sys.execve(path, program.args, program.env);
        switch (errno) {
            // A directory of that name, or one we may not look into: another may have it.
            .ACCES => if (denied == null) {
                denied = errno;
                denied_path = candidate;
            },
            .NOENT, .NOTDIR => if (diagnose.exists(path))
                return diagnose.failure(program.name, path, errno),
            else => return diagnose.failure(program.name, path, errno),
        }
    }
    if (denied) |errno|
        return diagnose.failure(program.name, std.mem.sliceTo(&denied_path, 0), errno);
    report.fail("exec \"{s}\": not found in PATH ({s})", .{ program.name, program.path }) catch {};
    return report.exit_not_found;
}

/// `directory/name`; an empty directory is the working one. Null when too long.
fn join(directory: []const u8, name: []const u8, buffer: *[path_bytes_max:0]u8) ?[:0]const u8 {
    const first = if (directory.len == 0) "." else directory;
    return std.fmt.bufPrintSentinel(buffer, "{s}/{s}", .{ first, name }, 0) catch null;
}

test "an empty PATH entry is the working directory" {
    var buffer: [path_bytes_max:0]u8 = undefined;
    try std.testing.expectEqualStrings("./ls", join("", "ls", &buffer).?);
    try std.testing.expectEqualStrings("/bin/ls", join("/bin", "ls", &buffer).?);
}

test "HOME is added only where the environment has none" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();

    const cases = [_]struct { env: []const plan.Text, last: []const u8 }{
        .{ .env = &.{"PATH=/x"}, .last = "HOME=/root" },
        .{ .env = &.{"HOME=/else"}, .last = "HOME=/else" },
        .{ .env = &.{"HOME="}, .last = "HOME=/root" },
    };
    for (cases) |case| {
        const process: plan.Process = .{ .args = &.{"ls"}, .cwd = "/", .env = case.env };
        const program = try Program.prepare(process, "/root", arena.allocator());
        const last = program.env[program.env.len - 1].?;
        try std.testing.expectEqualStrings(case.last, std.mem.span(last));
    }
}
