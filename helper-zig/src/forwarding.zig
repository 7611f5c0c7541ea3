//! Forwarding between interfaces, turned on as far as hb's bridges need it and off again.
//!
//! A packet is forwarded when the interface it comes in by forwards (ip_forward, per interface:
//! net.ipv4.conf.*.forwarding): so with the bridge alone containers could send and never hear an
//! answer. The other interfaces of the machine are made to forward too, unless they all do anyway,
//! and a rule of hb's drops what would go from one of those to another: the machine becomes a
//! router for hb's bridges and for nothing else. IPv6 has the switch per interface since Linux 6.17
//! (force_forwarding); the older one for all would make the host deaf to router advertisements, so
//! there containers reach the host by IPv6 but not what is beyond.
//!
//! What was turned on is on record in /run, a file for each bridge, and with the last bridge that
//! needs it goes off again.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const dirent = @import("dirent.zig");
const sysctl = @import("sysctl.zig");
const firewall = @import("firewall.zig");
const nftables = @import("nftables.zig");
const Address = @import("address.zig").Address;

const record_bytes_max = 32 << 10;
const doing = "make the machine's interfaces forward for containers";

const families = [_]Address.Family{ .ip4, .ip6 };

fn settingOf(family: Address.Family) []const u8 {
    return switch (family) {
        .ip4 => "ipv4/conf/%/forwarding",
        .ip6 => "ipv6/conf/%/force_forwarding",
    };
}

/// The records of all bridges, locked: one bridge at a time is set up or taken down on a machine.
pub const Records = struct {
    directory: sys.Fd,

    /// `runtime` is the directory that holds them.
    pub fn open(runtime: sys.Fd) report.Error!Records {
        const name = "forwarding";
        const made = sys.mkdirat(runtime, name, 0o700);
        if (made == .err and made.err != .EXIST) try report.check(made, doing, .{});
        const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };
        const fd = try report.check(sys.openat(runtime, name, flags, 0), doing, .{});
        try report.check(sys.flock(fd, .exclusive), doing, .{});
        return .{ .directory = fd };
    }

    pub fn close(records: Records) void {
        sys.close(records.directory);
    }

    /// Makes every interface forward that `bridge` may hear from, and adds those that did not to
    /// hb's rules; all on record, when the table is new.
    pub fn turnOn(
        records: Records,
        bridge: [:0]const u8,
        batch: *nftables.Batch,
        is_new_table: bool,
    ) report.Error!void {
        var own: Record = .{};
        try own.read(records.directory, bridge);
        var others: Record = .{};
        try records.readOthers(&others, bridge);
        const before = own.length;
        for (families) |family| try openAll(&own, &others, family, bridge);
        var lines = own.lines();
        while (lines.next()) |line| {
            const is_new = is_new_table or lines.end > before;
            if (is_new) firewall.addOpened(batch, line.family, line.interface);
        }
        if (own.length > before) try own.write(records.directory, bridge);
    }

    /// Turns off what nobody but `bridge` needed.
    pub fn turnOff(records: Records, bridge: [:0]const u8) report.Error!void {
        var own: Record = .{};
        try own.read(records.directory, bridge);
        var others: Record = .{};
        try records.readOthers(&others, bridge);
        var lines = own.lines();
        while (lines.next()) |line| {
            // Somebody has made all forward since: then it is no longer ours to turn off.
            if (others.has(line) or isOn(line.family, "all")) continue;
            // An interface may be gone meanwhile.
            _ = switchOf(line.family, line.interface).write("0");
        }
        const gone = sys.unlinkat(records.directory, bridge, 0);
        if (gone == .err and gone.err == .NOENT) return;
        return report.check(gone, "remove the record of what {s} made forward", .{bridge});
    }

    fn readOthers(records: Records, others: *Record, bridge: []const u8) report.Error!void {
        _ = sys.seek(records.directory, 0, .start);
        var listing: dirent.Listing = .{ .fd = records.directory };
        while (try report.check(listing.next(), doing, .{})) |entry| {
            if (std.mem.eql(u8, entry.name, bridge)) continue;
            try others.read(records.directory, entry.name);
        }
    }
};

fn switchOf(family: Address.Family, interface: []const u8) sysctl.OfInterface {
    return .{ .setting = settingOf(family), .interface = interface };
}

/// Of all interfaces IPv6 has only the old switch.
fn isOn(family: Address.Family, interface: []const u8) bool {
    const all = std.mem.eql(u8, interface, "all");
    const setting = if (all and family == .ip6) "ipv6/conf/%/forwarding" else settingOf(family);
    const of: sysctl.OfInterface = .{ .setting = setting, .interface = interface };
    const value = of.read();
    return value == .ok and value.ok == '1';
}

