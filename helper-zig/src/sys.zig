//! Every raw system call the helper makes, each as a value: what the kernel returned, or its errno.
//!
//! Not here: policy, messages, retries other than EINTR where the man page asks for it. `std.posix`
//! is not used: it maps some errnos to `unreachable`, and a sandbox must survive all of them.
//! Descriptors are CLOEXEC from birth (style: what survives exec is listed in one place).
//! Mounting has its own file, sysmount.zig.

const std = @import("std");
const linux = std.os.linux;

pub const E = linux.E;
pub const Fd = i32;
pub const Pid = i32;

/// The current directory, where a descriptor of a directory is asked for.
pub const cwd: Fd = linux.AT.FDCWD;

/// What a system call gave: a value or the kernel's errno.
pub fn Result(comptime T: type) type {
    return union(enum) {
        ok: T,
        err: E,
    };
}

/// Turns a raw return value into a Result; T is void, an integer type, or usize.
pub fn result(comptime T: type, rc: usize) Result(T) {
    const errno = linux.errno(rc);
    if (errno != .SUCCESS) return .{ .err = errno };
    return .{ .ok = if (T == void) {} else @intCast(rc) };
}

/// Makes the call `number` with `args`, a tuple of integers, pointers and optional pointers.
/// For calls that std has no wrapper for, or a wrapper of another shape.
pub inline fn call(comptime T: type, number: linux.SYS, args: anytype) Result(T) {
    var words: [args.len]usize = undefined;
    inline for (args, 0..) |value, i| words[i] = word(value);
    return result(T, switch (args.len) {
        0 => linux.syscall0(number),
        1 => linux.syscall1(number, words[0]),
        2 => linux.syscall2(number, words[0], words[1]),
        3 => linux.syscall3(number, words[0], words[1], words[2]),
        4 => linux.syscall4(number, words[0], words[1], words[2], words[3]),
        5 => linux.syscall5(number, words[0], words[1], words[2], words[3], words[4]),
        6 => linux.syscall6(number, words[0], words[1], words[2], words[3], words[4], words[5]),
        else => @compileError("a system call has at most six arguments"),
    });
}

inline fn word(value: anytype) usize {
    return switch (@typeInfo(@TypeOf(value))) {
        .comptime_int => if (value < 0) @bitCast(@as(isize, value)) else value,
        .int => |int| if (int.signedness == .signed)
            @bitCast(@as(isize, value))
        else
            value,
        .@"enum" => @intCast(@backingInt(value)),
        .@"struct" => |s| @as(s.backing_integer.?, @bitCast(value)),
        .null => 0,
        else => @intFromPtr(value),
    };
}

// -- descriptors and files --

pub fn close(fd: Fd) void {
    _ = linux.close(fd);
}

/// read(2), again on EINTR.
pub fn read(fd: Fd, buffer: []u8) Result(usize) {
    while (true) {
        const got = result(usize, linux.read(fd, buffer.ptr, buffer.len));
        if (got == .err and got.err == .INTR) continue;
        return got;
    }
}

/// write(2), again on EINTR; may write less than asked.
pub fn write(fd: Fd, bytes: []const u8) Result(usize) {
    while (true) {
        const put = result(usize, linux.write(fd, bytes.ptr, bytes.len));
        if (put == .err and put.err == .INTR) continue;
        return put;
    }
}

/// Writes all of `bytes`, or says why not.
pub fn writeAll(fd: Fd, bytes: []const u8) Result(void) {
    var rest = bytes;
    while (rest.len > 0) switch (write(fd, rest)) {
        .ok => |n| rest = rest[n..],
        .err => |e| return .{ .err = e },
    };
    return .{ .ok = {} };
}

/// Reads until `buffer` is full or the end of file.
pub fn readAll(fd: Fd, buffer: []u8) Result(usize) {
    var filled: usize = 0;
    while (filled < buffer.len) switch (read(fd, buffer[filled..])) {
        .ok => |n| {
            if (n == 0) break;
            filled += n;
        },
        .err => |e| return .{ .err = e },
    };
    return .{ .ok = filled };
}

pub fn openat(dir: Fd, path: [*:0]const u8, flags: linux.O, mode: linux.mode_t) Result(Fd) {
    var cloexec = flags;
    cloexec.CLOEXEC = true;
    return result(Fd, linux.openat(dir, path, cloexec, mode));
}

