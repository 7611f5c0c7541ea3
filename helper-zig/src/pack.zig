//! `hb-init pack`: a file, or a tree, of a container or of the caller's own -> a tar on stdout.
//!
//!   pack --path PATH --as NAME [--container DIRECTORY …] [--owners root] [--mounts excluded]
//!        [--except DIRECTORY]
//!
//! PATH is absolute; `/` or `/.` at its end mean the directory that a link there leads to. The
//! archive's names begin with NAME; "." packs what is in a directory, "" the same without a dot
//! before each name. What is in the directory of `--except`, of this machine, is left out: the copy
//! is written there, and would be copied for ever.
//!
//! What becomes of each file is packer.zig's matter.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const names = @import("names.zig");
const dirent = @import("dirent.zig");
const reach = @import("reach.zig");
const inside = @import("inside.zig");
const packer_module = @import("packer.zig");
const Packer = packer_module.Packer;
const Inode = packer_module.Inode;
const isGone = packer_module.isGone;

const stdout: sys.Fd = 1;

const Job = struct {
    place: reach.Flags = .{},
    path: [:0]const u8 = "",
    as: []const u8 = "",
    is_root_owned: bool = false,
    without_mounts: bool = false,
    except: ?[:0]const u8 = null,
};

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    run(args) catch return 1;
    return 0;
}

fn run(args: []const [*:0]const u8) report.Error!void {
    const job = try parse(args);
    const gpa = std.heap.page_allocator;
    signals.ignore(.PIPE); // a reader that goes away is an errno
    const except = if (job.except) |path| try inodeOf(path) else null;
    if (job.place.directory == null) {
        try reach.dieWith(linux.getppid());
        const host = sys.openat(sys.cwd, "/", .{ .PATH = true, .DIRECTORY = true }, 0);
        const root: inside.Root = .{ .fd = try report.check(host, "open /", .{}) };
        return packAll(job, root, except, gpa);
    }
    const container = try reach.Container.load(job.place);
    const reached = try container.enter(if (job.without_mounts) .own else .mounted, .read);
    defer reached.close();

    return packAll(job, reached.root, except, gpa);
}

fn parse(args: []const [*:0]const u8) report.Error!Job {
    var job: Job = .{};
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try job.place.take(name, value)) continue;
        if (std.mem.eql(u8, name, "--path")) {
            job.path = value;
        } else if (std.mem.eql(u8, name, "--as")) {
            job.as = value;
        } else if (std.mem.eql(u8, name, "--owners")) {
            job.is_root_owned = std.mem.eql(u8, value, "root");
        } else if (std.mem.eql(u8, name, "--mounts")) {
            job.without_mounts = std.mem.eql(u8, value, "excluded");
        } else if (std.mem.eql(u8, name, "--except")) {
            job.except = value;
        } else return report.fail("pack: unknown flag {s}", .{name});
    }
    if (at != args.len or job.path.len == 0) return report.fail("pack needs --path", .{});
    return job;
}

fn inodeOf(path: [:0]const u8) report.Error!Inode {
    const stat = try report.check(sys.statat(sys.cwd, path, 0), "examine {s}", .{path});
    return .of(stat);
}

fn packAll(
    job: Job,
    root: inside.Root,
    except: ?Inode,
    gpa: std.mem.Allocator,
) report.Error!void {
    const source = try Source.find(job, root);
    var walk: Walk = .{
        .gpa = gpa,
        .arena = .init(gpa),
        .packer = try .init(stdout, gpa),
        .job = job,
        .root = root,
        .except = except,
        .source = source.dir,
    };
    walk.packer.is_root_owned = job.is_root_owned;
    switch (source.what) {
        .directory => try walk.tree(),
        .file => |file| try walk.packer.one(source.dir, file.name, job.as, file.stat),
    }
    return walk.packer.archive.finish();
}

