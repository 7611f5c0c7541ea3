//! A payload that tries what a container must, or must not, be able to do.
//!
//! One line each, always in the same order: the name, then OK, NOTHING (a file that is empty or
//! that this kernel has not), the errno's symbol, or the signal that ended the try. The output is a
//! picture of what is really forbidden; a change of it is a security review. It runs under other
//! runtimes as well.
//!
//! Every try runs in a process of its own and is harmless where it is *not* forbidden: arguments
//! are such that the kernel, once reached, refuses for another reason (a bad descriptor, a path
//! that is not there, a wrong magic number), or files are opened but not written.
//!
//! Build: zig build-exe tests/probe/probe.zig -OReleaseSmall -fstrip -fsingle-threaded
//!        -target x86_64-linux-none

const std = @import("std");
const builtin = @import("builtin");
const linux = std.os.linux;

const Probe = struct { name: []const u8, run: *const fn () Outcome };

const Outcome = union(enum) {
    ok,
    nothing,
    errno: linux.E,
    /// This architecture has no such call.
    absent,
};

const nowhere = "/nonexistent";
const here: isize = linux.AT.FDCWD;
const scratch = "/.hb-probe";
/// Above any process id there can be.
const nobody = 0x3fffffff;

const probes = [_]Probe{
    // Mounts and roots.
    .{ .name = "mount", .run = call("mount", .{ "none", nowhere, "tmpfs", 0, 0 }) },
    .{ .name = "umount2", .run = call("umount2", .{ nowhere, 0 }) },
    .{ .name = "pivot_root", .run = call("pivot_root", .{ nowhere, nowhere }) },
    .{ .name = "chroot", .run = call("chroot", .{"/"}) },
    .{ .name = "fsopen", .run = call("fsopen", .{ "tmpfs", 0 }) },
    .{ .name = "fsconfig", .run = call("fsconfig", .{ -1, 0, 0, 0, 0 }) },
    .{ .name = "fsmount", .run = call("fsmount", .{ -1, 0, 0 }) },
    .{ .name = "fspick", .run = call("fspick", .{ here, nowhere, 0 }) },
    .{ .name = "open_tree", .run = call("open_tree", .{ here, nowhere, 0 }) },
    .{ .name = "move_mount", .run = call("move_mount", .{ here, nowhere, here, nowhere, 0 }) },
    .{ .name = "mount_setattr", .run = call("mount_setattr", .{ here, nowhere, 0, 0, 0 }) },
    .{ .name = "open_by_handle_at", .run = call("open_by_handle_at", .{ -1, 0, 0 }) },
    .{ .name = "name_to_handle_at", .run = call("name_to_handle_at", .{ here, nowhere, 0, 0, 0 }) },

    // Namespaces and processes.
    .{ .name = "unshare files", .run = call("unshare", .{linux.CLONE.FILES}) },
    .{ .name = "unshare user", .run = call("unshare", .{linux.CLONE.NEWUSER}) },
    .{ .name = "unshare mount", .run = call("unshare", .{linux.CLONE.NEWNS}) },
    .{ .name = "unshare net", .run = call("unshare", .{linux.CLONE.NEWNET}) },
    .{ .name = "unshare pid", .run = call("unshare", .{linux.CLONE.NEWPID}) },
    .{ .name = "setns", .run = call("setns", .{ -1, 0 }) },
    .{ .name = "clone", .run = clone(0) },
    .{ .name = "clone newuser", .run = clone(linux.CLONE.NEWUSER) },
    .{ .name = "clone newuser, flags above 32 bits", .run = clone(1 << 40 | linux.CLONE.NEWUSER) },
    .{ .name = "clone newnet", .run = clone(linux.CLONE.NEWNET) },
    .{ .name = "clone newcgroup", .run = clone(linux.CLONE.NEWCGROUP) },
    .{ .name = "clone3", .run = call("clone3", .{ 0, 0 }) },
    .{ .name = "ptrace traceme", .run = call("ptrace", .{ linux.PTRACE.TRACEME, 0, 0, 0 }) },
    .{ .name = "ptrace attach nobody", .run = call("ptrace", .{ 16, nobody, 0, 0 }) },
    .{ .name = "process_vm_readv", .run = call("process_vm_readv", .{ nobody, 0, 0, 0, 0, 0 }) },
    .{ .name = "process_madvise", .run = call("process_madvise", .{ -1, 0, 0, 0, 0 }) },
    .{ .name = "kcmp", .run = call("kcmp", .{ nobody, nobody, 1, 0, 0 }) },
    .{ .name = "pidfd_open self", .run = pidfdOpenSelf },
    .{ .name = "pidfd_getfd", .run = call("pidfd_getfd", .{ -1, 0, 0 }) },
    .{ .name = "kill 1 with nothing", .run = call("kill", .{ 1, 0 }) },
    .{ .name = "setpriority -5", .run = call("setpriority", .{ 0, 0, -5 }) },
    .{ .name = "sched_setscheduler fifo", .run = scheduleRealtime },
    .{ .name = "raise a hard limit", .run = raiseHardLimit },
    .{ .name = "lower oom_score_adj", .run = lowerOomScore },

    // The machine.
    .{ .name = "reboot", .run = call("reboot", .{ 0, 0, 0, 0 }) },
    .{ .name = "kexec_load", .run = call("kexec_load", .{ 0, 0x7fffffff, 0, 0xffff }) },
    .{ .name = "kexec_file_load", .run = call("kexec_file_load", .{ -1, -1, 0, 0, 0xffff0000 }) },
    .{ .name = "init_module", .run = call("init_module", .{ 0, 0, "" }) },
    .{ .name = "finit_module", .run = call("finit_module", .{ -1, "", 0 }) },
    .{ .name = "delete_module", .run = call("delete_module", .{ "hb_no_such_module", 0o4000 }) },
    .{ .name = "swapon", .run = call("swapon", .{ nowhere, 0 }) },
    .{ .name = "swapoff", .run = call("swapoff", .{nowhere}) },
    .{ .name = "acct", .run = call("acct", .{nowhere}) },
    .{ .name = "quotactl", .run = call("quotactl", .{ -1, nowhere, 0, 0 }) },
    .{ .name = "syslog size", .run = call("syslog", .{ 10, 0, 0 }) },
    .{ .name = "settimeofday nothing", .run = call("settimeofday", .{ 0, 0 }) },
    .{ .name = "clock_settime", .run = call("clock_settime", .{ 1000, 0 }) },
    .{ .name = "adjtimex read", .run = readClockState },
    .{ .name = "sethostname", .run = call("sethostname", .{ "", -1 }) },
    .{ .name = "setdomainname", .run = call("setdomainname", .{ "", -1 }) },
    .{ .name = "iopl", .run = call("iopl", .{4}) },
    .{ .name = "ioperm", .run = call("ioperm", .{ 0, 0, 0 }) },
    .{ .name = "vhangup as nobody", .run = hangUpAsNobody },
    .{ .name = "bpf", .run = call("bpf", .{ -1, 0, 0 }) },
    .{ .name = "perf_event_open", .run = call("perf_event_open", .{ 0, 0, 0, 0, 0 }) },
    .{ .name = "fanotify_init", .run = call("fanotify_init", .{ -1, 0 }) },
    .{ .name = "io_uring_setup", .run = call("io_uring_setup", .{ 0, 0 }) },
    .{ .name = "io_uring_enter", .run = call("io_uring_enter", .{ -1, 0, 0, 0, 0, 0 }) },
    .{ .name = "io_setup", .run = call("io_setup", .{ 0, 0 }) },
    .{ .name = "userfaultfd", .run = call("userfaultfd", .{-1}) },
    .{ .name = "keyctl", .run = call("keyctl", .{ 0, -3, 0 }) },
    .{ .name = "add_key", .run = call("add_key", .{ "user", "hb", "x", 1, -1 }) },
    .{ .name = "request_key", .run = call("request_key", .{ "user", "hb:none", 0, 0 }) },
    .{ .name = "get_mempolicy", .run = call("get_mempolicy", .{ 0, 0, 0, 0, 0 }) },
    .{ .name = "mbind", .run = call("mbind", .{ 0, 0, 0, 0, 0, 0 }) },
    .{ .name = "move_pages", .run = call("move_pages", .{ 0, 0, 0, 0, 0, 0 }) },
    .{ .name = "personality query", .run = call("personality", .{0xffffffff}) },
    .{ .name = "personality linux32", .run = call("personality", .{0x8}) },
    .{ .name = "personality no-randomize", .run = call("personality", .{0x40000}) },
    .{ .name = "uselib", .run = call("uselib", .{nowhere}) },
    .{ .name = "sysfs", .run = call("sysfs", .{ 3, 0, 0 }) },
    .{ .name = "modify_ldt", .run = call("modify_ldt", .{ 99, 0, 0 }) },
    .{ .name = "seccomp action", .run = seccompActionAvailable },
    .{ .name = "a call nobody knows yet", .run = unknownCall },
    .{ .name = "x32 getpid", .run = x32(39) },
    .{ .name = "x32 mount", .run = x32(165) },
    .{ .name = "i386 getpid", .run = compat(20) },
    .{ .name = "i386 mount", .run = compat(21) },
    .{ .name = "i386 keyctl", .run = compat(288) },

    // Sockets.
    .{ .name = "socket unix", .run = socket(linux.AF.UNIX, 1, 0) },
    .{ .name = "socket tcp", .run = socket(linux.AF.INET, 1, 0) },
    .{ .name = "socket icmp raw", .run = socket(linux.AF.INET, 3, 1) },
    .{ .name = "socket packet", .run = socket(linux.AF.PACKET, 3, 0) },
    .{ .name = "socket netlink route", .run = socket(linux.AF.NETLINK, 3, 0) },
    .{ .name = "socket vsock", .run = socket(40, 1, 0) },
    .{ .name = "socket vsock, family above 32 bits", .run = socket(1 << 32 | 40, 1, 0) },
    .{ .name = "socket alg", .run = socket(38, 5, 0) },
    .{ .name = "bind a low port", .run = bindLowPort },

    // Identity.
    .{ .name = "setuid 1000", .run = call("setuid", .{1000}) },
    .{ .name = "setuid 70000", .run = call("setuid", .{70000}) },
    .{ .name = "setgid 1000", .run = call("setgid", .{1000}) },
    .{ .name = "setgroups none", .run = call("setgroups", .{ 0, 0 }) },
    .{ .name = "chown 1000", .run = onScratchFile(chown(1000)) },
    .{ .name = "chown 70000", .run = onScratchFile(chown(70000)) },
    .{ .name = "chmod set-user-ID", .run = onScratchFile(chmod(0o4755)) },
    .{ .name = "xattr trusted", .run = onScratchFile(setXattr("trusted.hb", "x")) },
    .{ .name = "file capability", .run = onScratchFile(setFileCapability) },
    .{ .name = "raise CAP_SYS_ADMIN", .run = raiseSysAdmin },
    .{ .name = "securebits", .run = call("prctl", .{ 28, 1, 0, 0, 0 }) },

    // Devices.
    .{ .name = "mknod block", .run = makeNode(linux.S.IFBLK, 8 << 8, false) },
    .{ .name = "mknod block and open", .run = makeNode(linux.S.IFBLK, 8 << 8, true) },
    .{ .name = "mknod mem and open", .run = makeNode(linux.S.IFCHR, 1 << 8 | 1, true) },
    .{ .name = "mknod whiteout", .run = makeNode(linux.S.IFCHR, 0, false) },
    .{ .name = "mknod fifo", .run = makeNode(linux.S.IFIFO, 0, false) },
    .{ .name = "open /dev/null", .run = openRead("/dev/null") },
    .{ .name = "open /dev/urandom", .run = openRead("/dev/urandom") },
    .{ .name = "open /dev/ptmx", .run = openRead("/dev/ptmx") },
    .{ .name = "open /dev/tty", .run = openRead("/dev/tty") },
    .{ .name = "open /dev/mem", .run = openRead("/dev/mem") },
    .{ .name = "open /dev/kmsg", .run = openRead("/dev/kmsg") },
    .{ .name = "open /dev/fuse", .run = openRead("/dev/fuse") },
    .{ .name = "open /dev/net/tun", .run = openRead("/dev/net/tun") },
    .{ .name = "TIOCSTI on stdin", .run = call("ioctl", .{ 0, 0x5412, "" }) },
    .{ .name = "TIOCLINUX on stdin", .run = call("ioctl", .{ 0, 0x541c, "\x7f" }) },

    // /proc and /sys.
    .{ .name = "read /proc/kcore", .run = read("/proc/kcore") },
    .{ .name = "read /proc/keys", .run = read("/proc/keys") },
    .{ .name = "read /proc/timer_list", .run = read("/proc/timer_list") },
    .{ .name = "read /proc/interrupts", .run = read("/proc/interrupts") },
    .{ .name = "read /proc/kmsg", .run = openRead("/proc/kmsg") },
    .{ .name = "list /proc/scsi", .run = list("/proc/scsi") },
    .{ .name = "list /sys/firmware", .run = list("/sys/firmware") },
    .{ .name = "write /proc/sysrq-trigger", .run = openWrite("/proc/sysrq-trigger") },
    .{ .name = "write core_pattern", .run = openWrite("/proc/sys/kernel/core_pattern") },
    .{ .name = "write kernel.hostname", .run = openWrite("/proc/sys/kernel/hostname") },
    .{ .name = "write vm.drop_caches", .run = openWrite("/proc/sys/vm/drop_caches") },
    .{ .name = "write ip_forward", .run = openWrite("/proc/sys/net/ipv4/ip_forward") },
    .{ .name = "write smp_affinity", .run = openWrite("/proc/irq/default_smp_affinity") },
    .{ .name = "write own uid_map", .run = openWrite("/proc/self/uid_map") },
    .{ .name = "write own program", .run = openWrite("/proc/self/exe") },
    .{ .name = "write /sys/power/state", .run = openWrite("/sys/power/state") },
    .{ .name = "mkdir in /sys", .run = call("mkdirat", .{ here, "/sys/hb", 0o700 }) },
    .{ .name = "mkdir in /sys/fs/cgroup", .run = makeCgroup },
    .{ .name = "mkdir in /proc", .run = call("mkdirat", .{ here, "/proc/hb", 0o700 }) },

    // What must work.
    .{ .name = "create a file", .run = onScratchFile(call("getpid", .{})) },
    .{ .name = "memfd_create", .run = call("memfd_create", .{ "hb", 0 }) },
    .{ .name = "shmget", .run = call("shmget", .{ 0, 4096, 0o1600 }) },
    .{ .name = "mlock a page", .run = lockPage },
    .{ .name = "inotify_init1", .run = call("inotify_init1", .{0}) },
};

