//! Reaching a container's files from outside: of one that runs, in its own namespaces, so that its
//! volumes and other mounts are seen; of one that does not, in namespaces made like its own, with
//! its layers and volumes put together as a start would.
//!
//! Whatever is done then is done as root of the container's user namespace, by names that are
//! resolved below the root this gives (inside.zig). The process never comes back, and what it has
//! mounted goes with it.
//!
//! Left out of a container that does not run: every file system that only exists while it does
//! (/proc, /dev, tmpfs), and volumes whose source is gone.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const plan_text = @import("plan_text.zig");
const userns = @import("userns.zig");
const namespaces = @import("namespaces.zig");
const directory = @import("directory.zig");
const rootfs = @import("rootfs.zig");
const mount = @import("mount.zig");
const options = @import("options.zig");
const files = @import("files.zig");
const inside = @import("inside.zig");
const Target = @import("target.zig").Target;

/// How much of what is mounted in the container is wanted.
pub const View = enum {
    /// What the container sees.
    mounted,
    /// Only the file system that is the container's own: layers and what it has written.
    own,
};

pub const Use = enum { read, write };

/// `--container DIRECTORY`, and of one that runs `--pid N --supervisor N`.
pub const Flags = struct {
    directory: ?[:0]const u8 = null,
    pid: ?sys.Pid = null,
    supervisor: ?sys.Pid = null,

    /// Takes the flag `name` and its `value`; false when it is none of these.
    pub fn take(flags: *Flags, name: []const u8, value: [:0]const u8) report.Error!bool {
        if (std.mem.eql(u8, name, "--container")) {
            flags.directory = value;
        } else if (std.mem.eql(u8, name, "--pid")) {
            flags.pid = try number(name, value);
        } else if (std.mem.eql(u8, name, "--supervisor")) {
            flags.supervisor = try number(name, value);
        } else return false;
        return true;
    }

    fn number(name: []const u8, value: []const u8) report.Error!sys.Pid {
        return std.fmt.parseInt(sys.Pid, value, 10) catch
            report.fail("{s} {s}: not a number", .{ name, value });
    }
};

/// A container whose files are not reached yet.
pub const Container = struct {
    plan: plan.Plan,
    flags: Flags,
    /// Its directory in the store.
    home: sys.Fd,

    /// Reads its plan, for the life of the process.
    pub fn load(flags: Flags) report.Error!Container {
        const path = flags.directory orelse return report.fail("--container is missing", .{});
        const home = try report.check(
            sys.openat(sys.cwd, path, sys.directory_flags, 0),
            "open the container's directory {s}",
            .{path},
        );
        const fd = try report.check(
            sys.openat(home, "config.json", .{ .NOFOLLOW = true }, 0),
            "open config.json in {s}",
            .{path},
        );
        const received = try plan_text.read(fd, std.heap.page_allocator);
        return .{ .plan = received.plan, .flags = flags, .home = home };
    }

    /// Makes this process the container's root, beside the container's own processes if there are
    /// any.
    pub fn enter(container: Container, view: View, use: Use) report.Error!Reached {
        const parent = linux.getppid();
        const reached = if (container.flags.pid) |pid|
            try container.join(pid, view)
        else
            try container.assemble(view, use);
        try dieWith(parent);
        sys.clearUmask();
        return reached;
    }

    /// Enters the namespaces of its first process.
    fn join(container: Container, pid: sys.Pid, view: View) report.Error!Reached {
        const target: Target = try .open(.{
            .id = container.plan.hb.container.id,
            .directory = container.plan.hb.container.directory,
            .pid = pid,
            .supervisor = container.flags.supervisor orelse 0,
        });
        defer sys.close(target.pidfd);

        // The pid namespace stays the host's: nobody inside can see this process, let alone trace
        // it (CVE-2016-9962).
        const wanted = target.namespaces & (linux.CLONE.NEWUSER | linux.CLONE.NEWNS);
        const joined = sys.setns(target.pidfd, wanted);
        try report.check(joined, "join the container's namespaces", .{});
        if (target.hasUsers()) try userns.takeRootIds(target.keep_groups);
        // The root is that of the mount namespace by now (setns(2)), which is the container's.
        const root = switch (view) {
            .mounted => sys.openat(sys.cwd, "/", .{ .PATH = true, .DIRECTORY = true }, 0),
            // Without what is mounted on it: the mount points show as they are underneath.
            .own => sysmount.openTree(sys.cwd, "/", .this),
        };
        return .{ .root = .{ .fd = try report.check(root, "open the container's root", .{}) } };
    }

    /// Puts its file system together: the order is that of run.zig, whose reasons hold here.
    fn assemble(container: Container, view: View, use: Use) report.Error!Reached {
        var it = container.plan;
        // Nothing here may be taken for the end of a temporary container.
        it.hb.container.keep = true;
        const kept: directory.Directory = .{ .fd = container.home, .container = it.hb.container };
        try container.hold();
        if (it.hb.overlay != null) {
            try kept.fill(); // of a container never started
            try container.waitForOthers();
        }
        try directory.holdLayers(it.hb.overlay);
        try becomeRoot(it);
        const unshared = sys.call(void, .unshare, .{@as(usize, linux.CLONE.NEWNS)});
        try report.check(unshared, "make a mount namespace", .{});
        try rootfs.cutPropagation(); // before any mount, or the host would see it
        const home = try directory.openWithin(it.hb.container);
        const memory = try files.Memory.open(home);
        const root = try rootfs.assemble(it, home);
        sys.close(home);
        if (view == .mounted) {
            try rootfs.openVolumes(it, root);
            try mount.all(try onlyVolumes(it), root);
            // What is written to these would be lost: it goes to the file below, as the container
            // will not see it either.
            if (use == .read) try files.place(it.hb.files, memory, it.mounts, root);
            try rootfs.sealIfReadonly(it.root, root);
        }
        memory.close();
        return .{ .root = root, .mounted = it.root.path };
    }

    /// Takes part in the turn of whoever starts or removes a container (src/store/kept.ts): nobody
    /// else can as long as this process is there. The directory's own lock is for who runs it.
    fn hold(container: Container) report.Error!void {
        const doing = "reach the files of the container";
        const kept = sys.openat(container.home, "kept", .{ .NOFOLLOW = true }, 0);
        if (kept == .err and kept.err == .NOENT) return report.fail(doing ++ ": it is gone", .{});
        const turn = try report.check(kept, doing, .{});
        try report.check(sys.flock(turn, .shared), doing, .{});
        const free = sys.flock(container.home, .shared_now);
        if (free == .err and free.err == .AGAIN)
            return report.fail(doing ++ ": it has just been started; try again", .{});
        try report.check(free, doing, .{});
        return report.check(sys.flock(container.home, .unlock), doing, .{});
    }

    /// Two mounts of one upper directory would not know of each other's changes.
    fn waitForOthers(container: Container) report.Error!void {
        const doing = "lock the container's files";
        const opened = sys.openat(container.home, "work", sys.directory_flags, 0);
        const work = try report.check(opened, doing, .{});
        return report.check(sys.flock(work, .exclusive), doing, .{});
    }
};