/// openat2(2)'s RESOLVE_*.
pub const Resolve = packed struct(u64) {
    no_xdev: bool = false,
    no_magiclinks: bool = false,
    no_symlinks: bool = false,
    beneath: bool = false,
    in_root: bool = false,
    cached: bool = false,
    _: u58 = 0,

    /// A path the image wrote, looked up as the container would: `/` and `..` end at `dir`,
    /// and no link of /proc leads out.
    pub const inside: Resolve = .{ .in_root = true, .no_magiclinks = true };
};

pub fn openat2(
    dir: Fd,
    path: [*:0]const u8,
    flags: linux.O,
    mode: linux.mode_t,
    resolve: Resolve,
) Result(Fd) {
    const How = extern struct { flags: u64, mode: u64, resolve: u64 };
    var cloexec = flags;
    cloexec.CLOEXEC = true;
    const how: How = .{
        .flags = @as(u32, @bitCast(cloexec)),
        .mode = mode,
        .resolve = @bitCast(resolve),
    };
    while (true) {
        const opened = call(Fd, .openat2, .{ dir, path, &how, @as(usize, @sizeOf(How)) });
        // EAGAIN: a rename somewhere in the path raced with a `..`; openat2(2) says to try again.
        if (opened == .err and opened.err == .AGAIN) continue;
        return opened;
    }
}

pub fn mkdirat(dir: Fd, path: [*:0]const u8, mode: linux.mode_t) Result(void) {
    return result(void, linux.mkdirat(dir, path, mode));
}

pub fn symlinkat(target: [*:0]const u8, dir: Fd, path: [*:0]const u8) Result(void) {
    return call(void, .symlinkat, .{ target, dir, path });
}

pub fn readlinkat(dir: Fd, path: [*:0]const u8, buffer: []u8) Result(usize) {
    return call(usize, .readlinkat, .{ dir, path, buffer.ptr, buffer.len });
}

pub fn unlinkat(dir: Fd, path: [*:0]const u8, flags: u32) Result(void) {
    return call(void, .unlinkat, .{ dir, path, flags });
}

/// What a descriptor refers to.
pub const Stat = struct {
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    inode: u64,
    device: Device,
    /// The device this node stands for, when it is a device node.
    node: Device,
    links: u32,
    modified: Modified,

    pub const Modified = struct { sec: i64, nsec: u32 };

    pub const Device = struct { major: u32, minor: u32 };

    pub fn kind(stat: Stat) u32 {
        return stat.mode & linux.S.IFMT;
    }
};

/// statx(2) of `path` at `dir`; an empty path with AT.EMPTY_PATH is `dir` itself.
pub fn statat(dir: Fd, path: [*:0]const u8, flags: u32) Result(Stat) {
    var x: linux.Statx = undefined;
    const rc = linux.statx(dir, path, flags, linux.STATX.BASIC_STATS, &x);
    const errno = linux.errno(rc);
    if (errno != .SUCCESS) return .{ .err = errno };
    return .{ .ok = .{
        .mode = x.mode,
        .uid = x.uid,
        .gid = x.gid,
        .size = x.size,
        .inode = x.ino,
        .device = .{ .major = x.dev_major, .minor = x.dev_minor },
        .node = .{ .major = x.rdev_major, .minor = x.rdev_minor },
        .links = x.nlink,
        .modified = .{ .sec = x.mtime.sec, .nsec = x.mtime.nsec },
    } };
}

pub fn fstat(fd: Fd) Result(Stat) {
    return statat(fd, "", linux.AT.EMPTY_PATH);
}

/// The magic number of the file system `fd` is on (statfs(2)).
pub fn fileSystemOf(fd: Fd) Result(u64) {
    // struct statfs, 64 bit: type is the first of its fifteen words.
    var words: [15]u64 = undefined;
    return switch (call(void, .fstatfs, .{ fd, &words })) {
        .ok => .{ .ok = words[0] },
        .err => |e| .{ .err = e },
    };
}

pub fn fchown(fd: Fd, uid: u32, gid: u32) Result(void) {
    return call(void, .fchown, .{ fd, uid, gid });
}

pub fn fchmod(fd: Fd, mode: u32) Result(void) {
    return call(void, .fchmod, .{ fd, mode });
}

/// An id that leaves an owner as it is.
pub const unchanged_id: u32 = std.math.maxInt(u32);

