//! rtnetlink(7): interfaces, their addresses, and the way out.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const netlink = @import("netlink.zig");
const Address = @import("address.zig").Address;
const Builder = netlink.Builder;
const Flags = netlink.Flags;

/// RTM_*.
const Kind = struct {
    const new_link = 16;
    const del_link = 17;
    const get_link = 18;
    const new_address = 20;
    const new_route = 24;
    const get_route = 26;
};

/// struct ifinfomsg.
const LinkInfo = extern struct {
    family: u8 = 0,
    pad: u8 = 0,
    device: u16 = 0,
    index: i32 = 0,
    flags: u32 = 0,
    change: u32 = 0,

    const up: LinkInfo = .{ .flags = iff_up, .change = iff_up };
};

/// struct ifaddrmsg.
const AddressInfo = extern struct {
    family: u8,
    prefix: u8,
    flags: u8 = 0,
    scope: u8 = 0,
    index: u32,
};

/// struct rtmsg.
const RouteInfo = extern struct {
    family: u8,
    destination_prefix: u8 = 0,
    source_prefix: u8 = 0,
    tos: u8 = 0,
    table: u8 = 254, // RT_TABLE_MAIN
    protocol: u8 = 4, // RTPROT_STATIC
    scope: u8 = 0, // RT_SCOPE_UNIVERSE
    kind: u8 = 1, // RTN_UNICAST
    flags: u32 = 0,
};

const iff_up = 0x1;

/// IFLA_*, IFLA_INFO_*, VETH_INFO_*, IFA_* and RTA_*.
const Attribute = struct {
    const link_address = 1;
    const link_name = 3;
    const link_mtu = 4;
    const link_master = 10;
    const link_state = 16;
    const link_info = 18;
    const link_group = 27;
    const link_namespace = 28;
    const info_kind = 1;
    const info_data = 2;
    const info_slave_kind = 4;
    const info_slave_data = 5;
    const veth_peer = 1;
    const port_hairpin = 4;
    const address = 1;
    const local = 2;
    const route_interface = 4;
    const route_gateway = 5;
    const route_priority = 6;
};

/// The first interface of every network namespace is lo.
const loopback_index = 1;

/// An interface as asked for.
pub const Link = struct {
    index: i32 = 0,
    mtu: u32 = 0,
    /// What is sent by it goes somewhere (IF_OPER_UP of RFC 2863). With its peer an interface is up
    /// at once but operational when the kernel gets round to it; until then it drops all packets.
    /// Since Linux 6.8 asking is enough for that: rtnl_getlink calls linkwatch_sync_dev.
    is_operational: bool = false,

    /// For `Socket.ask`.
    pub fn take(link: *Link, answer: netlink.Answer) void {
        if (answer.payload.len < @sizeOf(LinkInfo)) return;
        link.index = std.mem.readInt(i32, answer.payload[4..8], .native);
        if (answer.find(@sizeOf(LinkInfo), Attribute.link_mtu)) |mtu| {
            if (mtu.len == 4) link.mtu = std.mem.readInt(u32, mtu[0..4], .native);
        }
        const if_oper_up = 6;
        const state = answer.find(@sizeOf(LinkInfo), Attribute.link_state) orelse return;
        link.is_operational = state.len == 1 and state[0] == if_oper_up;
    }
};

/// Brings up lo in the network namespace this process is in.
pub fn loopbackUp() report.Error!void {
    const doing = "bring up the loopback interface";
    const socket = try report.check(netlink.Socket.open(.route), doing, .{});
    defer socket.close();

    var buffer: [64]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    up(&b, loopback_index);
    var failed: u32 = 0;
    return report.check(socket.transact(&b, &failed), doing, .{});
}

/// The interface `name`; null when there is none.
pub fn find(socket: netlink.Socket, name: []const u8) sys.Result(?Link) {
    var buffer: [128]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    b.begin(Kind.get_link, 0, LinkInfo{});
    b.string(Attribute.link_name, name);
    var link: Link = .{};
    return switch (socket.ask(&b, &link)) {
        .ok => .{ .ok = link },
        .err => |e| if (e == .NODEV) .{ .ok = null } else .{ .err = e },
    };
}

