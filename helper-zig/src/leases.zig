//! The state of a bridge on this machine: who has which address of it.
//!
//! ```
//!   /run/hb/networks/NAME/            locked (flock(2)) for every change
//!     leases/10.89.0.5                locked as long as the container is there; line 1 is its id
//!     hosts/10.89.0.5                 its /etc/hosts
//! ```
//! The front end writes it (src/network/leases.ts); the helper takes away what has ended.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const dirent = @import("dirent.zig");
const plan = @import("plan.zig");
const hosts = @import("hosts.zig");

const directory_only: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };

/// An interface's name without the zero.
pub const PortName = [14]u8;

/// The bridge's port of the container `id`, of at least twelve digits.
pub fn portName(id: []const u8) PortName {
    return "hb".* ++ id[0..12].*;
}

/// A bridge's state, locked.
pub const State = struct {
    path: plan.Text,
    fd: sys.Fd,
    /// Where the states of all bridges are, and what they share.
    runtime: sys.Fd,

    /// Opens and locks it; null when it is not there.
    pub fn open(path: plan.Text) report.Error!?State {
        const doing = "lock the network's state {s}";
        const opened = sys.openat(sys.cwd, path, directory_only, 0);
        if (opened == .err and opened.err == .NOENT) return null;
        const fd = try report.check(opened, doing, .{path});
        errdefer sys.close(fd);

        try report.check(sys.flock(fd, .exclusive), doing, .{path});
        // The last one may have removed it meanwhile: then there is nothing in it.
        const flags: linux.O = .{ .DIRECTORY = true };
        const runtime = sys.openat(fd, "../..", flags, 0);
        return .{ .path = path, .fd = fd, .runtime = try report.check(runtime, doing, .{path}) };
    }

    pub fn close(state: State) void {
        sys.close(state.runtime);
        sys.close(state.fd);
    }

    /// Removes the lease of `address` (with or without a prefix) and what goes with it.
    pub fn removeLease(state: State, address: []const u8) report.Error!void {
        hosts.forget(state.fd, std.mem.sliceTo(address, '/'));
        for ([_][]const u8{ "leases", "hosts" }) |directory| {
            var buffer: [128]u8 = undefined;
            const literal = std.mem.sliceTo(address, '/');
            const parts = .{ directory, literal };
            const name = std.fmt.bufPrintSentinel(&buffer, "{s}/{s}", parts, 0) catch
                return report.fail("remove the lease {s}: name too long", .{literal});
            const gone = sys.unlinkat(state.fd, name, 0);
            if (gone == .err and gone.err == .NOENT) continue;
            try report.check(gone, "remove {s}/{s}", .{ state.path, name });
        }
    }

    /// Whether some container holds a lease.
    pub fn hasHeld(state: State) report.Error!bool {
        var walk = try Walk.begin(state) orelse return false;
        defer walk.end();

        while (try walk.next()) |lease| {
            defer sys.close(lease.fd);

            if (lease.is_held) return true;
        }
        return false;
    }

    /// Removes what nothing is in any more.
    pub fn remove(state: State) void {
        // What is left in them belongs to somebody, and is swept when it is nobody's.
        for ([_][*:0]const u8{ "leases", "hosts" }) |name|
            _ = sys.unlinkat(state.fd, name, linux.AT.REMOVEDIR);
        _ = sys.unlinkat(sys.cwd, state.path, linux.AT.REMOVEDIR);
    }
};

/// One lease; `fd` is the caller's to close.
pub const Lease = struct {
    address: [:0]const u8,
    fd: sys.Fd,
    is_held: bool,

    /// The container's id, as far as it was written.
    pub fn readId(lease: Lease, buffer: *[64]u8) []const u8 {
        const length = switch (sys.readAll(lease.fd, buffer)) {
            .ok => |n| n,
            .err => 0,
        };
        return std.mem.sliceTo(buffer[0..length], '\n');
    }
};

/// The leases of a bridge one after another. Those nobody holds are held by the walk, as long as
/// their descriptor is open.
pub const Walk = struct {
    listing: dirent.Listing,
    path: plan.Text,

    pub fn begin(state: State) report.Error!?Walk {
        const opened = sys.openat(state.fd, "leases", directory_only, 0);
        if (opened == .err and opened.err == .NOENT) return null;
        const fd = try report.check(opened, "list the leases in {s}", .{state.path});
        return .{ .listing = .{ .fd = fd }, .path = state.path };
    }

    pub fn end(walk: *const Walk) void {
        sys.close(walk.listing.fd);
    }

    pub fn next(walk: *Walk) report.Error!?Lease {
        const doing = "list the leases in {s}";
        while (try report.check(walk.listing.next(), doing, .{walk.path})) |entry| {
            const flags: linux.O = .{ .NOFOLLOW = true };
            const fd = switch (sys.openat(walk.listing.fd, entry.name, flags, 0)) {
                .ok => |fd| fd,
                .err => continue,
            };
            const locked = sys.flock(fd, .exclusive_now);
            return .{ .address = entry.name, .fd = fd, .is_held = locked == .err };
        }
        return null;
    }
};

test "a port is named after the container" {
    try std.testing.expectEqualStrings("hb0123456789ab", &portName("0123456789abcdef"));
}
