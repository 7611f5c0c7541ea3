//! `hb-init commit --container DIRECTORY …`: what a container has changed of its image -> the tar
//! of a layer that makes it so, on stdout (OCI image-spec, layer.md, "Change Types"). Nothing at
//! all where it has changed nothing.
//!
//! The archive has every changed name once, and each directory above it, the root included: so the
//! layer leans on none below it.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const names = @import("names.zig");
const whiteout = @import("whiteout.zig");
const comparison = @import("comparison.zig");
const stack = @import("stack.zig");
const packer_module = @import("packer.zig");
const Packer = packer_module.Packer;

const stdout: sys.Fd = 1;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    run(args) catch return 1;
    return 0;
}

fn run(args: []const [*:0]const u8) report.Error!void {
    signals.ignore(.PIPE);
    var changes = try comparison.run(args, .exact);
    defer changes.close();

    const found = try changes.sorted();
    if (found.len == 0) return;
    var packer: Packer = try .init(stdout, std.heap.page_allocator);
    const root = changes.root();
    try addRoot(&packer, root);
    for (found) |change| switch (change.kind) {
        .A, .C => if (change.path.len > 0) try add(&packer, root, change.path),
        .D => try hide(&packer, change.path),
    };
    return packer.archive.finish();
}

fn addRoot(packer: *Packer, root: sys.Fd) report.Error!void {
    const stat = try report.check(sys.fstat(root), "examine /", .{});
    const fd = try open(root, "") orelse return;
    defer sys.close(fd);

    return packer.directory(fd, ".", stat);
}

/// The whiteout of `path`.
fn hide(packer: *Packer, path: []const u8) report.Error!void {
    const slash = if (std.mem.findScalarLast(u8, path, '/')) |at| at + 1 else 0;
    const parts = .{ path[0..slash], whiteout.prefix, path[slash..] };
    const name = std.fmt.allocPrint(packer.arena.allocator(), "{s}{s}{s}", parts) catch
        return report.fail("commit /{s}: out of memory", .{path});
    return packer.archive.begin(.{ .kind = .file, .path = name, .mode = 0o600, .mtime = .{} });
}

fn add(packer: *Packer, root: sys.Fd, path: []const u8) report.Error!void {
    var buffer: names.PathBuffer = undefined;
    const whole = stack.orDot(path, &buffer);
    const parts = names.split(whole);
    if (whiteout.meaning(parts.name) != .plain) return report.fail(
        "commit /{s}: in an image, a name like this one hides another",
        .{path},
    );
    const parent = try open(root, parts.parent) orelse return;
    defer sys.close(parent);

    const looked = sys.statat(parent, parts.name, linux.AT.SYMLINK_NOFOLLOW);
    if (looked == .err and packer_module.isGone(looked.err)) return;
    const stat = try report.check(looked, "examine /{s}", .{path});
    if (stat.kind() != linux.S.IFDIR) return packer.one(parent, parts.name, path, stat);
    const fd = try open(parent, parts.name) orelse return;
    defer sys.close(fd);

    return packer.directory(fd, path, stat);
}

/// The directory `path` below `dir`; null if it has gone since it was listed.
fn open(dir: sys.Fd, path: []const u8) report.Error!?sys.Fd {
    var buffer: names.PathBuffer = undefined;
    const opened = stack.open(dir, stack.orDot(path, &buffer), sys.directory_flags);
    if (opened == .err and packer_module.isGone(opened.err)) return null;
    return try report.check(opened, "open /{s}", .{path});
}
