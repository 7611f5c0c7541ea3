//! A container on one of hb's bridges: connected when it starts, taken off when it has ended, the
//! bridge made with its first container and gone with its last.
//!
//! ```
//!   attach: lock ─▶ bridge? ─▶ pair ─▶ addresses and routes inside ─▶ it works? ─▶ rules? ports
//!   detach: lock ─▶ published ports ─▶ pair ─▶ lease ─▶ (the last) rules, bridge, forwarding
//! ```
//! A container is on the bridge as long as its lease is locked: the state directory, machine-wide
//! in /run, has a file for each address, whose lock the supervisor inherits and never lets go. What
//! a supervisor leaves that is killed, `network-sweep` takes away.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const netlink = @import("netlink.zig");
const rtnetlink = @import("rtnetlink.zig");
const nftables = @import("nftables.zig");
const firewall = @import("firewall.zig");
const forwarding = @import("forwarding.zig");
const sysctl = @import("sysctl.zig");
const leases = @import("leases.zig");
const link_removal = @import("link_removal.zig");
const address = @import("address.zig");
const Address = address.Address;

/// What a container's interface is called inside.
const inside_name = "eth0";

/// One for all requests: there is one bridge at a time to change.
var request: [netlink.request_bytes_max]u8 align(4) = undefined;

fn newRequest() netlink.Builder {
    return .{ .buffer = &request };
}

/// The plan's bridge in bytes.
const Wanted = struct {
    it: plan.Bridge,
    port: leases.PortName,
    address4: Address,
    gateway4: Address,
    address6: ?Address = null,
    gateway6: ?Address = null,
    mac: [6]u8,

    fn parse(it: plan.Bridge, id: []const u8) report.Error!Wanted {
        if (it.name.len == 0 or it.name.len >= linux.IFNAMESIZE or id.len < 12)
            return report.fail("connect to the bridge \"{s}\": no such name", .{it.name});
        var wanted: Wanted = .{
            .it = it,
            .port = leases.portName(id),
            .address4 = try .parse(it.address4),
            .gateway4 = try .parse(it.gateway4),
            .mac = undefined,
        };
        wanted.gateway4.prefix = wanted.address4.prefix;
        const mac = it.mac orelse "";
        wanted.mac = if (mac.len > 0) try address.parseMac(mac) else address.macOf(wanted.address4);
        if (!hasIp6()) return wanted;
        if (it.address6) |text| wanted.address6 = try .parse(text);
        if (it.gateway6) |text| wanted.gateway6 = try .parse(text);
        if (wanted.gateway6) |*gateway| if (wanted.address6) |own| {
            gateway.prefix = own.prefix;
        };
        return wanted;
    }

    fn network(wanted: *const Wanted) firewall.Network {
        return .{
            .bridge = wanted.it.name,
            .subnet4 = wanted.address4,
            .subnet6 = wanted.address6,
            .internal = wanted.it.internal,
            .localhost6 = wanted.address6 != null and firewall.canPublishLocalhost6(),
        };
    }
};

/// Whether this machine's interfaces have IPv6.
fn hasIp6() bool {
    const of: sysctl.OfInterface = .{ .setting = "ipv6/conf/%/disable_ipv6", .interface = "all" };
    const value = of.read();
    return value == .ok and value.ok == '0';
}

/// What becomes of a container that is taken off its bridge.
pub const Next = enum { ends, starts_again };

/// A container's place on a bridge.
pub const Attached = struct {
    it: plan.Bridge,
    id: []const u8,
    /// Keeps the network namespace: the kernel takes it apart when the last process is gone,
    /// slowly, and what is done to the pair meanwhile would wait for that.
    namespace: sys.Fd,

    /// Takes the container off the bridge, and the bridge away with the last one. One that is to
    /// start again keeps its lease, and with it its address and the bridge.
    pub fn detach(attached: Attached, next: Next) report.Error!void {
        defer sys.close(attached.namespace);

        const state = try leases.State.open(attached.it.state) orelse return;
        defer state.close();

        if (next == .ends) try state.removeLease(attached.it.address4);
        return takeDown(state, attached.it.name, &.{attached.id}, attached.namespace);
    }
};

