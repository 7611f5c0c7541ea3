//! What `hello` looks at: each check asks the kernel one question and finds a mark and a phrase.
//!
//! A phrase has room for 61 columns (80 less margin, mark and name). Nothing here changes anything
//! but for one device node, which is removed again.

const std = @import("std");
const linux = std.os.linux;
const proc = @import("hello_proc.zig");
const sys = @import("sys.zig");

pub const Mark = enum {
    kept,
    broken,
    /// Depends on how hb was started; said, not judged.
    not_promised,
};

pub const Finding = struct { mark: Mark, phrase: []const u8 };

pub const Check = struct {
    name: []const u8,
    run: *const fn (arena: std.mem.Allocator) Finding,
};

/// In the order they are told.
pub const all = [_]Check{
    .{ .name = "ids", .run = ids },
    .{ .name = "processes", .run = processes },
    .{ .name = "files", .run = files },
    .{ .name = "mounts", .run = mounts },
    .{ .name = "program", .run = program },
    .{ .name = "hostname", .run = hostname },
    .{ .name = "ipc", .run = ipc },
    .{ .name = "cgroup", .run = cgroup },
    .{ .name = "network", .run = network },
    .{ .name = "capabilities", .run = capabilities },
    .{ .name = "privileges", .run = privileges },
    .{ .name = "seccomp", .run = seccomp },
    .{ .name = "keyring", .run = keyring },
    .{ .name = "devices", .run = devices },
    .{ .name = "masked paths", .run = maskedPaths },
    .{ .name = "read-only", .run = readonlyPaths },
    .{ .name = "descriptors", .run = descriptors },
    .{ .name = "directory", .run = directory },
};

fn kept(phrase: []const u8) Finding {
    return .{ .mark = .kept, .phrase = phrase };
}

fn broken(phrase: []const u8) Finding {
    return .{ .mark = .broken, .phrase = phrase };
}

fn notPromised(phrase: []const u8) Finding {
    return .{ .mark = .not_promised, .phrase = phrase };
}

fn print(
    arena: std.mem.Allocator,
    mark: Mark,
    comptime format: []const u8,
    args: anytype,
) Finding {
    const phrase = std.fmt.allocPrint(arena, format, args) catch "(too long to tell)";
    return .{ .mark = mark, .phrase = phrase };
}

// -- namespaces --

/// include/uapi/linux/nsfs.h and include/linux/proc_ns.h: the numbers of the first namespaces of
/// a machine. Whoever has one of them is not separated from its host.
const initial = struct {
    const ipc = 0xefffffff;
    const uts = 0xeffffffe;
    const user = 0xeffffffd;
    const pid = 0xeffffffc;
    const cgroup = 0xeffffffb;
    /// Newer kernels only; on older ones the first has a number like any other.
    const mnt = 0xeffffff8;
};

/// Null where /proc does not tell.
fn namespace(path: [*:0]const u8) ?u64 {
    return switch (sys.statat(linux.AT.FDCWD, path, 0)) {
        .ok => |stat| stat.inode,
        .err => null,
    };
}

/// Whether the namespace at `path` is known not to be the machine's first.
fn isSeparate(path: [*:0]const u8, first: u64) bool {
    const inode = namespace(path) orelse return false;
    return inode != first;
}

fn ids(arena: std.mem.Allocator) Finding {
    const map = proc.read(arena, "/proc/self/uid_map") orelse
        return broken("/proc/self/uid_map cannot be read");
    const range = proc.idRange(map) orelse return broken("/proc/self/uid_map makes no sense");
    const is_everything = range.outside == 0 and range.count == std.math.maxInt(u32);
    if (is_everything or !isSeparate("/proc/self/ns/user", initial.user)) {
        return notPromised("no user namespace: hb was started by root, root is root");
    }
    if (range.outside == 0) {
        return print(arena, .not_promised, "root here is root outside; {d} ids", .{range.count});
    }
    return print(arena, .kept, "root here is only uid {d} outside; {d} id{s} of its own", .{
        range.outside,
        range.count,
        if (range.count == 1) "" else "s",
    });
}

