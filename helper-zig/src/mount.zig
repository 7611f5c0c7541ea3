//! One mount of the plan -> system calls. New file systems through fsopen(2), host paths through
//! open_tree(2); either is made detached, restricted, and only then put into the container's tree,
//! so that there is no moment in which a `ro` mount is writable (but see remount.zig).

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const options = @import("options.zig");
const inside = @import("inside.zig");
const plan = @import("plan.zig");
const remount = @import("remount.zig");

/// `/proc/self/fd/N`, which names what the descriptor refers to.
pub const descriptorPath = remount.descriptorPath;

/// Makes every mount of the plan, in its order.
pub fn all(it: plan.Plan, root: inside.Root) report.Error!void {
    for (it.mounts) |mount| {
        const parsed = options.Options.from(mount.options);
        if (parsed.bind != null or std.mem.eql(u8, mount.type, "bind")) {
            try bind(mount, parsed, root);
        } else {
            try fileSystem(mount, parsed, root, it.linux.has(.user));
        }
    }
}

/// A file or directory of the host's, at the destination.
fn bind(mount: plan.Mount, parsed: options.Options, root: inside.Root) report.Error!void {
    const depth = parsed.bind orelse .this;
    const source = try report.check(
        sysmount.openTree(sys.cwd, mount.source, depth),
        "bind {s}",
        .{mount.source},
    );
    defer sys.close(source);

    const stat = try report.check(sys.fstat(source), "bind {s}", .{mount.source});
    const is_directory = stat.kind() == linux.S.IFDIR;
    const target = if (is_directory)
        try root.makeDirectory(mount.destination)
    else
        try root.makeFile(mount.destination);
    defer sys.close(target);

    try attach(.{
        .mount = source,
        .target = target,
        .change = bindChange(parsed.change, stat),
        .depth = depth,
        .source = mount.source,
        .destination = mount.destination,
    });
}

/// What a bind changes besides what is asked for.
fn bindChange(asked: sysmount.Change, stat: sys.Stat) sysmount.Change {
    var change = asked;
    // A bind only ever adds: in a user namespace the outer mount's flags are locked, and the kernel
    // refuses to clear even one that is not set. The access-time policy is one field of three
    // bits, to be cleared as a whole before it is set.
    change.clear = asked.clear & sysmount.attr.atime_mask;
    if (change.propagation == 0) change.propagation = sysmount.ms.private;
    // The node is the host's own: chmod or chown of it in a root container would reach the host.
    // Reading and writing the device is not affected by a read-only mount.
    const is_device = stat.kind() == linux.S.IFCHR or stat.kind() == linux.S.IFBLK;
    if (is_device) change.set |= sysmount.attr.rdonly;
    return change;
}

/// A detached mount to be restricted and put in place.
pub const Attachment = struct {
    mount: sys.Fd,
    target: sys.Fd,
    change: sysmount.Change,
    depth: sysmount.Depth,
    /// For messages.
    source: [:0]const u8,
    destination: []const u8,
};

/// Restricts the mount, then puts it on the target.
pub fn attach(it: Attachment) report.Error!void {
    switch (sysmount.setAttributes(it.mount, it.change, it.depth)) {
        .ok => {},
        .err => |e| switch (e) {
            // Before Linux 5.12 there is no mount_setattr. Nothing runs in the tree yet.
            .NOSYS => {
                try put(it);
                return remount.apply(it.mount, it.change, it.depth, it.destination);
            },
            else => {
                report.failErrno(e, "restrict the mount on {s}", .{it.destination});
                return error.Reported;
            },
        },
    }
    return put(it);
}

fn put(it: Attachment) report.Error!void {
    const moved = sysmount.moveMount(it.mount, it.target);
    if (moved == .err and isDirectory(it.mount) != isDirectory(it.target)) return report.fail(
        "mount {s} on {s}: one is a directory, the other is not",
        .{ it.source, it.destination },
    );
    return report.check(
        moved,
        "mount {s} on {s}",
        .{ it.source, it.destination },
    );
}

fn isDirectory(fd: sys.Fd) bool {
    const stat = sys.fstat(fd);
    return stat == .ok and stat.ok.kind() == linux.S.IFDIR;
}

/// A new file system, at the destination.
fn fileSystem(
    mount: plan.Mount,
    parsed: options.Options,
    root: inside.Root,
    in_user_namespace: bool,
) report.Error!void {
    const target = try root.makeDirectory(mount.destination);
    defer sys.close(target);

    const made = make(mount, parsed.change.set, target);
    const new = switch (made) {
        .ok => |fd| fd,
        .failed => |failure| {
            const is_refused = failure.errno == .PERM and std.mem.eql(u8, mount.type, "proc");
            if (is_refused and in_user_namespace) return outerProc(target);
            return sayWhy(mount, failure);
        },
    };
    defer sys.close(new);

    try report.check(
        sysmount.moveMount(new, target),
        "mount {s} on {s}",
        .{ mount.type, mount.destination },
    );
}

