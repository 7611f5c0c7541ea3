//! The container's root file system: assembled in a private mount namespace, then made `/`.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const mount = @import("mount.zig");
const remount = @import("remount.zig");
const overlay = @import("overlay.zig");
const inside = @import("inside.zig");
const copy = @import("copy.zig");
const remove = @import("remove.zig");
const dirent = @import("dirent.zig");

/// Nothing mounted from here on reaches the host; what the host mounts later may still arrive in
/// a volume that asks for it (`rslave`), hence slave and not private.
pub fn cutPropagation() report.Error!void {
    return report.check(
        sysmount.mount(null, "/", null, sysmount.ms.rec | sysmount.ms.slave, null),
        "make the mounts private",
        .{},
    );
}

/// Makes the root at `root.path` and gives its descriptor. `home` is the container's directory.
pub fn assemble(it: plan.Plan, home: sys.Fd) report.Error!inside.Root {
    const attributes = rootAttributes(it.process.capabilities);
    if (it.hb.overlay == null) return .{ .fd = try inPlace(it.root, it.root.path, attributes) };
    return switch (try overlay.mountAt(it, home, attributes)) {
        .mounted => |fd| .{ .fd = fd },
        .refused => |errno| .{ .fd = try privateCopy(it, home, attributes, errno) },
    };
}

/// No device node in the image or made by the payload opens anything. Who may mount could take the
/// flag off again, and has been given CAP_SYS_ADMIN for that.
fn rootAttributes(capabilities: plan.Capabilities) u64 {
    for (capabilities.bounding) |name| {
        if (std.mem.eql(u8, name, "CAP_SYS_ADMIN")) return 0;
    }
    return sysmount.attr.nodev;
}

/// A directory bound at `path`, its own as a rule: pivot_root(2) wants a mount point.
fn inPlace(root: plan.Root, path: plan.Text, attributes: u64) report.Error!sys.Fd {
    const tree = try report.check(
        sysmount.openTree(sys.cwd, root.path, .below),
        "open the root directory {s}",
        .{root.path},
    );
    const target = try report.check(
        sys.openat(sys.cwd, path, .{ .PATH = true, .DIRECTORY = true }, 0),
        "open the root directory {s}",
        .{path},
    );
    defer sys.close(target);

    const readonly = if (root.readonly) sysmount.attr.rdonly else 0;
    try mount.attach(.{
        .mount = tree,
        .target = target,
        .change = .{ .set = attributes | readonly, .propagation = sysmount.ms.private },
        .depth = .below,
        .source = root.path,
        .destination = "/",
    });
    // Mount points and the working directory may still have to be made in it; `seal` comes last.
    // What is mounted below stays read-only.
    if (root.readonly) {
        const opened = sysmount.setAttributes(tree, .{ .clear = sysmount.attr.rdonly }, .this);
        if (opened == .err and opened.err == .NOSYS) {
            try remount.makeWritable(tree, "/");
        } else try report.check(opened, "prepare the read-only root", .{});
    }
    return tree;
}

/// Where overlayfs is refused: the layers copied into the upper directory, which becomes the root.
fn privateCopy(it: plan.Plan, home: sys.Fd, attributes: u64, errno: sys.E) report.Error!sys.Fd {
    if (!try isCopied(home)) {
        report.notice(
            "overlay mounts are refused here ({s}): this container runs on a copy of its image, " ++
                "which takes time and space",
            .{report.words(errno)},
        );
        try copyImage(it.hb.overlay.?.lowerdirs, home);
    }
    var buffer: PathBuffer = undefined;
    return inPlace(.{ .path = pathIn(home, "upper", &buffer) }, it.root.path, attributes);
}

/// Beside a copy of the image, or one under way: an upper directory without it has been overlay's.
const copy_mark = "copied";

/// Whether the upper directory is the image's copy, from an earlier run.
fn isCopied(home: sys.Fd) report.Error!bool {
    const doing = "look at the container's files";
    const opened = sys.openat(home, "upper", sys.directory_flags, 0);
    const upper = try report.check(opened, doing, .{});
    defer sys.close(upper);

    var listing: dirent.Listing = .{ .fd = upper };
    if (try report.check(listing.next(), doing, .{}) == null) return false;
    if (hasCopy(home)) return true;
    return report.fail(
        "mount the root file system: overlay mounts are refused here, and the container has " ++
            "written to one",
        .{},
    );
}

/// Whether a copy was begun: then the upper directory may be one.
pub fn hasCopy(home: sys.Fd) bool {
    return sys.statat(home, copy_mark, 0) == .ok;
}

