//! rtnetlink(7): bringing up the loopback interface of a new network namespace.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");

/// struct nlmsghdr and struct ifinfomsg, as one request.
const LinkRequest = extern struct {
    len: u32 = @sizeOf(LinkRequest),
    kind: u16 = rtm_newlink,
    flags: u16 = nlm_f_request | nlm_f_ack,
    sequence: u32 = 1,
    port: u32 = 0,
    family: u8 = 0,
    pad: u8 = 0,
    device: u16 = 0,
    index: i32,
    interface_flags: u32,
    interface_change: u32,

    comptime {
        std.debug.assert(@sizeOf(LinkRequest) == 32);
    }
};

/// struct nlmsghdr and the start of struct nlmsgerr.
const Acknowledgement = extern struct {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    errno: i32,
    /// The request again, or a part of it.
    rest: [64]u8,
};

const rtm_newlink = 16;
const nlm_f_request = 0x1;
const nlm_f_ack = 0x4;
const nlmsg_error = 2;
const iff_up = 0x1;

/// The first interface of every network namespace is lo.
const loopback_index = 1;

pub fn loopbackUp() report.Error!void {
    const doing = "bring up the loopback interface";
    const kind: u32 = linux.SOCK.RAW | linux.SOCK.CLOEXEC;
    const socket = try report.check(
        sys.call(sys.Fd, .socket, .{ @as(u32, linux.AF.NETLINK), kind, @as(u32, 0) }),
        doing,
        .{},
    );
    defer sys.close(socket);

    const request: LinkRequest = .{
        .index = loopback_index,
        .interface_flags = iff_up,
        .interface_change = iff_up,
    };
    _ = try report.check(sys.write(socket, std.mem.asBytes(&request)), doing, .{});
    var answer: Acknowledgement = undefined;
    const length = try report.check(sys.read(socket, std.mem.asBytes(&answer)), doing, .{});
    if (length < @offsetOf(Acknowledgement, "rest") or answer.kind != nlmsg_error)
        return report.fail(doing ++ ": unexpected answer", .{});
    if (answer.errno != 0) {
        report.failErrno(@fromBackingInt(@intCast(@as(u16, @intCast(-answer.errno)))), doing, .{});
        return error.Reported;
    }
}