/// Waits until the interface `name` is operational; no longer than a moment, as it may never be.
pub fn awaitOperational(socket: netlink.Socket, name: []const u8) sys.Result(void) {
    if (isOperational(socket, name)) return .{ .ok = {} };
    const monitor = switch (openMonitor()) {
        .ok => |monitor| monitor,
        .err => |e| return .{ .err = e },
    };
    defer monitor.close();

    // It may have become so before there was a monitor.
    while (!isOperational(socket, name)) {
        const moment_ms = 1000;
        var fds = [_]linux.pollfd{.{ .fd = monitor.fd, .events = linux.POLL.IN, .revents = 0 }};
        switch (sys.poll(&fds, moment_ms)) {
            .ok => |count| if (count == 0) return .{ .err = .TIME },
            .err => |e| if (e != .INTR) return .{ .err = e },
        }
        var heard: [16 << 10]u8 = undefined;
        // That something has changed is all there is to know; ENOBUFS says so too.
        if (fds[0].revents != 0) _ = sys.read(monitor.fd, &heard);
    }
    return .{ .ok = {} };
}

fn isOperational(socket: netlink.Socket, name: []const u8) bool {
    const found = find(socket, name);
    const link = if (found == .ok) found.ok else null;
    return if (link) |it| it.is_operational else false;
}

const Route = struct {
    interface: u32 = 0,

    pub fn take(route: *Route, answer: netlink.Answer) void {
        const interface = answer.find(@sizeOf(RouteInfo), Attribute.route_interface) orelse return;
        if (interface.len == 4) route.interface = std.mem.readInt(u32, interface[0..4], .native);
    }
};

/// The largest packet the machine's way out takes; null without a way out.
pub fn uplinkMtu(socket: netlink.Socket) ?u32 {
    var buffer: [128]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    // Any address far away: nothing is sent there.
    const far = [4]u8{ 1, 1, 1, 1 };
    b.begin(Kind.get_route, 0, RouteInfo{ .family = linux.AF.INET, .destination_prefix = 32 });
    b.attribute(Attribute.address, &far);
    var route: Route = .{};
    if (socket.ask(&b, &route) == .err or route.interface == 0) return null;

    b = .{ .buffer = &buffer };
    b.begin(Kind.get_link, 0, LinkInfo{ .index = @intCast(route.interface) });
    var link: Link = .{};
    if (socket.ask(&b, &link) == .err or link.mtu == 0) return null;
    return link.mtu;
}

/// Makes a bridge, up. Its hardware address is fixed, or it would follow its ports' and neighbours
/// would lose it; so is its MTU, which would follow too.
pub fn addBridge(b: *Builder, name: []const u8, mac: [6]u8, mtu: ?u32) void {
    b.begin(Kind.new_link, Flags.create | Flags.exclusive, LinkInfo.up);
    b.string(Attribute.link_name, name);
    b.attribute(Attribute.link_address, &mac);
    if (mtu) |bytes| b.number(Attribute.link_mtu, bytes);
    const info = b.nest(Attribute.link_info);
    b.string(Attribute.info_kind, "bridge");
    b.end(info);
}

/// A pair of interfaces: one a port of the bridge, its peer in another network namespace.
pub const Pair = struct {
    name: []const u8,
    bridge: i32,
    mtu: u32,
    group: u32,
    /// A descriptor of the peer's network namespace.
    namespace: sys.Fd,
    peer_name: []const u8,
    peer_mac: [6]u8,
};

/// Makes the pair and brings up the port. The peer cannot be: it is not connected before the end.
pub fn addPair(b: *Builder, pair: Pair) void {
    b.begin(Kind.new_link, Flags.create | Flags.exclusive, LinkInfo.up);
    b.string(Attribute.link_name, pair.name);
    b.number(Attribute.link_mtu, pair.mtu);
    b.number(Attribute.link_master, @bitCast(pair.bridge));
    b.number(Attribute.link_group, pair.group);
    const info = b.nest(Attribute.link_info);
    b.string(Attribute.info_kind, "veth");
    const data = b.nest(Attribute.info_data);
    const peer = b.nest(Attribute.veth_peer);
    b.append(std.mem.asBytes(&LinkInfo{}));
    b.string(Attribute.link_name, pair.peer_name);
    b.attribute(Attribute.link_address, &pair.peer_mac);
    b.number(Attribute.link_mtu, pair.mtu);
    b.number(Attribute.link_namespace, @bitCast(pair.namespace));
    b.end(peer);
    b.end(data);
    b.end(info);
}