pub fn main() u8 {
    for (probes) |probe| {
        var buffer: [128]u8 = undefined;
        const line = describe(&buffer, probe.name, runAlone(probe.run));
        _ = linux.write(1, line.ptr, line.len);
    }
    return 0;
}

const Ending = union(enum) { outcome: Outcome, signal: u8 };

const status_nothing = 250;
const status_absent = 251;

/// In a child, because a try may change who we are, and a filter may kill.
fn runAlone(run: *const fn () Outcome) Ending {
    const pid = linux.fork();
    if (pid == 0) linux.exit_group(switch (run()) {
        .ok => 0,
        .nothing => status_nothing,
        .absent => status_absent,
        .errno => |errno| @intCast(@backingInt(errno)),
    });
    var status: i32 = undefined;
    _ = linux.waitpid(@intCast(pid), &status, 0);
    const bits: u32 = @bitCast(status);
    if (bits & 0x7f != 0) return .{ .signal = @intCast(bits & 0x7f) };
    const code: u8 = @truncate(bits >> 8);
    return .{ .outcome = switch (code) {
        0 => .ok,
        status_nothing => .nothing,
        status_absent => .absent,
        else => .{ .errno = @fromBackingInt(@intCast(code)) },
    } };
}

fn describe(buffer: []u8, name: []const u8, ending: Ending) []const u8 {
    const word: []const u8 = switch (ending) {
        .signal => |signal| return std.fmt.bufPrint(
            buffer,
            "{s} SIGNAL {d}\n",
            .{ name, signal },
        ) catch "",
        .outcome => |outcome| switch (outcome) {
            .ok => "OK",
            .nothing => "NOTHING",
            .absent => "ABSENT",
            .errno => |errno| return std.fmt.bufPrint(
                buffer,
                "{s} E{s}\n",
                .{ name, std.enums.tagName(linux.E, errno) orelse "?" },
            ) catch "",
        },
    };
    return std.fmt.bufPrint(buffer, "{s} {s}\n", .{ name, word }) catch "";
}

