//! One rule of nf_tables: a list of expressions that load values into registers and compare, look
//! up or act (linux/netfilter/nf_tables.h, NFTA_EXPR_* and each expression's own attributes).
//!
//! Numbers are in network byte order; what is loaded of a packet too, the rest is as the machine
//! has it.

const std = @import("std");
const linux = std.os.linux;
const netlink = @import("netlink.zig");
const Address = @import("address.zig").Address;
const Builder = netlink.Builder;

/// NFTA_LIST_*, NFTA_EXPR_* and NFTA_DATA_*.
const Attribute = struct {
    const list_element = 1;
    const expression_name = 1;
    const expression_data = 2;
    const value = 1;
    const value_verdict = 2;
};

/// Four bytes each, NFT_REG32_00 to NFT_REG32_15.
pub const Register = enum(u32) {
    verdict = 0,
    _,

    pub fn word(number: u32) Register {
        return @fromBackingInt(8 + number);
    }
};

/// A rule under construction: expressions in the order they are evaluated.
pub const Rule = struct {
    b: *Builder,
    list: usize,

    pub fn end(rule: Rule) void {
        rule.b.end(rule.list);
    }

    const Open = struct { element: usize, data: usize };

    fn open(rule: Rule, name: []const u8) Open {
        const element = rule.b.nest(Attribute.list_element);
        rule.b.string(Attribute.expression_name, name);
        return .{ .element = element, .data = rule.b.nest(Attribute.expression_data) };
    }

    fn close(rule: Rule, it: Open) void {
        rule.b.end(it.data);
        rule.b.end(it.element);
    }

    /// NFT_META_*.
    pub const Meta = enum(u32) { in_name = 6, out_name = 7, family = 15, protocol = 16 };

    pub fn meta(rule: Rule, key: Meta, to: Register) void {
        const it = rule.open("meta");
        rule.b.bigNumber(2, @backingInt(key));
        rule.b.bigNumber(1, @backingInt(to));
        rule.close(it);
    }

    /// NFT_PAYLOAD_*.
    pub const Part = struct {
        base: enum(u32) { network = 1, transport = 2 },
        offset: u32,
        length: u32,
    };

    pub fn payload(rule: Rule, part: Part, to: Register) void {
        const it = rule.open("payload");
        rule.b.bigNumber(1, @backingInt(to));
        rule.b.bigNumber(2, @backingInt(part.base));
        rule.b.bigNumber(3, part.offset);
        rule.b.bigNumber(4, part.length);
        rule.close(it);
    }

    pub const Is = enum(u32) { equal = 0, different = 1 };

    pub fn compare(rule: Rule, from: Register, is: Is, value: []const u8) void {
        const it = rule.open("cmp");
        rule.b.bigNumber(1, @backingInt(from));
        rule.b.bigNumber(2, @backingInt(is));
        const data = rule.b.nest(3);
        rule.b.attribute(Attribute.value, value);
        rule.b.end(data);
        rule.close(it);
    }

    /// Keeps the bits of `bits`.
    pub fn mask(rule: Rule, register: Register, bits: []const u8) void {
        const zeros: [16]u8 = @splat(0);
        const it = rule.open("bitwise");
        rule.b.bigNumber(1, @backingInt(register));
        rule.b.bigNumber(2, @backingInt(register));
        rule.b.bigNumber(3, @intCast(bits.len));
        const keep = rule.b.nest(4);
        rule.b.attribute(Attribute.value, bits);
        rule.b.end(keep);
        const flip = rule.b.nest(5);
        rule.b.attribute(Attribute.value, zeros[0..bits.len]);
        rule.b.end(flip);
        rule.close(it);
    }

    /// Goes on only for what `set` has; its value, where it is a map, goes `to` a register.
    pub fn lookup(rule: Rule, set: []const u8, from: Register, to: ?Register) void {
        const it = rule.open("lookup");
        rule.b.string(1, set);
        rule.b.bigNumber(2, @backingInt(from));
        if (to) |register| rule.b.bigNumber(3, @backingInt(register));
        rule.close(it);
    }

    /// How the packet's destination is known to routing: local, broadcast... (RTN_*).
    pub fn destinationKind(rule: Rule, to: Register) void {
        const address_kind = 3;
        const of_destination = 2;
        const it = rule.open("fib");
        rule.b.bigNumber(1, @backingInt(to));
        rule.b.bigNumber(2, address_kind);
        rule.b.bigNumber(3, of_destination);
        rule.close(it);
    }

    /// NFT_CT_*.
    pub const Connection = enum(u32) { state = 0, status = 2 };

    pub fn connection(rule: Rule, key: Connection, to: Register) void {
        const it = rule.open("ct");
        rule.b.bigNumber(2, @backingInt(key));
        rule.b.bigNumber(1, @backingInt(to));
        rule.close(it);
    }

    /// Sends the connection to the address and port in registers.
    pub fn dnat(rule: Rule, family: Address.Family, address: Register, port: Register) void {
        const destination = 1;
        const it = rule.open("nat");
        rule.b.bigNumber(1, destination);
        rule.b.bigNumber(2, @backingInt(family));
        rule.b.bigNumber(3, @backingInt(address));
        rule.b.bigNumber(5, @backingInt(port));
        rule.close(it);
    }

    pub fn masquerade(rule: Rule) void {
        const it = rule.open("masq");
        rule.close(it);
    }

    pub const Verdict = enum(i32) { drop = 0, accept = 1, jump = -3 };

    /// Ends the packet's way through the chain, or goes on in `chain`.
    pub fn verdict(rule: Rule, code: Verdict, chain: ?[]const u8) void {
        const it = rule.open("immediate");
        rule.b.bigNumber(1, @backingInt(Register.verdict));
        const data = rule.b.nest(2);
        const value = rule.b.nest(Attribute.value_verdict);
        rule.b.bigNumber(1, @bitCast(@backingInt(code)));
        if (chain) |name| rule.b.string(2, name);
        rule.b.end(value);
        rule.b.end(data);
        rule.close(it);
    }

    // -- what is asked often --

    pub fn isOf(rule: Rule, wanted: Address.Family) void {
        rule.meta(.family, .word(0));
        rule.compare(.word(0), .equal, &.{@backingInt(wanted)});
    }

    /// The interface a packet came in or goes out by.
    pub fn interface(rule: Rule, key: Meta, is: Is, name: []const u8) void {
        var padded: [linux.IFNAMESIZE]u8 = @splat(0);
        const length = @min(name.len, padded.len - 1);
        @memcpy(padded[0..length], name[0..length]);
        rule.meta(key, .word(0));
        rule.compare(.word(0), is, &padded);
    }

    /// Packets from, or to, the network of `address`.
    pub fn within(rule: Rule, side: enum { source, destination }, address: Address) void {
        const first = address.network();
        const bits = address.mask();
        rule.isOf(address.family);
        rule.payload(switch (side) {
            .source => sourceOf(address.family),
            .destination => destinationOf(address.family),
        }, .word(0));
        rule.mask(.word(0), bits.bytes());
        rule.compare(.word(0), .equal, first.bytes());
    }
};

