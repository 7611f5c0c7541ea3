//! hb's own nf_tables table, one for each of its bridges: `inet hb-BRIDGE`.
//!
//! The rules are made once, with the bridge. A container adds only elements to maps, under its own
//! name as a comment, so that they can be found again when nobody is left who knows them.
//!
//! What is not here cannot be undone by it: an accept in one table does not keep another table's
//! chain from dropping the packet.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const netlink = @import("netlink.zig");
const nftables = @import("nftables.zig");
const nft_rule = @import("nft_rule.zig");
const plan = @import("plan.zig");
const sysctl = @import("sysctl.zig");
const Address = @import("address.zig").Address;
const Batch = nftables.Batch;
const Register = nft_rule.Register;
const Rule = nft_rule.Rule;

/// A bridge and its networks, as the rules need them.
pub const Network = struct {
    bridge: []const u8,
    subnet4: Address,
    subnet6: ?Address,
    internal: bool,
    /// Connections to ::1 can be published: see `canPublishLocalhost6`.
    localhost6: bool,
};

/// Whether ::1 can be had by rewriting destinations. Where bridges pass their packets to the
/// firewall (br_netfilter, of old docker or Kubernetes), a container's answer becomes one to ::1
/// before the kernel looks whether such a packet may come in by a bridge. There ::1 is left alone:
/// a connection that is refused is tried again with 127.0.0.1, one that hangs is not.
pub fn canPublishLocalhost6() bool {
    const of: sysctl.OfInterface = .{
        .setting = "bridge/bridge-nf-call-ip%tables",
        .interface = "6",
    };
    const value = of.read();
    return value == .err or value.ok == '0';
}

/// Published ports: with a host address in the key or for all of the machine's.
const maps = [_]nftables.Shape{
    .{ .name = "any4", .key = &.{ .protocol, .port }, .data = &.{ .ip4, .port } },
    .{ .name = "any6", .key = &.{ .protocol, .port }, .data = &.{ .ip6, .port } },
    .{ .name = "bound4", .key = &.{ .protocol, .ip4, .port }, .data = &.{ .ip4, .port } },
    .{ .name = "bound6", .key = &.{ .protocol, .ip6, .port }, .data = &.{ .ip6, .port } },
};

/// Interfaces that forward only because hb asked for it: see forwarding.zig.
const opened = [_]nftables.Shape{
    .{ .name = "opened4", .key = &.{.name} },
    .{ .name = "opened6", .key = &.{.name} },
};

/// The table's name.
pub const Table = struct {
    buffer: [32]u8 = undefined,

    pub fn of(table: *Table, bridge: []const u8) []const u8 {
        // proven: an interface's name has fifteen bytes at most, and bridge.zig checks it.
        return std.fmt.bufPrint(&table.buffer, "hb-{s}", .{bridge}) catch unreachable;
    }
};

/// The table with all its rules.
pub fn addTable(batch: *Batch, network: Network) void {
    batch.addTable();
    for (maps ++ opened) |shape| batch.addSet(shape);
    addPublishing(batch, network);
    addLoopbackGuard(batch, network);
    addMasquerading(batch, network);
    addForwarding(batch, network);
}

/// Packets to the machine itself at a published port go to the container: those from outside, and
/// the machine's own.
fn addPublishing(batch: *Batch, network: Network) void {
    batch.addChain("publish", null);
    // Before others' (NF_IP_PRI_NAT_DST is -100), as their tables do: what is published is taken.
    batch.addChain("prerouting", .{ .kind = .nat, .at = .prerouting, .priority = -100 });
    batch.addChain("output", .{ .kind = .nat, .at = .output, .priority = -100 });
    if (!network.localhost6) {
        const rule = batch.rule("output");
        rule.within(.destination, loopback6);
        rule.verdict(.accept, null);
        rule.end();
    }
    for ([_][]const u8{ "prerouting", "output" }) |chain| {
        const rtn_local: u32 = 2;
        const rule = batch.rule(chain);
        rule.destinationKind(.word(0));
        rule.compare(.word(0), .equal, std.mem.asBytes(&rtn_local));
        rule.verdict(.jump, "publish");
        rule.end();
    }
    for ([_]Address.Family{ .ip4, .ip6 }) |family| {
        publishRule(batch, family, .bound);
        publishRule(batch, family, .any);
    }
}

fn publishRule(batch: *Batch, family: Address.Family, key: enum { any, bound }) void {
    const rule = batch.rule("publish");
    rule.isOf(family);
    // The key, a word for each small part: protocol, destination address, port.
    rule.meta(.protocol, .word(0));
    var next: u32 = 1;
    if (key == .bound) {
        rule.payload(nft_rule.destinationOf(family), .word(next));
        next += if (family == .ip4) 1 else 4;
    }
    rule.payload(.{ .base = .transport, .offset = 2, .length = 2 }, .word(next));
    const map = switch (family) {
        .ip4 => if (key == .any) "any4" else "bound4",
        .ip6 => if (key == .any) "any6" else "bound6",
    };
    const address: Register = .word(8);
    const port: Register = .word(if (family == .ip4) 9 else 12);
    rule.lookup(map, .word(0), address);
    rule.dnat(family, address, port);
    rule.end();
}

