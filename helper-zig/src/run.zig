//! THE ORDER: how a plan becomes one container. Two flat lists, one per side of the clone, to be
//! checked line by line against the runtime-spec and capabilities(7), user_namespaces(7),
//! mount_namespaces(7). The order is the security property: a step may be replaced here, never
//! moved into another step.
//!
//! ```
//!   parent (the supervisor, hb's own process)      child (pid 1 of the container)
//!   detached: fork; hb waits for the start
//!   clone ───────────────────────────────────────▶ pasta's device; compile seccomp; wait
//!   pasta ∥ id maps ∥ container directory ∥ layer locks
//!   ids_mapped ──────────────────────────────────▶ root of the namespace ─▶ mounts ─▶ pivot
//!   guard; network; config.json; control socket    streams, working directory; wait
//!   network_ready ───────────────────────────────▶ user, capabilities, seccomp ─▶ execve
//!   supervise: signals, streams, terminal, requests
//!   ◀───────────────── end of file ──────────────  (the payload runs)
//!   state.json; hb is told
//!   wait ─▶ drain ─▶ state.json ─▶ (back-off ─▶ clone, as above)
//!   ─▶ remove the directory ─▶ let go of the locks ─▶ who waits is told ─▶ the payload's status
//! ```

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const sync = @import("sync.zig");
const plan = @import("plan.zig");
const plan_text = @import("plan_text.zig");
const idmap = @import("idmap.zig");
const userns = @import("userns.zig");
const namespaces = @import("namespaces.zig");
const cgroups = @import("cgroup.zig");
const directory = @import("directory.zig");
const rootfs = @import("rootfs.zig");
const mount = @import("mount.zig");
const files = @import("files.zig");
const mask = @import("mask.zig");
const pasta = @import("pasta.zig");
const tap = @import("tap.zig");
const bridge = @import("bridge.zig");
const rtnetlink = @import("rtnetlink.zig");
const sysctl = @import("sysctl.zig");
const terminal = @import("terminal.zig");
const stdio = @import("stdio.zig");
const incoming = @import("incoming.zig");
const supervise = @import("supervise.zig");
const detach = @import("detach.zig");
const Guard = @import("guard.zig").Guard;
const descriptors = @import("descriptors.zig");
const rlimit = @import("rlimit.zig");
const user = @import("user.zig");
const capabilities = @import("capabilities.zig");
const seccomp = @import("seccomp.zig");
const init = @import("init.zig");
const exec = @import("exec.zig");

/// `run --plan-fd N [FD...]`, where the FDs are locks that were inherited as well: the exit status
/// is the payload's, or docker's for what went wrong.
pub fn main(args: []const [*:0]const u8) u8 {
    // For the life of the process: the plan, and after the clone what the payload is given.
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    var inherited = Inherited.parse(args) catch return report.exit_hb_failed;
    const received = plan_text.read(inherited.plan, arena.allocator()) catch
        return report.exit_hb_failed;
    if (received.plan.hb.container.lock) |fd| inherited.add(fd);
    var caller: detach.Caller = .foreground;
    if (received.plan.hb.life.detach) |wanted| {
        const side = detach.split(wanted, inherited.held()) catch return report.exit_hb_failed;
        switch (side) {
            .front => |supervisor| return detach.follow(supervisor, wanted),
            .supervisor => |own| caller = own,
        }
    }
    return parent(&received, caller, arena.allocator());
}

/// Descriptors this process was given.
const Inherited = struct {
    plan: sys.Fd,
    /// Locks, held as long as they are open.
    locks: [locks_max]sys.Fd = undefined,
    count: usize = 0,

    const locks_max = 8;

    fn parse(args: []const [*:0]const u8) report.Error!Inherited {
        const named = args.len >= 2 and std.mem.eql(u8, std.mem.span(args[0]), "--plan-fd");
        if (!named) return report.fail("run needs --plan-fd N", .{});
        var inherited: Inherited = .{ .plan = try number(args[1]) };
        // One place is for the lock the plan names.
        if (args.len - 2 >= locks_max) return report.fail("run: too many locks", .{});
        for (args[2..]) |text| inherited.add(try number(text));
        return inherited;
    }

    fn add(inherited: *Inherited, fd: sys.Fd) void {
        inherited.locks[inherited.count] = fd;
        inherited.count += 1;
    }

    fn number(text: [*:0]const u8) report.Error!sys.Fd {
        return std.fmt.parseInt(sys.Fd, std.mem.span(text), 10) catch
            report.fail("run: {s} is no descriptor", .{text});
    }

    fn held(inherited: *const Inherited) []const sys.Fd {
        return inherited.locks[0..inherited.count];
    }
};