/// What is to be packed: a directory that is open, or a name in one.
const Source = struct {
    dir: sys.Fd,
    what: union(enum) { directory, file: File },

    const File = struct { name: [:0]const u8, stat: sys.Stat };

    fn find(job: Job, root: inside.Root) report.Error!Source {
        const flags: linux.O = .{ .DIRECTORY = true };
        const trimmed = std.mem.trimEnd(u8, job.path, "/");
        const slash = std.mem.findScalarLast(u8, trimmed, '/') orelse 0;
        const base = trimmed[@min(slash + 1, trimmed.len)..];
        const is_directory = trimmed.len < job.path.len or base.len == 0 or
            std.mem.eql(u8, base, ".") or std.mem.eql(u8, base, "..");
        if (is_directory) {
            const opened = root.open(job.path, flags);
            const dir = try report.check(opened, "open {s}", .{job.path});
            return .{ .dir = dir, .what = .directory };
        }
        var parent_path: names.PathBuffer = undefined;
        if (slash + 1 > names.path_bytes_max) return tooLong(job.path);
        @memcpy(parent_path[0 .. slash + 1], job.path[0 .. slash + 1]);
        parent_path[slash + 1] = 0;
        const opened = root.open(parent_path[0 .. slash + 1 :0], flags);
        const parent = try report.check(opened, "open {s}", .{job.path});
        const name = std.heap.page_allocator.dupeSentinel(u8, base, 0) catch return outOfMemory();
        const looked = sys.statat(parent, name, linux.AT.SYMLINK_NOFOLLOW);
        const stat = try report.check(looked, "open {s}", .{job.path});
        const file: File = .{ .name = name, .stat = stat };
        if (stat.kind() != linux.S.IFDIR) return .{ .dir = parent, .what = .{ .file = file } };
        const dir = sys.openat2(parent, name, sys.directory_flags, 0, beneath);
        return .{ .dir = try report.check(dir, "open {s}", .{job.path}), .what = .directory };
    }
};

const beneath: sys.Resolve = .{ .beneath = true, .no_symlinks = true, .no_magiclinks = true };

/// A directory whose entry and content are still to come.
const Pending = struct {
    path: [:0]const u8,
    /// The file system of the directory it is in.
    device: sys.Stat.Device,
};