pub const Lock = enum(u32) {
    shared = 1,
    exclusive = 2,
    shared_now = 1 | 4,
    exclusive_now = 2 | 4,
    unlock = 8,
};

/// flock(2), again on EINTR; the `_now` kinds give EWOULDBLOCK (EAGAIN) instead of waiting.
pub fn flock(fd: Fd, lock: Lock) Result(void) {
    while (true) {
        const got = call(void, .flock, .{ fd, lock });
        if (got == .err and got.err == .INTR) continue;
        return got;
    }
}

/// A pipe: what is written to [1] is read from [0].
pub fn pipe() Result([2]Fd) {
    var fds: [2]Fd = undefined;
    return switch (call(void, .pipe2, .{ &fds, linux.O{ .CLOEXEC = true } })) {
        .ok => .{ .ok = fds },
        .err => |e| .{ .err = e },
    };
}

/// A copy of `fd` at the lowest free number that is at least `lowest`.
pub fn dup(fd: Fd, lowest: Fd) Result(Fd) {
    return call(Fd, .fcntl, .{ fd, linux.F.DUPFD_CLOEXEC, lowest });
}

/// Makes `to` a copy of `from` that survives exec.
pub fn dupOver(from: Fd, to: Fd) Result(void) {
    // dup3(2) refuses equal numbers; then only the flag has to go.
    if (from == to) return call(void, .fcntl, .{ from, linux.F.SETFD, @as(usize, 0) });
    return call(void, .dup3, .{ from, to, @as(u32, 0) });
}

/// Has `fd`, which was inherited, end with this program's image.
pub fn closeOnExec(fd: Fd) Result(void) {
    const cloexec: usize = linux.FD_CLOEXEC;
    return call(void, .fcntl, .{ fd, linux.F.SETFD, cloexec });
}

/// Makes reads and writes on this open file description not wait. Not for shared descriptions.
pub fn setNonBlocking(fd: Fd) Result(void) {
    return setWaiting(fd, false);
}

/// Makes them wait again.
pub fn setBlocking(fd: Fd) Result(void) {
    return setWaiting(fd, true);
}

fn setWaiting(fd: Fd, waits: bool) Result(void) {
    const flags = switch (call(usize, .fcntl, .{ fd, linux.F.GETFL, @as(usize, 0) })) {
        .ok => |value| value,
        .err => |e| return .{ .err = e },
    };
    const nonblock: u32 = @bitCast(linux.O{ .NONBLOCK = true });
    const changed = if (waits) flags & ~@as(usize, nonblock) else flags | nonblock;
    return call(void, .fcntl, .{ fd, linux.F.SETFL, changed });
}

pub fn ioctl(fd: Fd, request: u32, arg: usize) Result(usize) {
    return call(usize, .ioctl, .{ fd, request, arg });
}

pub fn poll(fds: []linux.pollfd, timeout_ms: i32) Result(usize) {
    return result(usize, linux.poll(fds.ptr, fds.len, timeout_ms));
}

pub fn clock(which: linux.clockid_t) linux.timespec {
    var now: linux.timespec = undefined;
    // It fails for clocks that do not exist.
    _ = linux.clock_gettime(which, &now);
    return now;
}

// -- processes --

/// clone(2) without a new stack: returns twice, as fork(2) does; 0 is the child.
pub inline fn clone(flags: usize, pidfd: *Fd) Result(Pid) {
    return call(Pid, .clone, .{ flags, null, pidfd, null, null });
}

/// Ends this process without unwinding anything.
pub fn exit(status: u8) noreturn {
    linux.exit_group(status);
}

pub fn getpid() Pid {
    return linux.getpid();
}

/// How a child ended.
pub const Ended = union(enum) {
    exited: u8,
    signaled: u8,

    /// How a process ended whose own child's end this one has told, as shells do.
    pub fn unwrapped(ended: Ended) Ended {
        if (ended == .exited and ended.exited > 128 and ended.exited <= 128 + 64)
            return .{ .signaled = ended.exited - 128 };
        return ended;
    }

    /// As shells tell it: the status, or 128 and the signal.
    pub fn status(ended: Ended) u8 {
        return switch (ended) {
            .exited => |code| code,
            .signaled => |signal| 128 +| signal,
        };
    }
};

