//! The container's root as an overlay of the image's layers and a writable one.
//! Documentation/filesystems/overlayfs.rst.
//!
//! Layers are named `/proc/self/fd/N`: any path works (colons and commas are overlay's separators,
//! fsconfig(2) takes 255 bytes), and /proc/self/mountinfo in the container shows no host path.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const mount = @import("mount.zig");

/// OVL_MAX_STACK in fs/overlayfs/params.h.
pub const layers_max = 500;

/// What to mount: descriptors opened in the container's mount namespace, because overlayfs takes no
/// layer from another one.
const Parts = struct {
    lower: [layers_max]sys.Fd = undefined,
    lower_len: usize = 0,
    directory: sys.Fd,
    userxattr: bool,
    /// Skip syncing: the writable layer does not outlive the run.
    is_volatile: bool,
    attributes: u64,
};

/// How mounting went: it is there, or this kernel or file system cannot do it.
pub const Outcome = union(enum) {
    mounted: sys.Fd,
    refused: sys.E,
};

/// Mounts the overlay at the plan's root path and gives its root's descriptor. The writable layer
/// is in `home`, the container's directory.
pub fn mountAt(it: plan.Plan, home: sys.Fd, attributes: u64) report.Error!Outcome {
    const overlay = it.hb.overlay.?;
    var parts: Parts = .{
        .directory = home,
        .userxattr = overlay.userxattr,
        .is_volatile = !it.hb.container.keep,
        .attributes = attributes,
    };
    defer closeParts(&parts);

    try openLayers(&parts, overlay.lowerdirs);
    try takeRootAttributes(&parts);
    const outcome = switch (mountNew(&parts)) {
        .ok => |fd| try place(fd, it.root.path),
        .err => |e| switch (e) {
            // Before Linux 6.5 `lowerdir+` is no parameter, and before 5.2 there is no fsopen.
            .INVAL, .NOSYS, .PERM => try mountOld(&parts, it.root.path),
            else => Outcome{ .refused = e },
        },
    };
    return outcome;
}

fn closeParts(parts: *const Parts) void {
    for (parts.lower[0..parts.lower_len]) |fd| sys.close(fd);
}

fn openLayers(parts: *Parts, lowerdirs: []const plan.Text) report.Error!void {
    if (lowerdirs.len > layers_max) return report.fail(
        "the image has {d} layers: overlayfs takes {d}",
        .{ lowerdirs.len, layers_max },
    );
    for (lowerdirs) |path| {
        parts.lower[parts.lower_len] = try report.check(
            sys.openat(sys.cwd, path, .{ .PATH = true, .DIRECTORY = true }, 0),
            "open the layer {s}",
            .{path},
        );
        parts.lower_len += 1;
    }
    if (lowerdirs.len > 0) return;
    // An image of no layers: overlayfs still wants one below.
    const made = sys.mkdirat(parts.directory, "lower", 0o755);
    if (made == .err and made.err != .EXIST)
        try report.check(made, "make an empty layer", .{});
    parts.lower[0] = try report.check(
        sys.openat(parts.directory, "lower", .{ .PATH = true, .DIRECTORY = true }, 0),
        "open the empty layer",
        .{},
    );
    parts.lower_len = 1;
}

/// `/` in the container is the upper directory's mode and owner: they are those of the topmost
/// layer's root (0555 in Fedora's images).
fn takeRootAttributes(parts: *const Parts) report.Error!void {
    const doing = "give the container's root directory its mode and owner";
    const stat = try report.check(sys.fstat(parts.lower[0]), doing, .{});
    const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };
    const upper = try report.check(sys.openat(parts.directory, "upper", flags, 0), doing, .{});
    defer sys.close(upper);

    const own = try report.check(sys.fstat(upper), doing, .{});
    if (own.uid != stat.uid or own.gid != stat.gid) {
        const changed = sys.fchown(upper, stat.uid, stat.gid);
        // An owner outside the map shows as the overflow id, which cannot be given: root's then.
        const unmapped = changed == .err and changed.err == .INVAL;
        if (!unmapped) try report.check(changed, doing, .{});
    }
    if (own.mode != stat.mode)
        try report.check(sys.fchmod(upper, stat.mode & 0o7777), doing, .{});
}

