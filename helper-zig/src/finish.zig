//! The end of an unpacked layer, when all its names are known: late hard links, whiteouts, the
//! final attributes of directories, and the list of what only lower layers can answer.
//!
//! Whiteouts come here because they are about lower layers whatever their place in the tar: `.wh.X`
//! says nothing about an X of the same layer, but that it is all there is of X.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const names = @import("names.zig");
const whiteout = @import("whiteout.zig");
const pending = @import("pending.zig");
const layer_module = @import("layer.zig");
const tree = @import("tree.zig");
const Layer = layer_module.Layer;

/// Completes the layer; `staging` is the directory that gets the pending file.
pub fn run(layer: *Layer, staging: sys.Fd) report.Error!void {
    try makeLinks(layer);
    try makeWhiteouts(layer);
    try hideBelowRoot(layer);
    try listImplied(layer);
    try writePending(layer, staging);
    try setAttributes(layer);
}

/// Hard links whose target came later in the tar; the rest is for `complete`.
fn makeLinks(layer: *Layer) report.Error!void {
    for (layer.links.items) |link| {
        if (!layer.tree.at(link.dir).alive) continue;
        if (try isThere(layer, link)) continue;
        var buffer: names.PathBuffer = undefined;
        const dir = layer.tree.pathOf(link.dir, &buffer) catch {
            return report.fail("unpack {s}: path too long", .{link.name});
        };
        const separator = if (dir.len == 0) "" else "/";
        const parts = .{ dir, separator, link.name };
        const arena = layer.arena.allocator();
        const path = std.fmt.allocPrint(arena, "{s}{s}{s}", parts) catch
            return layer_module.outOfMemory();
        const place: tree.Place = .{ .dir = link.dir, .name = link.name };
        if (try layer.linkInLayer(place, path, link.target)) continue;
        layer.pending.link(path, link.target) catch return layer_module.outOfMemory();
    }
}

/// Whether a later entry took the link's name.
fn isThere(layer: *Layer, link: layer_module.Waiting) report.Error!bool {
    const dir = try layer.tree.fdOf(link.dir);
    return switch (sys.statat(dir, link.name, std.os.linux.AT.SYMLINK_NOFOLLOW)) {
        .ok => true,
        .err => |e| if (e == .NOENT) false else {
            report.failErrno(e, "examine {s}", .{link.name});
            return error.Reported;
        },
    };
}

fn makeWhiteouts(layer: *Layer) report.Error!void {
    for (layer.whiteouts.items) |hidden| {
        if (!layer.tree.at(hidden.dir).alive) continue;
        if (layer.tree.lookup(hidden.dir, hidden.name)) |id| {
            // Deleted below and made anew: only what this layer has in it shows.
            layer.tree.at(id).is_opaque = true;
            layer.tree.at(id).is_replacement = true;
        }
    }
    for (layer.whiteouts.items) |hidden| {
        if (!layer.tree.at(hidden.dir).alive) continue;
        if (layer.tree.lookup(hidden.dir, hidden.name) != null) continue;
        // There is nothing left to hide; and overlayfs lists whiteouts where it merges nothing.
        if (isBelowOpaque(layer, hidden.dir)) continue;
        const made = whiteout.make(try layer.tree.fdOf(hidden.dir), hidden.name);
        // A file made anew hides what is below by itself; and the same may be said twice.
        if (made == .err and made.err == .EXIST) continue;
        try report.check(made, "make the whiteout of {s}", .{hidden.name});
    }
}

/// Whether `dir` or a directory above it is opaque. Not so the root, which is always merged.
fn isBelowOpaque(layer: *Layer, dir: tree.Id) bool {
    var id = dir;
    while (id != .root) : (id = layer.tree.at(id).parent) {
        if (layer.tree.at(id).is_opaque) return true;
    }
    return false;
}