fn processes(arena: std.mem.Allocator) Finding {
    if (!isSeparate("/proc/self/ns/pid", initial.pid)) return broken("the host's process ids");
    const pid = linux.getpid();
    // Process 1, or with --init the first child of it.
    if (pid > 2) return print(arena, .broken, "process {d}, not the first of its own", .{pid});
    return print(arena, .kept, "process ids of its own: this is process {d}", .{pid});
}

fn hostname(arena: std.mem.Allocator) Finding {
    var names: linux.utsname = undefined;
    if (sys.result(void, linux.uname(&names)) == .err) return broken("uname does not answer");
    const node = std.mem.sliceTo(&names.nodename, 0);
    const shown = node[0..@min(node.len, 40)];
    if (isSeparate("/proc/self/ns/uts", initial.uts)) {
        return print(arena, .kept, "a name of its own: {s}", .{shown});
    }
    return print(arena, .broken, "shared with the host: {s}", .{shown});
}

fn ipc(_: std.mem.Allocator) Finding {
    if (isSeparate("/proc/self/ns/ipc", initial.ipc)) {
        return kept("shared memory and message queues of its own");
    }
    return broken("shared memory and message queues of the host");
}

fn cgroup(arena: std.mem.Allocator) Finding {
    const path = "/proc/self/ns/cgroup";
    if (namespace(path) == null) return notPromised("this kernel has no cgroup namespaces");
    if (!isSeparate(path, initial.cgroup)) return broken("sees the host's cgroups");
    const text = proc.read(arena, "/proc/self/cgroup") orelse "";
    if (std.mem.find(u8, text, ":/..") != null) return broken("its cgroup is outside its view");
    return kept("its own cgroup is the root of all it sees");
}

/// The host's network is hb's default, so neither is judged.
fn network(arena: std.mem.Allocator) Finding {
    const text = proc.read(arena, "/proc/self/net/dev") orelse
        return notPromised("no network interfaces to be seen");
    const interfaces = proc.interfaces(arena, text);
    if (std.mem.eql(u8, interfaces, "lo")) return kept("cut off: only a loopback of its own");
    return print(arena, .not_promised, "open to the outside: {s}", .{interfaces});
}

// -- files --

fn files(arena: std.mem.Allocator) Finding {
    const text = proc.read(arena, "/proc/self/mountinfo") orelse
        return broken("/proc/self/mountinfo cannot be read");
    const root = proc.rootMount(text) orelse return broken("nothing is mounted at /");
    // Only the image has this program at this place; the host has not.
    const there = sys.statat(linux.AT.FDCWD, "/hello", linux.AT.SYMLINK_NOFOLLOW);
    if (there == .err) return broken("/ is not the image's");
    if (std.mem.eql(u8, root.type, "overlay")) {
        return kept("overlay: writes stay here, the image stays as it is");
    }
    return print(arena, .not_promised, "no overlay here; a private copy on {s}", .{root.type});
}

fn mounts(arena: std.mem.Allocator) Finding {
    const text = proc.read(arena, "/proc/self/mountinfo") orelse
        return broken("/proc/self/mountinfo cannot be read");
    if (!isSeparate("/proc/self/ns/mnt", initial.mnt)) return broken("the host's mount table");
    if (proc.isShared(text)) return broken("mounts made here reach the host");
    if (proc.seesOutside(text)) return broken("mounts outside the root can be seen");
    return kept("a table of its own; nothing mounted here reaches the host");
}

