//! (step, errno) -> words and advice. The one place that knows why a kernel says no: a table, some
//! of whose rows hold only where a switch of the machine has a certain value.

const std = @import("std");
const sys = @import("sys.zig");

const Hint = struct {
    /// How the failed step begins, as report.check names it.
    step: []const u8,
    /// Null: whatever the errno.
    errno: ?sys.E,
    /// What must be so on this machine for the advice to hold.
    when: When = .always,
    advice: []const u8,
};

const When = union(enum) {
    always,
    /// A switch has this value.
    set: Switch,
    /// An AppArmor profile is in force for this process.
    confined,

    fn holds(when: When) bool {
        return switch (when) {
            .always => true,
            .set => |wanted| readNumber(wanted.path) == wanted.value,
            .confined => isConfined(),
        };
    }
};

const Switch = struct { path: [*:0]const u8, value: u32 };

const table = [_]Hint{
    .{
        .step = "write",
        .errno = .NOSPC,
        .advice = "free some space, or set HB_ROOT to a directory on a larger disk",
    },
    .{ .step = "open the layer", .errno = .NOENT, .advice = damaged_image },
    .{ .step = "open the layer", .errno = .NOTDIR, .advice = damaged_image },
    .{
        .step = "install the seccomp filter",
        .errno = .INVAL,
        .advice = without_seccomp,
    },
    .{
        .step = "install the seccomp filter",
        .errno = .NOSYS,
        .advice = without_seccomp,
    },
    .{
        .step = "create a user namespace",
        .errno = null,
        .when = .{ .set = .{ .path = "/proc/sys/user/max_user_namespaces", .value = 0 } },
        .advice = "none are allowed on this machine: as root, sysctl -w " ++
            "user.max_user_namespaces=15000",
    },
    .{
        .step = "create a user namespace",
        .errno = null,
        .when = .{ .set = .{
            .path = "/proc/sys/kernel/unprivileged_userns_clone",
            .value = 0,
        } },
        .advice = "ordinary users may not make any on this machine: as root, sysctl -w " ++
            "kernel.unprivileged_userns_clone=1",
    },
    .{
        .step = "create the container's namespaces",
        .errno = .PERM,
        .advice = "root without CAP_SYS_ADMIN cannot; inside another container, give that one " ++
            "CAP_SYS_ADMIN or run hb as an ordinary user",
    },
    .{
        .step = "set the OOM score adjustment",
        .errno = .ACCES,
        .advice = "to be spared more than hb itself takes CAP_SYS_RESOURCE",
    },
    .{ .step = "set up the firewall", .errno = .PROTONOSUPPORT, .advice = without_nf_tables },
    .{ .step = "set up the firewall", .errno = .OPNOTSUPP, .advice = without_nf_tables },
    .{ .step = "set up the firewall", .errno = .NOENT, .advice = without_nf_tables },
    .{ .step = "set up the firewall", .errno = .INVAL, .advice = without_nf_tables },
    .{
        .step = "make the bridge",
        .errno = .OPNOTSUPP,
        .advice = "this kernel has no bridges (module bridge); --network pasta does without",
    },
} ++ byAppArmor(apparmor) ++ byAppArmor(confined) ++ [_]Hint{
    .{
        .step = "create a user namespace",
        .errno = .PERM,
        .advice = "a seccomp filter or security module forbids it; inside another container, " ++
            "nested user namespaces must be allowed there",
    },
};

/// The first steps that take a right in the new namespace, or the right to one.
const taking_rights = [_]struct { []const u8, sys.E }{
    .{ "create a user namespace", .ACCES },
    .{ "create a user namespace", .PERM }, // made together with others, which take the right
    .{ "deny setgroups", .PERM },
    .{ "map group ids", .PERM },
    .{ "map user ids", .PERM },
    .{ "drop supplementary groups", .PERM },
    .{ "become group 0", .PERM },
    .{ "become user 0", .PERM },
    .{ "set the hostname", .PERM },
    .{ "bring up the loopback interface", .PERM },
    .{ "make the mounts private", .PERM },
    .{ "make the mounts private", .ACCES },
};

fn byAppArmor(comptime hint: fn ([]const u8, sys.E) Hint) [taking_rights.len]Hint {
    var hints: [taking_rights.len]Hint = undefined;
    for (&hints, taking_rights) |*one, step| one.* = hint(step[0], step[1]);
    return hints;
}

