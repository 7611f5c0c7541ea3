//! `hb-init complete`: what a layer left open, answered from the layers below it.
//!
//! The answers are a layer of their own, a patch, which goes directly above. It holds copies of
//! lower files that the layer has hard links to, and directories the layer has without describing
//! them, with the attributes they have below. A directory whose attributes are what the layer made
//! of it anyway needs no answer; if nothing does, there is no patch and the word is `unneeded`.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const userns = @import("userns.zig");
const names = @import("names.zig");
const pending = @import("pending.zig");
const whiteout = @import("whiteout.zig");
const xattr = @import("xattr.zig");
const staging_module = @import("staging.zig");
const stack_module = @import("stack.zig");
const copy_file = @import("copy_file.zig");
const dirent = @import("dirent.zig");
const Staging = staging_module.Staging;
const Stack = stack_module.Stack;
const Found = stack_module.Found;

const Allocator = std.mem.Allocator;

/// The patch being made is the topmost layer of the stack, the layer it is for the next.
const patch_index = 0;
const layer_index = 1;
const lowers_index = 2;

const Job = struct {
    paths: staging_module.Paths,
    layer: [:0]const u8,
    lowers: []const [:0]const u8,
};

var lower_paths: [stack_module.layers_max][:0]const u8 = undefined;
var layer_fds: [stack_module.layers_max + lowers_index]sys.Fd = undefined;

/// The subcommand: `complete [maps] --staging DIR --commit DIR --layer DIFF --lower DIFF...`,
/// lowers topmost first.
pub fn main(args: []const [*:0]const u8) u8 {
    return parseAndRun(args) catch 1;
}

fn parseAndRun(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var staging: ?[:0]const u8 = null;
    var commit: ?[:0]const u8 = null;
    var layer: ?[:0]const u8 = null;
    var count: usize = 0;
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try flags.take(name, value)) continue;
        if (std.mem.eql(u8, name, "--staging")) {
            staging = value;
        } else if (std.mem.eql(u8, name, "--commit")) {
            commit = value;
        } else if (std.mem.eql(u8, name, "--layer")) {
            layer = value;
        } else if (std.mem.eql(u8, name, "--lower")) {
            if (count == lower_paths.len) return report.fail("complete: too many layers", .{});
            lower_paths[count] = value;
            count += 1;
        } else return report.fail("complete: unknown flag {s}", .{name});
    }
    if (at != args.len or staging == null or commit == null or layer == null) {
        return report.fail("complete needs --staging, --commit and --layer", .{});
    }
    const job: Job = .{
        .paths = .{ .staging = staging.?, .commit = commit.? },
        .layer = layer.?,
        .lowers = lower_paths[0..count],
    };
    return userns.run(try flags.maps(), job, run);
}

/// Inside the user namespace.
fn run(job: Job) u8 {
    signals.ignore(.PIPE);
    sys.clearUmask();
    make(job) catch return 1;
    return 0;
}

fn make(job: Job) report.Error!void {
    const staging = try Staging.open(job.paths) orelse {
        try staging_module.say("present\n", .{});
        return staging_module.waitForEnd();
    };
    const entries = fill(staging, job) catch |err| {
        staging.discard();
        return err;
    };
    if (entries == 0) {
        staging.discard();
        try staging_module.say("unneeded\n", .{});
        return staging_module.waitForEnd();
    }
    staging.commit() catch |err| {
        staging.discard();
        return err;
    };
}

/// Makes the patch; how many entries it has.
fn fill(staging: Staging, job: Job) report.Error!u64 {
    try staging_module.say("ready\n", .{});
    const made = sys.mkdirat(staging.fd, "diff", 0o755);
    try report.check(made, "make {s}/diff", .{staging.paths.staging});
    layer_fds[patch_index] = try openLayer(staging.fd, "diff");
    layer_fds[layer_index] = try openLayer(sys.cwd, job.layer);
    for (job.lowers, lowers_index..) |path, index| {
        layer_fds[index] = try openLayer(sys.cwd, path);
    }
    var patch = Patch.init(layer_fds[0 .. job.lowers.len + lowers_index]) catch
        return outOfMemory();
    try patch.read(layer_fds[layer_index]);
    try patch.answer();
    try patch.setAttributes();
    if (patch.entries > 0) try staging_module.sayUnpacked(.{ .entries = patch.entries });
    return patch.entries;
}

fn openLayer(dir: sys.Fd, path: [:0]const u8) report.Error!sys.Fd {
    return report.check(sys.openat(dir, path, sys.directory_flags, 0), "open {s}", .{path});
}

