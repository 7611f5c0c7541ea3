//! Running a piece of work as root of a user namespace, or plainly when there is none to make.
//!
//! ```
//!   parent: clone ─▶ write the maps ─▶ ids_mapped ─▶ wait, pass the status on
//!   child:  ids_mapped (end of file: do not run) ─▶ root of the namespace ─▶ the work
//! ```

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sync = @import("sync.zig");
const report = @import("report.zig");
const idmap = @import("idmap.zig");
const namespaces = @import("namespaces.zig");

pub const Maps = idmap.Maps;

/// Runs `body(context)` as root of a new user namespace with `maps`, in a child process, and gives
/// its exit status; without maps, here and now. The child dies with this process.
pub fn run(
    maps: ?Maps,
    context: anytype,
    comptime body: fn (@TypeOf(context)) u8,
) report.Error!u8 {
    const wanted = maps orelse return body(context);
    const pair = try sync.Pair.open();

    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.NEWUSER | linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "create a user namespace", .{});
    if (pid == 0) {
        pair.parent.close();
        becomeRoot(pair.child, wanted) catch sys.exit(report.exit_hb_failed);
        pair.child.close();
        sys.exit(body(context));
    }
    pair.child.close();

    const mapped = idmap.write(pid, wanted);
    if (mapped) |_| pair.parent.send(.ids_mapped) catch {
        // The child is gone already; its status below says how.
    } else |_| {
        // Closing our end tells the child not to run.
        pair.parent.close();
    }
    const ended = try report.check(sys.wait(pidfd), "wait for the user namespace's process", .{});
    try mapped;
    return ended.status();
}

/// Makes this very process root of a new user namespace with `maps`. A child is in it first, for as
/// long as its maps are written: newuidmap(1) takes no process for its own caller.
pub fn enter(maps: Maps) report.Error!void {
    const pair = try sync.Pair.open();
    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.NEWUSER | linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "create a user namespace", .{});
    if (pid == 0) {
        pair.parent.close();
        // Nothing is ever sent: it waits for the end of the other side's work.
        pair.child.expect(.ids_mapped) catch sys.exit(0);
        sys.exit(0);
    }
    pair.child.close();
    const entered = enterThatOf(pid, maps);
    pair.parent.close();
    _ = sys.wait(pidfd);
    sys.close(pidfd);
    return entered;
}

fn enterThatOf(pid: sys.Pid, maps: Maps) report.Error!void {
    try idmap.write(pid, maps);
    const namespace = try namespaces.openUser(pid);
    defer sys.close(namespace);

    const joined = sys.setns(namespace, linux.CLONE.NEWUSER);
    try report.check(joined, "enter the user namespace", .{});
    try takeRootIds(maps.isSingle());
    // Gaining rights makes the files of this process in /proc root's; they are needed.
    _ = try report.check(sys.prctl(.SET_DUMPABLE, 1), "look into /proc", .{});
}

/// The child's side, up to being root in the namespace and bound to the parent's life.
pub fn becomeRoot(peer: sync.Peer, maps: Maps) report.Error!void {
    try peer.expect(.ids_mapped);
    try takeRootIds(maps.isSingle());
    // After the change of user, which clears it; and the parent may have died before.
    _ = try report.check(sys.dieWithParent(), "set the parent death signal", .{});
    try peer.stillThere();
}

/// Group before user: afterwards the right to change groups might be gone.
pub fn takeRootIds(keep_groups: bool) report.Error!void {
    // With a single id mapped setgroups is denied for good; the groups kept are the caller's own
    // and show as the overflow group inside.
    if (!keep_groups) try report.check(sys.setgroups(&.{}), "drop supplementary groups", .{});
    try report.check(sys.setgid(0), "become group 0 of the user namespace", .{});
    try report.check(sys.setuid(0), "become user 0 of the user namespace", .{});
}

/// The id-map flags of the subcommands: `--uid-map`, `--gid-map`, `--newuidmap`, `--newgidmap`.
pub const Flags = struct {
    uid: []const idmap.IdMapping = &.{},
    gid: []const idmap.IdMapping = &.{},
    newuidmap: ?[:0]const u8 = null,
    newgidmap: ?[:0]const u8 = null,
    uid_storage: [mappings_max]idmap.IdMapping = undefined,
    gid_storage: [mappings_max]idmap.IdMapping = undefined,

    const mappings_max = 32;

    /// Takes the flag `name` and its `value`; false when it is none of these.
    pub fn take(flags: *Flags, name: []const u8, value: [:0]const u8) report.Error!bool {
        if (std.mem.eql(u8, name, "--uid-map")) {
            flags.uid = try parseMap(name, value, &flags.uid_storage);
        } else if (std.mem.eql(u8, name, "--gid-map")) {
            flags.gid = try parseMap(name, value, &flags.gid_storage);
        } else if (std.mem.eql(u8, name, "--newuidmap")) {
            flags.newuidmap = value;
        } else if (std.mem.eql(u8, name, "--newgidmap")) {
            flags.newgidmap = value;
        } else return false;
        return true;
    }

    /// The maps asked for; null when there is no user namespace to make.
    pub fn maps(flags: *const Flags) report.Error!?Maps {
        const any = flags.uid.len > 0 or flags.gid.len > 0;
        if (!any) return null;
        const both = flags.uid.len > 0 and flags.gid.len > 0;
        if (!both) return report.fail("--uid-map and --gid-map are given together", .{});
        if ((flags.newuidmap == null) != (flags.newgidmap == null))
            return report.fail("--newuidmap and --newgidmap are given together", .{});
        return .{
            .uid = flags.uid,
            .gid = flags.gid,
            .tools = if (flags.newuidmap) |newuidmap| .{
                .newuidmap = newuidmap,
                .newgidmap = flags.newgidmap.?,
            } else null,
        };
    }

    fn parseMap(
        name: []const u8,
        value: []const u8,
        storage: []idmap.IdMapping,
    ) report.Error![]const idmap.IdMapping {
        return idmap.parse(value, storage) catch
            report.fail("{s} {s}: expected container:host:size[,...]", .{ name, value });
    }
};

test "the flags come to nothing, or to both maps" {
    var flags: Flags = .{};
    try std.testing.expectEqual(null, try flags.maps());
    try std.testing.expect(try flags.take("--uid-map", "0:1000:1"));
    try std.testing.expect(try flags.take("--gid-map", "0:1000:1"));
    try std.testing.expect(!try flags.take("--staging", "x"));
    const maps = (try flags.maps()).?;
    try std.testing.expectEqual(1000, maps.uid[0].hostID);
    try std.testing.expectEqual(null, maps.tools);
    try std.testing.expect(maps.isSingle());
}