fn outcomeOf(rc: usize) Outcome {
    const errno = linux.errno(rc);
    return if (errno == .SUCCESS) .ok else .{ .errno = errno };
}

// -- makers of tries --

/// A system call by name, with integers and strings.
fn call(comptime name: []const u8, comptime args: anytype) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            if (!@hasField(linux.SYS, name)) return .absent;
            var words: [6]usize = @splat(0);
            inline for (args, words[0..args.len]) |arg, *word| word.* = toWord(arg);
            return outcomeOf(linux.syscall6(
                @field(linux.SYS, name),
                words[0],
                words[1],
                words[2],
                words[3],
                words[4],
                words[5],
            ));
        }
    }.run;
}

fn toWord(arg: anytype) usize {
    return switch (@typeInfo(@TypeOf(arg))) {
        .pointer => @intFromPtr(arg),
        .int => |int| if (int.signedness == .signed) @bitCast(@as(isize, arg)) else arg,
        else => @bitCast(@as(isize, arg)),
    };
}

fn clone(comptime flags: usize) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            const words = flags | @backingInt(linux.SIG.CHLD);
            const rc = linux.syscall5(.clone, words, 0, 0, 0, 0);
            if (rc == 0) linux.exit_group(0);
            return outcomeOf(rc);
        }
    }.run;
}