/// fsopen(2) and its kin: one `lowerdir+` per layer.
fn mountNew(parts: *const Parts) sys.Result(sys.Fd) {
    const context = switch (sysmount.fsopen("overlay")) {
        .ok => |fd| fd,
        .err => |e| return .{ .err = e },
    };
    defer sys.close(context);

    // Only a name, for df and mount.
    _ = sysmount.setString(context, "source", "overlay");
    for (parts.lower[0..parts.lower_len]) |fd| {
        const path = mount.descriptorPath(fd);
        const set = sysmount.setString(context, "lowerdir+", &path);
        if (set == .err) return .{ .err = set.err };
    }
    const upper = setBelow(context, parts.directory, "upperdir", "upper");
    if (upper == .err) return .{ .err = upper.err };
    const work = setBelow(context, parts.directory, "workdir", "work");
    if (work == .err) return .{ .err = work.err };
    const kind = if (parts.userxattr)
        sysmount.setFlag(context, "userxattr")
    else
        sysmount.setString(context, "redirect_dir", "on");
    if (kind == .err) return .{ .err = kind.err };
    // Linux 5.10; without it the work is only slower.
    if (parts.is_volatile) _ = sysmount.setFlag(context, "volatile");
    const created = sysmount.create(context);
    if (created == .err) return .{ .err = created.err };
    return sysmount.fsmount(context, parts.attributes);
}

fn setBelow(
    context: sys.Fd,
    directory: sys.Fd,
    key: [*:0]const u8,
    name: []const u8,
) sys.Result(void) {
    var path: [64]u8 = undefined;
    const text = std.fmt.bufPrintSentinel(
        &path,
        "{s}/{s}",
        .{ std.mem.sliceTo(&mount.descriptorPath(directory), 0), name },
        0,
    ) catch unreachable; // proven: 32 bytes of path and one of the two names below it
    return sysmount.setString(context, key, text);
}

fn place(fd: sys.Fd, path: plan.Text) report.Error!Outcome {
    const target = try report.check(
        sys.openat(sys.cwd, path, .{ .PATH = true, .DIRECTORY = true }, 0),
        "open {s}",
        .{path},
    );
    defer sys.close(target);

    try report.check(sysmount.moveMount(fd, target), "mount the root file system", .{});
    return .{ .mounted = fd };
}

/// mount(2), whose options are one page: the working directory is /proc/self/fd meanwhile, so that
/// a layer's name is only its descriptor's number.
fn mountOld(parts: *const Parts, path: plan.Text) report.Error!Outcome {
    try report.check(sys.chdir("/proc/self/fd"), "enter /proc/self/fd", .{});
    var buffer: [4096]u8 = undefined;
    for ([_]bool{ true, false }) |with_volatile| {
        if (with_volatile and !parts.is_volatile) continue;
        const data = oldOptions(parts, with_volatile, &buffer) catch
            return report.fail("mount the root file system: too many layers for this kernel", .{});
        switch (sysmount.mount("overlay", path, "overlay", oldFlags(parts), data)) {
            .ok => break,
            .err => |e| if (!with_volatile) return .{ .refused = e },
        }
    }
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true };
    const fd = try report.check(sys.openat(sys.cwd, path, flags, 0), "open {s}", .{path});
    return .{ .mounted = fd };
}

fn oldFlags(parts: *const Parts) u32 {
    return if (parts.attributes & sysmount.attr.nodev != 0) sysmount.ms.nodev else 0;
}

fn oldOptions(
    parts: *const Parts,
    with_volatile: bool,
    buffer: *[4096]u8,
) error{WriteFailed}![*:0]const u8 {
    var writer: std.Io.Writer = .fixed(buffer);
    for (parts.lower[0..parts.lower_len], 0..) |fd, i|
        try writer.print("{s}{d}", .{ if (i == 0) "lowerdir=" else ":", fd });
    try writer.print(",upperdir={0d}/upper,workdir={0d}/work", .{parts.directory});
    try writer.writeAll(if (parts.userxattr) ",userxattr" else ",redirect_dir=on");
    if (with_volatile) try writer.writeAll(",volatile");
    try writer.writeByte(0);
    return @ptrCast(buffer);
}

test "the old form names layers by number only" {
    var parts: Parts = .{
        .directory = 9,
        .userxattr = true,
        .is_volatile = true,
        .attributes = 0,
    };
    parts.lower[0] = 5;
    parts.lower[1] = 6;
    parts.lower_len = 2;
    var buffer: [4096]u8 = undefined;
    try std.testing.expectEqualStrings(
        "lowerdir=5:6,upperdir=9/upper,workdir=9/work,userxattr,volatile",
        std.mem.span(try oldOptions(&parts, true, &buffer)),
    );
}