/// localhost's published ports need the bridge to route 127.0.0.0/8 (route_localnet), and with that
/// a container could reach what listens on the machine's loopback only (CVE-2020-8558). Before
/// connection tracking: afterwards the answers to localhost look the same.
fn addLoopbackGuard(batch: *Batch, network: Network) void {
    batch.addChain("loopback", .{ .kind = .filter, .at = .prerouting, .priority = -300 });
    const rule = batch.rule("loopback");
    rule.interface(.in_name, .equal, network.bridge);
    rule.within(.destination, loopback4);
    rule.verdict(.drop, null);
    rule.end();
}

const loopback4: Address = .{
    .family = .ip4,
    .storage = .{ 127, 0, 0, 0 } ++ @as([12]u8, @splat(0)),
    .prefix = 8,
};

const loopback6: Address = .{
    .family = .ip6,
    .storage = @as([15]u8, @splat(0)) ++ .{1},
    .prefix = 128,
};

fn addMasquerading(batch: *Batch, network: Network) void {
    batch.addChain("postrouting", .{ .kind = .nat, .at = .postrouting, .priority = 100 });
    const bridge = network.bridge;
    // localhost, talking to a published port: a container cannot answer to it.
    for ([_]Address{ loopback4, loopback6 }) |loopback| {
        const rule = batch.rule("postrouting");
        rule.interface(.out_name, .equal, bridge);
        rule.within(.source, loopback);
        rule.masquerade();
        rule.end();
    }
    const subnets = [_]?Address{ network.subnet4, network.subnet6 };
    for (subnets) |maybe| {
        const subnet = maybe orelse continue;
        // One container at another's (or its own) published port: the answer must come back here.
        const back = batch.rule("postrouting");
        back.interface(.out_name, .equal, bridge);
        back.within(.source, subnet);
        isTranslated(back);
        back.masquerade();
        back.end();
        if (network.internal) continue;

        const out = batch.rule("postrouting");
        out.interface(.out_name, .different, bridge);
        out.within(.source, subnet);
        out.masquerade();
        out.end();
    }
}

/// Connections whose destination was rewritten: those to published ports.
fn isTranslated(rule: Rule) void {
    const ips_dst_nat: u32 = 1 << 5;
    hasBits(rule, .status, ips_dst_nat);
}

fn hasBits(rule: Rule, key: Rule.Connection, bits: u32) void {
    const none: u32 = 0;
    rule.connection(key, .word(0));
    rule.mask(.word(0), std.mem.asBytes(&bits));
    rule.compare(.word(0), .different, std.mem.asBytes(&none));
}

/// Nothing comes in from other networks but answers and what is for published ports; and what hb
/// made forward goes nowhere else.
fn addForwarding(batch: *Batch, network: Network) void {
    batch.addChain("forward", .{ .kind = .filter, .at = .forward, .priority = 0 });
    const bridge = network.bridge;
    // Between containers; seen here where bridges pass their packets to it (br_netfilter).
    const among = batch.rule("forward");
    among.interface(.in_name, .equal, bridge);
    among.interface(.out_name, .equal, bridge);
    among.verdict(.accept, null);
    among.end();
    if (network.internal) {
        const out = batch.rule("forward");
        out.interface(.in_name, .equal, bridge);
        out.verdict(.drop, null);
        out.end();
    }
    const established_or_related: u32 = 2 | 4;
    const answers = batch.rule("forward");
    answers.interface(.out_name, .equal, bridge);
    hasBits(answers, .state, established_or_related);
    answers.verdict(.accept, null);
    answers.end();
    const published = batch.rule("forward");
    published.interface(.out_name, .equal, bridge);
    isTranslated(published);
    published.verdict(.accept, null);
    published.end();
    const rest = batch.rule("forward");
    rest.interface(.out_name, .equal, bridge);
    rest.verdict(.drop, null);
    rest.end();
    for ([_]Address.Family{ .ip4, .ip6 }, opened) |family, set| {
        const guard = batch.rule("forward");
        guard.isOf(family);
        guard.meta(.in_name, .word(0));
        guard.lookup(set.name, .word(0), null);
        guard.meta(.out_name, .word(0));
        guard.lookup(set.name, .word(0), null);
        guard.verdict(.drop, null);
        guard.end();
    }
}

/// Adds an interface to those hb made forward.
pub fn addOpened(batch: *Batch, family: Address.Family, name: []const u8) void {
    var key: [16]u8 = @splat(0);
    const length = @min(name.len, key.len - 1);
    @memcpy(key[0..length], name[0..length]);
    const set = opened[if (family == .ip4) 0 else 1].name;
    batch.addElement(.{ .set = set, .key = &key });
}