fn socket(
    comptime family: usize,
    comptime kind: usize,
    comptime protocol: usize,
) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            return outcomeOf(linux.syscall3(.socket, family, kind, protocol));
        }
    }.run;
}

fn openWith(path: [*:0]const u8, flags: linux.O) usize {
    return linux.openat(linux.AT.FDCWD, path, flags, 0o600);
}

fn openRead(comptime path: [*:0]const u8) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            return outcomeOf(openWith(path, .{ .NONBLOCK = true, .NOCTTY = true }));
        }
    }.run;
}

fn openWrite(comptime path: [*:0]const u8) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            return outcomeOf(openWith(path, .{ .ACCMODE = .WRONLY }));
        }
    }.run;
}

fn read(comptime path: [*:0]const u8) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            const fd = openWith(path, .{});
            if (linux.errno(fd) == .NOENT) return .nothing;
            if (linux.errno(fd) != .SUCCESS) return outcomeOf(fd);
            var byte: [1]u8 = undefined;
            const rc = linux.read(@intCast(fd), &byte, 1);
            return if (rc == 0) .nothing else outcomeOf(rc);
        }
    }.run;
}

fn list(comptime path: [*:0]const u8) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            const fd = openWith(path, .{ .DIRECTORY = true });
            if (linux.errno(fd) == .NOENT) return .nothing;
            if (linux.errno(fd) != .SUCCESS) return outcomeOf(fd);
            var buffer: [512]u8 align(8) = undefined;
            const rc = linux.getdents64(@intCast(fd), &buffer, buffer.len);
            // `.` and `..` are 24 bytes each.
            return if (linux.errno(rc) == .SUCCESS and rc <= 48) .nothing else outcomeOf(rc);
        }
    }.run;
}

