//! `hb-init copy`: stacked layers as one plain directory, with no mark of overlayfs in it.
//!
//! For bundles, and for machines that refuse overlay mounts. Hard links stay links within a layer,
//! blocks are shared where the file system can. Directories are taken one after another from a
//! list, so neither depth nor the number of layers costs descriptors.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const userns = @import("userns.zig");
const names = @import("names.zig");
const xattr = @import("xattr.zig");
const dirent = @import("dirent.zig");
const whiteout = @import("whiteout.zig");
const stack_module = @import("stack.zig");
const copy_file = @import("copy_file.zig");
const Stack = stack_module.Stack;
const Found = stack_module.Found;

const Job = struct { to: [:0]const u8, lowers: []const [:0]const u8 };

var lower_paths: [stack_module.layers_max][:0]const u8 = undefined;
var layer_fds: [stack_module.layers_max]sys.Fd = undefined;

/// The subcommand: `copy [maps] --to DIR --lower DIFF...`, topmost first. DIR is made if need be.
pub fn main(args: []const [*:0]const u8) u8 {
    return parseAndRun(args) catch 1;
}

fn parseAndRun(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var to: ?[:0]const u8 = null;
    var count: usize = 0;
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try flags.take(name, value)) continue;
        if (std.mem.eql(u8, name, "--to")) {
            to = value;
        } else if (std.mem.eql(u8, name, "--lower")) {
            if (count == lower_paths.len) return report.fail("copy: too many layers", .{});
            lower_paths[count] = value;
            count += 1;
        } else return report.fail("copy: unknown flag {s}", .{name});
    }
    if (at != args.len or to == null) return report.fail("copy needs --to and --lower", .{});
    const job: Job = .{ .to = to.?, .lowers = lower_paths[0..count] };
    return userns.run(try flags.maps(), job, run);
}

fn run(job: Job) u8 {
    flatten(job.to, job.lowers) catch return 1;
    return 0;
}

/// Copies the merged tree of `lowers`, topmost first, into the directory `to`.
pub fn flatten(to: [:0]const u8, lowers: []const [:0]const u8) report.Error!void {
    sys.clearUmask();
    const made = sys.mkdirat(sys.cwd, to, 0o755);
    if (made == .err and made.err != .EXIST) try report.check(made, "make {s}", .{to});
    const opened = sys.openat(sys.cwd, to, sys.directory_flags, 0);
    const target = try report.check(opened, "open {s}", .{to});
    defer sys.close(target);

    if (lowers.len == 0) return;
    for (lowers, 0..) |path, index| {
        const layer = sys.openat(sys.cwd, path, sys.directory_flags, 0);
        layer_fds[index] = try report.check(layer, "open {s}", .{path});
    }
    const layers = layer_fds[0..lowers.len];
    defer for (layers) |fd| sys.close(fd);

    var copy = Copy.init(target, layers) catch return outOfMemory();
    defer copy.arena.deinit();
    try copy.all();
}

fn outOfMemory() report.Error {
    return report.fail("copy layers: out of memory", .{});
}

/// A merged directory to copy, or copied and waiting for its attributes.
const Directory = struct { path: [:0]const u8, found: Found };

