//! Capability sets of the payload: names of the plan -> bits -> the kernel (capabilities(7)).
//!
//! Three steps, in the order run.zig calls them:
//!
//!   dropBounding         while CAP_SETPCAP is held, before the user changes
//!   keepAcrossUserChange right before setuid, which otherwise empties the permitted set
//!   setFinal             after the user changed; CAP_SYS_ADMIN may stay until execve (see there)
//!
//! execve(2) then computes the payload's own sets: a root payload gets the bounding set, any other
//! gets the ambient set, which docker leaves empty. That is all of docker's semantics.

const std = @import("std");
const linux = std.os.linux;
const plan = @import("plan.zig");
const report = @import("report.zig");
const sys = @import("sys.zig");

/// One bit per capability number; the kernel has 41 of its 64 possible ones (Linux 6.18).
pub const Set = u64;

/// include/uapi/linux/capability.h in its order: the position is the number.
const names = [_][]const u8{
    "CHOWN",              "DAC_OVERRIDE",    "DAC_READ_SEARCH",  "FOWNER",
    "FSETID",             "KILL",            "SETGID",           "SETUID",
    "SETPCAP",            "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_ADMIN",          "NET_RAW",         "IPC_LOCK",         "IPC_OWNER",
    "SYS_MODULE",         "SYS_RAWIO",       "SYS_CHROOT",       "SYS_PTRACE",
    "SYS_PACCT",          "SYS_ADMIN",       "SYS_BOOT",         "SYS_NICE",
    "SYS_RESOURCE",       "SYS_TIME",        "SYS_TTY_CONFIG",   "MKNOD",
    "LEASE",              "AUDIT_WRITE",     "AUDIT_CONTROL",    "SETFCAP",
    "MAC_OVERRIDE",       "MAC_ADMIN",       "SYSLOG",           "WAKE_ALARM",
    "BLOCK_SUSPEND",      "AUDIT_READ",      "PERFMON",          "BPF",
    "CHECKPOINT_RESTORE",
};

const sys_admin: u6 = linux.CAP.SYS_ADMIN;

const numbers = numbers: {
    const Entry = struct { []const u8, u6 };
    var entries: [names.len]Entry = undefined;
    for (names, 0..) |name, number| entries[number] = .{ name, number };
    break :numbers std.StaticStringMap(u6).initComptime(entries);
};

/// Takes from the bounding set what the plan does not list, up to the last one this kernel has.
/// Nothing executed later can get those back: not by a set-user-ID program, not by file
/// capabilities. What the set lacks already (a container within a container) stays lacking.
pub fn dropBounding(process: plan.Process) report.Error!void {
    const keep = try fromNames(process.capabilities.bounding);
    var number: u6 = 0;
    while (true) : (number += 1) {
        // EINVAL is past the last capability: cheaper than reading /proc/sys/kernel/cap_last_cap,
        // and there may be no /proc here.
        const held = switch (prctl(.CAPBSET_READ, number, 0)) {
            .ok => |value| value == 1,
            .err => |errno| {
                if (errno == .INVAL) break;
                report.failErrno(errno, "read the bounding set", .{});
                return error.Reported;
            },
        };
        if (!held or keep & bit(number) != 0) continue;
        _ = try report.check(
            prctl(.CAPBSET_DROP, number, 0),
            "drop capability {s} from the bounding set",
            .{nameOf(number)},
        );
    }
}

/// Lets the permitted set survive the change from user 0 to another (the effective set does not).
/// execve clears the flag again.
pub fn keepAcrossUserChange() report.Error!void {
    _ = try report.check(prctl(.SET_KEEPCAPS, 1, 0), "keep capabilities across setuid", .{});
}

