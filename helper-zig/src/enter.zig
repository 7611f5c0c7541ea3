//! THE ORDER, for a container that runs: how one more command becomes a process of it. As in
//! run.zig, flat lists to be checked line by line, here against setns(2), pid_namespaces(7) and
//! what went wrong elsewhere:
//!
//!   CVE-2016-9962   a process of the container looked into the one that was entering
//!   CVE-2019-5736   the entering program was overwritten from inside: ours is a sealed memfd
//!   CVE-2024-21626  a directory of the host's was still open: none is when the namespaces change
//!
//! ```
//!   caller            keeper                usher                       command
//!   clone ──────────▶ own session
//!                     clone ──────────────▶ cgroups ─▶ setns
//!                                           clone as the keeper's ────▶ in the pid namespace
//!                     ◀───── its pid ─────  exit                        user, capabilities,
//!   ◀──────────────────────── end of file ────────────────────────────  seccomp ─▶ execve
//!                     wait ◀──────────────────────────────────────────  exit
//!   wait ◀─────────── the command's status
//! ```
//!
//! setns(2) changes the pid namespace of children only, hence the usher; and it is short-lived
//! because what it has joined is the container's.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const sync = @import("sync.zig");
const plan = @import("plan.zig");
const stdio = @import("stdio.zig");
const terminal = @import("terminal.zig");
const keeper = @import("keeper.zig");
const cgroup_join = @import("cgroup_join.zig");
const descriptors = @import("descriptors.zig");
const namespaces = @import("namespaces.zig");
const userns = @import("userns.zig");
const user = @import("user.zig");
const rlimit = @import("rlimit.zig");
const capabilities = @import("capabilities.zig");
const seccomp = @import("seccomp.zig");
const exec = @import("exec.zig");
const Target = @import("target.zig").Target;

/// A command under way, as its caller holds it.
pub const Entered = struct {
    /// A pidfd of the keeper, whose exit status is the command's.
    keeper: sys.Fd,
    /// The end of file says that the command has been exec'd, unless `failed` came before.
    peer: sync.Peer,
    /// Orders for the keeper; closing it ends the command.
    orders: sys.Fd,

    /// Ends the command, if it has not ended; may be called again.
    pub fn close(entered: *Entered) void {
        for ([_]*sys.Fd{ &entered.orders, &entered.peer.fd }) |fd| {
            if (fd.* >= 0) sys.close(fd.*);
            fd.* = -1;
        }
    }

    /// Sends `signal` to the command, or with keeper.release lets go of it.
    pub fn order(entered: Entered, signal: u8) void {
        // It fails when the keeper is gone and the command with it, which the caller is about to
        // learn.
        _ = sys.write(entered.orders, &.{signal});
    }
};

/// What all three processes know.
const Errand = struct {
    it: *const plan.ExecPlan,
    target: *const Target,
    streams: *const stdio.Streams,
    arena: std.mem.Allocator,
    peer: sync.Peer,
};