/// Lets the port give packets back to where they came from: a container's to its own published
/// port. Only where bridges pass packets to the firewall (br_netfilter) is that needed.
pub fn setHairpin(b: *Builder, name: []const u8) void {
    b.begin(Kind.new_link, 0, LinkInfo{});
    b.string(Attribute.link_name, name);
    const info = b.nest(Attribute.link_info);
    b.string(Attribute.info_slave_kind, "bridge");
    const data = b.nest(Attribute.info_slave_data);
    b.attribute(Attribute.port_hairpin, &.{1});
    b.end(data);
    b.end(info);
}

/// Gives an interface an address, of use at once: nobody else has it, so nobody is asked (IPv6's
/// duplicate address detection takes a second).
pub fn addAddress(b: *Builder, index: i32, address: Address) void {
    const no_detection = 0x02; // IFA_F_NODAD
    b.begin(Kind.new_address, Flags.create | Flags.replace, AddressInfo{
        .family = @backingInt(address.family),
        .prefix = address.prefix,
        .flags = if (address.family == .ip6) no_detection else 0,
        .index = @intCast(index),
    });
    b.attribute(Attribute.local, address.bytes());
    b.attribute(Attribute.address, address.bytes());
}

/// Everything else goes to `gateway`.
pub fn addDefaultRoute(b: *Builder, index: i32, gateway: Address) void {
    const info: RouteInfo = .{ .family = @backingInt(gateway.family) };
    b.begin(Kind.new_route, Flags.create | Flags.exclusive, info);
    b.attribute(Attribute.route_gateway, gateway.bytes());
    b.number(Attribute.route_interface, @intCast(index));
}

/// Takes packets to ::1 that come in by an interface for this machine's own: those whose
/// destination became ::1 by the firewall, since the kernel drops all that come with it. lo stays
/// the first choice.
pub fn addLocalhost6(b: *Builder, index: i32) void {
    b.begin(Kind.new_route, Flags.create | Flags.replace, RouteInfo{
        .family = linux.AF.INET6,
        .destination_prefix = 128,
        .table = 255, // RT_TABLE_LOCAL
        .kind = 2, // RTN_LOCAL
    });
    const localhost = @as([15]u8, @splat(0)) ++ [1]u8{1};
    b.attribute(Attribute.address, &localhost);
    b.number(Attribute.route_interface, @intCast(index));
    b.number(Attribute.route_priority, 2048);
}

/// Brings an interface up.
pub fn up(b: *Builder, index: i32) void {
    b.begin(Kind.new_link, 0, LinkInfo{ .index = index, .flags = iff_up, .change = iff_up });
}

/// Takes an interface down, and with it the routes by it.
pub fn down(b: *Builder, name: []const u8) void {
    b.begin(Kind.new_link, 0, LinkInfo{ .change = iff_up });
    b.string(Attribute.link_name, name);
}

/// A connection that hears of every change of an interface.
pub fn openMonitor() sys.Result(netlink.Socket) {
    const rtmgrp_link = 1;
    const address: linux.sockaddr.nl = .{ .pid = 0, .groups = rtmgrp_link };
    const socket = switch (netlink.Socket.open(.route)) {
        .ok => |socket| socket,
        .err => |e| return .{ .err = e },
    };
    const length: u32 = @sizeOf(linux.sockaddr.nl);
    return switch (sys.call(void, .bind, .{ socket.fd, &address, length })) {
        .ok => .{ .ok = socket },
        .err => |e| {
            socket.close();
            return .{ .err = e };
        },
    };
}

/// Reads once what a monitor has heard; whether the interface `index` is going: down or gone.
pub fn isGoing(monitor: netlink.Socket, index: i32) bool {
    var buffer: [16 << 10]u8 align(4) = undefined;
    const length = switch (sys.read(monitor.fd, &buffer)) {
        .ok => |length| length,
        // More was said than could be kept (ENOBUFS): the end of the call will tell.
        .err => return false,
    };
    return isGoingIn(buffer[0..length], index);
}

fn isGoingIn(heard: []const u8, index: i32) bool {
    var answers: netlink.Answers = .{ .rest = heard };
    while (answers.next()) |one| {
        if (one.payload.len < @sizeOf(LinkInfo)) continue;
        const info = std.mem.bytesToValue(LinkInfo, one.payload[0..@sizeOf(LinkInfo)]);
        // Of the bridge's family it is about a place as a port.
        if (info.family != linux.AF.UNSPEC or info.index != index) continue;
        const is_down = info.flags & iff_up == 0;
        if (one.header.kind == Kind.del_link) return true;
        if (one.header.kind == Kind.new_link and is_down) return true;
    }
    return false;
}

