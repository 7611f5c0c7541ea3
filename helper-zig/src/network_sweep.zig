//! `hb-init network-sweep --state DIR...`: what containers left on bridges whose supervisor was
//! killed. Their interfaces are gone with them, mostly; published ports, leases and the bridge of
//! the last one are not.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const bridge = @import("bridge.zig");
const leases = @import("leases.zig");

/// Dead containers taken care of in one go; there are as many goes as it takes.
const dead_max = 64;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    const named = args.len > 0 and std.mem.eql(u8, std.mem.span(args[0]), "--state");
    if (!named) {
        report.fail("network-sweep needs --state DIR...", .{}) catch {};
        return 1;
    }
    var status: u8 = 0;
    for (args[1..]) |path| sweep(std.mem.span(path)) catch {
        status = 1; // said already; the others are swept all the same
    };
    return status;
}

/// The containers of one bridge that nobody holds the lease of any more.
const Dead = struct {
    ids: [dead_max][64]u8 = undefined,
    list: [dead_max][]const u8 = undefined,
    count: usize = 0,

    fn add(dead: *Dead, lease: leases.Lease) void {
        const id = lease.readId(&dead.ids[dead.count]);
        // Killed before it was written: then there is nothing but the lease.
        if (id.len < 12) return;
        dead.list[dead.count] = id;
        dead.count += 1;
    }
};

fn sweep(path: [:0]const u8) report.Error!void {
    const trimmed = std.mem.trimEnd(u8, path, "/");
    if (trimmed.len != path.len) return report.fail("sweep {s}: no slash at the end", .{path});
    const state = try leases.State.open(path) orelse return;
    defer state.close();

    while (true) {
        var dead: Dead = .{};
        const is_all = try collect(state, &dead);
        // The bridge's name; the path is absolute, and ends where its last part does.
        const name = path[path.len - std.fs.path.basename(path).len ..];
        try bridge.takeDown(state, name, dead.list[0..dead.count], -1);
        if (is_all) return;
    }
}

/// Removes the leases nobody holds; false when there are more than fit.
fn collect(state: leases.State, dead: *Dead) report.Error!bool {
    var walk = try leases.Walk.begin(state) orelse return true;
    defer walk.end();

    while (try walk.next()) |lease| {
        defer sys.close(lease.fd);

        if (lease.is_held) continue;
        dead.add(lease);
        try state.removeLease(lease.address);
        if (dead.count == dead_max) return false;
    }
    return true;
}