const Walk = struct {
    gpa: std.mem.Allocator,
    arena: std.heap.ArenaAllocator,
    packer: Packer,
    job: Job,
    root: inside.Root,
    except: ?Inode,
    /// The directory that is packed.
    source: sys.Fd,
    pending: std.ArrayList(Pending) = .empty,
    /// The name of what is packed at the moment.
    name: [2 * names.path_bytes_max + 2]u8 = undefined,

    /// The directory, and everything in it.
    fn tree(walk: *Walk) report.Error!void {
        const stat = try report.check(sys.fstat(walk.source), "examine {s}", .{walk.job.path});
        try walk.push(.{ .path = "", .device = stat.device });
        // Depth first, or the list would grow with the breadth of the tree.
        while (walk.pending.pop()) |next| {
            try walk.directory(next);
        }
    }

    fn push(walk: *Walk, next: Pending) report.Error!void {
        walk.pending.append(walk.gpa, next) catch return outOfMemory();
    }

    fn directory(walk: *Walk, it: Pending) report.Error!void {
        const path = if (it.path.len == 0) "." else it.path;
        var resolve = beneath;
        resolve.no_xdev = walk.job.without_mounts;
        const opened = sys.openat2(walk.source, path, sys.directory_flags, 0, resolve);
        if (opened == .err) switch (opened.err) {
            .XDEV => return walk.mountPoint(path), // mounted there; and no link, which is LOOP
            else => |e| if (isGone(e)) return,
        };
        const fd = try report.check(opened, "open {s}", .{path});
        defer sys.close(fd);

        const stat = try report.check(sys.fstat(fd), "examine {s}", .{path});
        try walk.describe(fd, it.path, stat);
        if (try walk.isPartOfTheKernel(fd, it, stat)) return;
        if (walk.except) |except| if (std.meta.eql(except, Inode.of(stat))) return;
        var listing: dirent.Listing = .{ .fd = fd };
        while (try report.check(listing.next(), "list {s}", .{path})) |listed| {
            const looked = sys.statat(fd, listed.name, linux.AT.SYMLINK_NOFOLLOW);
            if (looked == .err and isGone(looked.err)) continue;
            const found = try report.check(looked, "examine {s}/{s}", .{ path, listed.name });
            var buffer: names.PathBuffer = undefined;
            const below = try join(it.path, listed.name, &buffer);
            if (found.kind() != linux.S.IFDIR) {
                try walk.packer.one(fd, listed.name, try walk.nameOf(below), found);
                continue;
            }
            const own = walk.arena.allocator().dupeSentinel(u8, below, 0) catch
                return outOfMemory();
            try walk.push(.{ .path = own, .device = stat.device });
        }
    }

    /// A directory on which something is mounted that is not wanted.
    fn mountPoint(walk: *Walk, path: [:0]const u8) report.Error!void {
        const looked = sys.statat(walk.source, path, linux.AT.SYMLINK_NOFOLLOW);
        if (looked == .err and isGone(looked.err)) return;
        const stat = try report.check(looked, "examine {s}", .{path});
        const name = try walk.nameOf(path);
        try walk.packer.archive.begin(walk.packer.entry(.dir, name, stat));
    }

    fn describe(
        walk: *Walk,
        fd: sys.Fd,
        path: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        const name = try walk.nameOf(path);
        if (name.len == 0) return;
        try walk.packer.directory(fd, name, stat);
    }

    /// Whether a directory met on the way holds the kernel's own view of things, or the devices:
    /// no files, though they can be read, and some of them for ever.
    fn isPartOfTheKernel(
        walk: *Walk,
        fd: sys.Fd,
        it: Pending,
        stat: sys.Stat,
    ) report.Error!bool {
        if (walk.job.place.directory == null) return false; // as the caller sees it
        if (std.meta.eql(stat.device, it.device)) return false;
        if (std.mem.eql(u8, it.path, "dev") and try walk.isRoot()) return true;
        const kind = try report.check(sys.fileSystemOf(fd), "examine {s}", .{it.path});
        return std.mem.findScalar(u64, &kernel_file_systems, kind) != null;
    }

    fn isRoot(walk: *Walk) report.Error!bool {
        const source = try report.check(sys.fstat(walk.source), "examine the root", .{});
        const root = try report.check(sys.fstat(walk.root.fd), "examine the root", .{});
        return source.inode == root.inode and std.meta.eql(source.device, root.device);
    }

    /// The name in the archive of what is at `path` below the source, good until the next call.
    fn nameOf(walk: *Walk, path: []const u8) report.Error![]const u8 {
        const as = walk.job.as;
        const separator = if (as.len == 0 or path.len == 0) "" else "/";
        return std.fmt.bufPrint(&walk.name, "{s}{s}{s}", .{ as, separator, path }) catch
            tooLong(path);
    }
};

/// The path below the source of `name` in the directory `parent`.
fn join(
    parent: []const u8,
    name: []const u8,
    buffer: *names.PathBuffer,
) report.Error![:0]const u8 {
    const separator = if (parent.len == 0) "" else "/";
    const parts = .{ parent, separator, name };
    return std.fmt.bufPrintSentinel(buffer, "{s}{s}{s}", parts, 0) catch tooLong(name);
}

/// linux/magic.h: proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, securityfs, bpf.
const kernel_file_systems = [_]u64{
    0x9fa0,     0x62656572, 0x27e0eb,   0x63677270, 0x1cd1,
    0x19800202, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
};

fn tooLong(path: []const u8) report.Error {
    return report.fail("pack {s}: path too long", .{path});
}

fn outOfMemory() report.Error {
    return report.fail("pack files: out of memory", .{});
}
