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
//! Whoever else writes to the tree meanwhile changes names under our feet: everything is opened by
//! one name below an open directory, symbolic links are never followed, and what has gone is left
//! out. Sockets are left out, as tar has no word for them.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const names = @import("names.zig");
const dirent = @import("dirent.zig");
const xattr = @import("xattr.zig");
const tar = @import("tar.zig");
const tar_output = @import("tar_output.zig");
const reach = @import("reach.zig");
const inside = @import("inside.zig");
const Archive = @import("archive.zig").Archive;

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
    const scratch = gpa.create(xattr.Scratch) catch return outOfMemory();
    var packer: Packer = .{
        .gpa = gpa,
        .arena = .init(gpa),
        .values = .init(gpa),
        .archive = try .init(stdout, gpa),
        .scratch = scratch,
        .job = job,
        .root = root,
        .except = except,
        .source = source.dir,
    };
    switch (source.what) {
        .directory => try packer.tree(),
        .file => |file| try packer.one(source.dir, file.name, job.as, file.stat),
    }
    return packer.archive.finish();
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

/// A file, whatever its names are.
const Inode = struct {
    device: sys.Stat.Device,
    inode: u64,

    fn of(stat: sys.Stat) Inode {
        return .{ .device = stat.device, .inode = stat.inode };
    }
};

