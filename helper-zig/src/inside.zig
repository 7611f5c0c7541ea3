//! Names inside the container's root, looked up from outside it.
//!
//! Everything below the root is the image's to choose, symbolic links included: `/etc/resolv.conf`
//! may point at a file of the host's. So no name of the container is ever used as a path of ours;
//! each is resolved by openat2(2) with RESOLVE_IN_ROOT into a descriptor, and the descriptor is
//! what gets created in and mounted on (CVE-2017-1002101, CVE-2021-30465 are what happens else).

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");

/// How many dangling links are followed while making a name, as the kernel does while looking up.
const links_max = 40;

const path_bytes_max = 4096;

/// A descriptor of the container's root directory.
pub const Root = struct {
    fd: sys.Fd,

    const path_only: linux.O = .{ .PATH = true };
    const path_directory: linux.O = .{ .PATH = true, .DIRECTORY = true };

    /// Opens `path` as the container would see it.
    pub fn open(root: Root, path: [*:0]const u8, flags: linux.O) sys.Result(sys.Fd) {
        return sys.openat2(root.fd, path, flags, 0, .inside);
    }

    /// A path descriptor of what is at `path`, of any kind.
    pub fn find(root: Root, path: [*:0]const u8) sys.Result(sys.Fd) {
        return root.open(path, path_only);
    }

    /// The directory at `path`, made with its parents (mode 755, root's) where missing.
    pub fn makeDirectory(root: Root, path: []const u8) report.Error!sys.Fd {
        var name = try Name.from(path);
        for (0..links_max) |_| {
            switch (root.open(name.z(), path_directory)) {
                .ok => |fd| return fd,
                .err => |e| if (e != .NOENT) return failed(e, path),
            }
            try root.makeMissing(&name, path);
        }
        return failed(.LOOP, path);
    }

    /// The file at `path`, made empty (with its parent directories) where missing.
    pub fn makeFile(root: Root, path: []const u8) report.Error!sys.Fd {
        var name = try Name.from(path);
        for (0..links_max) |_| {
            switch (root.find(name.z())) {
                .ok => |fd| return fd,
                .err => |e| if (e != .NOENT) return failed(e, path),
            }
            const text = name.text();
            const base = std.fs.path.basename(text);
            var base_name = try Name.from(base);
            const parent = try root.makeDirectory(std.fs.path.dirname(text) orelse "/");
            defer sys.close(parent);

            const flags: linux.O = .{
                .ACCMODE = .WRONLY,
                .CREAT = true,
                .EXCL = true,
                .NOFOLLOW = true,
            };
            switch (sys.openat(parent, base_name.z(), flags, 0o644)) {
                .ok => |fd| sys.close(fd),
                .err => |e| {
                    if (e != .EXIST) return failed(e, path);
                    const followed = try name.follow(parent, text.len - base.len, text.len);
                    if (!followed) return failed(e, path);
                },
            }
        }
        return failed(.LOOP, path);
    }

    /// Makes the first missing directory on the way to `name`, or rewrites `name` with the target
    /// of the dangling link that stands there. Every call makes progress, so its caller repeats.
    fn makeMissing(root: Root, name: *Name, path: []const u8) report.Error!void {
        var parent = root.fd;
        defer if (parent != root.fd) sys.close(parent);

        var components = std.mem.tokenizeScalar(u8, name.text(), '/');
        while (components.next()) |component| {
            const end = components.index;
            const begin = end - component.len;
            var prefix = try Name.from(name.text()[0..end]);
            switch (root.open(prefix.z(), path_directory)) {
                .ok => |fd| {
                    if (parent != root.fd) sys.close(parent);
                    parent = fd;
                    continue;
                },
                .err => |e| if (e != .NOENT) return failed(e, path),
            }
            var component_name = try Name.from(component);
            switch (sys.mkdirat(parent, component_name.z(), 0o755)) {
                .ok => {
                    const made = sys.openat(parent, component_name.z(), directory_itself, 0);
                    if (parent != root.fd) sys.close(parent);
                    parent = switch (made) {
                        .ok => |fd| fd,
                        .err => |e| {
                            parent = root.fd;
                            return failed(e, path);
                        },
                    };
                },
                .err => |e| {
                    if (e != .EXIST) return failed(e, path);
                    if (!try name.follow(parent, begin, end)) return failed(e, path);
                    return;
                },
            }
        }
    }

    const directory_itself: linux.O = .{ .PATH = true, .DIRECTORY = true, .NOFOLLOW = true };

    fn failed(errno: sys.E, path: []const u8) report.Error {
        report.failErrno(errno, "make {s} in the container", .{path});
        return error.Reported;
    }
};