fn onScratchFile(comptime try_it: *const fn () Outcome) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            const fd = openWith(scratch, .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true });
            if (linux.errno(fd) != .SUCCESS) return outcomeOf(fd);
            defer _ = linux.unlinkat(linux.AT.FDCWD, scratch, 0);
            return try_it();
        }
    }.run;
}

fn chown(comptime id: isize) *const fn () Outcome {
    return call("fchownat", .{ here, scratch, id, id, 0 });
}

fn chmod(comptime mode: isize) *const fn () Outcome {
    return call("fchmodat", .{ here, scratch, mode });
}

fn setXattr(comptime name: [*:0]const u8, comptime value: []const u8) *const fn () Outcome {
    return call("setxattr", .{ scratch, name, value.ptr, value.len, 0 });
}

const setFileCapability = setXattr("security.capability", &file_capability);

/// struct vfs_cap_data, revision 2: CAP_NET_RAW permitted and effective.
const file_capability = [20]u8{
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};

fn makeNode(
    comptime kind: u32,
    comptime device: u32,
    comptime and_open: bool,
) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            const rc = linux.mknodat(linux.AT.FDCWD, scratch, kind | 0o600, device);
            if (linux.errno(rc) != .SUCCESS) return outcomeOf(rc);
            defer _ = linux.unlinkat(linux.AT.FDCWD, scratch, 0);
            if (!and_open) return .ok;
            return outcomeOf(openWith(scratch, .{ .NONBLOCK = true }));
        }
    }.run;
}

// -- ABIs beside the native one --

fn x32(comptime number: usize) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            if (builtin.cpu.arch != .x86_64) return .absent;
            return outcomeOf(raw(0x40000000 | number));
        }
    }.run;
}

