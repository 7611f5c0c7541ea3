//! IPv4 and IPv6 addresses of a plan, as bytes.

const std = @import("std");
const linux = std.os.linux;
const net = std.Io.net;
const report = @import("report.zig");

/// An address and, where it came with one, the length of its network's prefix.
pub const Address = struct {
    family: Family,
    storage: [16]u8 = @splat(0),
    prefix: u8,

    pub const Family = enum(u8) { ip4 = linux.AF.INET, ip6 = linux.AF.INET6 };

    /// `10.89.0.5`, `10.89.0.5/16`, `fd00::5/64`.
    pub fn parse(text: []const u8) report.Error!Address {
        var parts = std.mem.splitScalar(u8, text, '/');
        const literal = parts.first();
        var address = parseLiteral(literal) orelse return refused(text);
        if (parts.next()) |length| {
            const prefix = std.fmt.parseInt(u8, length, 10) catch return refused(text);
            if (prefix > address.prefix or parts.next() != null) return refused(text);
            address.prefix = prefix;
        }
        return address;
    }

    pub fn bytes(address: *const Address) []const u8 {
        return address.storage[0..if (address.family == .ip4) 4 else 16];
    }

    /// The first address of the network this one is in.
    pub fn network(address: Address) Address {
        var first = address;
        for (&first.storage, 0..) |*byte, i| {
            const bits = @min(8, address.prefix -| i * 8);
            byte.* &= ~(@as(u8, 0xff) >> @intCast(@min(bits, 7)));
            if (bits == 8) byte.* = address.storage[i];
        }
        return first;
    }

    /// The bits of the prefix, all set.
    pub fn mask(address: Address) Address {
        var ones = address;
        @memset(&ones.storage, 0xff);
        return ones.network();
    }

    /// All of the machine's: `0.0.0.0`, `::`.
    pub fn isAny(address: Address) bool {
        return std.mem.allEqual(u8, address.bytes(), 0);
    }
};

fn parseLiteral(text: []const u8) ?Address {
    if (net.Ip4Address.parse(text, 0)) |ip4| {
        var address: Address = .{ .family = .ip4, .prefix = 32 };
        @memcpy(address.storage[0..4], &ip4.bytes);
        return address;
    } else |_| {}
    const ip6 = net.Ip6Address.parse(text, 0) catch return null;
    return .{ .family = .ip6, .prefix = 128, .storage = ip6.bytes };
}

fn refused(text: []const u8) report.Error {
    return report.fail("set up the network: \"{s}\" is no address", .{text});
}

/// `02:42:ac:11:00:02`.
pub fn parseMac(text: []const u8) report.Error![6]u8 {
    var mac: [6]u8 = undefined;
    var parts = std.mem.splitScalar(u8, text, ':');
    for (&mac) |*byte| {
        const part = parts.next() orelse "";
        if (part.len != 2) return refusedMac(text);
        byte.* = std.fmt.parseInt(u8, part, 16) catch return refusedMac(text);
    }
    if (parts.next() != null) return refusedMac(text);
    return mac;
}

fn refusedMac(text: []const u8) report.Error {
    return report.fail("set up the network: \"{s}\" is no MAC address", .{text});
}

/// A locally administered hardware address made of an IPv4 address: whoever gets that address next
/// has the same one, so no neighbour's table is ever wrong.
pub fn macOf(address: Address) [6]u8 {
    return .{ 0x02, 'h' } ++ address.storage[0..4].*;
}

test "an address has bytes, a prefix and a network" {
    const address = try Address.parse("10.89.3.5/20");
    try std.testing.expectEqualSlices(u8, &.{ 10, 89, 3, 5 }, address.bytes());
    try std.testing.expectEqual(20, address.prefix);
    try std.testing.expectEqualSlices(u8, &.{ 10, 89, 0, 0 }, address.network().bytes());
    try std.testing.expectEqualSlices(u8, &.{ 255, 255, 240, 0 }, address.mask().bytes());
    try std.testing.expectEqualSlices(u8, &.{ 2, 'h', 10, 89, 3, 5 }, &macOf(address));

    const v6 = try Address.parse("fd00:1::5/64");
    try std.testing.expectEqual(16, v6.bytes().len);
    const first6 = [4]u8{ 0xfd, 0, 0, 1 } ++ @as([12]u8, @splat(0));
    try std.testing.expectEqualSlices(u8, &first6, v6.network().bytes());
    try std.testing.expect(!v6.isAny());
    try std.testing.expect((try Address.parse("::")).isAny());
}

test "what is no address is refused" {
    const saved = report.fd;
    defer report.fd = saved;

    report.fd = -1;
    const broken = [_][]const u8{ "", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "::1/129", "1::/1/1" };
    for (broken) |text| {
        try std.testing.expectError(error.Reported, Address.parse(text));
    }
    for ([_][]const u8{ "", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "02:42:ac:11:0:2" }) |text| {
        try std.testing.expectError(error.Reported, parseMac(text));
    }
}