fn program(arena: std.mem.Allocator) Finding {
    var buffer: [256]u8 = undefined;
    const length = switch (sys.readlinkat(linux.AT.FDCWD, "/proc/self/exe", &buffer)) {
        .ok => |n| n,
        .err => return broken("/proc/self/exe cannot be read"),
    };
    const name = buffer[0..@min(length, 40)];
    // CVE-2019-5736: a program of the host could be overwritten through this link.
    const mine = sys.statat(linux.AT.FDCWD, "/proc/self/exe", 0);
    const there = sys.statat(linux.AT.FDCWD, "/hello", 0);
    if (mine == .err or there == .err or mine.ok.inode != there.ok.inode) {
        return print(arena, .broken, "/proc/self/exe is {s}, not the image's", .{name});
    }
    return print(arena, .kept, "/proc/self/exe is the image's {s}, no file of the host", .{name});
}

/// A directory outside the root shows as "(unreachable)/…" (getcwd(3)); CVE-2024-21626.
fn directory(arena: std.mem.Allocator) Finding {
    var buffer: [4096]u8 = undefined;
    if (sys.result(usize, linux.getcwd(&buffer, buffer.len)) == .err) {
        return broken("the working directory cannot be told");
    }
    const path = std.mem.sliceTo(&buffer, 0);
    const shown = path[0..@min(path.len, 40)];
    if (path.len == 0 or path[0] != '/') {
        return print(arena, .broken, "outside the container: {s}", .{shown});
    }
    return print(arena, .kept, "works in {s}, inside the container", .{shown});
}

fn descriptors(arena: std.mem.Allocator) Finding {
    if (proc.leakedDescriptor()) |first| {
        return print(arena, .broken, "descriptor {d} leaked in", .{first});
    }
    return kept("only standard input, output and error");
}

// -- privileges --

/// docker's default set (moby, caps.DefaultCapabilities), as bits of capability.h.
const promised_capabilities: u64 = promised: {
    const CAP = linux.CAP;
    var set: u64 = 0;
    for ([_]u6{
        CAP.CHOWN,            CAP.DAC_OVERRIDE, CAP.FSETID, CAP.FOWNER,
        CAP.MKNOD,            CAP.NET_RAW,      CAP.SETGID, CAP.SETUID,
        CAP.SETFCAP,          CAP.SETPCAP,      CAP.KILL,   CAP.SYS_CHROOT,
        CAP.NET_BIND_SERVICE, CAP.AUDIT_WRITE,
    }) |number| set |= 1 << number;
    break :promised set;
};

fn capabilities(arena: std.mem.Allocator) Finding {
    const status = proc.read(arena, "/proc/self/status") orelse
        return broken("/proc/self/status cannot be read");
    const bounding = proc.hexField(status, "CapBnd") orelse return broken("not told");
    const effective = proc.hexField(status, "CapEff") orelse return broken("not told");
    const inheritable = proc.hexField(status, "CapInh") orelse return broken("not told");
    const ambient = proc.hexField(status, "CapAmb") orelse 0;
    const surplus = (bounding | effective) & ~promised_capabilities;
    if (surplus != 0) {
        return print(arena, .broken, "{d} more than docker's default (CapBnd {x})", .{
            @popCount(surplus),
            bounding,
        });
    }
    // CVE-2022-24769.
    if (inheritable | ambient != 0) return broken("some are inheritable");
    return print(arena, .kept, "{d}, docker's default set; {d} in effect", .{
        @popCount(bounding),
        @popCount(effective),
    });
}

fn privileges(arena: std.mem.Allocator) Finding {
    const status = proc.read(arena, "/proc/self/status") orelse "";
    const value = proc.field(status, "NoNewPrivs") orelse return broken("not told");
    if (std.mem.eql(u8, value, "1")) return kept("no_new_privs: nothing can add to them");
    return notPromised("set-user-ID programs work (--security-opt no-new-privileges)");
}