/// Connects the network namespace of `pid` to the bridge.
pub fn attach(it: plan.Bridge, id: []const u8, pid: sys.Pid) report.Error!Attached {
    const wanted: Wanted = try .parse(it, id);
    const namespace = try openNamespace(pid);
    const attached: Attached = .{ .it = it, .id = id, .namespace = namespace };
    errdefer attached.detach(.ends) catch {}; // said already, and the first failure is what counts

    const state = try leases.State.open(it.state) orelse
        return report.fail("connect to {s}: {s} is gone", .{ it.name, it.state });
    defer state.close();

    const records: forwarding.Records = try .open(state.runtime);
    defer records.close();

    const routes = try report.check(netlink.Socket.open(.route), "open a netlink socket", .{});
    defer routes.close();

    const link = try provideBridge(&wanted, routes);
    try addPair(&wanted, routes, link, namespace);
    try configureInside(&wanted, namespace);
    awaitConnection(&wanted, routes);
    try provideRules(&wanted, records);
    return attached;
}

fn openNamespace(pid: sys.Pid) report.Error!sys.Fd {
    var path: [32]u8 = undefined;
    // proven: a pid has ten digits at most.
    const name = std.fmt.bufPrintSentinel(&path, "/proc/{d}/ns/net", .{pid}, 0) catch unreachable;
    return report.check(sys.openat(sys.cwd, name, .{}, 0), "open the network namespace", .{});
}

/// The bridge, made where it is not there.
fn provideBridge(wanted: *const Wanted, routes: netlink.Socket) report.Error!rtnetlink.Link {
    const name = wanted.it.name;
    const found = try report.check(rtnetlink.find(routes, name), "look for {s}", .{name});
    if (found) |link| return link;

    var b = newRequest();
    const mtu = rtnetlink.uplinkMtu(routes);
    rtnetlink.addBridge(&b, name, address.macOf(wanted.gateway4), mtu);
    var failed: u32 = 0;
    try report.check(routes.transact(&b, &failed), "make the bridge {s}", .{name});
    const made = try report.check(rtnetlink.find(routes, name), "look for {s}", .{name});
    const link = made orelse return report.fail("make the bridge {s}: it is gone again", .{name});
    b = newRequest();
    rtnetlink.setGroup(&b, link.index, groupOf(link));
    rtnetlink.addAddress(&b, link.index, wanted.gateway4);
    if (wanted.gateway6) |gateway| {
        rtnetlink.addAddress(&b, link.index, gateway);
        rtnetlink.addLocalhost6(&b, link.index);
    }
    const added = routes.transact(&b, &failed);
    try report.check(added, "give {s} its addresses", .{name});
    try setUpBridge(name);
    if (!wanted.it.internal) warnOfForeignRules(name);
    return link;
}

/// A bridge and its ports are a group (ip-link(8)), whose number nobody else has at the time.
fn groupOf(bridge: rtnetlink.Link) u32 {
    return @as(u32, 'h') << 24 | @as(u32, @intCast(bridge.index & 0xffffff));
}

/// The bridge's own settings: it forwards, and takes part in localhost's published ports.
fn setUpBridge(name: []const u8) report.Error!void {
    const settings = [_][2][]const u8{
        .{ "ipv4/conf/%/forwarding", "1" },
        .{ "ipv4/conf/%/route_localnet", "1" },
    };
    for (settings) |setting| {
        const of: sysctl.OfInterface = .{ .setting = setting[0], .interface = name };
        try report.check(of.write(setting[1]), "set {s} of {s}", .{ setting[0], name });
    }
    // Since Linux 6.17; see forwarding.zig.
    const force = "ipv6/conf/%/force_forwarding";
    const of: sysctl.OfInterface = .{ .setting = force, .interface = name };
    const forced = of.write("1");
    if (forced == .err and forced.err == .NOENT) return;
    return report.check(forced, "make {s} forward", .{name});
}