/// The last word before seccomp and execve. Without no_new_privs, CAP_SYS_ADMIN stays permitted
/// and effective for one more step: installing a filter needs it (seccomp(2)), and giving it up
/// afterwards would oblige every profile to allow capset. execve takes it away: it builds the new
/// permitted set from the bounding and ambient sets alone, never from the old permitted one.
pub fn setFinal(process: plan.Process) report.Error!void {
    const wanted = process.capabilities;
    const held = try report.check(get(), "read the capability sets", .{});
    var permitted = try fromNames(wanted.permitted);
    var effective = try fromNames(wanted.effective);
    if (!process.noNewPrivileges) {
        permitted |= bit(sys_admin);
        effective |= bit(sys_admin);
    }
    // What the machine does not give (hb run inside another container) cannot be passed on.
    permitted &= held.permitted;
    effective &= permitted;
    const ambient = try fromNames(wanted.ambient);
    // Ambient bits must be permitted and inheritable until execve makes them the payload's.
    permitted |= ambient & held.permitted;
    const inheritable = (try fromNames(wanted.inheritable)) & held.permitted;

    try report.check(
        set(.{ .effective = effective, .permitted = permitted, .inheritable = inheritable }),
        "set the capabilities of {s}",
        .{process.args[0]},
    );
    try raiseAmbient(ambient & permitted & inheritable);
}

fn raiseAmbient(ambient: Set) report.Error!void {
    switch (prctl(.CAP_AMBIENT, linux.PR.CAP_AMBIENT_CLEAR_ALL, 0)) {
        .ok => {},
        // Linux before 4.3 has no ambient set, so there is nothing to clear.
        .err => |errno| if (errno != .INVAL or ambient != 0) {
            report.failErrno(errno, "clear the ambient capabilities", .{});
            return error.Reported;
        },
    }
    var rest = ambient;
    while (rest != 0) : (rest &= rest - 1) {
        const number: u6 = @intCast(@ctz(rest));
        _ = try report.check(
            prctl(.CAP_AMBIENT, linux.PR.CAP_AMBIENT_RAISE, number),
            "raise ambient capability {s}",
            .{nameOf(number)},
        );
    }
}

/// The bits of `CAP_*` names. A name this helper does not know is refused: the front end knows
/// the same list, so it can only be a mistake in a hand-written bundle. A name this *kernel* does
/// not know is newer than the kernel: nothing to keep and nothing to drop.
pub fn fromNames(list: []const plan.Text) report.Error!Set {
    var found: Set = 0;
    for (list) |name| {
        const number = parse(name) orelse
            return report.fail("capability {s} is unknown", .{name});
        found |= bit(number);
    }
    return found;
}

fn parse(name: []const u8) ?u6 {
    const prefix = "CAP_";
    if (!std.mem.startsWith(u8, name, prefix)) return null;
    return numbers.get(name[prefix.len..]);
}

/// `CHOWN` for 0; a number past our table is one the kernel has and we do not.
pub fn nameOf(number: u6) []const u8 {
    return if (number < names.len) names[number] else "newer than this hb";
}

fn bit(number: u6) Set {
    return @as(Set, 1) << number;
}

// -- the kernel's side --

const Sets = struct { effective: Set, permitted: Set, inheritable: Set };

/// _LINUX_CAPABILITY_VERSION_3: two 32-bit halves. std's header struct has a 64-bit pid, which the
/// kernel's has not.
const Header = extern struct { version: u32 = 0x20080522, pid: i32 = 0 };
const Half = extern struct { effective: u32, permitted: u32, inheritable: u32 };

comptime {
    std.debug.assert(@sizeOf(Header) == 8);
    std.debug.assert(@sizeOf(Half) == 12);
}

fn get() sys.Result(Sets) {
    var header: Header = .{};
    var halves: [2]Half = undefined;
    const rc = linux.syscall2(.capget, @intFromPtr(&header), @intFromPtr(&halves));
    return switch (sys.result(void, rc)) {
        .err => |errno| .{ .err = errno },
        .ok => .{ .ok = .{
            .effective = whole(halves[0].effective, halves[1].effective),
            .permitted = whole(halves[0].permitted, halves[1].permitted),
            .inheritable = whole(halves[0].inheritable, halves[1].inheritable),
        } },
    };
}

fn set(sets: Sets) sys.Result(void) {
    var header: Header = .{};
    const halves = [2]Half{ half(sets, 0), half(sets, 32) };
    return sys.result(
        void,
        linux.syscall2(.capset, @intFromPtr(&header), @intFromPtr(&halves)),
    );
}

fn whole(low: u32, high: u32) Set {
    return @as(Set, high) << 32 | low;
}