/// Where a container is.
pub const Target = struct {
    address4: Address,
    address6: ?Address,
    /// What its elements are found by.
    comment: []const u8,
};

/// Sends a port of the machine to the container.
pub fn publish(batch: *Batch, port: plan.Publish, target: Target) report.Error!void {
    const on: ?Address = if (port.hostAddress.len == 0) null else try .parse(port.hostAddress);
    const address = on orelse {
        addPort(batch, port, target, null, target.address4);
        if (target.address6) |address6| addPort(batch, port, target, null, address6);
        return;
    };
    const to = switch (address.family) {
        .ip4 => target.address4,
        .ip6 => target.address6 orelse return report.fail(
            "publish a port on {s}: the container has no IPv6 address",
            .{port.hostAddress},
        ),
    };
    const is_localhost6 = std.mem.eql(u8, address.bytes(), loopback6.bytes());
    if (is_localhost6 and !canPublishLocalhost6()) return report.fail(
        "publish a port on {s}: this machine's bridges pass packets to the firewall; " ++
            "as root: sysctl -w net.bridge.bridge-nf-call-ip6tables=0",
        .{port.hostAddress},
    );
    addPort(batch, port, target, if (address.isAny()) null else address, to);
}

fn addPort(
    batch: *Batch,
    port: plan.Publish,
    target: Target,
    on: ?Address,
    to: Address,
) void {
    var key: Words = .{};
    key.add(&.{switch (port.protocol) {
        .tcp => 6, // IPPROTO_TCP
        .udp => 17,
    }});
    if (on) |address| key.add(address.bytes());
    key.add(std.mem.asBytes(&std.mem.nativeToBig(u16, port.hostPort)));
    var data: Words = .{};
    data.add(to.bytes());
    data.add(std.mem.asBytes(&std.mem.nativeToBig(u16, port.containerPort)));
    batch.addElement(.{
        .set = switch (to.family) {
            .ip4 => if (on == null) "any4" else "bound4",
            .ip6 => if (on == null) "any6" else "bound6",
        },
        .key = key.bytes[0..key.length],
        .data = data.bytes[0..data.length],
        .comment = target.comment,
    });
}

/// Parts one after another, each filled up with zeros to whole words.
const Words = struct {
    bytes: [24]u8 = @splat(0),
    length: usize = 0,

    fn add(words: *Words, part: []const u8) void {
        @memcpy(words.bytes[words.length..][0..part.len], part);
        words.length += std.mem.alignForward(usize, part.len, 4);
    }
};

/// Takes back all that was published under `comment`.
pub fn unpublish(batch: *Batch, socket: netlink.Socket, comment: []const u8) sys.Result(void) {
    for (maps) |map| {
        const removed = nftables.removeCommented(batch, socket, map.name, comment);
        if (removed == .err) return removed;
    }
    return .{ .ok = {} };
}

test "a port on all addresses is published in both families, on one address in its own" {
    var buffer: [2048]u8 align(4) = undefined;
    var b: netlink.Builder = .{ .buffer = &buffer };
    var batch: Batch = .begin(&b, "hb-hb0");
    const target: Target = .{
        .address4 = try .parse("10.89.0.5"),
        .address6 = try .parse("fd00::5"),
        .comment = "0123456789ab",
    };
    try publish(&batch, .{ .protocol = .tcp, .hostPort = 8080, .containerPort = 80 }, target);
    try std.testing.expectEqual(3, b.count);
    const key = "\x06\x00\x00\x00\x1f\x90\x00\x00";
    const to = "\x0a\x59\x00\x05\x00\x50\x00\x00";
    try std.testing.expect(std.mem.indexOf(u8, buffer[0..b.length], key) != null);
    try std.testing.expect(std.mem.indexOf(u8, buffer[0..b.length], to) != null);

    const bound: plan.Publish = .{
        .protocol = .udp,
        .hostAddress = "127.0.0.1",
        .hostPort = 53,
        .containerPort = 53,
    };
    try publish(&batch, bound, target);
    try std.testing.expectEqual(4, b.count);
    const bound_key = "\x11\x00\x00\x00\x7f\x00\x00\x01\x00\x35\x00\x00";
    try std.testing.expect(std.mem.indexOf(u8, buffer[0..b.length], bound_key) != null);
}

test "the table fits into one request many times over" {
    var buffer: [16 << 10]u8 align(4) = undefined;
    var b: netlink.Builder = .{ .buffer = &buffer };
    var batch: Batch = .begin(&b, "hb-hb0");
    addTable(&batch, .{
        .bridge = "hb0",
        .subnet4 = try .parse("10.89.0.1/16"),
        .subnet6 = try .parse("fd00::1/64"),
        .internal = false,
        .localhost6 = false,
    });
    try std.testing.expect(!b.is_full);
}