fn outOfMemory() report.Error {
    return report.fail("complete a layer: out of memory", .{});
}

/// A directory of the patch, and the layer its attributes come from.
const Copied = struct { path: []const u8, source: usize };

const Patch = struct {
    gpa: Allocator,
    stack: Stack,
    scratch: *xattr.Scratch,
    bytes: []const u8 = "",
    /// Directories the layer does not describe: their attributes there mean nothing.
    implied: std.StringHashMapUnmanaged(void) = .empty,
    directories: std.ArrayList(Copied) = .empty,
    made: std.StringHashMapUnmanaged(void) = .empty,
    /// The name in the patch of lower files copied already: links among them stay links.
    copies: std.AutoHashMapUnmanaged(Inode, [:0]const u8) = .empty,
    entries: u64 = 0,

    const Inode = struct { layer: usize, inode: u64 };

    fn init(layers: []const sys.Fd) error{OutOfMemory}!Patch {
        const gpa = std.heap.page_allocator;
        const arena = try gpa.create(std.heap.ArenaAllocator);
        arena.* = .init(gpa);
        return .{
            .gpa = arena.allocator(),
            .stack = .{ .layers = layers },
            .scratch = try gpa.create(xattr.Scratch),
        };
    }

    /// Reads the layer's pending file, which lies beside its diff/.
    fn read(self: *Patch, layer: sys.Fd) report.Error!void {
        const opened = sys.openat(layer, "../" ++ pending.file_name, .{ .NOFOLLOW = true }, 0);
        const fd = try report.check(opened, "open the layer's pending file", .{});
        defer sys.close(fd);

        const stat = try report.check(sys.fstat(fd), "examine the layer's pending file", .{});
        if (stat.size > pending.bytes_max) return damaged();
        const buffer = self.gpa.alloc(u8, @intCast(stat.size)) catch return outOfMemory();
        const len = try report.check(sys.readAll(fd, buffer), "read the pending file", .{});
        self.bytes = buffer[0..len];
        var records: pending.Records = .{ .rest = self.bytes };
        while (records.next() catch return damaged()) |record| switch (record) {
            .directory => |path| self.implied.put(self.gpa, path, {}) catch return outOfMemory(),
            else => {},
        };
    }

    fn answer(self: *Patch) report.Error!void {
        var records: pending.Records = .{ .rest = self.bytes };
        while (records.next() catch return damaged()) |record| switch (record) {
            .directory => |path| try self.answerDirectory(path),
            .link => |link| try self.answerLink(link),
            .opaque_root => try self.hideLowerRoot(),
        };
    }

    fn answerDirectory(self: *Patch, path: [:0]const u8) report.Error!void {
        const source = try self.lowerDirectory(path) orelse return;
        const lower = try self.stack.openDirectory(source, path) orelse return;
        defer sys.close(lower);
        const own = try self.stack.openDirectory(layer_index, path) orelse return;
        defer sys.close(own);

        const below = try report.check(sys.fstat(lower), "examine {s}", .{path});
        const here = try report.check(sys.fstat(own), "examine {s}", .{path});
        const alike = below.mode == here.mode and below.uid == here.uid and below.gid == here.gid;
        if (alike and try xattr.same(lower, own, self.scratch, path)) return;
        try self.ensureDirectory(path);
    }

    /// The topmost lower layer that has a part in the directory at `path`; null if none has.
    fn lowerDirectory(self: *Patch, path: []const u8) report.Error!?usize {
        if (!try self.isBelow(path)) return null;
        const found = try self.stack.find(path) orelse return null;
        if (!found.isDirectory()) return null;
        for (lowers_index..@max(lowers_index, found.bottom)) |index| {
            const fd = try self.stack.openDirectory(index, path) orelse continue;
            sys.close(fd);
            return index;
        }
        return null;
    }

    /// Whether any lower layer has a directory `path`, if only a hidden one. Most are the layer's
    /// own, and this tells it without looking at every parent in every layer.
    fn isBelow(self: *Patch, path: []const u8) report.Error!bool {
        for (lowers_index..self.stack.layers.len) |index| {
            const fd = try self.stack.openDirectory(index, path) orelse continue;
            sys.close(fd);
            return true;
        }
        return false;
    }

    /// Makes `path` in the patch, and its parents, all with the attributes they have in the stack.
    fn ensureDirectory(self: *Patch, path: []const u8) report.Error!void {
        if (self.made.contains(path)) return;
        if (path.len > 0) {
            const slash = std.mem.findScalarLast(u8, path, '/') orelse 0;
            try self.ensureDirectory(path[0..slash]);
        }
        const source = if (self.implied.contains(path))
            try self.lowerDirectory(path) orelse layer_index
        else
            layer_index;
        const own = self.gpa.dupe(u8, path) catch return outOfMemory();
        if (path.len > 0) {
            const place = try self.placeInPatch(path);
            defer sys.close(place.dir);
            try report.check(sys.mkdirat(place.dir, place.name, 0o700), "make {s}", .{path});
        }
        self.made.put(self.gpa, own, {}) catch return outOfMemory();
        const copied: Copied = .{ .path = own, .source = source };
        self.directories.append(self.gpa, copied) catch return outOfMemory();
        self.entries += 1;
    }

    /// The parent of `path` in the patch, opened, and the last name.
    fn placeInPatch(self: *Patch, path: []const u8) report.Error!copy_file.Place {
        return self.placeIn(patch_index, path);
    }

    fn placeIn(self: *Patch, index: usize, path: []const u8) report.Error!copy_file.Place {
        const own = self.gpa.dupeSentinel(u8, path, 0) catch return outOfMemory();
        const parts = names.split(own);
        const fd = try self.stack.openDirectory(index, parts.parent) orelse
            return report.fail("complete {s}: its directory is gone", .{path});
        return .{ .dir = fd, .name = parts.name };
    }

    fn answerLink(self: *Patch, link: pending.Record.Link) report.Error!void {
        var buffer: names.PathBuffer = undefined;
        const resolved = try self.stack.resolve(link.target, &buffer) orelse return missing(link);
        const found = try self.stack.find(resolved) orelse return missing(link);
        if (found.isDirectory()) {
            return report.fail("unpack {s}: hard link to a directory", .{link.path});
        }
        try self.ensureDirectory(names.split(link.path).parent);
        const to = try self.placeInPatch(link.path);
        defer sys.close(to.dir);

        self.entries += 1;
        const inode: Inode = .{ .layer = found.layer, .inode = found.stat.inode };
        const known = if (found.layer == patch_index)
            self.gpa.dupeSentinel(u8, resolved, 0) catch return outOfMemory()
        else
            self.copies.get(inode);
        if (known) |path| {
            const from = try self.placeInPatch(path);
            defer sys.close(from.dir);
            const linked = sys.linkat(from.dir, from.name, to.dir, to.name);
            if (linked == .err and linked.err == .MLINK) {
                return copy_file.fileDurably(from, to, self.scratch);
            }
            return report.check(linked, "link {s} to {s}", .{ link.path, path });
        }
        const from = try self.placeIn(found.layer, resolved);
        defer sys.close(from.dir);
        try copy_file.fileDurably(from, to, self.scratch);
        self.copies.put(self.gpa, inode, link.path) catch return outOfMemory();
    }

    /// Hides every name of the lower layers' roots that the layer itself does not have.
    fn hideLowerRoot(self: *Patch) report.Error!void {
        var buffer: [16 << 10]u8 align(8) = undefined;
        for (self.stack.layers[lowers_index..]) |layer| {
            const opened = sys.openat(layer, ".", sys.directory_flags, 0);
            const fd = try report.check(opened, "open a layer", .{});
            defer sys.close(fd);

            while (true) {
                const got = sys.getdents(fd, &buffer);
                const len = try report.check(got, "list a layer", .{});
                if (len == 0) break;
                var records: dirent.Records = .{ .bytes = buffer[0..len] };
                while (records.next()) |entry| try self.hideInRoot(entry.name);
            }
        }
    }

    fn hideInRoot(self: *Patch, name: [:0]const u8) report.Error!void {
        const layers = self.stack.layers;
        for (layers[0..lowers_index]) |fd| {
            const looked = sys.statat(fd, name, linux.AT.SYMLINK_NOFOLLOW);
            if (looked == .ok) return;
            if (looked.err != .NOENT) try report.check(
                sys.Result(void){ .err = looked.err },
                "examine {s}",
                .{name},
            );
        }
        try self.ensureDirectory("");
        const made = whiteout.make(layers[patch_index], name);
        try report.check(made, "make the whiteout of {s}", .{name});
        self.entries += 1;
    }

    /// Children first, for what is made in a directory changes its time.
    fn setAttributes(self: *Patch) report.Error!void {
        var rest = self.directories.items;
        while (rest.len > 0) : (rest = rest[0 .. rest.len - 1]) {
            const last = rest[rest.len - 1];
            const source = try self.stack.openDirectory(last.source, last.path) orelse
                return report.fail("complete {s}: its source is gone", .{last.path});
            defer sys.close(source);
            const own = try self.stack.openDirectory(patch_index, last.path) orelse
                return report.fail("complete {s}: it is gone", .{last.path});
            defer sys.close(own);

            const looked = sys.fstat(source);
            const stat = try report.check(looked, "examine {s}", .{last.path});
            try copy_file.attributes(source, own, stat, self.scratch, last.path);
        }
    }
};