fn raw(number: usize) usize {
    return linux.syscall6(@fromBackingInt(@intCast(number)), 0, 0, 0, 0, 0, 0);
}

/// int 0x80 from a 64-bit program: seccomp sees AUDIT_ARCH_I386.
fn compat(comptime number: u32) *const fn () Outcome {
    return struct {
        fn run() Outcome {
            if (builtin.cpu.arch != .x86_64) return .absent;
            const rc = asm volatile ("int $0x80"
                : [ret] "={eax}" (-> i32),
                : [number] "{eax}" (number),
                  [arg1] "{ebx}" (@as(u32, 0)),
                  [arg2] "{ecx}" (@as(u32, 0)),
                  [arg3] "{edx}" (@as(u32, 0)),
                : .{ .memory = true, .r8 = true, .r9 = true, .r10 = true, .r11 = true });
            return outcomeOf(@bitCast(@as(isize, rc)));
        }
    }.run;
}

fn unknownCall() Outcome {
    return outcomeOf(raw(600));
}

// -- tries that need more than one call --

fn pidfdOpenSelf() Outcome {
    return outcomeOf(linux.syscall2(.pidfd_open, @intCast(linux.getpid()), 0));
}

fn scheduleRealtime() Outcome {
    const priority: i32 = 1;
    const fifo = 1;
    return outcomeOf(linux.syscall3(.sched_setscheduler, 0, fifo, @intFromPtr(&priority)));
}

fn raiseHardLimit() Outcome {
    const core = 4;
    const none = [2]u64{ 0, 0 };
    const one = [2]u64{ 0, 1 };
    _ = linux.syscall4(.prlimit64, 0, core, @intFromPtr(&none), 0);
    return outcomeOf(linux.syscall4(.prlimit64, 0, core, @intFromPtr(&one), 0));
}

fn lowerOomScore() Outcome {
    const fd = openWith("/proc/self/oom_score_adj", .{ .ACCMODE = .WRONLY });
    if (linux.errno(fd) != .SUCCESS) return outcomeOf(fd);
    return outcomeOf(linux.write(@intCast(fd), "-1000", 5));
}

fn readClockState() Outcome {
    // struct timex with modes 0 only reads.
    var state: [64]u64 = @splat(0);
    return outcomeOf(linux.syscall1(.adjtimex, @intFromPtr(&state)));
}

/// vhangup would hang up a terminal of ours, so it is tried as someone who may not.
fn hangUpAsNobody() Outcome {
    _ = linux.setresuid(65534, 65534, 65534);
    return outcomeOf(linux.syscall0(.vhangup));
}

fn seccompActionAvailable() Outcome {
    const action: u32 = linux.SECCOMP.RET.ALLOW;
    return outcomeOf(linux.seccomp(linux.SECCOMP.GET_ACTION_AVAIL, 0, &action));
}

/// On an address nothing else listens on.
fn bindLowPort() Outcome {
    const fd = linux.socket(linux.AF.INET, linux.SOCK.STREAM, 0);
    if (linux.errno(fd) != .SUCCESS) return outcomeOf(fd);
    const address: linux.sockaddr.in = .{
        .port = std.mem.nativeToBig(u16, 79),
        .addr = std.mem.nativeToBig(u32, 0x7f53_0001),
    };
    return outcomeOf(linux.bind(@intCast(fd), @ptrCast(&address), @sizeOf(@TypeOf(address))));
}

fn raiseSysAdmin() Outcome {
    const header = [2]u32{ 0x20080522, 0 };
    const sys_admin: u32 = 1 << 21;
    const sets = [6]u32{ sys_admin, sys_admin, 0, 0, 0, 0 };
    return outcomeOf(linux.syscall2(.capset, @intFromPtr(&header), @intFromPtr(&sets)));
}

/// Version 2 or any version 1 hierarchy, whichever is there.
fn makeCgroup() Outcome {
    const path = "/sys/fs/cgroup/hb-probe";
    const rc = linux.mkdirat(linux.AT.FDCWD, path, 0o700);
    if (linux.errno(rc) == .SUCCESS) _ = linux.unlinkat(linux.AT.FDCWD, path, linux.AT.REMOVEDIR);
    return outcomeOf(rc);
}

fn lockPage() Outcome {
    const page: [16]u8 = @splat(0);
    return outcomeOf(linux.syscall2(.mlock, @intFromPtr(&page), page.len));
}
