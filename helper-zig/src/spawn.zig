//! Starting a host program and hearing what it has to say: for newuidmap and newgidmap.
//!
//! The program starts with default signal dispositions, an empty mask and an empty environment.
//! Its standard output and error are one pipe, so that a failure is told in its own words.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");

/// A program under way.
pub const Child = struct {
    path: [:0]const u8,
    pidfd: sys.Fd,
    output: sys.Fd,

    /// Waits for a program whose outcome no longer matters.
    pub fn abandon(child: Child) void {
        defer sys.close(child.pidfd);
        // Without a reader it cannot be held up by what it has to say.
        sys.close(child.output);
        _ = sys.wait(child.pidfd);
    }

    /// Waits for the program to end well, or fails with what it printed last.
    pub fn finish(child: Child) report.Error!void {
        defer sys.close(child.pidfd);
        defer sys.close(child.output);

        var buffer: [output_bytes_max]u8 = undefined;
        const length = switch (sys.readAll(child.output, &buffer)) {
            .ok => |n| n,
            .err => 0,
        };
        const ended = try report.check(sys.wait(child.pidfd), "wait for {s}", .{child.path});
        if (ended == .exited and ended.exited == 0) return;
        const said = std.mem.trim(u8, buffer[0..length], " \n");
        if (said.len > 0) return report.fail("run {s}: {s}", .{ child.path, lastLine(said) });
        return report.fail("run {s}: {t} {d}", .{ child.path, ended, ended.status() });
    }
};

const output_bytes_max = 4096;

/// Starts `path` with `args` (the program's name first, null-terminated).
pub fn start(path: [:0]const u8, args: [*:null]const ?[*:0]const u8) report.Error!Child {
    const output = try report.check(sys.pipe(), "open a pipe for {s}", .{path});
    errdefer sys.close(output[0]);
    defer sys.close(output[1]);

    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "start {s}", .{path});
    if (pid == 0) become(path, args, output[1]);
    return .{ .path = path, .pidfd = pidfd, .output = output[0] };
}

fn become(path: [:0]const u8, args: [*:null]const ?[*:0]const u8, output: sys.Fd) noreturn {
    signals.reset();
    _ = sys.dupOver(output, 1);
    _ = sys.dupOver(output, 2);
    const empty: [0:null]?[*:0]const u8 = .{};
    const errno = sys.execve(path, args, &empty);
    report.fd = 2;
    report.sayPlain("{s}", .{report.words(errno)});
    sys.exit(report.exit_not_found);
}

fn lastLine(text: []const u8) []const u8 {
    const at = std.mem.lastIndexOfScalar(u8, text, '\n') orelse return text;
    return text[at + 1 ..];
}

test "a program that fails is quoted by its last line" {
    try std.testing.expectEqualStrings("b", lastLine("a\nb"));
    try std.testing.expectEqualStrings("a", lastLine("a"));
}
