//! The helper's one way to fail: `hb: <what> : <why>; <what to do>`, once, where it happened.
//!
//! `check` unwraps a `sys.Result`, printing on error, so callers are pure `try`. Whoever catches
//! `error.Reported` prints nothing more. The exit statuses are docker's.

const std = @import("std");
const sys = @import("sys.zig");
const hints = @import("hints.zig");

/// The failure has been printed already.
pub const Error = error{Reported};

/// hb itself failed before the payload ran.
pub const exit_hb_failed: u8 = 125;
/// The payload exists and cannot be executed.
pub const exit_not_executable: u8 = 126;
/// The payload does not exist.
pub const exit_not_found: u8 = 127;

/// Where messages go. The container's side points it at a copy of hb's own stderr, because its
/// descriptor 2 may by then be the payload's.
pub var fd: sys.Fd = 2;

const message_bytes_max = 8192;

/// The last failure, for those who ask about it later.
var last: [512]u8 = undefined;
var last_length: usize = 0;

/// What failed last in this process, cut where it is long; "" where nothing has.
pub fn lastFailure() []const u8 {
    return last[0..last_length];
}

/// Takes over what failed in another process, which has said it already.
pub fn remember(why: []const u8) void {
    last_length = @min(why.len, last.len);
    @memcpy(last[0..last_length], why[0..last_length]);
}

/// The value in `outcome`, or one line naming the step, its object and the errno.
pub fn check(
    outcome: anytype,
    comptime format: []const u8,
    args: anytype,
) Error!Ok(@TypeOf(outcome)) {
    switch (outcome) {
        .ok => |value| return value,
        .err => |errno| {
            failErrno(errno, format, args);
            return error.Reported;
        },
    }
}

/// Prints the step and the errno in words, with advice where hints.zig has some.
pub fn failErrno(errno: sys.E, comptime format: []const u8, args: anytype) void {
    var buffer: [message_bytes_max]u8 = undefined;
    const what = print(&buffer, format, args);
    if (hints.advice(what, errno)) |hint| {
        failure("{s}: {s}; {s}", .{ what, hints.words(errno), hint });
    } else {
        failure("{s}: {s}", .{ what, hints.words(errno) });
    }
}

/// Prints a failure that has no errno. Returns the error, for `return report.fail(...)`.
pub fn fail(comptime format: []const u8, args: anytype) Error {
    failure(format, args);
    return error.Reported;
}

fn failure(comptime format: []const u8, args: anytype) void {
    remember(line(format, args));
}

/// An errno in words.
pub const words = hints.words;

/// A line without the `hb:` in front, for a child whose output its parent quotes.
pub fn sayPlain(comptime format: []const u8, args: anytype) void {
    var buffer: [message_bytes_max]u8 = undefined;
    _ = sys.writeAll(fd, print(&buffer, format ++ "\n", args));
}

/// A notice: something weaker than asked for, and what it costs.
pub fn notice(comptime format: []const u8, args: anytype) void {
    _ = line("notice: " ++ format, args);
}

/// Prints one line; what it says without the `hb:` in front, until the next one.
fn line(comptime format: []const u8, args: anytype) []const u8 {
    const before = "hb: ";
    var buffer: [message_bytes_max]u8 = undefined;
    const message = print(&buffer, format, args);
    const whole = print(&text, before ++ "{s}\n", .{message});
    makeHarmless(whole[0 .. whole.len - 1]);
    whole[whole.len - 1] = '\n';
    _ = sys.writeAll(fd, whole);
    return whole[before.len .. whole.len - 1];
}

/// Names come from images, layers and containers; they must not drive the user's terminal. Nor by
/// the control characters beyond ASCII (ECMA-48's C1), which many terminals take in UTF-8, too.
pub fn makeHarmless(bytes: []u8) void {
    for (bytes, 0..) |*byte, at| {
        const is_second = at > 0 and bytes[at - 1] == 0xc2 and byte.* >= 0x80 and byte.* < 0xa0;
        if (is_second) bytes[at - 1] = '?';
        if (is_second or byte.* < 0x20 or byte.* == 0x7f) byte.* = '?';
    }
}

var text: [message_bytes_max + 8]u8 = undefined;

/// Formats into `buffer`, cutting what does not fit.
fn print(buffer: []u8, comptime format: []const u8, args: anytype) []u8 {
    return std.fmt.bufPrint(buffer, format, args) catch buffer;
}

fn Ok(comptime Outcome: type) type {
    return @FieldType(Outcome, "ok");
}

test "no control character is left, and no letter lost" {
    var bytes = "a\x1b[1m\xc2\x9b2J\x7f \xc3\xa9\xc2\xa0\xc2".*;
    makeHarmless(&bytes);
    try std.testing.expectEqualStrings("a?[1m??2J? \xc3\xa9\xc2\xa0\xc2", &bytes);
}