/// A path of bounded length with its terminator.
const Name = struct {
    buffer: [path_bytes_max]u8 = undefined,
    len: usize = 0,

    fn from(path: []const u8) report.Error!Name {
        var name: Name = .{};
        try name.set(&.{path});
        return name;
    }

    fn set(name: *Name, parts: []const []const u8) report.Error!void {
        name.len = 0;
        for (parts) |part| {
            if (name.len + part.len >= path_bytes_max)
                return report.fail("a path in the container is longer than {d} bytes", .{
                    path_bytes_max - 1,
                });
            @memcpy(name.buffer[name.len..][0..part.len], part);
            name.len += part.len;
        }
        name.buffer[name.len] = 0;
    }

    fn text(name: *const Name) []const u8 {
        return name.buffer[0..name.len];
    }

    fn z(name: *Name) [*:0]const u8 {
        return name.buffer[0..name.len :0];
    }

    /// When the component at [begin, end), which is in `parent`, is a symbolic link: puts its
    /// target in its place. False when it is no link.
    fn follow(name: *Name, parent: sys.Fd, begin: usize, end: usize) report.Error!bool {
        const old = name.*;
        var component = try Name.from(old.text()[begin..end]);
        var target: [path_bytes_max]u8 = undefined;
        const length = switch (sys.readlinkat(parent, component.z(), &target)) {
            .ok => |n| n,
            .err => return false,
        };
        const absolute = length > 0 and target[0] == '/';
        const before = if (absolute) "" else old.text()[0..begin];
        try name.set(&.{ before, target[0..length], old.text()[end..] });
        return true;
    }
};

const Scratch = struct {
    dir: std.testing.TmpDir,
    root: Root,

    fn open() !Scratch {
        const dir = std.testing.tmpDir(.{});
        return .{ .dir = dir, .root = .{ .fd = dir.dir.handle } };
    }

    fn expectKind(scratch: Scratch, path: [*:0]const u8, kind: u32) !void {
        const stat = sys.statat(scratch.root.fd, path, linux.AT.SYMLINK_NOFOLLOW).ok;
        try std.testing.expectEqual(kind, stat.kind());
    }
};

test "a directory is made with its parents" {
    var scratch = try Scratch.open();
    defer scratch.dir.cleanup();

    sys.close(try scratch.root.makeDirectory("/a/b/c"));
    sys.close(try scratch.root.makeDirectory("/a/b/c"));
    try scratch.expectKind("a/b/c", linux.S.IFDIR);
}

test "a link that points out of the root is followed inside it" {
    var scratch = try Scratch.open();
    defer scratch.dir.cleanup();

    _ = sys.symlinkat("/run/../../../../x/y", scratch.root.fd, "etc").ok;
    sys.close(try scratch.root.makeFile("/etc/resolv.conf"));
    try scratch.expectKind("x/y/resolv.conf", linux.S.IFREG);
}

test "a dangling file link gets its target made" {
    var scratch = try Scratch.open();
    defer scratch.dir.cleanup();

    sys.close(try scratch.root.makeDirectory("/etc"));
    _ = sys.symlinkat("../run/stub.conf", scratch.root.fd, "etc/resolv.conf").ok;
    sys.close(try scratch.root.makeFile("/etc/resolv.conf"));
    try scratch.expectKind("run/stub.conf", linux.S.IFREG);
    try scratch.expectKind("etc/resolv.conf", linux.S.IFLNK);
}