fn damaged() report.Error {
    return report.fail("complete a layer: its pending file is damaged; remove the image", .{});
}

fn missing(link: pending.Record.Link) report.Error {
    return report.fail("unpack {s}: hard link to {s}, which the image does not have", .{
        link.path, link.target,
    });
}

/// `lower` and `layer` with a patch between being made; `pending` are the layer's records.
const Scene = struct {
    directory: files.Directory,
    fds: [3]sys.Fd,

    fn open(records: []const u8) !Scene {
        const directory = try files.Directory.open();
        sys.close(try directory.make("layer", 0o700));
        try files.writeFile(directory.fd, "layer/pending", records);
        return .{ .directory = directory, .fds = .{
            try directory.make("patch", 0o700),
            try directory.make("layer/diff", 0o755),
            try directory.make("lower", 0o755),
        } };
    }

    fn answer(scene: *const Scene) !Patch {
        var patch = try Patch.init(&scene.fds);
        try patch.read(scene.fds[layer_index]);
        try patch.answer();
        try patch.setAttributes();
        return patch;
    }

    fn close(scene: Scene) void {
        for (scene.fds) |fd| sys.close(fd);
        scene.directory.close();
    }
};

const files = @import("test_directory.zig");

test "directories a layer does not describe get what they have below, and only then a patch" {
    const scene = try Scene.open("D\x00Da\x00Da/same\x00Da/new\x00");
    defer scene.close();
    for ([_]sys.Fd{ scene.fds[layer_index], scene.fds[lowers_index] }) |fd| {
        try files.expectDone(sys.mkdirat(fd, "a", 0o755));
        try files.expectDone(sys.mkdirat(fd, "a/same", 0o755));
    }
    try files.expectDone(sys.mkdirat(scene.fds[layer_index], "a/new", 0o755));
    try std.testing.expectEqual(0, (try scene.answer()).entries);
    try files.expectDone(sys.chmodat(scene.fds[lowers_index], "a", 0o3770));
    try std.testing.expectEqual(2, (try scene.answer()).entries);
    try files.expectMode(scene.fds[patch_index], "a", linux.S.IFDIR | 0o3770);
    try files.expectAbsent(scene.fds[patch_index], "a/same");
}