/// Starts the command `it` in the container of `target`. Signals the caller wants to take itself
/// are blocked already. The payload's ends of `streams` are closed here.
pub fn start(
    it: *const plan.ExecPlan,
    target: *const Target,
    streams: *const stdio.Streams,
    arena: std.mem.Allocator,
) report.Error!Entered {
    const pair = try sync.Pair.open();
    const orders = try report.check(sys.pipe(), "open a pipe for the command's keeper", .{});
    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.PIDFD | @as(usize, signals.number(.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "start the command's keeper", .{});
    if (pid == 0) {
        // Ends of the caller's that would hide that it is gone.
        pair.parent.close();
        sys.close(orders[1]);
        becomeKeeper(.{
            .it = it,
            .target = target,
            .streams = streams,
            .arena = arena,
            .peer = pair.child,
        }, orders[0]) catch sys.exit(report.exit_hb_failed);
    }
    pair.child.close();
    sys.close(orders[0]);
    streams.closePayloadEnds();
    return .{ .keeper = pidfd, .peer = pair.parent, .orders = orders[1] };
}

fn becomeKeeper(errand: Errand, orders: sys.Fd) report.Error!noreturn {
    _ = sys.prctl(.SET_NAME, @intFromPtr("hb-exec"));
    signals.block(.all); // the caller's are not for us; the command starts with a clean slate
    _ = sys.setsid(); // out of the group that ^Z stops; we lead none, so it cannot fail
    _ = sys.chdir("/"); // the caller's directory may be unmounted while the command lives on
    const born = try report.check(sys.pipe(), "open a pipe for the command's pid", .{});

    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.PIDFD | @as(usize, signals.number(.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "start entering the container", .{});
    if (pid == 0) {
        usher(errand, born[1]) catch errand.peer.tell(.failed);
        sys.exit(report.exit_hb_failed);
    }
    keeper.keep(.{ .orders = orders, .born = born[0], .usher = pidfd });
}

/// Enters the container and brings the command to life there; returns only by failing.
fn usher(errand: Errand, born: sys.Fd) report.Error!noreturn {
    const target = errand.target;
    _ = try report.check(sys.dieWithParent(), "set the parent death signal", .{});
    try errand.peer.stillThere(); // the caller may have died before that took effect
    // Descriptor 2 will be the command's; our messages are the caller's.
    report.fd = try report.check(sys.dup(report.fd, 3), "keep standard error", .{});
    try rlimit.setOomScore(errand.it.process.oomScoreAdj); // our files in /proc are ours still
    try hide(); // from here on nobody of the container may look into us
    try cgroup_join.join(errand.it.hb.container.cgroups, target.pid); // by paths of the host's
    const payload = errand.streams.payload;
    try descriptors.closeAllBut(&.{
        report.fd, errand.peer.fd, born, target.pidfd, payload[0], payload[1], payload[2],
    }); // before the namespaces change: nothing of the host's is open inside (CVE-2024-21626)
    try report.check( // all at once: the user namespace's rights are what the others take
        sys.setns(target.pidfd, target.namespaces),
        "enter container {s}",
        .{errand.it.hb.container.id},
    );
    sys.close(target.pidfd);
    if (target.hasUsers()) try userns.takeRootIds(target.keep_groups);
    try hide(); // a change of ids may have undone it (proc_sys_fs(5), suid_dumpable)

    var unused: sys.Fd = -1;
    const flags = linux.CLONE.PARENT | @as(usize, signals.number(.CHLD));
    const pid = try report.check(sys.clone(flags, &unused), "start the command", .{});
    if (pid == 0) {
        sys.close(born);
        const status = command(errand) catch report.exit_hb_failed;
        errand.peer.tell(.failed);
        sys.exit(status);
    }
    const told = sys.writeAll(born, std.mem.asBytes(&pid));
    try report.check(told, "tell the command's keeper its pid", .{});
    sys.exit(0);
}

var filter: seccomp.Program = undefined;

/// A process of the container, about to become the command; returns only when something went
/// wrong, with the exit status.
fn command(errand: Errand) report.Error!u8 {
    const it = errand.it;
    const peer = errand.peer;
    _ = try report.check(sys.dieWithParent(), "set the parent death signal", .{});
    try peer.stillThere(); // or the keeper has ended with the caller before that took effect
    _ = try report.check(sys.setsid(), "leave the session", .{}); // a group to signal, no terminal
    try namespaces.joinKeyring(); // before anything of the container is touched
    const program = if (it.linux.seccomp) |profile| program: {
        try seccomp.compile(&filter, profile);
        break :program &filter;
    } else null;
    // Changing the mount namespace has made the container's root this process's (setns(2)).
    const root = try report.check(
        sys.openat(sys.cwd, "/", .{ .PATH = true, .DIRECTORY = true }, 0),
        "open the container's root",
        .{},
    );
    const databases = try user.Databases.read(.{ .fd = root }, errand.arena);
    const identity = user.find(.{
        .name = it.hb.user,
        .numeric = it.process.user,
        .groups = it.hb.groupAdd,
        .gidMappings = errand.target.gidMappings(),
    }, databases) catch return report.exit_not_executable;
    const payload = try exec.Program.prepare(it.process, identity.home, errand.arena);
    try rlimit.apply(it.process.rlimits); // raising takes CAP_SYS_RESOURCE: before the user changes
    if (it.process.terminal) {
        const pty = try terminal.Pty.another(.{ .fd = root });
        try peer.sendWith(.terminal, &.{ pty.master, pty.slave });
        try pty.connect(identity.uid);
    } else {
        try stdio.connect(errand.streams, identity.uid); // chown: while still root
    }
    // The root too: the working directory and the program's path may lead through /proc/self/fd.
    try descriptors.closeAllBut(&.{ report.fd, peer.fd });
    const entered = exec.tryEnterCwd(it.process) catch return report.exit_not_found;
    try capabilities.dropBounding(it.process); // needs CAP_SETPCAP
    user.become(&identity, errand.target.keep_groups, peer) catch
        return report.exit_not_executable; // groups, group, user
    try hide(); // once more, for the same reason
    if (!entered) exec.enterCwd(it.process) catch return report.exit_not_executable;
    try exec.verifyCwdIsInside(it.process); // CVE-2024-21626
    if (it.process.noNewPrivileges) try seccomp.forbidNewPrivileges(); // or CAP_SYS_ADMIN is kept:
    try capabilities.setFinal(it.process); // ... one of both is what installing a filter takes
    if (program) |p| try seccomp.install(p); // last, so that it need not allow the steps above
    return exec.payload(payload);
}

/// Processes of the container share our pid namespace now, perhaps our user: without this they
/// could trace us and take our descriptors and memory (CVE-2016-9962, ptrace(2)). execve ends it.
fn hide() report.Error!void {
    _ = try report.check(sys.prctl(.SET_DUMPABLE, 0), "hide from the container", .{});
}
