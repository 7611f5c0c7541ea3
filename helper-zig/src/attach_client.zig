//! Following a running container's streams from outside: what it writes appears here, what is typed
//! here reaches it, until it ends or the detach keys are pressed. `run --attach`, `start -a`,
//! `attach`. The supervisor's side of the conversation is fanout.zig.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const poll = @import("poll.zig");
const pump = @import("pump.zig");
const signals = @import("signals.zig");
const terminal = @import("terminal.zig");
const packets = @import("packets.zig");
const control = @import("control.zig");
const DetachKeys = @import("detach_keys.zig").DetachKeys;
const keys_max = @import("detach_keys.zig").keys_max;

const POLL = linux.POLL;

/// The supervisor went away without a word: it was killed, and the container with it. That is also
/// what `hb ps` will say of how it ended.
const exit_killed = 137;

/// What docker passes on (signal.CatchAll and sig-proxy): not what tells about this very process.
const proxied = signals.Set.all.without(&.{
    .KILL, .STOP, .CHLD, .PIPE, .TTIN, .TTOU, .URG, .XFSZ, .XCPU, .WINCH,
    .SEGV, .BUS,  .FPE,  .ILL,  .TRAP, .SYS,
});

/// Signals that end a program which does nothing about them.
const ending = signals.Set.of(&.{ .INT, .TERM, .HUP, .QUIT });

const watched = signals.Set.of(&.{.WINCH});

/// One packet each way.
var incoming: [1 + packets.output_bytes_max]u8 = undefined;
var outgoing: [1 + packets.input_bytes_max]u8 = undefined;

/// Follows the streams behind `fd`, a conversation with a supervisor that knows what is wanted;
/// the exit status for hb.
pub fn follow(fd: sys.Fd, wanted: plan.Attach) u8 {
    return converse(fd, wanted, .from_the_start);
}

/// `attach DIRECTORY [--no-stdin] [--no-sig-proxy] [--detach-keys HEX]`: the exit status is the
/// container's, or 0 once detached.
pub fn main(args: []const [*:0]const u8) u8 {
    return connect(args) catch 1;
}

fn connect(args: []const [*:0]const u8) report.Error!u8 {
    if (args.len == 0) return report.fail("attach needs a container's directory", .{});
    var wanted: plan.Attach = .{ .stdin = true };
    var at: usize = 1;
    while (at < args.len) : (at += 1) {
        const flag = std.mem.span(args[at]);
        if (std.mem.eql(u8, flag, "--no-stdin")) {
            wanted.stdin = false;
        } else if (std.mem.eql(u8, flag, "--no-sig-proxy")) {
            wanted.sigProxy = false;
        } else if (std.mem.eql(u8, flag, "--detach-keys") and at + 1 < args.len) {
            at += 1;
            wanted.detachKeys = std.mem.span(args[at]);
        } else return report.fail("attach: unknown flag {s}", .{flag});
    }
    const doing = "attach to the container in {s}";
    const path: plan.Text = std.mem.span(args[0]);
    const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };
    const dir = try report.check(sys.openat(sys.cwd, path, flags, 0), doing, .{path});
    var buffer: [32]u8 = undefined;
    const address = control.addressIn(dir, &buffer);
    const fd = try report.check(sys.packetSocket(), doing, .{path});
    const connected = sys.connect(fd, &address);
    sys.close(dir);
    if (connected == .err and (connected.err == .NOENT or connected.err == .CONNREFUSED))
        return report.fail("attach: the container is not running", .{});
    try report.check(connected, doing, .{path});
    const wishes: packets.Wishes = .{ .input = wanted.stdin, .output = wanted.output };
    try report.check(packets.send(fd, .attach, &.{@bitCast(wishes)}), doing, .{path});
    return converse(fd, wanted, .later);
}

const Moment = enum { from_the_start, later };

fn converse(fd: sys.Fd, wanted: plan.Attach, moment: Moment) u8 {
    // A reader that has gone away is an errno of its write.
    signals.ignore(.PIPE);
    const held: signals.Set = .{ .bits = proxied.bits | watched.bits };
    signals.block(held);
    const signal_fd = signals.descriptor(held);
    var client: Client = .{
        .fd = fd,
        .wanted = wanted,
        .moment = moment,
        .keys = .parse(wanted.detachKeys),
        .signal_fd = if (signal_fd == .ok) signal_fd.ok else -1,
        .outputs = .{ pump.outputEnd(1), pump.outputEnd(2) },
    };
    defer client.raw.leave();

    return while (true) {
        if (client.turn()) |status| break status;
    };
}

