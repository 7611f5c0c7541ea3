//! What the container may not see or not change of /proc and /sys: runtime-spec `maskedPaths` and
//! `readonlyPaths`. A path this kernel does not have is skipped; nothing else is.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const mount = @import("mount.zig");
const inside = @import("inside.zig");
const files = @import("files.zig");

const readonly: sysmount.Change = .{
    .set = sysmount.attr.rdonly,
    .propagation = sysmount.ms.private,
};

/// Hides and seals. Before pivot, because /dev/null must be the host's: the container's is the
/// image's to choose. The paths resolve inside the root all the same.
pub fn apply(
    restrictions: plan.Linux,
    memory: files.Memory,
    root: inside.Root,
) report.Error!void {
    for (restrictions.maskedPaths) |path| {
        const target = try existing(root, path) orelse continue;
        defer sys.close(target);

        try hide(target, path, memory);
    }
    for (restrictions.readonlyPaths) |path| {
        const target = try existing(root, path) orelse continue;
        defer sys.close(target);

        try mount.onItself(target, path, readonly);
    }
}

fn existing(root: inside.Root, path: plan.Text) report.Error!?sys.Fd {
    const found = root.find(path);
    if (found == .err and (found.err == .NOENT or found.err == .NOTDIR)) return null;
    return try report.check(found, "restrict {s}", .{path});
}

/// A directory becomes an empty one, anything else reads as nothing.
fn hide(target: sys.Fd, path: plan.Text, memory: files.Memory) report.Error!void {
    const stat = try report.check(sys.fstat(target), "mask {s}", .{path});
    const cover = try report.check(
        if (stat.kind() == linux.S.IFDIR)
            memory.emptyDirectory()
        else
            sysmount.openTree(sys.cwd, "/dev/null", .this),
        "mask {s}",
        .{path},
    );
    defer sys.close(cover);

    try mount.attach(.{
        .mount = cover,
        .target = target,
        .change = readonly,
        .depth = .this,
        .source = "nothing",
        .destination = path,
    });
}
