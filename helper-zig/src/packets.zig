//! What a container's supervisor and a program that follows its streams say to each other, over a
//! socket that keeps packets apart: a byte that says what it is, then the body.
//!
//! ```
//!   follower                        supervisor
//!     | --- attach, flags ----------> |   (not on a socket that was there from the beginning)
//!     | <-- accepted, flags --------- |
//!     | <-- output, errors ---------- |   as they come
//!     | --- input ------------------> |   one, then not before the next
//!     | <-- accepted ---------------- |   it has reached the payload
//!     | --- input_end, size, signal > |   at any time
//!     | <-- ended, exit status ------ |   behind the last output; then end of file
//! ```
//! Input waits for its answer, so that the socket never fills with what nobody reads, and signals
//! get through.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");

pub const Kind = enum(u8) {
    attach = 'a',
    accepted = 'k',
    refused = 'e',
    output = 'o',
    errors = 'r',
    input = 'i',
    input_end = 'c',
    size = 'z',
    signal = 's',
    ended = 'x',
    /// In place of the first `accepted`, where the payload never ran: the exit status.
    failed = 'f',
    _,
};

/// What a follower wants: the flags of `attach`.
pub const Wishes = packed struct(u8) {
    input: bool = false,
    output: bool = false,
    _: u6 = 0,
};

/// What there is to follow: the flags of the first `accepted`.
pub const Offer = packed struct(u8) {
    terminal: bool = false,
    /// Input is taken.
    input: bool = false,
    _: u6 = 0,
};

/// The most bytes behind `output` and `errors`.
pub const output_bytes_max = 64 << 10;

/// The most bytes behind `input`.
pub const input_bytes_max = 16 << 10;

/// Sends one packet with a short body, without waiting.
pub fn send(fd: sys.Fd, kind: Kind, body: []const u8) sys.Result(void) {
    var packet: [8]u8 = undefined;
    packet[0] = @backingInt(kind);
    @memcpy(packet[1..][0..body.len], body);
    return sendWhole(fd, packet[0 .. 1 + body.len]);
}

/// Sends one packet, the kind's byte included, without waiting.
pub fn sendWhole(fd: sys.Fd, packet: []const u8) sys.Result(void) {
    const flags: u32 = linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT;
    const none: usize = 0;
    const sent = sys.call(usize, .sendto, .{ fd, packet.ptr, packet.len, flags, none, none });
    // Packets are taken whole or not at all.
    return if (sent == .ok) .{ .ok = {} } else .{ .err = sent.err };
}

/// The next packet, without waiting, in `buffer`: empty at the end of file. What is larger than
/// `buffer` is an error.
pub fn receive(fd: sys.Fd, buffer: []u8) sys.Result([]u8) {
    const flags: u32 = linux.MSG.DONTWAIT | linux.MSG.TRUNC;
    const none: usize = 0;
    const got = sys.call(usize, .recvfrom, .{ fd, buffer.ptr, buffer.len, flags, none, none });
    if (got == .err) return .{ .err = got.err };
    // MSG_TRUNC: the length it had.
    if (got.ok > buffer.len) return .{ .err = .MSGSIZE };
    return .{ .ok = buffer[0..got.ok] };
}

test "packets keep their bounds, and the end is an empty one" {
    const pair = sys.socketpair().ok;
    defer sys.close(pair[1]);
    try std.testing.expectEqual(sys.Result(void){ .ok = {} }, send(pair[0], .ended, &.{7}));
    try std.testing.expectEqual(sys.Result(void){ .ok = {} }, sendWhole(pair[0], "otoo long"));
    sys.close(pair[0]);

    var buffer: [4]u8 = undefined;
    try std.testing.expectEqualStrings("x\x07", receive(pair[1], &buffer).ok);
    try std.testing.expectEqual(sys.E.MSGSIZE, receive(pair[1], &buffer).err);
    try std.testing.expectEqualStrings("", receive(pair[1], &buffer).ok);
}