/// The host's side, up to the container's end; tells everybody, and gives the exit status.
fn parent(received: *const plan.Received, caller: detach.Caller, arena: std.mem.Allocator) u8 {
    const it = &received.plan;
    var supervisor: supervise.Supervisor = .{
        .signal_fd = -1,
        .caller = caller,
        .interactive = it.hb.interactive,
        .has_init = it.hb.init,
        .life = it.hb.life,
        .policy = .of(it.hb.life.restart),
        .cgroup = .of(it),
        .record = .{ .state = .{
            .id = it.hb.container.id,
            .bundle = it.hb.container.directory,
            .hb = .{ .supervisor = sys.getpid() },
        } },
        .events = .{ .path = it.hb.life.events, .container = it.hb.container },
    };
    if (it.hb.life.health) |wanted|
        supervisor.health = .{ .it = it, .wanted = wanted, .arena = arena };
    const status = house(received, &supervisor, arena) catch failed: {
        directory.forgetName(it.hb.container);
        break :failed report.exit_hb_failed;
    };
    supervisor.caller.tellFailed(status); // nothing where it has started
    supervisor.control.tellLastEnd(status);
    return status;
}

/// What is done once, however often the payload is started; before the first clone.
fn prepare(it: *const plan.Plan, supervisor: *supervise.Supervisor) report.Error!void {
    _ = sys.prctl(.SET_NAME, @intFromPtr("hb-init")); // or ps shows the number of a descriptor
    sys.umask(0o022); // hb's own may be anything, and what is made here is the container's
    try stdio.fillGaps(); // before anything is opened, or it would become a standard stream
    signals.ignore(.PIPE); // a reader that goes away is an errno of its pump, not our end
    signals.ignore(.XFSZ); // and so is a file that has grown to its limit
    signals.block(incoming.forwarded); // from now on signals wait for the loop
    supervisor.signal_fd = try report.check(
        signals.descriptor(incoming.forwarded),
        "wait for signals",
        .{},
    );
    if (it.process.terminal and !supervisor.caller.is_detached)
        terminal.noticeIfNone(); // a script may well want a pty; a person wants to know
    try namespaces.joinUser(it.linux); // before the clone: it owns what is new
}

/// Makes the child, which waits for its ids.
fn begin(
    it: *const plan.Plan,
    supervisor: *supervise.Supervisor,
    arena: std.mem.Allocator,
) report.Error!void {
    const streams = try stdio.prepare(streamsOf(it));
    const pair = try sync.Pair.open();
    var pidfd: sys.Fd = -1;
    const new = namespaces.cloneFlags(it);
    const flags = new | linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = switch (sys.clone(flags, &pidfd)) {
        .ok => |pid| pid,
        .err => |errno| return namespaces.sayWhy(errno, it.linux),
    };
    if (pid == 0) {
        pair.parent.close(); // or our own copy would hide the end of the other side
        const status = child(it, &streams, pair.child, arena) catch report.exit_hb_failed;
        pair.child.tellFailure(report.lastFailure());
        // Exiting would close it only after the namespaces are gone, and pasta's complaint about
        // those must not be taken for the reason.
        pair.child.close();
        sys.exit(status);
    }
    pair.child.close();
    streams.closePayloadEnds();
    supervisor.pid = pid;
    supervisor.pidfd = pidfd;
    supervisor.peer = pair.parent;
    supervisor.streams = streams;
    const it_shared = streams.fanout orelse return;
    const follower = supervisor.caller.becomeFollower() orelse return;
    it_shared.join(follower.fd, follower.wishes); // before a byte is written
}

fn streamsOf(it: *const plan.Plan) stdio.Wanted {
    const detached = it.hb.life.detach;
    const attached = if (detached) |wanted| wanted.attach else null;
    return .{
        .interactive = it.hb.interactive,
        .terminal = it.process.terminal,
        .has_own = detached == null,
        .is_shared = detached != null or it.hb.life.log != null,
        .ends_input = detached == null or (if (attached) |wanted| wanted.stdin else false),
    };
}

/// The container's directory around all runs of the payload: whatever fails in between, the child
/// is gone before the directory goes.
fn house(
    received: *const plan.Received,
    supervisor: *supervise.Supervisor,
    arena: std.mem.Allocator,
) report.Error!u8 {
    const it = &received.plan;
    defer supervisor.cgroup.remove();

    try prepare(it, supervisor);
    try begin(it, supervisor, arena); // its first steps need no directory
    const home = directory.Directory.open(it.hb.container) catch |err| {
        supervisor.endChild();
        return err;
    };
    supervisor.record.dir = home.fd;
    var namespace: sys.Fd = -1; // the user namespace, kept for removing what belongs to its ids
    const status = lives(received, supervisor, home, &namespace, arena) catch |err| {
        supervisor.endChild();
        supervisor.hasFailed();
        supervisor.endPasta();
        supervisor.control.close(home.fd);
        home.finish(namespace) catch {}; // said already; the first failure counts
        return err;
    };
    supervisor.control.close(home.fd); // before the lock: the next supervisor has its own
    home.finish(namespace) catch {}; // said; the payload has run, and its status is the answer
    if (!it.hb.container.keep) supervisor.events.append("destroy", .{});
    supervisor.endPasta();
    return status;
}