/// The root of a container's files.
pub const Reached = struct {
    root: inside.Root,
    /// Where it was mounted for us.
    mounted: ?plan.Text = null,

    /// Before the locks go with the process, what was mounted must have gone.
    pub fn close(reached: Reached) void {
        sys.close(reached.root.fd);
        // Nothing depends on it: the mount goes with its namespace, only later.
        if (reached.mounted) |path| _ = sysmount.detach(path);
    }
};

fn becomeRoot(it: plan.Plan) report.Error!void {
    if (it.linux.joined(.user) != null) {
        try namespaces.joinUser(it.linux);
        return userns.takeRootIds(namespaces.denySetgroups());
    }
    if (!it.linux.has(.user)) return;
    return userns.enter(.{
        .uid = it.linux.uidMappings,
        .gid = it.linux.gidMappings,
        .tools = it.hb.idTools,
    });
}

/// The plan with those of its mounts that have files of their own while nothing runs.
fn onlyVolumes(it: plan.Plan) report.Error!plan.Plan {
    var kept: std.ArrayList(plan.Mount) = .empty;
    for (it.mounts) |wanted| {
        const is_bind = options.Options.from(wanted.options).bind != null or
            std.mem.eql(u8, wanted.type, "bind");
        if (!is_bind) continue;
        const stat = switch (sys.statat(sys.cwd, wanted.source, 0)) {
            .ok => |stat| stat,
            .err => continue, // it would be in the way of all the other files
        };
        // Devices are the container's /dev's, which is not there.
        if (stat.kind() == linux.S.IFCHR or stat.kind() == linux.S.IFBLK) continue;
        kept.append(std.heap.page_allocator, wanted) catch
            return report.fail("reach the files of the container: out of memory", .{});
    }
    var volumes = it;
    volumes.mounts = kept.items;
    return volumes;
}

/// hb, which is `parent`, is killed: so is this process. Last, for a change of ids takes it back.
pub fn dieWith(parent: sys.Pid) report.Error!void {
    _ = try report.check(
        sys.prctl(.SET_PDEATHSIG, @backingInt(linux.SIG.TERM)),
        "set the parent death signal",
        .{},
    );
    if (linux.getppid() != parent) return error.Reported; // there is nobody to tell
}