/// Waits for the child behind `pidfd` to end, again on EINTR.
pub fn wait(pidfd: Fd) Result(Ended) {
    var info: linux.siginfo_t = undefined;
    while (true) {
        const rc = linux.waitid(.PIDFD, pidfd, &info, linux.W.EXITED, null);
        switch (linux.errno(rc)) {
            .SUCCESS => break,
            .INTR => continue,
            else => |e| return .{ .err = e },
        }
    }
    const cld_exited = 1;
    const code: u8 = @truncate(@as(u32, @bitCast(info.fields.common.second.sigchld.status)));
    return .{ .ok = if (info.code == cld_exited) .{ .exited = code } else .{ .signaled = code } };
}

/// A pidfd of the process `pid`.
pub fn openProcess(pid: Pid) Result(Fd) {
    return call(Fd, .pidfd_open, .{ pid, @as(u32, 0) });
}

pub fn signalPidfd(pidfd: Fd, signal: u8) Result(void) {
    return call(void, .pidfd_send_signal, .{ pidfd, signal, null, @as(u32, 0) });
}

pub fn kill(pid: Pid, signal: u8) Result(void) {
    return call(void, .kill, .{ pid, signal });
}

pub fn setns(fd: Fd, kind: u32) Result(void) {
    return call(void, .setns, .{ fd, kind });
}

pub fn setuid(uid: u32) Result(void) {
    return call(void, .setresuid, .{ uid, uid, uid });
}

pub fn setgid(gid: u32) Result(void) {
    return call(void, .setresgid, .{ gid, gid, gid });
}

pub fn setgroups(groups: []const u32) Result(void) {
    return call(void, .setgroups, .{ groups.len, groups.ptr });
}

pub fn prctl(option: linux.PR, arg: usize) Result(usize) {
    return call(usize, .prctl, .{ option, arg, @as(usize, 0), @as(usize, 0), @as(usize, 0) });
}

/// SIGKILL to this process when its parent thread ends. A change of user clears it (prctl(2)).
pub fn dieWithParent() Result(usize) {
    return prctl(.SET_PDEATHSIG, @backingInt(linux.SIG.KILL));
}

/// execve(2); returns only on failure.
pub fn execve(
    path: [*:0]const u8,
    args: [*:null]const ?[*:0]const u8,
    env: [*:null]const ?[*:0]const u8,
) E {
    return linux.errno(linux.execve(path, args, env));
}

pub fn chdir(path: [*:0]const u8) Result(void) {
    return call(void, .chdir, .{path});
}

pub fn fchdir(fd: Fd) Result(void) {
    return call(void, .fchdir, .{fd});
}

/// The current directory's path as the kernel has it, in `buffer`.
pub fn getcwd(buffer: []u8) Result(usize) {
    return call(usize, .getcwd, .{ buffer.ptr, buffer.len });
}

/// A new session, this process its leader and without a terminal.
pub fn setsid() Result(Pid) {
    return call(Pid, .setsid, .{});
}

/// Gives what this process makes from now on the permissions its own calls ask for, less `mask`.
pub fn umask(mask: u32) void {
    _ = call(u32, .umask, .{mask}).ok;
}

/// struct iovec.
pub const Vector = extern struct { base: [*]u8, len: usize };

/// struct user_msghdr, for one vector.
pub const MessageHeader = extern struct {
    name: ?*anyopaque = null,
    name_len: u32 = 0,
    vectors: *const Vector,
    vectors_len: usize = 1,
    control: ?*anyopaque = null,
    control_len: usize = 0,
    flags: u32 = 0,

    comptime {
        std.debug.assert(@sizeOf(MessageHeader) == 56);
    }
};

/// sendmsg(2), without SIGPIPE.
pub fn sendmsg(socket: Fd, header: *const MessageHeader) Result(usize) {
    return call(usize, .sendmsg, .{ socket, header, @as(u32, linux.MSG.NOSIGNAL) });
}

/// recvmsg(2), again on EINTR; descriptors that arrive are CLOEXEC.
pub fn recvmsg(socket: Fd, header: *MessageHeader) Result(usize) {
    while (true) {
        const got = call(usize, .recvmsg, .{ socket, header, @as(u32, linux.MSG.CMSG_CLOEXEC) });
        if (got == .err and got.err == .INTR) continue;
        return got;
    }
}

