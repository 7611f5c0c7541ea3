//! Starting a host program and hearing what it has to say: newuidmap, newgidmap and pasta.
//!
//! The program starts with default signal dispositions, an empty mask, an empty environment and no
//! descriptors but its standard streams: ours hold locks, and a program that lives on would keep
//! them. Where not said otherwise its output and errors are one pipe, so that a failure is told in
//! its own words.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const descriptors = @import("descriptors.zig");
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

    const process = try startWith(path, args, .{ .output = output[1], .errors = output[1] });
    return .{ .path = path, .pidfd = process.pidfd, .output = output[0] };
}

/// What a program's standard streams are; each must be above 2. No input: it keeps ours.
pub const Streams = struct {
    input: ?sys.Fd = null,
    output: sys.Fd,
    errors: sys.Fd,
};

pub const Process = struct {
    pid: sys.Pid,
    pidfd: sys.Fd,
};

/// Starts `path` with `args` on `streams`, which stay the caller's to close.
pub fn startWith(
    path: [:0]const u8,
    args: [*:null]const ?[*:0]const u8,
    streams: Streams,
) report.Error!Process {
    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "start {s}", .{path});
    if (pid == 0) become(path, args, streams);
    return .{ .pid = pid, .pidfd = pidfd };
}

fn become(
    path: [:0]const u8,
    args: [*:null]const ?[*:0]const u8,
    streams: Streams,
) noreturn {
    signals.reset();
    if (streams.input) |input| _ = sys.dupOver(input, 0);
    _ = sys.dupOver(streams.output, 1);
    _ = sys.dupOver(streams.errors, 2);
    descriptors.closeFrom(3) catch sys.exit(report.exit_hb_failed);
    const empty: [0:null]?[*:0]const u8 = .{};
    const errno = sys.execve(path, args, &empty);
    report.fd = 2;
    report.sayPlain("{s}", .{report.words(errno)});
    sys.exit(report.exit_not_found);
}

/// What follows the last line break in `text`.
pub fn lastLine(text: []const u8) []const u8 {
    const at = std.mem.lastIndexOfScalar(u8, text, '\n') orelse return text;
    return text[at + 1 ..];
}

test "a program that fails is quoted by its last line" {
    try std.testing.expectEqualStrings("b", lastLine("a\nb"));
    try std.testing.expectEqualStrings("a", lastLine("a"));
}