fn half(sets: Sets, shift: u6) Half {
    return .{
        .effective = @truncate(sets.effective >> shift),
        .permitted = @truncate(sets.permitted >> shift),
        .inheritable = @truncate(sets.inheritable >> shift),
    };
}

fn prctl(option: linux.PR, arg2: usize, arg3: usize) sys.Result(usize) {
    return sys.result(usize, linux.prctl(@backingInt(option), arg2, arg3, 0, 0));
}

test "names become the kernel's numbers" {
    const found = try fromNames(&.{ "CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE" });
    try std.testing.expectEqual(bit(0) | bit(21) | bit(40), found);
    try std.testing.expectEqual(@as(?u6, linux.CAP.SETFCAP), parse("CAP_SETFCAP"));
    try std.testing.expectEqual(@as(?u6, linux.CAP.BPF), parse("CAP_BPF"));
}

test "a name without CAP_ or one nobody knows is refused" {
    report.fd = -1;
    defer report.fd = 2;

    try std.testing.expectError(error.Reported, fromNames(&.{"CHOWN"}));
    try std.testing.expectError(error.Reported, fromNames(&.{"CAP_FLY"}));
}

test "the table ends where the kernel headers end" {
    try std.testing.expectEqual(linux.CAP.LAST_CAP + 1, names.len);
    try std.testing.expectEqualStrings("CHECKPOINT_RESTORE", nameOf(linux.CAP.LAST_CAP));
}

test "sets split into halves and join again" {
    const sets: Sets = .{ .effective = bit(40) | 1, .permitted = bit(32), .inheritable = 0 };
    try std.testing.expectEqual(
        sets.effective,
        whole(half(sets, 0).effective, half(sets, 32).effective),
    );
    try std.testing.expectEqual(@as(u32, 1), half(sets, 32).permitted);
}

const chown_only = [_]plan.Text{"CAP_CHOWN"};

/// The exit status of a child that takes the three steps and looks at what it has then.
fn statusOfSteps(noNewPrivileges: bool, check: *const fn (Sets) bool) !i32 {
    var one: plan.Process = undefined;
    one.args = &.{"true"};
    one.noNewPrivileges = noNewPrivileges;
    one.capabilities = .{
        .bounding = &chown_only,
        .effective = &chown_only,
        .permitted = &chown_only,
        .inheritable = &.{},
        .ambient = &.{},
    };
    const pid = linux.fork();
    if (pid == 0) {
        dropBounding(one) catch linux.exit(10);
        keepAcrossUserChange() catch linux.exit(11);
        if (linux.setresuid(65534, 65534, 65534) != 0) linux.exit(12);
        setFinal(one) catch linux.exit(13);
        for (0..linux.CAP.LAST_CAP + 1) |number| {
            const in_bounding = prctl(.CAPBSET_READ, number, 0);
            if (in_bounding == .ok and (in_bounding.ok == 1) != (number == linux.CAP.CHOWN)) {
                linux.exit(14);
            }
        }
        linux.exit(if (check(get().ok)) 0 else 15);
    }
    var status: i32 = undefined;
    _ = linux.waitpid(@intCast(pid), &status, 0);
    return status;
}

fn hasChownOnly(sets: Sets) bool {
    return sets.permitted == bit(0) and sets.effective == bit(0) and sets.inheritable == 0;
}

fn hasChownAndAdmin(sets: Sets) bool {
    const both = bit(0) | bit(sys_admin);
    return sets.permitted == both and sets.effective == both and sets.inheritable == 0;
}

fn mayTestForReal() bool {
    const held = get();
    return held == .ok and held.ok.effective & bit(linux.CAP.SETPCAP) != 0 and linux.getuid() == 0;
}

test "with no_new_privs exactly the named capabilities survive the change of user" {
    if (!mayTestForReal()) return error.SkipZigTest;
    try std.testing.expectEqual(0, try statusOfSteps(true, hasChownOnly));
}

test "without no_new_privs CAP_SYS_ADMIN stays for the seccomp filter" {
    if (!mayTestForReal()) return error.SkipZigTest;
    try std.testing.expectEqual(0, try statusOfSteps(false, hasChownAndAdmin));
}