const Client = struct {
    fd: sys.Fd,
    wanted: plan.Attach,
    moment: Moment,
    keys: DetachKeys,
    signal_fd: sys.Fd,
    outputs: [2]pump.End,
    offer: ?packets.Offer = null,
    raw: terminal.Raw = .{},
    /// Standard input may be read: the last piece has arrived.
    may_send: bool = false,
    /// The bytes on their way to one of `outputs`.
    pending: []const u8 = "",
    to: usize = 0,

    /// Waits for something to happen and deals with it; the exit status, once there is one.
    fn turn(client: *Client) ?u8 {
        var set: poll.Set = .{};
        const is_writing = client.pending.len > 0;
        const signal = set.add(client.signal_fd, POLL.IN);
        // What has not been written yet is not followed by more.
        const supervisor = set.add(if (is_writing) -1 else client.fd, POLL.IN);
        const output = set.add(if (is_writing) client.outputs[client.to].fd else -1, POLL.OUT);
        const input = set.add(if (client.may_send) 0 else -1, POLL.IN);
        set.wait() catch return report.exit_hb_failed;
        if (set.ready(signal) != 0) if (client.takeSignals()) |status| return status;
        if (set.ready(output) != 0) client.write();
        if (set.ready(supervisor) != 0) if (client.hear()) |status| return status;
        if (set.ready(input) != 0) return client.sendInput();
        return null;
    }

    fn hear(client: *Client) ?u8 {
        const packet = switch (packets.receive(client.fd, &incoming)) {
            .ok => |packet| packet,
            // It has closed its end with something from us unread: what it sent is still there.
            .err => |e| return if (e == .AGAIN or e == .CONNRESET) null else client.lost(),
        };
        if (packet.len == 0) return client.lost();
        const body = packet[1..];
        switch (@as(packets.Kind, @fromBackingInt(packet[0]))) {
            .accepted => if (client.offer == null) {
                if (body.len == 1) client.begin(@bitCast(body[0]));
            } else {
                client.may_send = true;
            },
            .output, .errors => |kind| {
                client.pending = body;
                client.to = if (kind == .output) 0 else 1;
                if (client.outputs[client.to].nonblocking) client.write();
            },
            .ended => return if (body.len == 1) body[0] else client.lost(),
            // It never began, and why has been said.
            .failed => return if (body.len == 1) body[0] else client.lost(),
            .refused => {
                report.fail("attach: {s}", .{body}) catch {};
                return 1;
            },
            else => {},
        }
        return null;
    }

    /// The payload runs, and this is what it has.
    fn begin(client: *Client, offer: packets.Offer) void {
        client.offer = offer;
        client.may_send = offer.input and client.wanted.stdin;
        if (!offer.terminal) return;
        if (client.may_send) client.raw.enter();
        // A size that is not what it was makes programs draw their screen again.
        if (client.moment == .later) client.sendSize(1);
        client.sendSize(0);
    }

    fn sendSize(client: *Client, extra: u16) void {
        const size = terminal.sizeHere() orelse return;
        var body: [4]u8 = undefined;
        std.mem.writeInt(u16, body[0..2], size.rows +| extra, .little);
        std.mem.writeInt(u16, body[2..4], size.columns, .little);
        client.send(.size, &body);
    }

    /// The container's end is heard of when it comes; a full socket means a supervisor at work.
    fn send(client: *Client, kind: packets.Kind, body: []const u8) void {
        _ = packets.send(client.fd, kind, body);
    }

    fn write(client: *Client) void {
        switch (client.outputs[client.to].write(client.pending)) {
            .ok => |length| client.pending = client.pending[length..],
            // Nobody reads that stream any more; the other one goes on.
            .err => |e| if (e != .AGAIN) {
                client.pending = "";
            },
        }
    }

    /// The exit status, when the detach keys were pressed.
    fn sendInput(client: *Client) ?u8 {
        // Keys are pressed on terminals; what comes from a file is data.
        const is_raw = client.raw.before != null;
        const body = outgoing[1..];
        const room = if (is_raw) body[keys_max..] else body;
        const typed = switch (sys.read(0, room)) {
            .ok => |length| length,
            .err => |e| if (e == .AGAIN) return null else 0,
        };
        if (typed == 0) {
            client.may_send = false;
            // A terminal has no end of file but the character for it.
            if (client.offer.?.terminal and !is_raw) client.send(.input, "\x04");
            client.send(.input_end, "");
            return null;
        }
        const length = if (is_raw) client.keys.take(body, typed) else typed;
        if (length > 0) {
            outgoing[0] = @backingInt(packets.Kind.input);
            _ = packets.sendWhole(client.fd, outgoing[0 .. 1 + length]);
            client.may_send = false;
        }
        if (!client.keys.pressed) return null;
        client.raw.leave();
        _ = sys.writeAll(2, "read escape sequence\n");
        return 0;
    }

    /// The exit status, when one of them ends this process.
    fn takeSignals(client: *Client) ?u8 {
        var info: linux.signalfd_siginfo = undefined;
        while (sys.read(client.signal_fd, std.mem.asBytes(&info)) == .ok) {
            const signal: u8 = @intCast(info.signo);
            const offer = client.offer orelse packets.Offer{};
            if (signal == signals.number(.WINCH)) {
                if (offer.terminal) client.sendSize(0);
            } else if (client.wanted.sigProxy and !offer.terminal) {
                client.send(.signal, &.{signal});
            } else if (ending.has(signal)) {
                return 128 + signal;
            } else if (signal == signals.number(.TSTP)) {
                client.stop();
            }
        }
        return null;
    }

    /// ^Z, where it does not go to the container: stops this process alone.
    fn stop(client: *Client) void {
        const was_raw = client.raw.before != null;
        client.raw.leave();
        const stop_signal: signals.Signal = .STOP;
        _ = sys.kill(sys.getpid(), signals.number(stop_signal));
        if (was_raw) client.raw.enter();
    }

    /// End of file without a word before it.
    fn lost(client: *const Client) u8 {
        if (client.offer == null) {
            report.fail("start the container: its supervisor was killed", .{}) catch {};
            return report.exit_hb_failed;
        }
        report.fail("follow the container: its supervisor was killed, or has given up on a " ++
            "reader that read nothing for two seconds; see 'hb ps -a'", .{}) catch {};
        return exit_killed;
    }
};