/// A socket's name in the file system (unix(7)); null when it is too long for one.
pub fn socketAddress(path: []const u8) ?linux.sockaddr.un {
    var address: linux.sockaddr.un = .{ .path = @splat(0) };
    if (path.len >= address.path.len) return null;
    @memcpy(address.path[0..path.len], path);
    return address;
}

/// A socket of this machine that keeps message boundaries. Neither it nor what it accepts waits.
pub fn packetSocket() Result(Fd) {
    const kind: u32 = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    return call(Fd, .socket, .{ linux.AF.UNIX, kind, @as(u32, 0) });
}

pub fn bind(socket: Fd, address: *const linux.sockaddr.un) Result(void) {
    return call(void, .bind, .{ socket, address, @as(usize, @sizeOf(linux.sockaddr.un)) });
}

pub fn listen(socket: Fd, backlog: u32) Result(void) {
    return call(void, .listen, .{ socket, backlog });
}

pub fn connect(socket: Fd, address: *const linux.sockaddr.un) Result(void) {
    return call(void, .connect, .{ socket, address, @as(usize, @sizeOf(linux.sockaddr.un)) });
}

pub fn accept(socket: Fd) Result(Fd) {
    const flags: u32 = linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    return call(Fd, .accept4, .{ socket, null, null, flags });
}

/// send(2), without SIGPIPE.
pub fn send(socket: Fd, bytes: []const u8) Result(usize) {
    const flags: u32 = linux.MSG.NOSIGNAL;
    return call(usize, .sendto, .{ socket, bytes.ptr, bytes.len, flags, null, @as(usize, 0) });
}

/// A pair of connected sockets that keep message boundaries.
pub fn socketpair() Result([2]Fd) {
    var fds: [2]Fd = undefined;
    const kind: u32 = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC;
    return switch (call(void, .socketpair, .{ linux.AF.UNIX, kind, @as(u32, 0), &fds })) {
        .ok => .{ .ok = fds },
        .err => |e| .{ .err = e },
    };
}

// -- files of layers: made by descriptor or by one name under a descriptor, never following it --

/// How a layer's directory is opened: whatever the tree holds, the last name is a directory itself.
pub const directory_flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };

/// Seconds and nanoseconds for utimensat(2), which sets only the time of modification here.
pub fn setModified(dir: Fd, path: [*:0]const u8, sec: i64, nsec: u32) Result(void) {
    return utimens(dir, path, sec, nsec, linux.AT.SYMLINK_NOFOLLOW);
}

pub fn setModifiedOf(fd: Fd, sec: i64, nsec: u32) Result(void) {
    return utimens(fd, null, sec, nsec, 0);
}

fn utimens(dir: Fd, path: ?[*:0]const u8, sec: i64, nsec: u32, flags: u32) Result(void) {
    const time: linux.timespec = .{ .sec = sec, .nsec = nsec };
    const times = [2]linux.timespec{ time, time };
    return result(void, linux.utimensat(dir, path, &times, flags));
}

/// The owner of `path` itself, were it a symbolic link.
pub fn lchownat(dir: Fd, path: [*:0]const u8, uid: u32, gid: u32) Result(void) {
    return call(void, .fchownat, .{ dir, path, uid, gid, @as(u32, linux.AT.SYMLINK_NOFOLLOW) });
}

/// chmod(2) of a node that is known to be no symbolic link: this follows one.
pub fn chmodat(dir: Fd, path: [*:0]const u8, mode: u32) Result(void) {
    return result(void, linux.fchmodat(dir, path, mode));
}

/// A second name for what `from` names, a symbolic link included.
pub fn linkat(from_dir: Fd, from: [*:0]const u8, dir: Fd, path: [*:0]const u8) Result(void) {
    return call(void, .linkat, .{ from_dir, from, dir, path, @as(u32, 0) });
}

/// A node of the kind in `mode`; 0:0 for fifos, and for overlayfs's whiteouts.
pub fn mknodat(dir: Fd, path: [*:0]const u8, mode: u32, major: u32, minor: u32) Result(void) {
    // The kernel's own packing (linux/kdev_t.h, new_encode_dev).
    const device = (minor & 0xff) | (major << 8) | ((minor & ~@as(u32, 0xff)) << 12);
    return call(void, .mknodat, .{ dir, path, mode, device });
}