fn sourceOf(family: Address.Family) Rule.Part {
    return switch (family) {
        .ip4 => .{ .base = .network, .offset = 12, .length = 4 },
        .ip6 => .{ .base = .network, .offset = 8, .length = 16 },
    };
}

/// Where a packet's destination address is.
pub fn destinationOf(family: Address.Family) Rule.Part {
    return switch (family) {
        .ip4 => .{ .base = .network, .offset = 16, .length = 4 },
        .ip6 => .{ .base = .network, .offset = 24, .length = 16 },
    };
}

test "a rule is a list of expressions" {
    var buffer: [1024]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    const rule: Rule = .{ .b = &b, .list = b.nest(4) };
    rule.interface(.out_name, .equal, "hb0");
    rule.verdict(.jump, "publish");
    rule.end();

    const golden = "\x24\x00\x01\x80" ++ "\x09\x00\x01\x00meta\x00\x00\x00\x00" ++
        "\x14\x00\x02\x80" ++ "\x08\x00\x02\x00\x00\x00\x00\x07" ++
        "\x08\x00\x01\x00\x00\x00\x00\x08";
    try std.testing.expectEqualSlices(u8, golden, buffer[4..][0..golden.len]);

    var list: netlink.Attributes = .{ .rest = buffer[4..b.length] };
    _ = list.next();
    const compared = netlink.findIn(list.next().?.value, Attribute.expression_data).?;
    const value = netlink.findIn(netlink.findIn(compared, 3).?, Attribute.value).?;
    try std.testing.expectEqualStrings("hb0" ++ "\x00\x00\x00\x00\x00", value[0..8]);
    const acted = netlink.findIn(list.next().?.value, Attribute.expression_data).?;
    const verdict = netlink.findIn(netlink.findIn(acted, 2).?, Attribute.value_verdict).?;
    try std.testing.expectEqualStrings("\xff\xff\xff\xfd", netlink.findIn(verdict, 1).?);
    try std.testing.expectEqualStrings("publish\x00", netlink.findIn(verdict, 2).?);
}