/// overlayfs does not look for the mark on a layer's root: its directories get it in its place, and
/// `complete` hides the names this layer does not have.
fn hideBelowRoot(layer: *Layer) report.Error!void {
    if (!layer.tree.at(.root).is_opaque) return;
    var child = layer.tree.at(.root).first_child;
    while (child != .none) : (child = layer.tree.at(child).next_sibling) {
        layer.tree.at(child).is_opaque = true;
        layer.tree.at(child).is_replacement = true;
    }
    layer.pending.opaqueRoot() catch return layer_module.outOfMemory();
}

/// Directories the layer does not describe are as lower layers have them, unless hidden from those.
fn listImplied(layer: *Layer) report.Error!void {
    for (layer.tree.nodes.items, 0..) |*node, index| {
        if (!node.alive) continue;
        if (index > 0) {
            // Parents come before their children.
            const parent = layer.tree.at(node.parent);
            if (parent.is_opaque or parent.is_replacement) node.is_replacement = true;
        }
        if (node.attributes != null or node.is_replacement) continue;
        var buffer: names.PathBuffer = undefined;
        const path = layer.tree.pathOf(@fromBackingInt(@intCast(index)), &buffer) catch {
            return report.fail("unpack {s}: path too long", .{node.name});
        };
        layer.pending.directory(path) catch return layer_module.outOfMemory();
    }
}

fn writePending(layer: *Layer, staging: sys.Fd) report.Error!void {
    if (layer.pending.count == 0) return;
    const flags: std.os.linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true };
    const opened = sys.openat(staging, pending.file_name, flags, 0o600);
    const fd = try report.check(opened, "make the pending file", .{});
    defer sys.close(fd);

    layer.pending.end() catch return layer_module.outOfMemory();
    const written = sys.writeAll(fd, layer.pending.bytes.items);
    try report.check(written, "write the pending file", .{});
}

/// Children before their parents: they come later in the table.
fn setAttributes(layer: *Layer) report.Error!void {
    var index = layer.tree.nodes.items.len;
    while (index > 0) {
        index -= 1;
        const node = &layer.tree.nodes.items[index];
        if (!node.alive) continue;
        const id: tree.Id = @fromBackingInt(@intCast(index));
        if (node.is_opaque and index > 0) {
            const mark = whiteout.opaqueXattr(layer.in_user_namespace);
            const marked = sys.fsetxattr(try layer.tree.fdOf(id), mark, "y");
            try report.check(marked, "make {s} opaque", .{node.name});
        }
        const wanted = node.attributes orelse continue;
        try setOwnerAndMode(layer, id, wanted);
        try setTime(layer, id, wanted);
    }
}

fn setOwnerAndMode(layer: *Layer, id: tree.Id, wanted: tree.Attributes) report.Error!void {
    const node = layer.tree.at(id);
    const rooted = wanted.owner.uid == 0 and wanted.owner.gid == 0;
    if (rooted and wanted.mode == node.mode) return;
    const fd = try layer.tree.fdOf(id);
    if (!rooted) {
        const owned = sys.fchown(fd, wanted.owner.uid, wanted.owner.gid);
        try report.check(owned, "change the owner of {s}", .{node.name});
    }
    if (wanted.mode == node.mode) return;
    return report.check(sys.fchmod(fd, wanted.mode), "change the mode of {s}", .{node.name});
}

/// By name under the parent, which is more likely open than the directory itself.
fn setTime(layer: *Layer, id: tree.Id, wanted: tree.Attributes) report.Error!void {
    const node = layer.tree.at(id);
    const time = wanted.mtime;
    const outcome = if (id == .root) blk: {
        break :blk sys.setModifiedOf(node.fd, time.sec, time.nsec);
    } else blk: {
        var buffer: names.NameBuffer = undefined;
        // proven: it was made under this name.
        const name = names.terminated(node.name, &buffer) orelse unreachable;
        const dir = try layer.tree.fdOf(node.parent);
        break :blk sys.setModified(dir, name, time.sec, time.nsec);
    };
    return report.check(outcome, "set the time of {s}", .{node.name});
}