/// Every run of the payload, one after another; the exit status of the last.
fn lives(
    received: *const plan.Received,
    supervisor: *supervise.Supervisor,
    home: directory.Directory,
    namespace: *sys.Fd,
    arena: std.mem.Allocator,
) report.Error!u8 {
    while (true) {
        if (try live(received, supervisor, home, namespace)) |status| return status;
        supervisor.forgetRun();
        try begin(&received.plan, supervisor, arena);
    }
}

/// One run of the payload: prepares what the child waits for, lets it go, follows it. The exit
/// status, or null when it is time for another run.
fn live(
    received: *const plan.Received,
    supervisor: *supervise.Supervisor,
    home: directory.Directory,
    namespace: *sys.Fd,
) report.Error!?u8 {
    const it = &received.plan;
    // Programs that take a while; what else there is to do is done meanwhile.
    try supervisor.cgroup.enter(supervisor.pid);
    const mapping = if (mapsOf(it)) |maps| try idmap.start(supervisor.pid, maps) else null;
    const connecting = startPasta(it, supervisor);
    const provided = if (supervisor.isFirst()) provide(received, home) else {};
    if (mapping) |pending| {
        try pending.finish();
        if (namespace.* >= 0) sys.close(namespace.*);
        namespace.* = try namespaces.openUser(supervisor.pid);
    }
    try provided;
    supervisor.keepLog(home.fd); // before a byte is written
    try connecting;
    try supervisor.peer.send(.ids_mapped);
    // The child is at work already.
    const guard = try Guard.start(supervisor.pidfd, supervisor.cgroup);
    const attached = attach(it, supervisor) catch |err| {
        guard.end();
        return err;
    };
    // What somebody else may look at, while the child is at work.
    if (!it.hb.container.keep) _ = home.writePlan(received.text); // it goes without as well
    supervisor.listen(home.fd);
    const outcome = supervisor.run();
    guard.end(); // it has seen the same end
    const again = if (outcome) |ended| supervisor.rest(ended) else |err| err;
    const next: bridge.Next = if (again catch false) .starts_again else .ends;
    const detached = if (attached) |it_was| it_was.detach(next) else {};
    const status = (try outcome).status;
    try detached;
    return if (try again) null else status;
}

/// What all runs of the payload need of the store.
fn provide(received: *const plan.Received, home: directory.Directory) report.Error!void {
    const it = &received.plan.hb;
    if (it.overlay != null) try home.fill();
    try directory.holdLayers(it.overlay); // until this process ends
    if (!it.container.keep) return;
    const written = home.writePlan(received.text);
    return report.check(written, "write config.json in {s}", .{it.container.directory});
}

/// pasta on the child's namespaces, where the plan has it. It takes longer to start than all else
/// together, and ids it does without: joining a user namespace one has made gives all rights in it,
/// mapped or not (user_namespaces(7)).
fn startPasta(it: *const plan.Plan, supervisor: *supervise.Supervisor) report.Error!void {
    const wanted = pastaOf(it) orelse return;
    const device = try tap.Device.receive(wanted, supervisor.peer);
    supervisor.pasta = try pasta.start(wanted, supervisor.pid, it.linux);
    supervisor.pasta.?.device = device;
}

fn pastaOf(it: *const plan.Plan) ?plan.Pasta {
    const network = it.hb.network orelse return null;
    return network.pasta;
}

/// Puts the child on its bridge, where the plan has one.
fn attach(it: *const plan.Plan, supervisor: *supervise.Supervisor) report.Error!?bridge.Attached {
    const network = it.hb.network orelse return null;
    if (network.pasta != null) return null; // on its way already
    const wanted = network.bridge orelse return report.fail("the plan's network is empty", .{});
    const attached = try bridge.attach(wanted, it.hb.container.id, supervisor.pid);
    supervisor.peer.tell(.network_ready);
    return attached;
}

fn mapsOf(it: *const plan.Plan) ?idmap.Maps {
    if (!it.linux.has(.user)) return null;
    return .{
        .uid = it.linux.uidMappings,
        .gid = it.linux.gidMappings,
        .tools = it.hb.idTools,
    };
}

var filter: seccomp.Program = undefined;