const Packer = struct {
    gpa: std.mem.Allocator,
    arena: std.heap.ArenaAllocator,
    archive: Archive,
    scratch: *xattr.Scratch,
    job: Job,
    root: inside.Root,
    except: ?Inode,
    /// The directory that is packed.
    source: sys.Fd,
    pending: std.ArrayList(Pending) = .empty,
    /// The first name of every file with several.
    links: std.AutoHashMapUnmanaged(Inode, []const u8) = .empty,
    xattrs: std.ArrayList(tar.Xattr) = .empty,
    values: std.heap.ArenaAllocator,
    /// The name of what is packed at the moment.
    name: [2 * names.path_bytes_max + 2]u8 = undefined,

    /// The directory, and everything in it.
    fn tree(packer: *Packer) report.Error!void {
        const stat = try report.check(sys.fstat(packer.source), "examine {s}", .{packer.job.path});
        try packer.push(.{ .path = "", .device = stat.device });
        // Depth first, or the list would grow with the breadth of the tree.
        while (packer.pending.pop()) |next| {
            try packer.directory(next);
        }
    }

    fn push(packer: *Packer, next: Pending) report.Error!void {
        packer.pending.append(packer.gpa, next) catch return outOfMemory();
    }

    fn directory(packer: *Packer, it: Pending) report.Error!void {
        const path = if (it.path.len == 0) "." else it.path;
        var resolve = beneath;
        resolve.no_xdev = packer.job.without_mounts;
        const opened = sys.openat2(packer.source, path, sys.directory_flags, 0, resolve);
        if (opened == .err) switch (opened.err) {
            .XDEV => return packer.mountPoint(path), // mounted there; and no link, which is LOOP
            else => |e| if (isGone(e)) return,
        };
        const fd = try report.check(opened, "open {s}", .{path});
        defer sys.close(fd);

        const stat = try report.check(sys.fstat(fd), "examine {s}", .{path});
        try packer.describe(fd, it.path, stat);
        if (try packer.isPartOfTheKernel(fd, it, stat)) return;
        if (packer.except) |except| if (std.meta.eql(except, Inode.of(stat))) return;
        var listing: dirent.Listing = .{ .fd = fd };
        while (try report.check(listing.next(), "list {s}", .{path})) |listed| {
            const looked = sys.statat(fd, listed.name, linux.AT.SYMLINK_NOFOLLOW);
            if (looked == .err and isGone(looked.err)) continue;
            const found = try report.check(looked, "examine {s}/{s}", .{ path, listed.name });
            var buffer: names.PathBuffer = undefined;
            const below = try join(it.path, listed.name, &buffer);
            if (found.kind() != linux.S.IFDIR) {
                try packer.one(fd, listed.name, try packer.nameOf(below), found);
                continue;
            }
            const own = packer.arena.allocator().dupeSentinel(u8, below, 0) catch
                return outOfMemory();
            try packer.push(.{ .path = own, .device = stat.device });
        }
    }

    /// A directory on which something is mounted that is not wanted.
    fn mountPoint(packer: *Packer, path: [:0]const u8) report.Error!void {
        const looked = sys.statat(packer.source, path, linux.AT.SYMLINK_NOFOLLOW);
        if (looked == .err and isGone(looked.err)) return;
        const stat = try report.check(looked, "examine {s}", .{path});
        const name = try packer.nameOf(path);
        try packer.archive.begin(packer.entry(.dir, name, stat));
    }

    fn describe(
        packer: *Packer,
        fd: sys.Fd,
        path: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        const name = try packer.nameOf(path);
        if (name.len == 0) return;
        var it = packer.entry(.dir, name, stat);
        it.xattrs = try packer.attributes(fd, name);
        try packer.archive.begin(it);
    }

    /// Whether a directory met on the way holds the kernel's own view of things, or the devices:
    /// no files, though they can be read, and some of them for ever.
    fn isPartOfTheKernel(
        packer: *Packer,
        fd: sys.Fd,
        it: Pending,
        stat: sys.Stat,
    ) report.Error!bool {
        if (packer.job.place.directory == null) return false; // as the caller sees it
        if (std.meta.eql(stat.device, it.device)) return false;
        if (std.mem.eql(u8, it.path, "dev") and try packer.isRoot()) return true;
        const kind = try report.check(sys.fileSystemOf(fd), "examine {s}", .{it.path});
        return std.mem.findScalar(u64, &kernel_file_systems, kind) != null;
    }

    fn isRoot(packer: *Packer) report.Error!bool {
        const source = try report.check(sys.fstat(packer.source), "examine the root", .{});
        const root = try report.check(sys.fstat(packer.root.fd), "examine the root", .{});
        return source.inode == root.inode and std.meta.eql(source.device, root.device);
    }

    /// What is called `from` in the directory `dir`, and is no directory, as `name`.
    fn one(
        packer: *Packer,
        dir: sys.Fd,
        from: [:0]const u8,
        name: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        switch (stat.kind()) {
            linux.S.IFREG => return packer.regular(dir, from, name),
            linux.S.IFLNK => return packer.symlink(dir, from, name, stat),
            linux.S.IFIFO => try packer.archive.begin(packer.entry(.fifo, name, stat)),
            linux.S.IFCHR => try packer.archive.begin(packer.entry(.char, name, stat)),
            linux.S.IFBLK => try packer.archive.begin(packer.entry(.block, name, stat)),
            else => {},
        }
    }

    fn regular(
        packer: *Packer,
        dir: sys.Fd,
        from: [:0]const u8,
        name: []const u8,
    ) report.Error!void {
        // It may have become a fifo, which would have us wait, or a terminal.
        const flags: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .NOCTTY = true };
        const opened = sys.openat(dir, from, flags, 0);
        if (opened == .err and isGone(opened.err)) return;
        const fd = try report.check(opened, "open {s}", .{name});
        defer sys.close(fd);

        const stat = try report.check(sys.fstat(fd), "examine {s}", .{name});
        if (stat.kind() != linux.S.IFREG) return;
        var it = packer.entry(.file, name, stat);
        if (stat.links > 1) {
            const slot = try packer.firstName(stat, name);
            if (slot) |first| {
                it.kind = .hardlink;
                it.link = first;
                return packer.archive.begin(it);
            }
        }
        it.size = stat.size;
        it.xattrs = try packer.attributes(fd, name);
        try packer.archive.begin(it);
        return packer.archive.add(fd, stat.size, name);
    }

    /// The name a file was packed under already; null when this is its first.
    fn firstName(packer: *Packer, stat: sys.Stat, name: []const u8) report.Error!?[]const u8 {
        const slot = packer.links.getOrPut(packer.gpa, .of(stat)) catch return outOfMemory();
        if (slot.found_existing) return slot.value_ptr.*;
        slot.value_ptr.* = packer.arena.allocator().dupe(u8, name) catch return outOfMemory();
        return null;
    }

    fn symlink(
        packer: *Packer,
        dir: sys.Fd,
        from: [:0]const u8,
        name: []const u8,
        stat: sys.Stat,
    ) report.Error!void {
        var target: names.PathBuffer = undefined;
        const read = sys.readlinkat(dir, from, &target);
        if (read == .err and (isGone(read.err) or read.err == .INVAL)) return;
        const length = try report.check(read, "read link {s}", .{name});
        var it = packer.entry(.symlink, name, stat);
        it.link = target[0..length];
        return packer.archive.begin(it);
    }

    fn entry(
        packer: *Packer,
        kind: tar.Kind,
        name: []const u8,
        stat: sys.Stat,
    ) tar_output.Entry {
        const kept = !packer.job.is_root_owned;
        return .{
            .kind = kind,
            .path = name,
            .mode = stat.mode & 0o7777,
            .uid = if (kept) stat.uid else 0,
            .gid = if (kept) stat.gid else 0,
            .mtime = .{ .sec = stat.modified.sec, .nsec = stat.modified.nsec },
            .major = stat.node.major,
            .minor = stat.node.minor,
        };
    }

    /// What is kept of the attributes of `fd`, good until the next call.
    fn attributes(packer: *Packer, fd: sys.Fd, name: []const u8) report.Error![]const tar.Xattr {
        packer.xattrs.clearRetainingCapacity();
        const listed = xattr.Names.of(fd, &packer.scratch.list);
        var found = try report.check(listed, "list extended attributes of {s}", .{name});
        if (found.rest.len == 0) return packer.xattrs.items;
        _ = packer.values.reset(.retain_capacity);
        while (found.next()) |key| {
            const value = switch (sys.fgetxattr(fd, key, &packer.scratch.value)) {
                .ok => |length| packer.scratch.value[0..length],
                .err => continue, // taken away meanwhile, or not ours to read
            };
            const own = packer.values.allocator().dupe(u8, value) catch return outOfMemory();
            packer.xattrs.append(packer.gpa, .{ .name = key, .value = own }) catch
                return outOfMemory();
        }
        return packer.xattrs.items;
    }

    /// The name in the archive of what is at `path` below the source, good until the next call.
    fn nameOf(packer: *Packer, path: []const u8) report.Error![]const u8 {
        const as = packer.job.as;
        const separator = if (as.len == 0 or path.len == 0) "" else "/";
        return std.fmt.bufPrint(&packer.name, "{s}{s}{s}", .{ as, separator, path }) catch
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

/// The name is not what it was when it was listed.
fn isGone(errno: sys.E) bool {
    return errno == .NOENT or errno == .NOTDIR or errno == .LOOP or errno == .NXIO;
}

fn tooLong(path: []const u8) report.Error {
    return report.fail("pack {s}: path too long", .{path});
}

fn outOfMemory() report.Error {
    return report.fail("pack files: out of memory", .{});
}
