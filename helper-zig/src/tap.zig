//! pasta's device in the container's network namespace, made before pasta comes for it.
//!
//! A tap device goes with the program that made it, and that program's end then takes as long as
//! the kernel needs to be sure that nobody uses the device any more: 15 to 50 ms (rcu_barrier in
//! tun_chr_close), which every container would end later. A persistent one (TUNSETPERSIST, see
//! Documentation/networking/tuntap.rst) goes with its namespace, for whose end nobody waits. pasta
//! asks for a device by its name, and is given the one that is there.
//!
//! It must be persistent before pasta asks, who would be refused meanwhile: hence a message. With
//! it comes a socket of that namespace, by which the supervisor takes the device down when pasta is
//! gone and somebody may be left: no network, instead of one that swallows what it is given.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sync = @import("sync.zig");
const report = @import("report.zig");
const netlink = @import("netlink.zig");
const rtnetlink = @import("rtnetlink.zig");
const sysctl = @import("sysctl.zig");
const plan = @import("plan.zig");

/// The child's step: makes the device, if there is to be one, and says that it can be asked for.
/// Where that fails pasta makes one, or says why it cannot.
pub fn provide(wanted: plan.Pasta, peer: sync.Peer) report.Error!void {
    const name = wanted.device orelse return;
    const socket = make(name) orelse return peer.send(.device_made);
    defer socket.close();

    return peer.sendWith(.device_made, &.{socket.fd});
}

/// The device as the supervisor has it.
pub const Device = struct {
    name: plan.Text,
    socket: netlink.Socket,

    /// Waits for the child's step; null when pasta is to make the device.
    pub fn receive(wanted: plan.Pasta, peer: sync.Peer) report.Error!?Device {
        const name = wanted.device orelse return null;
        var along: sync.Along = .{};
        switch (try peer.receive(&along)) {
            .gone, .failed => return error.Reported, // it has said why
            .message => |message| if (message != .device_made)
                return report.fail("unexpected message from the container's side", .{}),
        }
        const socket: netlink.Socket = .{ .fd = along.fds[0] };
        return if (socket.fd < 0) null else .{ .name = name, .socket = socket };
    }

    /// Nobody is behind it any more. The right to take it down is the user namespace's owner's, in
    /// here and out there (user_namespaces(7)).
    pub fn takeDown(device: Device) void {
        var buffer: [64]u8 align(4) = undefined;
        var b: netlink.Builder = .{ .buffer = &buffer };
        rtnetlink.down(&b, device.name);
        // It may be gone already, with the namespace.
        _ = device.socket.send(&b);
    }
};

/// linux/if_tun.h
const Tun = struct {
    const set_interface: u32 = 0x400454ca; // TUNSETIFF
    const set_persistent: u32 = 0x400454cb; // TUNSETPERSIST
    const tap: u16 = 0x0002;
    const no_packet_information: u16 = 0x1000;
};

/// struct ifreq, as TUNSETIFF reads it.
const Request = extern struct {
    name: [linux.IFNAMESIZE]u8 = @splat(0),
    flags: u16 = Tun.tap | Tun.no_packet_information,
    rest: [22]u8 = @splat(0),

    comptime {
        std.debug.assert(@sizeOf(Request) == 40);
    }
};

/// Makes the device in this process's network namespace; a socket that belongs there too.
fn make(name: []const u8) ?netlink.Socket {
    var request: Request = .{};
    if (name.len == 0 or name.len >= request.name.len) return null;
    @memcpy(request.name[0..name.len], name);
    const flags: linux.O = .{ .ACCMODE = .RDWR };
    const fd = okOrNull(sys.openat(sys.cwd, "/dev/net/tun", flags, 0)) orelse return null;
    // Before the device is persistent this is its end.
    defer sys.close(fd);

    _ = okOrNull(sys.ioctl(fd, Tun.set_interface, @intFromPtr(&request))) orelse return null;
    const socket = okOrNull(netlink.Socket.open(.route)) orelse return null;
    // Nobody else is on pasta's link: no duplicate address detection. Without IPv6, or with a
    // read-only /proc/sys (in another container), all goes as without.
    const of: sysctl.OfInterface = .{ .setting = "ipv6/conf/%/accept_dad", .interface = name };
    _ = of.write("0");
    if (sys.ioctl(fd, Tun.set_persistent, 1) == .ok) return socket;
    socket.close();
    return null;
}

fn okOrNull(result: anytype) ?@FieldType(@TypeOf(result), "ok") {
    return switch (result) {
        .ok => |value| value,
        .err => null,
    };
}

test "where no device can be made the other side is told so" {
    const pair = try sync.Pair.open();
    defer pair.child.close();
    defer pair.parent.close();

    const wanted: plan.Pasta = .{ .path = "pasta", .device = "a-name-that-is-too-long" };
    try provide(wanted, pair.child);
    try std.testing.expectEqual(null, try Device.receive(wanted, pair.parent));
    // And without one nothing is said.
    try provide(.{ .path = "pasta" }, pair.child);
    try std.testing.expectEqual(null, try Device.receive(.{ .path = "pasta" }, pair.parent));
}