/// Puts an interface into the group that is taken away at once, with `removeGroup`.
pub fn setGroup(b: *Builder, index: i32, group: u32) void {
    b.begin(Kind.new_link, 0, LinkInfo{ .index = index });
    b.number(Attribute.link_group, group);
}

/// Takes all interfaces of a group away: one wait for the kernel, not one for each.
pub fn removeGroup(b: *Builder, group: u32) void {
    b.begin(Kind.del_link, 0, LinkInfo{});
    b.number(Attribute.link_group, group);
}

/// Takes an interface away.
pub fn remove(b: *Builder, name: []const u8) void {
    b.begin(Kind.del_link, 0, LinkInfo{});
    b.string(Attribute.link_name, name);
}

test "a pair of interfaces is asked for in one message" {
    var buffer: [512]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    addPair(&b, .{
        .name = "hb0123456789",
        .bridge = 7,
        .mtu = 1400,
        .group = 0,
        .namespace = 9,
        .peer_name = "eth0",
        .peer_mac = .{ 2, 'h', 10, 89, 0, 5 },
    });
    var answers: netlink.Answers = .{ .rest = buffer[0..b.length] };
    const message = answers.next().?;
    const link: netlink.Answer = .{ .kind = message.header.kind, .payload = message.payload };
    const own = @sizeOf(LinkInfo);
    try std.testing.expectEqual(null, answers.next());
    try std.testing.expectEqual(Kind.new_link, link.kind);
    try std.testing.expectEqualStrings("hb0123456789\x00", link.find(own, Attribute.link_name).?);
    try std.testing.expectEqualStrings("\x07\x00\x00\x00", link.find(own, Attribute.link_master).?);
    const info = link.find(own, Attribute.link_info).?;
    const data = netlink.findIn(info, Attribute.info_data).?;
    const peer = netlink.findIn(data, Attribute.veth_peer).?;
    const name = netlink.findIn(peer[own..], Attribute.link_name).?;
    try std.testing.expectEqualStrings("eth0\x00", name);
    const namespace = netlink.findIn(peer[own..], Attribute.link_namespace).?;
    try std.testing.expectEqualStrings("\x09\x00\x00\x00", namespace);
}

test "an interface is going when it is down or gone, not when it leaves its bridge" {
    var buffer: [128]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    b.begin(Kind.del_link, 0, LinkInfo{ .family = linux.AF.BRIDGE, .index = 5 });
    b.begin(Kind.new_link, 0, LinkInfo{ .index = 5, .flags = iff_up });
    try std.testing.expect(!isGoingIn(buffer[0..b.length], 5));
    b.begin(Kind.new_link, 0, LinkInfo{ .index = 5 });
    try std.testing.expect(isGoingIn(buffer[0..b.length], 5));
    try std.testing.expect(!isGoingIn(buffer[0..b.length], 6));
    b.begin(Kind.del_link, 0, LinkInfo{ .index = 6, .flags = iff_up });
    try std.testing.expect(isGoingIn(buffer[0..b.length], 6));
}

test "an address and a route are as ip(8) asks for them" {
    var buffer: [256]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    addAddress(&b, 2, try .parse("10.89.0.5/16"));
    addDefaultRoute(&b, 2, try .parse("10.89.0.1"));
    const golden = "\x28\x00\x00\x00\x14\x00\x01\x05\x01\x00\x00\x00\x00\x00\x00\x00" ++
        "\x02\x10\x00\x00\x02\x00\x00\x00" ++
        "\x08\x00\x02\x00\x0a\x59\x00\x05" ++ "\x08\x00\x01\x00\x0a\x59\x00\x05" ++
        "\x2c\x00\x00\x00\x18\x00\x01\x06\x02\x00\x00\x00\x00\x00\x00\x00" ++
        "\x02\x00\x00\x00\xfe\x04\x00\x01\x00\x00\x00\x00" ++
        "\x08\x00\x05\x00\x0a\x59\x00\x01" ++ "\x08\x00\x04\x00\x02\x00\x00\x00";
    try std.testing.expectEqualSlices(u8, golden, buffer[0..b.length]);
}
