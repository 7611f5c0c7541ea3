//! The named handshake between the two sides of a clone, over one socket pair.
//!
//! ```
//!   parent                          child
//!     | <--- device_made (+ 1 fd) --- |   behind pasta: its device can be asked for
//!     | ------- ids_mapped ---------> |   it may become root of its namespace
//!     | <---- terminal (+ 2 fds) ---- |   with `-t`: the pty's master and slave
//!     | ------ network_ready -------> |   where hb makes the network: it may become the payload
//!     | <---- failed (+ the line) --- |   it will not, and has said why: the end of file that
//!     |                               |   follows is no success
//!     | <-------- EOF --------------- |   the payload has been exec'd, or the child is gone
//! ```
//! End of file is always a no: a side that dies, however it dies, stops the other one.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");

pub const Message = enum(u8) {
    device_made = 'd',
    ids_mapped = 'm',
    network_ready = 'n',
    terminal = 't',
    failed = 'f',
    _,
};

/// Both ends before the clone.
pub const Pair = struct {
    parent: Peer,
    child: Peer,

    pub fn open() report.Error!Pair {
        const fds = try report.check(sys.socketpair(), "open a socket pair", .{});
        return .{ .parent = .{ .fd = fds[0] }, .child = .{ .fd = fds[1] } };
    }
};

/// What `receive` got: a message with what came along, or that the other is gone.
pub const Received = union(enum) {
    message: Message,
    /// Why the other side cannot go on; in the caller's buffer.
    failed: []const u8,
    gone,
};

/// What comes along with a message.
pub const Along = struct {
    fds: [fds_max]sys.Fd = @splat(-1),
    packet: [512]u8 = undefined,
};

/// One end of the pair, after the clone.
pub const Peer = struct {
    fd: sys.Fd,

    pub fn close(peer: Peer) void {
        sys.close(peer.fd);
    }

    pub fn send(peer: Peer, message: Message) report.Error!void {
        return peer.sendWith(message, &.{});
    }

    /// Sends `message`; that the other side is gone already is for others to notice.
    pub fn tell(peer: Peer, message: Message) void {
        _ = linux.sendto(peer.fd, &.{@backingInt(message)}, 1, linux.MSG.NOSIGNAL, null, 0);
    }

    /// Sends `message` and copies of `fds` (at most `fds_max`).
    pub fn sendWith(peer: Peer, message: Message, fds: []const sys.Fd) report.Error!void {
        var control: Control = .{};
        var byte = [1]u8{@backingInt(message)};
        const vector: sys.Vector = .{ .base = &byte, .len = 1 };
        var header: sys.MessageHeader = .{ .vectors = &vector };
        if (fds.len > 0) {
            control.header.len = @sizeOf(linux.cmsghdr) + fds.len * @sizeOf(sys.Fd);
            @memcpy(control.fds[0..fds.len], fds);
            header.control = &control;
            header.control_len = @sizeOf(Control);
        }
        const sent = sys.sendmsg(peer.fd, &header);
        // Gone, and it has said why.
        if (sent == .err and sent.err == .PIPE) return error.Reported;
        _ = try report.check(sent, "tell the other side of the container {t}", .{message});
    }

    /// Tells that this side cannot go on; that the other is gone already is no news.
    pub fn tellFailure(peer: Peer, why: []const u8) void {
        var packet: [512]u8 = undefined;
        packet[0] = @backingInt(Message.failed);
        const length = @min(why.len, packet.len - 1);
        @memcpy(packet[1..][0..length], why[0..length]);
        // What a payload's filter lets through is unknown; but what failed was written as well.
        _ = sys.write(peer.fd, packet[0 .. length + 1]);
    }

    /// Waits for the one message that may come next; anything else, end of file too, is an error.
    /// Silent when the other side is gone: it has said why.
    pub fn expect(peer: Peer, message: Message) report.Error!void {
        var along: Along = .{};
        switch (try peer.receive(&along)) {
            .gone, .failed => return error.Reported,
            .message => |got| if (got != message)
                return report.fail("unexpected message from the other side: {d}", .{got}),
        }
    }

    /// The next message; the descriptors that came with it in `along`, the rest set to -1.
    pub fn receive(peer: Peer, along: *Along) report.Error!Received {
        var control: Control = .{};
        const vector: sys.Vector = .{ .base = &along.packet, .len = along.packet.len };
        var header: sys.MessageHeader = .{
            .vectors = &vector,
            .control = &control,
            .control_len = @sizeOf(Control),
        };
        const received = sys.recvmsg(peer.fd, &header);
        // A side killed with unread bytes in its socket resets the connection.
        if (received == .err and received.err == .CONNRESET) return .gone;
        const length = try report.check(received, "hear from the other side of the container", .{});
        if (length == 0) return .gone;
        along.fds = @splat(-1);
        if (header.control_len >= @sizeOf(linux.cmsghdr)) {
            const count = (control.header.len - @sizeOf(linux.cmsghdr)) / @sizeOf(sys.Fd);
            const taken = @min(count, fds_max);
            @memcpy(along.fds[0..taken], control.fds[0..taken]);
        }
        const message: Message = @fromBackingInt(along.packet[0]);
        if (message == .failed) return .{ .failed = along.packet[1..length] };
        return .{ .message = message };
    }

    /// Stops here if the other side has died: for the gap before PR_SET_PDEATHSIG takes effect.
    pub fn stillThere(peer: Peer) report.Error!void {
        if (peer.isGone()) return error.Reported;
    }

    /// Whether the other side has closed its end: the first thing a process that ends loses.
    pub fn isGone(peer: Peer) bool {
        var fds = [1]linux.pollfd{.{ .fd = peer.fd, .events = 0, .revents = 0 }};
        // It fails only for bad addresses.
        return sys.poll(&fds, 0) == .ok and fds[0].revents & linux.POLL.HUP != 0;
    }
};

const fds_max = 2;

const Control = extern struct {
    header: linux.cmsghdr = .{
        .len = 0,
        .level = linux.SOL.SOCKET,
        .type = scm_rights,
    },
    fds: [fds_max]sys.Fd align(8) = .{ -1, -1 },
};

const scm_rights = 1;

test "a message arrives with its descriptors, and a closed end is gone" {
    const pair = try Pair.open();
    defer pair.child.close();

    const pipe = sys.pipe().ok;
    defer sys.close(pipe[0]);
    defer sys.close(pipe[1]);

    try pair.parent.sendWith(.terminal, &pipe);
    var along: Along = .{};
    const got = try pair.child.receive(&along);
    try std.testing.expectEqual(Message.terminal, got.message);
    try std.testing.expect(along.fds[0] > 2 and along.fds[1] > 2);
    sys.close(along.fds[0]);
    sys.close(along.fds[1]);

    pair.parent.tellFailure("no such program");
    const failed = try pair.child.receive(&along);
    try std.testing.expectEqualStrings("no such program", failed.failed);

    try pair.child.stillThere();
    pair.parent.close();
    try std.testing.expectError(error.Reported, pair.child.stillThere());
    try std.testing.expectEqual(Received.gone, try pair.child.receive(&along));
}