fn openAll(
    own: *Record,
    others: *const Record,
    family: Address.Family,
    bridge: []const u8,
) report.Error!void {
    // Turned on for all by the machine's own configuration, or by docker.
    if (isOn(family, "all")) return;
    const path = if (family == .ip4) "/proc/sys/net/ipv4/conf" else "/proc/sys/net/ipv6/conf";
    const opened = sys.openat(sys.cwd, path, .{ .DIRECTORY = true }, 0);
    if (opened == .err and opened.err == .NOENT) return; // no IPv6 in this kernel
    const fd = try report.check(opened, doing, .{});
    defer sys.close(fd);

    var listing: dirent.Listing = .{ .fd = fd };
    while (try report.check(listing.next(), doing, .{})) |entry| {
        if (isPassedBy(entry.name, bridge)) continue;
        const line: Line = .{ .family = family, .interface = entry.name };
        if (own.has(line)) continue;
        const value = switchOf(family, entry.name).read();
        if (value == .err) continue; // gone meanwhile, or a kernel without this switch
        if (value.ok == '1' and !others.has(line)) continue;
        if (value.ok != '1') {
            const on = switchOf(family, entry.name).write("1");
            if (on == .err and on.err == .NOENT) continue;
            try report.check(on, doing, .{});
        }
        try own.add(line);
    }
}

/// Names that are no interface, loopback, the bridge itself, and the ports of hb's bridges.
fn isPassedBy(name: []const u8, bridge: []const u8) bool {
    for ([_][]const u8{ "all", "default", "lo", bridge }) |one| {
        if (std.mem.eql(u8, name, one)) return true;
    }
    return isPortName(name);
}

/// `hb` and twelve digits of a container's id: what bridge.zig calls the ports.
pub fn isPortName(name: []const u8) bool {
    if (name.len != 14 or !std.mem.startsWith(u8, name, "hb")) return false;
    for (name[2..]) |digit| if (!std.ascii.isHex(digit)) return false;
    return true;
}

const Line = struct { family: Address.Family, interface: []const u8 };

/// `4 eth0`, a line for each interface.
const Record = struct {
    text: [record_bytes_max]u8 = undefined,
    length: usize = 0,

    /// Appends what the file `name` has; nothing when there is none.
    fn read(record: *Record, directory: sys.Fd, name: [:0]const u8) report.Error!void {
        const opened = sys.openat(directory, name, .{ .NOFOLLOW = true }, 0);
        if (opened == .err and opened.err == .NOENT) return;
        const fd = try report.check(opened, doing, .{});
        defer sys.close(fd);

        const rest = record.text[record.length..];
        record.length += try report.check(sys.readAll(fd, rest), doing, .{});
    }

    /// Not atomically: a half-written record names fewer interfaces, no wrong ones.
    fn write(record: *const Record, directory: sys.Fd, name: [:0]const u8) report.Error!void {
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .NOFOLLOW = true };
        const fd = try report.check(sys.openat(directory, name, flags, 0o600), doing, .{});
        defer sys.close(fd);

        return report.check(sys.writeAll(fd, record.text[0..record.length]), doing, .{});
    }

    fn add(record: *Record, line: Line) report.Error!void {
        const digit: u8 = if (line.family == .ip4) '4' else '6';
        const rest = record.text[record.length..];
        const added = std.fmt.bufPrint(rest, "{c} {s}\n", .{ digit, line.interface }) catch
            return report.fail(doing ++ ": too many interfaces", .{});
        record.length += added.len;
    }

    fn has(record: *const Record, wanted: Line) bool {
        var it = record.lines();
        while (it.next()) |line| {
            if (line.family == wanted.family and std.mem.eql(u8, line.interface, wanted.interface))
                return true;
        }
        return false;
    }

    fn lines(record: *const Record) Lines {
        return .{ .text = record.text[0..record.length] };
    }
};

const Lines = struct {
    text: []const u8,
    end: usize = 0,

    fn next(it: *Lines) ?Line {
        while (it.end < it.text.len) {
            const line = std.mem.sliceTo(it.text[it.end..], '\n');
            it.end = @min(it.end + line.len + 1, it.text.len);
            if (line.len < 3) continue;
            return .{ .family = if (line[0] == '4') .ip4 else .ip6, .interface = line[2..] };
        }
        return null;
    }
};

test "a record has what was added to it" {
    var record: Record = .{};
    try record.add(.{ .family = .ip4, .interface = "eth0" });
    try record.add(.{ .family = .ip6, .interface = "wlan0" });
    try std.testing.expectEqualStrings("4 eth0\n6 wlan0\n", record.text[0..record.length]);
    try std.testing.expect(record.has(.{ .family = .ip4, .interface = "eth0" }));
    try std.testing.expect(!record.has(.{ .family = .ip6, .interface = "eth0" }));
    try std.testing.expect(!record.has(.{ .family = .ip4, .interface = "eth" }));
}

test "the ports of hb's bridges are known by their names" {
    try std.testing.expect(isPortName("hb0123456789ab"));
    try std.testing.expect(!isPortName("hb0"));
    try std.testing.expect(!isPortName("hb0123456789xy"));
}