/// The container's side; returns only when something went wrong, with the exit status.
fn child(
    it: *const plan.Plan,
    streams: *const stdio.Streams,
    peer: sync.Peer,
    arena: std.mem.Allocator,
) report.Error!u8 {
    // Descriptor 2 will be the payload's; our messages are hb's.
    report.fd = try report.check(sys.dup(2, 3), "keep standard error", .{});
    if (pastaOf(it)) |wanted| try tap.provide(wanted, peer); // early: pasta's start waits for it
    try rlimit.setOomScore(it.process.oomScoreAdj); // lowering takes CAP_SYS_RESOURCE outside
    const program = try compileFilter(it.linux); // needs no right: done while the maps are written
    const maps = mapsOf(it);
    try peer.expect(.ids_mapped); // until then we are nobody in our own namespace; EOF: do not run
    const keep_groups = keepsGroups(it.linux, maps);
    if (maps != null or it.linux.joined(.user) != null) try userns.takeRootIds(keep_groups);
    _ = try report.check(sys.dieWithParent(), "set the parent death signal", .{});
    try peer.stillThere(); // the supervisor may have died before that took effect
    _ = try report.check(sys.setsid(), "leave the session", .{}); // ^C, /dev/tty, TIOCSTI
    try cgroups.isolate(it); // what it is in by now is the top of what it sees
    try namespaces.joinKeyring(); // before anything of the image is touched
    try namespaces.setHostname(it.*); // while CAP_SYS_ADMIN is held, as for all that follows
    try namespaces.join(it.linux); // the paths are the host's
    if (it.linux.has(.network)) try rtnetlink.loopbackUp();
    try sysctl.apply(it.linux); // the host's /proc, and writable still

    try rootfs.cutPropagation(); // before any mount, or the host would see it
    const home = try directory.openWithin(it.hb.container); // its name is covered by the next step
    const memory = try files.Memory.open(home); // also gives the root its mount point
    const root = try rootfs.assemble(it.*, home); // all below happens in here
    sys.close(home);
    try rootfs.openVolumes(it.*, root); // before the mounts: one may be on a volume
    try mount.all(it.*, root); // host paths are named here for the last time
    try files.place(it.hb.files, memory, it.mounts, root); // over the image's and the mounts'
    try rootfs.linkDevices(it.mounts, root); // in the /dev just mounted
    try exec.makeCwd(it.process, root); // while the root is still writable
    try mask.apply(it.linux, memory, root); // over the /proc and /sys just mounted
    memory.close();
    try rootfs.pivot(root); // the host's paths end here
    const pty = if (it.process.terminal) try terminal.Pty.open(root) else null; // the new devpts
    try rootfs.sealIfReadonly(it.root, root); // last of what changes the tree

    const databases = try user.Databases.read(root, arena); // the image's own, hence after pivot
    const identity = try user.find(.of(it), databases);
    const payload = try exec.Program.prepare(it.process, identity.home, arena);
    try rlimit.apply(it.process.rlimits); // raising takes CAP_SYS_RESOURCE: before the user changes
    if (pty) |it_pty| {
        try peer.sendWith(.terminal, &.{ it_pty.master, it_pty.slave });
        try it_pty.connect(identity.uid);
    } else {
        try stdio.connect(streams, identity.uid); // chown: while still root
    }
    // A directory of the host's that is open is a way out, CLOEXEC or not: the working directory
    // and the program's path, which come next, may lead through /proc/self/fd (CVE-2024-21626).
    try descriptors.closeAllBut(&.{ report.fd, peer.fd });
    const entered = try exec.tryEnterCwd(it.process); // as root first
    try capabilities.dropBounding(it.process); // needs CAP_SETPCAP
    // Before the user changes: pasta could not open the namespaces of another user's process.
    if (it.hb.network != null) try peer.expect(.network_ready); // EOF: the parent gave up
    try user.become(&identity, keep_groups, peer); // groups, group, user
    if (!entered) try exec.enterCwd(it.process); // some only the payload's user may enter
    try exec.verifyCwdIsInside(it.process); // CVE-2024-21626
    if (it.hb.init) try init.split(it.process, program); // pid 1 stays behind, confined alike
    if (it.process.noNewPrivileges) try seccomp.forbidNewPrivileges(); // or CAP_SYS_ADMIN is kept:
    try capabilities.setFinal(it.process); // ... one of both is what installing a filter takes
    if (program) |p| try seccomp.install(p); // last, so that it need not allow the steps above
    return exec.payload(payload);
}

/// Whether the user namespace lets nobody change groups.
fn keepsGroups(wanted: plan.Linux, maps: ?idmap.Maps) bool {
    if (maps) |m| return m.isSingle();
    return wanted.joined(.user) != null and namespaces.denySetgroups();
}

fn compileFilter(wanted: plan.Linux) report.Error!?*const seccomp.Program {
    const profile = wanted.seccomp orelse return null;
    try seccomp.compile(&filter, profile);
    return &filter;
}