/// The copy gets its name when it is whole: it may be killed before.
fn copyImage(lowerdirs: []const plan.Text, home: sys.Fd) report.Error!void {
    const doing = "copy the image";
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true };
    sys.close(try report.check(sys.openat(home, copy_mark, flags, 0o600), doing, .{}));
    try remove.tree(home, "copying");
    var buffer: PathBuffer = undefined;
    try copy.flatten(pathIn(home, "copying", &buffer), lowerdirs);
    sys.umask(0o022); // copying needs none, the container's own files do
    return report.check(sys.renameat(home, "copying", home, "upper"), doing, .{});
}

const PathBuffer = [64]u8;

fn pathIn(home: sys.Fd, name: []const u8, buffer: *PathBuffer) [:0]const u8 {
    const parts = .{ std.mem.sliceTo(&mount.descriptorPath(home), 0), name };
    // proven: 32 bytes of path and one of our names.
    return std.fmt.bufPrintSentinel(buffer, "{s}/{s}", parts, 0) catch unreachable;
}

/// Makes the image's volumes where missing; under a read-only root each becomes a mount of its
/// own, which `seal` does not reach.
pub fn openVolumes(it: plan.Plan, root: inside.Root) report.Error!void {
    for (it.hb.volumes) |path| {
        const at = try root.makeDirectory(path);
        defer sys.close(at);

        if (it.root.readonly) try mount.onItself(at, path, .{ .propagation = sysmount.ms.private });
    }
}

/// The links every program expects below /dev (runtime-spec "Default Devices and Links"), when /dev
/// is the container's own.
pub fn linkDevices(mounts: []const plan.Mount, root: inside.Root) report.Error!void {
    if (!ownDevices(mounts)) return;
    const dev = try report.check(
        root.open("/dev", .{ .PATH = true, .DIRECTORY = true }),
        "open /dev",
        .{},
    );
    defer sys.close(dev);

    const links = [_][2][*:0]const u8{
        .{ "fd", "/proc/self/fd" },
        .{ "stdin", "/proc/self/fd/0" },
        .{ "stdout", "/proc/self/fd/1" },
        .{ "stderr", "/proc/self/fd/2" },
        .{ "core", "/proc/kcore" },
        .{ "ptmx", "pts/ptmx" },
    };
    for (links) |link| {
        const made = sys.symlinkat(link[1], dev, link[0]);
        if (made == .err and made.err == .EXIST) continue;
        try report.check(made, "make /dev/{s}", .{link[0]});
    }
}

/// Whether /dev is a tmpfs of ours; a volume there is the user's, and nothing is added to it.
fn ownDevices(mounts: []const plan.Mount) bool {
    var own = false;
    for (mounts) |it| {
        if (std.mem.eql(u8, it.destination, "/dev")) own = std.mem.eql(u8, it.type, "tmpfs");
    }
    return own;
}

/// Makes the assembled tree `/` and lets go of the host's. pivot_root(2), "pivot_root(".", ".")":
/// the old root ends up on top of the new one and is detached from there.
pub fn pivot(root: inside.Root) report.Error!void {
    try report.check(sys.fchdir(root.fd), "enter the new root", .{});
    try report.check(sysmount.pivotRoot(".", "."), "make the new root the root", .{});
    try report.check(sysmount.detach("."), "let go of the host's root", .{});
    // The working directory was the old root's mount, on top; now it is the new one.
    try report.check(sys.chdir("/"), "enter the new root", .{});
}

/// Makes the root read-only, the mounts on it not.
pub fn sealIfReadonly(it: plan.Root, root: inside.Root) report.Error!void {
    if (!it.readonly) return;
    const sealed = sysmount.setAttributes(root.fd, .{ .set = sysmount.attr.rdonly }, .this);
    if (sealed == .err and sealed.err == .NOSYS) return sealOld(root);
    return report.check(sealed, "make the root read-only", .{});
}

/// Before Linux 5.12. By its name: what is at /proc is the container's by now.
fn sealOld(root: inside.Root) report.Error!void {
    const kept = try report.check(sysmount.flagsOf(root.fd), "look at the root", .{});
    const flags = kept | sysmount.ms.remount | sysmount.ms.bind | sysmount.ms.rdonly;
    return report.check(
        sysmount.mount(null, "/", null, flags, null),
        "make the root read-only",
        .{},
    );
}

test "a volume on /dev is not ours to add links to" {
    const tmpfs: plan.Mount = .{ .destination = "/dev", .type = "tmpfs" };
    const volume: plan.Mount = .{ .destination = "/dev", .type = "bind", .source = "/x" };
    try std.testing.expect(ownDevices(&.{tmpfs}));
    try std.testing.expect(!ownDevices(&.{ tmpfs, volume }));
    try std.testing.expect(!ownDevices(&.{}));
}