/// Modules that are loaded by themselves where the kernel was built with them.
const without_nf_tables =
    "this kernel lacks a part of nf_tables (modules nf_tables, nft_chain_nat, nft_masq, " ++
    "nft_fib_inet); --network pasta does without";

/// Somebody or something took a part of the image away.
const damaged_image = "the image is damaged: hb check --repair";

/// CONFIG_SECCOMP_FILTER is missing; to go on without must be the user's word.
const without_seccomp =
    "this kernel has no seccomp filters; --security-opt seccomp=unconfined does without";

/// Ubuntu's AppArmor lets the namespace be made and refuses the first thing that takes a right.
fn apparmor(step: []const u8, errno: sys.E) Hint {
    return .{
        .step = step,
        .errno = errno,
        .when = .{ .set = .{
            .path = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            .value = 1,
        } },
        .advice = "AppArmor takes all rights away in user namespaces: hb doctor prints the " ++
            "profile that gives hb its own back; or use sudo",
    };
}

/// The same by whatever profile the caller is in: a service's, a snap's, an outer container's.
fn confined(step: []const u8, errno: sys.E) Hint {
    return .{
        .step = step,
        .errno = errno,
        .when = .confined,
        .advice = "AppArmor confines hb (cat /proc/self/attr/current) and takes rights away " ++
            "that it needs: start hb outside of that profile, or with sudo",
    };
}

/// What to do about `errno` in the step `what`, if anything is known.
pub fn advice(what: []const u8, errno: sys.E) ?[]const u8 {
    for (table) |hint| {
        if (hint.errno) |wanted| if (wanted != errno) continue;
        if (!std.mem.startsWith(u8, what, hint.step)) continue;
        if (!hint.when.holds()) continue;
        return hint.advice;
    }
    return null;
}

fn readNumber(path: [*:0]const u8) ?u32 {
    var buffer: [16]u8 = undefined;
    const text = readFile(path, &buffer) orelse return null;
    return std.fmt.parseInt(u32, std.mem.trim(u8, text, " \n"), 10) catch null;
}

/// `NAME (enforce)`; SELinux has the file, too, and writes other words.
fn isConfined() bool {
    var buffer: [4096]u8 = undefined;
    const label = readFile("/proc/self/attr/current", &buffer) orelse return false;
    return std.mem.endsWith(u8, std.mem.trimEnd(u8, label, "\n\x00"), " (enforce)");
}

fn readFile(path: [*:0]const u8, buffer: []u8) ?[]const u8 {
    const fd = switch (sys.openat(sys.cwd, path, .{}, 0)) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(fd);

    return switch (sys.read(fd, buffer)) {
        .ok => |n| buffer[0..n],
        .err => null,
    };
}

/// An errno in words, as strerror(3) has them; its symbol where we have none.
pub fn words(errno: sys.E) []const u8 {
    return switch (errno) {
        .PERM => "operation not permitted",
        .NOENT => "no such file or directory",
        .IO => "input/output error",
        .NXIO => "no such device or address",
        .BADF => "bad file descriptor",
        .NOMEM => "out of memory",
        .ACCES => "permission denied",
        .BUSY => "device or resource busy",
        .EXIST => "file exists",
        .XDEV => "on another file system",
        .NODEV => "no such device",
        .NOTDIR => "not a directory",
        .ISDIR => "is a directory",
        .INVAL => "invalid argument",
        .MFILE => "too many open files",
        .FBIG => "file too large",
        .NOSPC => "no space left on device",
        .ROFS => "read-only file system",
        .NAMETOOLONG => "name too long",
        .NOSYS => "not supported by this kernel",
        .NOTEMPTY => "directory not empty",
        .LOOP => "too many levels of symbolic links",
        .OVERFLOW => "value too large",
        .OPNOTSUPP => "operation not supported",
        .DQUOT => "disk quota exceeded",
        .AGAIN => "resource temporarily unavailable",
        .NOEXEC => "exec format error",
        .PIPE => "broken pipe",
        .PROTONOSUPPORT => "protocol not supported",
        .ADDRINUSE => "address already in use",
        .NETUNREACH => "network is unreachable",
        else => @tagName(errno),
    };
}