const Made = union(enum) { ok: sys.Fd, failed: Failure };

const Failure = struct {
    errno: sys.E,
    /// What the kernel wrote into the context's log, without the severity letter.
    log: [256]u8 = undefined,
    log_len: usize = 0,
};

fn make(mount: plan.Mount, attributes: u64, target: sys.Fd) Made {
    const context = switch (sysmount.fsopen(mount.type)) {
        .ok => |fd| fd,
        .err => |e| return .{ .failed = .{ .errno = e } },
    };
    defer sys.close(context);

    const errno = configure(context, mount, target) orelse
        switch (sysmount.fsmount(context, attributes)) {
            .ok => |fd| return .{ .ok = fd },
            .err => |e| e,
        };
    var failure: Failure = .{ .errno = errno };
    readLog(context, &failure);
    return .{ .failed = failure };
}

/// Hands the options to the file system and creates it; the errno of the first refusal.
fn configure(context: sys.Fd, mount: plan.Mount, target: sys.Fd) ?sys.E {
    if (mount.source.len > 0) {
        const set = sysmount.setString(context, "source", mount.source);
        if (set == .err) return set.err;
    }
    var has_mode = false;
    for (mount.options) |option| {
        if (options.parse(option) != .data) continue;
        if (std.mem.startsWith(u8, option, "mode=")) has_mode = true;
        const set = setOption(context, option);
        if (set == .err) return set.err;
    }
    if (!has_mode and std.mem.eql(u8, mount.type, "tmpfs")) {
        const set = takeModeOf(context, target);
        if (set == .err) return set.err;
    }
    const created = sysmount.create(context);
    return if (created == .err) created.err else null;
}

fn setOption(context: sys.Fd, option: [:0]const u8) sys.Result(void) {
    const at = std.mem.indexOfScalar(u8, option, '=') orelse
        return sysmount.setFlag(context, option);
    var key: [64:0]u8 = @splat(0);
    if (at > key.len) return .{ .err = .INVAL };
    @memcpy(key[0..at], option[0..at]);
    return sysmount.setString(context, &key, option[at + 1 ..]);
}

/// A tmpfs over a directory of the image looks like that one, as runc has it: /tmp stays 1777.
fn takeModeOf(context: sys.Fd, target: sys.Fd) sys.Result(void) {
    const stat = switch (sys.fstat(target)) {
        .ok => |stat| stat,
        .err => |e| return .{ .err = e },
    };
    var text: [8:0]u8 = @splat(0);
    // proven: twelve bits are four octal digits.
    _ = std.fmt.bufPrint(&text, "{o}", .{stat.mode & 0o7777}) catch unreachable;
    return sysmount.setString(context, "mode", &text);
}

/// The kernel's last word on a failed context: lines like `e tmpfs: Bad value for 'size'`.
fn readLog(context: sys.Fd, failure: *Failure) void {
    const length = switch (sys.read(context, &failure.log)) {
        .ok => |n| n,
        .err => return,
    };
    const line = std.mem.trimEnd(u8, failure.log[0..length], "\n");
    if (line.len < 3 or line[0] != 'e') return;
    std.mem.copyForwards(u8, &failure.log, line[2..]);
    failure.log_len = line.len - 2;
}

fn sayWhy(mount: plan.Mount, failure: Failure) report.Error {
    if (failure.log_len > 0) return report.fail("mount {s} on {s}: {s}", .{
        mount.type,
        mount.destination,
        failure.log[0..failure.log_len],
    });
    report.failErrno(failure.errno, "mount {s} on {s}", .{ mount.type, mount.destination });
    return error.Reported;
}

/// Inside a container whose own /proc has masks, the kernel refuses a new one (mount_too_revealing
/// in fs/namespace.c): the outer one, masks and all, is what there is. Only with a user namespace
/// between: without one, root inside could reach into the outer processes by /proc/PID/root.
fn outerProc(target: sys.Fd) report.Error!void {
    const outer = try report.check(
        sysmount.openTree(sys.cwd, "/proc", .below),
        "bind the outer /proc",
        .{},
    );
    defer sys.close(outer);

    report.notice(
        "this kernel refuses a new /proc here: the container sees the outer one and its processes",
        .{},
    );
    try attach(.{
        .mount = outer,
        .target = target,
        .change = .{
            .set = sysmount.attr.nosuid | sysmount.attr.nodev | sysmount.attr.noexec,
            .propagation = sysmount.ms.private,
        },
        .depth = .below,
        .source = "/proc",
        .destination = "/proc",
    });
}

/// What `at` refers to in the container, bound on itself and changed: a mount of its own.
pub fn onItself(at: sys.Fd, path: [:0]const u8, change: sysmount.Change) report.Error!void {
    const copy = try report.check(
        sysmount.openTree(at, "", .below),
        "bind {s} on itself",
        .{path},
    );
    defer sys.close(copy);

    try attach(.{
        .mount = copy,
        .target = at,
        .change = change,
        .depth = .below,
        .source = path,
        .destination = path,
    });
}