fn addPair(
    wanted: *const Wanted,
    routes: netlink.Socket,
    bridge: rtnetlink.Link,
    namespace: sys.Fd,
) report.Error!void {
    var b = newRequest();
    rtnetlink.addPair(&b, .{
        .name = &wanted.port,
        .bridge = bridge.index,
        .mtu = bridge.mtu,
        .group = groupOf(bridge),
        .namespace = namespace,
        .peer_name = inside_name,
        .peer_mac = wanted.mac,
    });
    rtnetlink.setHairpin(&b, &wanted.port);
    var failed: u32 = 0;
    const added = routes.transact(&b, &failed);
    return report.check(added, "connect the container to {s}", .{wanted.it.name});
}

/// Before a packet is led to the container, or its program begins: both ends of the way must let it
/// through. The first would ask for a hardware address in vain, and the kernel asks again a second
/// later (neigh/default/retrans_time_ms).
fn awaitConnection(wanted: *const Wanted, routes: netlink.Socket) void {
    for ([_][]const u8{ &wanted.port, wanted.it.name }) |name| {
        // Where that cannot be known the first connection may take its second.
        _ = rtnetlink.awaitOperational(routes, name);
    }
}

/// Addresses and routes, from within the network namespace.
fn configureInside(wanted: *const Wanted, namespace: sys.Fd) report.Error!void {
    const routes = try openInside(namespace);
    defer routes.close();

    const found = rtnetlink.find(routes, inside_name);
    const link = try report.check(found, "look for the container's interface", .{}) orelse
        return report.fail("look for the container's interface: it is gone", .{});
    var b = newRequest();
    rtnetlink.up(&b, link.index); // before the routes, which go by what is up
    rtnetlink.addAddress(&b, link.index, wanted.address4);
    if (wanted.address6) |own| rtnetlink.addAddress(&b, link.index, own);
    if (!wanted.it.internal) {
        rtnetlink.addDefaultRoute(&b, link.index, wanted.gateway4);
        if (wanted.gateway6) |gateway| rtnetlink.addDefaultRoute(&b, link.index, gateway);
    }
    var failed: u32 = 0;
    const configured = routes.transact(&b, &failed);
    return report.check(configured, "give the container its addresses", .{});
}

/// A socket belongs to the network namespace it was opened in, whoever uses it from where.
fn openInside(namespace: sys.Fd) report.Error!netlink.Socket {
    const doing = "enter the container's network namespace";
    const own = try report.check(sys.openat(sys.cwd, "/proc/self/ns/net", .{}, 0), doing, .{});
    defer sys.close(own);

    try report.check(sys.setns(namespace, linux.CLONE.NEWNET), doing, .{});
    // Nobody sees an address of ours before it is of use: no duplicate address detection.
    const of: sysctl.OfInterface = .{
        .setting = "ipv6/conf/%/accept_dad",
        .interface = inside_name,
    };
    _ = of.write("0"); // no IPv6, or read-only: then the link-local address takes its time
    const opened = netlink.Socket.open(.route);
    try report.check(sys.setns(own, linux.CLONE.NEWNET), "leave it", .{});
    return report.check(opened, doing, .{});
}

/// The bridge's rules, made where they are not there, and the container's own.
fn provideRules(wanted: *const Wanted, records: forwarding.Records) report.Error!void {
    const doing = "set up the firewall of {s}";
    const name = wanted.it.name;
    const filter = try report.check(netlink.Socket.open(.netfilter), doing, .{name});
    defer filter.close();

    var table: firewall.Table = .{};
    const table_name = table.of(name);
    const is_there = try report.check(nftables.hasTable(filter, table_name), doing, .{name});
    var b = newRequest();
    var batch: nftables.Batch = .begin(&b, table_name);
    if (!is_there) firewall.addTable(&batch, wanted.network());
    if (!wanted.it.internal) try records.turnOn(name, &batch, !is_there);
    for (wanted.it.publish) |port| try firewall.publish(&batch, port, .{
        .address4 = wanted.address4,
        .address6 = wanted.address6,
        .comment = &wanted.port,
    });
    if (batch.isEmpty()) return;
    var failed: u32 = 0;
    const committed = batch.commit(filter, &failed);
    if (committed == .err and committed.err == .EXIST)
        return report.fail(
            "publish ports on {s}: another container has one of them; see hb ps",
            .{name},
        );
    return report.check(committed, doing, .{name});
}

