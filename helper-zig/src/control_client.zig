//! `hb-init control DIRECTORY signal N | stop N MS | wait | restart-policy NAME MAX`: one request
//! to the supervisor of the container in DIRECTORY (control.zig). One line on standard output:
//! ```
//!   ok              done
//!   exited STATUS   what was waited for
//!   error TEXT      it cannot be done
//!   gone            nobody listens, or whoever did was killed
//! ```

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const control = @import("control.zig");
const restart = @import("restart.zig");

const Args = []const [*:0]const u8;

/// The subcommand.
pub fn main(args: Args) u8 {
    // Whoever asks may be killed, and nobody else waits for the answer.
    _ = report.check(sys.dieWithParent(), "set the parent death signal", .{}) catch return 1;
    ask(args) catch return 1;
    return 0;
}

fn ask(args: Args) report.Error!void {
    const wrong = "control needs DIRECTORY signal N | stop N MS | wait | restart-policy NAME MAX";
    if (args.len < 2) return report.fail(wrong, .{});
    const request = parse(args[1..]) orelse return report.fail(wrong, .{});
    const path = args[0];
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true };
    const opened = sys.openat(sys.cwd, path, flags, 0);
    const dir = switch (opened) {
        .ok => |fd| fd,
        .err => |e| if (e == .NOENT) return say("gone\n", .{}) else {
            report.failErrno(e, "open {s}", .{path});
            return error.Reported;
        },
    };
    defer sys.close(dir);

    const socket = try connect(dir) orelse return say("gone\n", .{});
    defer sys.close(socket);

    var buffer: [6]u8 = undefined;
    // It fails when nobody is there any more, which reading tells as well.
    _ = sys.send(socket, request.write(&buffer));
    return tell(socket);
}

/// The supervisor's socket in `dir`; null when nobody listens there.
pub fn connect(dir: sys.Fd) report.Error!?sys.Fd {
    const doing = "reach the container's supervisor";
    const socket = try report.check(sys.packetSocket(), doing, .{});
    errdefer sys.close(socket);

    var buffer: [32]u8 = undefined;
    const address = control.addressIn(dir, &buffer);
    // Waits when many ask at once: until there is a place, not for an answer.
    try report.check(sys.setBlocking(socket), doing, .{});
    const connected = sys.connect(socket, &address);
    if (connected == .err and (connected.err == .NOENT or connected.err == .CONNREFUSED)) {
        sys.close(socket);
        return null;
    }
    try report.check(connected, doing, .{});
    return socket;
}

fn tell(socket: sys.Fd) report.Error!void {
    var packet: [512]u8 = undefined;
    const length = switch (sys.read(socket, &packet)) {
        .ok => |n| n,
        // Reset: it had not read the request when it ended.
        .err => 0,
    };
    if (length == 0) return say("gone\n", .{});
    switch (packet[0]) {
        'k' => return say("ok\n", .{}),
        'x' => if (length == 2) return say("exited {d}\n", .{packet[1]}),
        'e' => return say("error {s}\n", .{packet[1..length]}),
        else => {},
    }
    return report.fail("an unexpected answer from the container's supervisor", .{});
}

fn say(comptime format: []const u8, args: anytype) report.Error!void {
    var buffer: [600]u8 = undefined;
    // proven: an answer is shorter than that.
    const line = std.fmt.bufPrint(&buffer, format, args) catch unreachable;
    return report.check(sys.writeAll(1, line), "write the answer", .{});
}

/// Null for what makes no sense.
fn parse(args: Args) ?control.Request {
    const verb = std.mem.span(args[0]);
    const words = args[1..];
    if (std.mem.eql(u8, verb, "signal") and words.len == 1)
        return .{ .signal = number(u8, words[0]) orelse return null };
    if (std.mem.eql(u8, verb, "stop") and words.len == 2) {
        const signal = number(u8, words[0]) orelse return null;
        const ms = number(i32, words[1]) orelse return null;
        return .{ .stop = .{ .signal = signal, .timeout_ms = if (ms < 0) null else @intCast(ms) } };
    }
    if (std.mem.eql(u8, verb, "wait") and words.len == 0) return .wait;
    if (std.mem.eql(u8, verb, "restart-policy") and words.len == 2) {
        const kind = std.meta.stringToEnum(restart.Policy.Kind, std.mem.span(words[0]));
        return .{ .policy = .{
            .kind = kind orelse return null,
            .retries_max = number(u32, words[1]) orelse return null,
        } };
    }
    return null;
}

fn number(comptime T: type, text: [*:0]const u8) ?T {
    return std.fmt.parseInt(T, std.mem.span(text), 10) catch null;
}

test "the words of the command line become a request" {
    const stop = parse(&.{ "stop", "15", "-1" }).?;
    try std.testing.expectEqual(null, stop.stop.timeout_ms);
    const policy = parse(&.{ "restart-policy", "on-failure", "3" }).?;
    try std.testing.expectEqual(.@"on-failure", policy.policy.kind);
    for ([_]Args{ &.{"stop"}, &.{ "signal", "x" }, &.{ "wait", "1" }, &.{"dance"} }) |args|
        try std.testing.expectEqual(null, parse(args));
}