const Copy = struct {
    gpa: std.mem.Allocator,
    arena: std.heap.ArenaAllocator,
    target: sys.Fd,
    stack: Stack,
    scratch: *xattr.Scratch,
    directories: std.ArrayList(Directory) = .empty,
    /// Names done in the directory at hand, whatever lower layers have of them.
    done: std.StringHashMapUnmanaged(void) = .empty,
    links: std.AutoHashMapUnmanaged(Inode, [:0]const u8) = .empty,

    const Inode = struct { layer: usize, inode: u64 };

    fn init(target: sys.Fd, layers: []const sys.Fd) error{OutOfMemory}!Copy {
        const gpa = std.heap.page_allocator;
        return .{
            .gpa = gpa,
            .arena = .init(gpa),
            .target = target,
            .stack = .{ .layers = layers },
            .scratch = try gpa.create(xattr.Scratch),
        };
    }

    fn all(self: *Copy) report.Error!void {
        const top: Directory = .{ .path = "", .found = try self.stack.root() };
        self.directories.append(self.gpa, top) catch return outOfMemory();
        var next: usize = 0;
        while (next < self.directories.items.len) : (next += 1) {
            try self.directory(self.directories.items[next]);
        }
        while (next > 0) {
            next -= 1;
            try self.setAttributes(self.directories.items[next]);
        }
    }

    fn directory(self: *Copy, merged: Directory) report.Error!void {
        self.done.clearRetainingCapacity();
        const to = try self.openTarget(merged.path);
        defer sys.close(to);

        for (merged.found.layer..merged.found.bottom) |index| {
            const from = try self.stack.openDirectory(index, merged.path) orelse continue;
            defer sys.close(from);
            try self.list(merged, index, from, to);
        }
    }

    /// Copies what one layer has in a merged directory and no higher layer had.
    fn list(
        self: *Copy,
        merged: Directory,
        index: usize,
        from: sys.Fd,
        to: sys.Fd,
    ) report.Error!void {
        var buffer: [16 << 10]u8 align(8) = undefined;
        while (true) {
            const len = try report.check(sys.getdents(from, &buffer), "list {s}", .{merged.path});
            if (len == 0) return;
            var records: dirent.Records = .{ .bytes = buffer[0..len] };
            while (records.next()) |entry| {
                if (self.done.contains(entry.name)) continue;
                const path = try self.join(merged.path, entry.name);
                const name = names.split(path).name;
                self.done.put(self.gpa, name, {}) catch return outOfMemory();
                try self.one(path, name, merged.found.bottom, index, from, to);
            }
        }
    }

    fn join(self: *Copy, parent: []const u8, name: []const u8) report.Error![:0]const u8 {
        const separator = if (parent.len == 0) "" else "/";
        const parts = .{ parent, separator, name };
        const arena = self.arena.allocator();
        const path = std.fmt.allocPrintSentinel(arena, "{s}{s}{s}", parts, 0) catch
            return outOfMemory();
        if (path.len <= names.path_bytes_max) return path;
        return report.fail("copy {s}: path too long", .{path});
    }

    fn one(
        self: *Copy,
        path: [:0]const u8,
        name: [:0]const u8,
        bottom: usize,
        index: usize,
        from: sys.Fd,
        to: sys.Fd,
    ) report.Error!void {
        const looked = sys.statat(from, name, linux.AT.SYMLINK_NOFOLLOW);
        const stat = try report.check(looked, "examine {s}", .{path});
        if (whiteout.is(stat)) return;
        if (stat.kind() == linux.S.IFDIR) {
            // Of all layers from the top: which take part in it is decided there.
            const found = try self.stack.child(path, bottom) orelse return;
            try report.check(sys.mkdirat(to, name, 0o700), "make {s}", .{path});
            const merged: Directory = .{ .path = path, .found = found };
            return self.directories.append(self.gpa, merged) catch outOfMemory();
        }
        if (stat.links > 1 and try self.link(path, name, index, stat, to)) return;
        const source: copy_file.Place = .{ .dir = from, .name = name };
        try copy_file.file(source, .{ .dir = to, .name = name }, self.scratch);
    }

    /// Links to the copy of the same file of the same layer, if there is one by now.
    fn link(
        self: *Copy,
        path: [:0]const u8,
        name: [:0]const u8,
        index: usize,
        stat: sys.Stat,
        to: sys.Fd,
    ) report.Error!bool {
        const inode: Inode = .{ .layer = index, .inode = stat.inode };
        const slot = self.links.getOrPut(self.gpa, inode) catch return outOfMemory();
        if (!slot.found_existing) {
            slot.value_ptr.* = path;
            return false;
        }
        const parts = names.split(slot.value_ptr.*);
        const dir = try self.openTarget(parts.parent);
        defer sys.close(dir);

        const linked = sys.linkat(dir, parts.name, to, name);
        if (linked == .err and linked.err == .MLINK) return false;
        try report.check(linked, "link {s} to {s}", .{ path, slot.value_ptr.* });
        return true;
    }

    fn openTarget(self: *Copy, path: []const u8) report.Error!sys.Fd {
        var buffer: names.PathBuffer = undefined;
        const shown = stack_module.orDot(path, &buffer);
        const opened = stack_module.open(self.target, shown, sys.directory_flags);
        return report.check(opened, "open {s}", .{path});
    }

    fn setAttributes(self: *Copy, merged: Directory) report.Error!void {
        const source = try self.stack.openDirectory(merged.found.layer, merged.path) orelse
            return report.fail("copy {s}: it is gone", .{merged.path});
        defer sys.close(source);
        const to = try self.openTarget(merged.path);
        defer sys.close(to);

        try copy_file.attributes(source, to, merged.found.stat, self.scratch, merged.path);
    }
};

test "a merged tree is copied without what higher layers hide" {
    const files = @import("test_directory.zig");
    const directory = try files.Directory.open();
    defer directory.close();
    const low = try directory.make("low", 0o755);
    defer sys.close(low);
    const high = try directory.make("high", 0o711);
    defer sys.close(high);

    for ([_]sys.Fd{ low, high }) |fd| {
        try files.expectDone(sys.mkdirat(fd, "merged", 0o755));
        try files.expectDone(sys.mkdirat(fd, "replaced", 0o700));
    }
    const replaced = sys.openat(high, "replaced", sys.directory_flags, 0).ok;
    defer sys.close(replaced);
    try files.expectDone(sys.fsetxattr(replaced, whiteout.opaqueXattr(true), "y"));
    for ([_][:0]const u8{ "gone", "both", "merged/low", "replaced/gone" }) |path| {
        try files.writeFile(low, path, "low");
    }
    try files.expectDone(sys.linkat(low, "both", low, "linked"));
    try files.expectDone(sys.linkat(low, "linked", low, "merged/linked"));
    for ([_][:0]const u8{ "both", "merged/high" }) |path| try files.writeFile(high, path, "high");
    try files.expectDone(whiteout.make(high, "gone"));

    var buffers: [3][80]u8 = undefined;
    var paths: [3][:0]const u8 = undefined;
    for (&paths, &buffers, [_][]const u8{ "to", "high", "low" }) |*path, *buffer, name| {
        const parts = .{ directory.path, name };
        path.* = try std.fmt.bufPrintSentinel(buffer, "{s}/{s}", parts, 0);
    }
    try flatten(paths[0], paths[1..]);
    const to = sys.openat(directory.fd, "to", sys.directory_flags, 0).ok;
    defer sys.close(to);
    try files.expectMode(directory.fd, "to", linux.S.IFDIR | 0o711);
    try files.expectFile(to, "both", "high");
    try files.expectFile(to, "merged/low", "low");
    try files.expectFile(to, "merged/high", "high");
    try files.expectAbsent(to, "gone");
    try files.expectAbsent(to, "replaced/gone");
    try std.testing.expectEqual(2, sys.statat(to, "linked", 0).ok.links);
}