/// What others drop stays dropped, whatever hb's rules accept. Said when the bridge is made.
fn warnOfForeignRules(name: []const u8) void {
    const filter = switch (netlink.Socket.open(.netfilter)) {
        .ok => |socket| socket,
        .err => return, // what follows says why
    };
    defer filter.close();

    const forward = nftables.Foreign.look(filter, "filter", "FORWARD");
    if (!forward.drops) return;
    const docker = nftables.Foreign.look(filter, "filter", "DOCKER-USER");
    const chain = if (docker.is_there) "DOCKER-USER" else "FORWARD";
    report.notice(
        "this machine's iptables drop what is forwarded, containers' packets on {s} too; " ++
            "as root: iptables -I {s} -i {s} -j ACCEPT; iptables -I {s} -o {s} -j ACCEPT",
        .{ name, chain, name, chain, name },
    );
}

/// Removes what the containers `ids` had, and all the rest where no lease is held any more. Each
/// step is tried whatever became of the others. `namespace` is one to let go of at the end.
pub fn takeDown(
    state: leases.State,
    name: [:0]const u8,
    ids: []const []const u8,
    namespace: sys.Fd,
) report.Error!void {
    const records: forwarding.Records = try .open(state.runtime);
    defer records.close();

    const routes = try report.check(netlink.Socket.open(.route), "open a netlink socket", .{});
    defer routes.close();

    const doing = "take back the firewall of {s}";
    const filter = try report.check(netlink.Socket.open(.netfilter), doing, .{name});
    defer filter.close();

    const is_last = !try state.hasHeld();
    const rules = if (is_last) removeRules(filter, name) else unpublish(filter, name, ids);
    if (is_last) {
        try records.turnOff(name);
        state.remove();
    }
    const keep = [_]sys.Fd{ filter.fd, namespace };
    if (is_last) {
        try removeBridge(routes, name, &keep);
    } else for (ids) |id| {
        try removePort(routes, &leases.portName(id), &keep);
    }
    return report.check(rules, doing, .{name});
}

fn removeBridge(routes: netlink.Socket, name: []const u8, keep: []const sys.Fd) report.Error!void {
    const found = try report.check(rtnetlink.find(routes, name), "look for {s}", .{name});
    const link = found orelse return;
    var b = newRequest();
    rtnetlink.removeGroup(&b, groupOf(link));
    return link_removal.run(.{
        .routes = routes,
        .request = &b,
        .index = link.index,
        .name = name,
        .keep = keep,
    });
}

fn removePort(routes: netlink.Socket, name: []const u8, keep: []const sys.Fd) report.Error!void {
    const found = try report.check(rtnetlink.find(routes, name), "look for {s}", .{name});
    const link = found orelse return;
    var b = newRequest();
    rtnetlink.remove(&b, name);
    return link_removal.run(.{
        .routes = routes,
        .request = &b,
        .index = link.index,
        .name = name,
        .keep = keep,
    });
}

fn removeRules(filter: netlink.Socket, name: []const u8) sys.Result(void) {
    var table: firewall.Table = .{};
    var b = newRequest();
    var batch: nftables.Batch = .begin(&b, table.of(name));
    batch.removeTable();
    var failed: u32 = 0;
    const removed = batch.commit(filter, &failed);
    return if (removed == .err and removed.err == .NOENT) .{ .ok = {} } else removed;
}

fn unpublish(filter: netlink.Socket, name: []const u8, ids: []const []const u8) sys.Result(void) {
    var table: firewall.Table = .{};
    var b = newRequest();
    var batch: nftables.Batch = .begin(&b, table.of(name));
    for (ids) |id| {
        const found = firewall.unpublish(&batch, filter, &leases.portName(id));
        // Somebody has flushed all rules.
        if (found == .err and found.err == .NOENT) return .{ .ok = {} };
        if (found == .err) return found;
    }
    var failed: u32 = 0;
    return if (batch.isEmpty()) .{ .ok = {} } else batch.commit(filter, &failed);
}