test "links to a lower file become copies that are linked to each other" {
    const scene = try Scene.open("Lx\x00link/file\x00Ly\x00x\x00Lz\x00folder/file\x00");
    defer scene.close();
    const lower = scene.fds[lowers_index];
    try files.expectDone(sys.mkdirat(lower, "folder", 0o755));
    try files.expectDone(sys.symlinkat("/folder", lower, "link"));
    try files.writeFile(lower, "folder/file", "below");
    _ = try scene.answer();
    for ([_][:0]const u8{ "x", "y", "z" }) |name| {
        try files.expectFile(scene.fds[patch_index], name, "below");
    }
    try std.testing.expectEqual(3, sys.statat(scene.fds[patch_index], "x", 0).ok.links);
}

test "an opaque root hides the names the layer does not have" {
    const scene = try Scene.open("O");
    defer scene.close();
    try files.writeFile(scene.fds[layer_index], "own", "");
    for ([_][:0]const u8{ "own", "gone" }) |name| {
        try files.writeFile(scene.fds[lowers_index], name, "");
    }
    _ = try scene.answer();
    try files.expectMode(scene.fds[patch_index], "gone", linux.S.IFCHR);
    try files.expectAbsent(scene.fds[patch_index], "own");
}

test "a link to what no layer has, or to what the layer hides, is refused" {
    const scene = try Scene.open("Lx\x00hidden\x00");
    defer scene.close();
    try files.writeFile(scene.fds[lowers_index], "hidden", "");
    try files.expectDone(whiteout.make(scene.fds[layer_index], "hidden"));
    const before = report.fd;
    report.fd = -1;
    defer report.fd = before;
    try std.testing.expectError(error.Reported, scene.answer());
}