fn seccomp(arena: std.mem.Allocator) Finding {
    const status = proc.read(arena, "/proc/self/status") orelse "";
    const mode = proc.field(status, "Seccomp") orelse return broken("this kernel has none");
    if (!std.mem.eql(u8, mode, "2")) return broken("no system call filter");
    // A filter may be an outer container's: this one must refuse what docker's refuses. Invalid
    // arguments, so that an answer of the kernel itself would be another.
    const mounted = errnoOf(linux.syscall5(.mount, 0, 0, 0, 0, 0));
    const unknown = errnoOf(linux.syscall2(.clone3, 0, 0));
    if (mounted != .PERM or unknown != .NOSYS) return broken("a filter, but not docker's default");
    return kept("a system call filter: mount refused, clone3 not there");
}

fn keyring(_: std.mem.Allocator) Finding {
    const get_keyring_id = 0;
    const session: usize = @bitCast(@as(isize, -3));
    return switch (errnoOf(linux.syscall3(.keyctl, get_keyring_id, session, 0))) {
        .PERM, .NOSYS => kept("the host's keys are out of reach"),
        else => broken("the session keyring answers"),
    };
}

/// As root mknod works, as docker allows; the node must then be of no use, wherever it is.
fn devices(_: std.mem.Allocator) Finding {
    for ([_][*:0]const u8{ "/.hello-disk", "/dev/.hello-disk", "/dev/shm/.hello-disk" }) |path| {
        switch (openMadeDisk(path)) {
            .PERM, .ACCES => {},
            .SUCCESS => return broken("a disk of the host can be opened"),
            // Not ENXIO either: that is a disk this machine has not, and would open another.
            else => return broken("device nodes work here"),
        }
    }
    return kept("no disk can be opened, by no node made here");
}

/// What opening a disk's node at `path` comes to; EPERM where no node can be made.
fn openMadeDisk(path: [*:0]const u8) linux.E {
    const first_disk = 8 << 8;
    const made = errnoOf(linux.mknodat(linux.AT.FDCWD, path, linux.S.IFBLK | 0o600, first_disk));
    // A read-only root, or a user namespace: there is nothing to open.
    if (made != .SUCCESS) return .PERM;
    defer _ = sys.unlinkat(linux.AT.FDCWD, path, 0);

    return switch (sys.openat(linux.AT.FDCWD, path, .{ .ACCMODE = .RDONLY }, 0)) {
        .ok => |fd| {
            sys.close(fd);
            return .SUCCESS;
        },
        .err => |errno| errno,
    };
}

fn errnoOf(rc: usize) linux.E {
    return linux.errno(rc);
}

// -- /proc and /sys --

/// moby's defaultLinuxMaskedPaths.
const masked = [_][:0]const u8{
    "/proc/acpi",       "/proc/asound",        "/proc/interrupts",  "/proc/kcore",
    "/proc/keys",       "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats",   "/sys/firmware",     "/sys/devices/virtual/powercap",
};

fn maskedPaths(arena: std.mem.Allocator) Finding {
    var count: usize = 0;
    for (masked) |path| switch (proc.showsContent(path)) {
        .absent => {},
        .empty => count += 1,
        .content => return print(arena, .broken, "{s} can be read", .{path}),
    };
    return print(arena, .kept, "{d} places that tell of the host are empty", .{count});
}

/// moby's DefaultLinuxSpec, and /sys.
const readonly = [_][:0]const u8{
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/sys",
};

fn readonlyPaths(arena: std.mem.Allocator) Finding {
    for (readonly) |path| {
        if (proc.isReadonly(path) == .no) {
            return print(arena, .broken, "{s} can be written", .{path});
        }
    }
    // The mount's word is good; the kernel's deed is better. Opening alone changes nothing.
    for ([_][:0]const u8{ "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern" }) |path| {
        const opened = sys.openat(linux.AT.FDCWD, path, .{ .ACCMODE = .WRONLY }, 0);
        if (opened == .ok) return print(arena, .broken, "{s} can be written", .{path});
    }
    return kept("/sys, /proc/sys and the kernel's other switches");
}