pub fn renameat(from_dir: Fd, from: [*:0]const u8, dir: Fd, path: [*:0]const u8) Result(void) {
    return call(void, .renameat2, .{ from_dir, from, dir, path, @as(u32, 0) });
}

pub fn ftruncate(fd: Fd, size: u64) Result(void) {
    const length = std.math.cast(i64, size) orelse return .{ .err = .FBIG };
    return result(void, linux.ftruncate(fd, length));
}

/// Writes all of `bytes` at `offset`, or says why not.
pub fn writeAllAt(fd: Fd, bytes: []const u8, offset: u64) Result(void) {
    var rest = bytes;
    var at = std.math.cast(i64, offset) orelse return .{ .err = .FBIG };
    while (rest.len > 0) {
        const put = result(usize, linux.pwrite(fd, rest.ptr, rest.len, at));
        switch (put) {
            .ok => |n| {
                rest = rest[n..];
                at += @intCast(n);
            },
            .err => |e| if (e != .INTR) return .{ .err = e },
        }
    }
    return .{ .ok = {} };
}

/// pread(2), again on EINTR.
pub fn readAt(fd: Fd, buffer: []u8, offset: u64) Result(usize) {
    const at = std.math.cast(i64, offset) orelse return .{ .err = .FBIG };
    while (true) {
        const got = result(usize, linux.pread(fd, buffer.ptr, buffer.len, at));
        if (got == .err and got.err == .INTR) continue;
        return got;
    }
}

/// lseek(2)'s SEEK_SET, SEEK_DATA and SEEK_HOLE.
pub const Whence = enum(u32) { start = 0, data = 3, hole = 4 };

/// lseek(2); ENXIO where there is no data any more.
pub fn seek(fd: Fd, offset: u64, whence: Whence) Result(u64) {
    const at = std.math.cast(i64, offset) orelse return .{ .err = .FBIG };
    return call(u64, .lseek, .{ fd, at, whence });
}

/// The file's data, and what is needed to read it, is on the disk.
pub fn fdatasync(fd: Fd) Result(void) {
    return call(void, .fdatasync, .{fd});
}

/// All of the file system that `fd` is on is on the disk.
pub fn syncfs(fd: Fd) Result(void) {
    return call(void, .syncfs, .{fd});
}

/// Shares the blocks of `from` with `to`, where the file system can.
pub fn reflink(from: Fd, to: Fd) Result(usize) {
    // linux/fs.h: FICLONE is _IOW(0x94, 9, int).
    return ioctl(to, 0x40049409, @intCast(from));
}

/// copy_file_range(2) from `offset` to the same offset.
pub fn copyRange(from: Fd, to: Fd, offset: u64, size: u64) Result(usize) {
    var from_at = std.math.cast(i64, offset) orelse return .{ .err = .FBIG };
    var to_at = from_at;
    const len: usize = @min(size, 1 << 30);
    return call(usize, .copy_file_range, .{ from, &from_at, to, &to_at, len, @as(u32, 0) });
}

/// Directory entries as linux_dirent64 records; 0 at the end.
pub fn getdents(fd: Fd, buffer: []u8) Result(usize) {
    return result(usize, linux.getdents64(fd, buffer.ptr, @intCast(buffer.len)));
}

pub fn fsetxattr(fd: Fd, name: [*:0]const u8, value: []const u8) Result(void) {
    return result(void, linux.fsetxattr(fd, name, value.ptr, value.len, 0));
}

pub fn fremovexattr(fd: Fd, name: [*:0]const u8) Result(void) {
    return call(void, .fremovexattr, .{ fd, name });
}

pub fn fgetxattr(fd: Fd, name: [*:0]const u8, buffer: []u8) Result(usize) {
    return result(usize, linux.fgetxattr(fd, name, buffer.ptr, buffer.len));
}

/// Names of extended attributes, each with its NUL.
pub fn flistxattr(fd: Fd, buffer: []u8) Result(usize) {
    return result(usize, linux.flistxattr(fd, buffer.ptr, buffer.len));
}

/// The mask of permissions taken from new files; none, so that modes are what the layer says.
pub fn clearUmask() void {
    _ = linux.syscall1(.umask, 0);
}

/// A larger pipe means fewer turns between its two ends. Not a pipe, or not allowed: as it was.
pub fn enlargePipe(fd: Fd, size: usize) void {
    _ = linux.fcntl(fd, linux.F.SETPIPE_SZ, size);
}
