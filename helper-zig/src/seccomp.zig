//! The plan's `linux.seccomp` (runtime-spec, config-linux.md) -> a BPF program -> seccomp(2).
//!
//! What the program asks, in this order: which ABI made the call (an unlisted one kills the thread,
//! as libseccomp's default does), then for x86_64 whether the number is an x32 one, then a balanced
//! binary search over ranges of numbers with one outcome each, and only then arguments.
//!
//! Where the spec is silent runc and libseccomp are followed:
//!   - a rule without arguments beats rules with arguments; among equals the first wins;
//!   - several rules with arguments are alternatives, arguments within one rule must all hold,
//!     and arguments naming one index twice are alternatives again (runc's `matchCall`);
//!   - names no ABI has are skipped: profiles name system calls of other kernels;
//!   - numbers above the highest one the profile names get ENOSYS, not the default action, so
//!     that libcs fall back (opencontainers/runc#2750), unless the default lets calls through.
//! Not followed: libseccomp turns a rule for socket(2) and its like on 32-bit x86 into one for
//! socketcall(2) as well. A profile that refuses socketcall refuses it here.
//!
//! Two things are stricter or finer than there: arguments of socket(2) are compared as the `int`
//! the kernel takes, because a 64-bit comparison lets `AF_VSOCK + 2^32` pass a rule against
//! AF_VSOCK; and 32-bit ARM's private calls do not hide new calls from the ENOSYS rule.

const std = @import("std");
const linux = std.os.linux;
const bpf = @import("bpf.zig");
const plan = @import("plan.zig");
const report = @import("report.zig");
const sys = @import("sys.zig");
const syscall_table = @import("syscall_table.zig");

const RET = linux.SECCOMP.RET;
const Address = bpf.Address;

pub const Program = bpf.Program;

/// Compiles `profile` for the kernel this helper is built for. Nothing is allocated.
pub fn compile(program: *Program, profile: plan.Seccomp) report.Error!void {
    return compileFor(syscall_table.native, program, profile);
}

/// Installs the filter for this thread and what it executes. CAP_SYS_ADMIN in the own user
/// namespace or no_new_privs is needed, so it stands after either and right before execve: the
/// filter then need not allow anything but that.
pub fn install(program: *const Program) report.Error!void {
    const instructions = program.instructions();
    const Header = extern struct { len: u16, filter: [*]const bpf.Instruction };
    const header: Header = .{ .len = @intCast(instructions.len), .filter = instructions.ptr };
    // SPEC_ALLOW as runc (1.2) and crun do: before Linux 5.16 a filter otherwise turns the
    // speculative store bypass mitigation on, which guards a process against itself at up to half
    // its speed. Linux before 4.17 does not know the flag and has no such mitigation to turn off.
    const outcome = setFilter(linux.SECCOMP.FILTER_FLAG.SPEC_ALLOW, &header);
    if (outcome != .err or outcome.err != .INVAL) {
        return report.check(outcome, "install the seccomp filter", .{});
    }
    return report.check(setFilter(0, &header), "install the seccomp filter", .{});
}

/// PR_SET_NO_NEW_PRIVS: from here on execve grants nothing, set-user-ID programs included.
pub fn forbidNewPrivileges() report.Error!void {
    const rc = linux.prctl(@backingInt(linux.PR.SET_NO_NEW_PRIVS), 1, 0, 0, 0);
    return report.check(sys.result(void, rc), "set no_new_privs", .{});
}

fn setFilter(flags: u32, header: *const anyopaque) sys.Result(void) {
    return sys.result(void, linux.seccomp(linux.SECCOMP.SET_MODE_FILTER, flags, header));
}

fn compileFor(
    comptime family: syscall_table.Family,
    program: *Program,
    profile: plan.Seccomp,
) report.Error!void {
    var filter: Filter(family) = .{ .default = try actionOf(.{
        .name = profile.defaultAction,
        .errnoRet = profile.defaultErrnoRet,
        .where = "defaultAction",
    }) };
    try filter.setArchitectures(profile.architectures);
    for (profile.syscalls) |rule| try filter.addRule(rule);
    filter.refuseNewerCalls();
    filter.emit(program) catch |failure| return switch (failure) {
        error.ProgramTooLong => report.fail(
            "the seccomp profile needs more than {d} BPF instructions; use fewer argument rules",
            .{bpf.instructions_max},
        ),
    };
}

/// Every regular system call number is below; the highest in use is x32's 547.
const regular_max = 640;
/// ARM's private calls follow in slots of their own.
const private_max = 8;
const slots_max = regular_max + private_max;

const alternatives_max = 1024;

/// One rule with arguments: all of `conditions` must hold.
const Alternative = struct {
    conditions: []const plan.SyscallArg,
    action: u32,
    /// Compare 32 bits although the ABI passes 64.
    int_arguments: bool,
    next: ?u16,
};

/// What one ABI's calls get, by slot.
const Outcomes = struct {
    listed: bool = false,
    /// Null: the default, or the alternatives below.
    action: [slots_max]?u32 = @splat(null),
    first: [slots_max]?u16 = @splat(null),
    last: [slots_max]?u16 = @splat(null),
    highest_regular: ?usize = null,

    fn sameAt(outcomes: *const Outcomes, a: usize, b: usize) bool {
        if (outcomes.action[a]) |action| return outcomes.action[b] == action;
        if (outcomes.action[b] != null) return false;
        return outcomes.first[a] == null and outcomes.first[b] == null;
    }
};

fn Filter(comptime family: syscall_table.Family) type {
    const abis = syscall_table.abisOf(family);
    return struct {
        default: u32,
        abi: [abis.len]Outcomes = @splat(.{}),
        alternatives: [alternatives_max]Alternative = undefined,
        alternatives_len: u16 = 0,

        const Self = @This();

        fn setArchitectures(filter: *Self, names: []const plan.Text) report.Error!void {
            // libseccomp's filters always hold the native ABI.
            filter.abi[0].listed = true;
            next: for (names) |name| {
                inline for (abis, &filter.abi) |abi, *outcomes| {
                    if (std.mem.eql(u8, name, abi.name)) {
                        outcomes.listed = true;
                        continue :next;
                    }
                }
                // Another family's ABI: no program of it runs on this kernel.
                if (!std.mem.startsWith(u8, name, "SCMP_ARCH_")) {
                    return report.fail("seccomp architecture {s} is unknown", .{name});
                }
            }
        }

        fn addRule(filter: *Self, rule: plan.SyscallRule) report.Error!void {
            const action = try actionOf(.{
                .name = rule.action,
                .errnoRet = rule.errnoRet,
                .where = if (rule.names.len > 0) rule.names[0] else "a rule",
            });
            for (rule.args) |condition| try checkCondition(condition);
            const alternate = namesOneIndexTwice(rule.args);
            for (rule.names) |name| {
                const numbers = syscall_table.find(family, name) orelse continue;
                for (&filter.abi, numbers) |*outcomes, number| {
                    if (number == syscall_table.absent) continue;
                    const slot = slotOf(number);
                    if (slot < regular_max) {
                        outcomes.highest_regular = @max(outcomes.highest_regular orelse 0, slot);
                    }
                    // The default's own action adds nothing; libseccomp refuses such a rule and
                    // runc skips it.
                    if (action == filter.default) continue;
                    if (rule.args.len == 0) {
                        if (outcomes.action[slot] == null) outcomes.action[slot] = action;
                        continue;
                    }
                    const int_arguments = std.mem.eql(u8, name, "socket");
                    const step = if (alternate) 1 else rule.args.len;
                    var start: usize = 0;
                    while (start < rule.args.len) : (start += step) {
                        try filter.addAlternative(outcomes, slot, .{
                            .conditions = rule.args[start..][0..step],
                            .action = action,
                            .int_arguments = int_arguments,
                            .next = null,
                        });
                    }
                }
            }
        }

        fn addAlternative(
            filter: *Self,
            outcomes: *Outcomes,
            slot: usize,
            alternative: Alternative,
        ) report.Error!void {
            const index = filter.alternatives_len;
            if (index == alternatives_max) return report.fail(
                "the seccomp profile has more than {d} rules with arguments",
                .{alternatives_max},
            );
            filter.alternatives[index] = alternative;
            filter.alternatives_len += 1;
            if (outcomes.last[slot]) |last| {
                filter.alternatives[last].next = index;
            } else {
                outcomes.first[slot] = index;
            }
            outcomes.last[slot] = index;
        }

        /// Calls the profile's authors could not have known do not exist, rather than being
        /// forbidden. A default that lets calls through (or traces them) is left alone, and so is
        /// an ABI of which the profile names nothing.
        fn refuseNewerCalls(filter: *Self) void {
            switch (filter.default & RET.ACTION_FULL) {
                RET.ALLOW, RET.LOG, RET.TRACE => return,
                else => {},
            }
            for (&filter.abi) |*outcomes| {
                const highest = outcomes.highest_regular orelse continue;
                for (outcomes.action[highest + 1 .. regular_max]) |*action| action.* = enosys;
            }
        }

        fn emit(filter: *Self, program: *Program) bpf.Error!void {
            program.reset();
            // From the end: an ABI nobody listed, then each ABI's tree, then the guards.
            var otherwise = try program.prependReturn(RET.KILL_THREAD);
            comptime var position = abis.len;
            inline while (position > 1) {
                position -= 1;
                const abi = abis[position];
                if (abi.audit != abis[0].audit and filter.abi[position].listed) {
                    const tree = try filter.emitNumbers(program, position);
                    otherwise = try program.prependTest(
                        bpf.jump_equal,
                        abi.audit,
                        .{ .yes = tree, .no = otherwise },
                    );
                }
            }
            const native = switch (family) {
                .x86 => try filter.emitX86(program),
                .arm => try filter.emitNumbers(program, 0),
            };
            const guard = try program.prependTest(
                bpf.jump_equal,
                abis[0].audit,
                .{ .yes = native, .no = otherwise },
            );
            _ = try program.prependStep(bpf.load, bpf.offset_arch, guard);
        }

        /// x86_64 and x32 share an AUDIT_ARCH: the number's bit 30 tells them apart, and a filter
        /// that does not look is passed by in x32 (seccomp(2), "the x32 ABI").
        fn emitX86(filter: *Self, program: *Program) bpf.Error!Address {
            const x32 = if (filter.abi[2].listed)
                try filter.emitTree(program, 2)
            else unlisted: {
                // -1 is how a tracer skips a call: not x32, and not a reason to kill.
                const kill = try program.prependReturn(RET.KILL_THREAD);
                const default = try program.prependReturn(filter.default);
                break :unlisted try program.prependTest(
                    bpf.jump_equal,
                    std.math.maxInt(u32),
                    .{ .yes = default, .no = kill },
                );
            };
            const x86_64 = try filter.emitTree(program, 0);
            const split = try program.prependTest(
                bpf.jump_at_least,
                syscall_table.x32_bit,
                .{ .yes = x32, .no = x86_64 },
            );
            return program.prependStep(bpf.load, bpf.offset_number, split);
        }

        fn emitNumbers(filter: *Self, program: *Program, position: usize) bpf.Error!Address {
            const tree = try filter.emitTree(program, position);
            return program.prependStep(bpf.load, bpf.offset_number, tree);
        }

        /// A binary search for the number in the accumulator.
        fn emitTree(filter: *Self, program: *Program, position: usize) bpf.Error!Address {
            const outcomes = &filter.abi[position];
            var starts: [slots_max]u16 = undefined;
            starts[0] = 0;
            var count: usize = 1;
            const slots_end: usize = if (hasPrivateCalls(position)) slots_max else regular_max;
            for (1..slots_end) |slot| {
                if (outcomes.sameAt(slot - 1, slot)) continue;
                starts[count] = @intCast(slot);
                count += 1;
            }
            return filter.emitBranch(program, position, starts[0..count]);
        }

        /// `starts`: the first slots of the ranges still possible.
        fn emitBranch(
            filter: *Self,
            program: *Program,
            position: usize,
            starts: []const u16,
        ) bpf.Error!Address {
            if (starts.len == 1) return filter.emitLeaf(program, position, starts[0]);
            const middle = starts.len / 2;
            const upper = try filter.emitBranch(program, position, starts[middle..]);
            const lower = try filter.emitBranch(program, position, starts[0..middle]);
            const number = numberOf(starts[middle], isX32(position));
            return program.prependTest(bpf.jump_at_least, number, .{ .yes = upper, .no = lower });
        }

        fn isX32(position: usize) bool {
            return family == .x86 and position == 2;
        }

        fn hasPrivateCalls(position: usize) bool {
            return family == .arm and position == 1;
        }

        fn emitLeaf(
            filter: *Self,
            program: *Program,
            position: usize,
            slot: usize,
        ) bpf.Error!Address {
            const outcomes = &filter.abi[position];
            if (outcomes.action[slot]) |action| return program.prependReturn(action);
            var address = try program.prependReturn(filter.default);
            // The chain is in the profile's order and the program is written backwards.
            var indexes: [alternatives_max]u16 = undefined;
            var count: usize = 0;
            var next = outcomes.first[slot];
            while (next) |index| : (next = filter.alternatives[index].next) {
                indexes[count] = index;
                count += 1;
            }
            while (count > 0) {
                count -= 1;
                const alternative = &filter.alternatives[indexes[count]];
                const narrow = position > 0 or alternative.int_arguments;
                address = try emitAlternative(program, alternative, narrow, address);
            }
            return address;
        }
    };
}

/// Writes the tests of one rule: its action if all hold, else on to `otherwise`.
fn emitAlternative(
    program: *Program,
    alternative: *const Alternative,
    narrow: bool,
    otherwise: Address,
) bpf.Error!Address {
    var address = try program.prependReturn(alternative.action);
    var count = alternative.conditions.len;
    while (count > 0) {
        count -= 1;
        const condition = &alternative.conditions[count];
        const targets: Targets = .{ .yes = address, .no = otherwise };
        address = if (narrow)
            try emitNarrow(program, condition, targets)
        else
            try emitWide(program, condition, targets);
    }
    return address;
}

const Targets = struct {
    yes: Address,
    no: Address,

    fn flipped(targets: Targets) Targets {
        return .{ .yes = targets.no, .no = targets.yes };
    }
};

/// The comparison that decides on the low words once the high words are equal, and whether it
/// must fail for the condition to hold.
const Comparison = struct { code: u16, negated: bool };

fn comparisonOf(op: []const u8) ?Comparison {
    const known = [_]struct { []const u8, Comparison }{
        .{ "SCMP_CMP_EQ", .{ .code = bpf.jump_equal, .negated = false } },
        .{ "SCMP_CMP_NE", .{ .code = bpf.jump_equal, .negated = true } },
        .{ "SCMP_CMP_GT", .{ .code = bpf.jump_greater, .negated = false } },
        .{ "SCMP_CMP_LE", .{ .code = bpf.jump_greater, .negated = true } },
        .{ "SCMP_CMP_GE", .{ .code = bpf.jump_at_least, .negated = false } },
        .{ "SCMP_CMP_LT", .{ .code = bpf.jump_at_least, .negated = true } },
        .{ masked_equal, .{ .code = bpf.jump_equal, .negated = false } },
    };
    for (known) |entry| if (std.mem.eql(u8, op, entry[0])) return entry[1];
    return null;
}

const masked_equal = "SCMP_CMP_MASKED_EQ";

fn emitNarrow(
    program: *Program,
    condition: *const plan.SyscallArg,
    targets: Targets,
) bpf.Error!Address {
    const comparison = comparisonOf(condition.op).?; // proven: checkCondition saw it
    const ends = if (comparison.negated) targets.flipped() else targets;
    const low = bpf.offsetLow(condition.index);
    if (std.mem.eql(u8, condition.op, masked_equal)) {
        const value: u32 = @truncate(condition.valueTwo);
        return emitMasked(program, low, @truncate(condition.value), value, ends);
    }
    const value: u32 = @truncate(condition.value);
    const decision = try program.prependTest(
        comparison.code,
        value,
        .{ .yes = ends.yes, .no = ends.no },
    );
    return program.prependStep(bpf.load, low, decision);
}

fn emitWide(
    program: *Program,
    condition: *const plan.SyscallArg,
    targets: Targets,
) bpf.Error!Address {
    const comparison = comparisonOf(condition.op).?; // proven: checkCondition saw it
    const ends = if (comparison.negated) targets.flipped() else targets;
    const low_words = try emitNarrow(program, condition, targets);
    const high = bpf.offsetHigh(condition.index);
    if (std.mem.eql(u8, condition.op, masked_equal)) {
        const mask: u32 = @truncate(condition.value >> 32);
        const value: u32 = @truncate(condition.valueTwo >> 32);
        if (mask == 0 and value == 0) return low_words;
        return emitMasked(program, high, mask, value, .{ .yes = low_words, .no = ends.no });
    }
    const value: u32 = @truncate(condition.value >> 32);
    var decision = try program.prependTest(
        bpf.jump_equal,
        value,
        .{ .yes = low_words, .no = ends.no },
    );
    if (comparison.code != bpf.jump_equal) {
        decision = try program.prependTest(
            bpf.jump_greater,
            value,
            .{ .yes = ends.yes, .no = decision },
        );
    }
    return program.prependStep(bpf.load, high, decision);
}

/// (word at `offset` & mask) == value
fn emitMasked(
    program: *Program,
    offset: u32,
    mask: u32,
    value: u32,
    targets: Targets,
) bpf.Error!Address {
    const decision = try program.prependTest(
        bpf.jump_equal,
        value,
        .{ .yes = targets.yes, .no = targets.no },
    );
    const masked = try program.prependStep(bpf.bit_and, mask, decision);
    return program.prependStep(bpf.load, offset, masked);
}

fn slotOf(number: u32) usize {
    const plain = number & ~syscall_table.x32_bit;
    if (plain < syscall_table.arm_private) return plain;
    return regular_max + (plain - syscall_table.arm_private);
}

fn numberOf(slot: u32, x32: bool) u32 {
    if (slot >= regular_max) return syscall_table.arm_private + (slot - regular_max);
    return if (x32) slot | syscall_table.x32_bit else slot;
}

fn checkCondition(condition: plan.SyscallArg) report.Error!void {
    if (comparisonOf(condition.op) == null) {
        return report.fail("seccomp operator {s} is unknown", .{condition.op});
    }
    if (condition.index > 5) {
        return report.fail(
            "seccomp argument {d}: a system call has six, 0 to 5",
            .{condition.index},
        );
    }
}

fn namesOneIndexTwice(conditions: []const plan.SyscallArg) bool {
    for (conditions, 0..) |condition, position| {
        for (conditions[0..position]) |earlier| if (earlier.index == condition.index) return true;
    }
    return false;
}

// -- actions --

const enosys: u32 = RET.ERRNO | @as(u32, @backingInt(linux.E.NOSYS));

const ActionText = struct { name: []const u8, errnoRet: ?u32, where: []const u8 };

/// The filter's return value. `errnoRet` is EPERM where the profile is silent (runtime-spec).
fn actionOf(text: ActionText) report.Error!u32 {
    const known = [_]struct { []const u8, u32 }{
        .{ "SCMP_ACT_ALLOW", RET.ALLOW },
        .{ "SCMP_ACT_ERRNO", RET.ERRNO },
        .{ "SCMP_ACT_KILL", RET.KILL_THREAD },
        .{ "SCMP_ACT_KILL_THREAD", RET.KILL_THREAD },
        .{ "SCMP_ACT_KILL_PROCESS", RET.KILL_PROCESS },
        .{ "SCMP_ACT_TRAP", RET.TRAP },
        .{ "SCMP_ACT_LOG", RET.LOG },
        .{ "SCMP_ACT_TRACE", RET.TRACE },
    };
    for (known) |entry| {
        if (!std.mem.eql(u8, text.name, entry[0])) continue;
        if (entry[1] != RET.ERRNO and entry[1] != RET.TRACE) return entry[1];
        const errno = text.errnoRet orelse @backingInt(linux.E.PERM);
        return entry[1] | (errno & RET.DATA);
    }
    if (std.mem.eql(u8, text.name, "SCMP_ACT_NOTIFY")) return report.fail(
        "seccomp action SCMP_ACT_NOTIFY for {s} needs a listener, which hb has not; use another",
        .{text.where},
    );
    return report.fail("seccomp action {s} for {s} is unknown", .{ text.name, text.where });
}

// -- tests --

const testing = std.testing;

/// What the filter says to a call; `arch` and `number` as the kernel would fill them in.
const Call = struct { arch: u32 = 0xc000003e, number: u32, args: [6]u64 = @splat(0) };

fn verdict(program: *const Program, call: Call) !u32 {
    const data: linux.SECCOMP.data = .{
        .nr = @bitCast(call.number),
        .arch = call.arch,
        .instruction_pointer = 0,
        .arg0 = call.args[0],
        .arg1 = call.args[1],
        .arg2 = call.args[2],
        .arg3 = call.args[3],
        .arg4 = call.args[4],
        .arg5 = call.args[5],
    };
    return bpf.interpret(program.instructions(), &data);
}

const eperm = RET.ERRNO | 1;
const all_x86 = [_]plan.Text{ "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };

fn allow(names: []const plan.Text, args: []const plan.SyscallArg) plan.SyscallRule {
    return .{ .names = names, .action = "SCMP_ACT_ALLOW", .args = args };
}

fn denying(architectures: []const plan.Text, syscalls: []const plan.SyscallRule) plan.Seccomp {
    return .{
        .defaultAction = "SCMP_ACT_ERRNO",
        .architectures = architectures,
        .syscalls = syscalls,
    };
}

test "a listed call is allowed, one between gets the default, a newer one ENOSYS" {
    var program: Program = undefined;
    const names = [_]plan.Text{ "read", "close", "mseal", "no_such_call" };
    try compileFor(.x86, &program, denying(&all_x86, &.{allow(&names, &.{})}));

    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 0 }));
    try testing.expectEqual(eperm, try verdict(&program, .{ .number = 1 }));
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 3 }));
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 462 }));
    try testing.expectEqual(enosys, try verdict(&program, .{ .number = 463 }));
    try testing.expectEqual(enosys, try verdict(&program, .{ .number = 100_000 }));
}

test "each ABI has its own numbers and an unlisted one is killed" {
    var program: Program = undefined;
    const rules = [_]plan.SyscallRule{allow(&.{ "socket", "mseal" }, &.{})};
    const compat_arch = 0x40000003;
    const aarch64 = 0xc00000b7;

    try compileFor(.x86, &program, denying(&all_x86, &rules));
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 41 }));
    try testing.expectEqual(eperm, try verdict(&program, .{ .number = 359 }));
    const in_compat = try verdict(&program, .{ .arch = compat_arch, .number = 359 });
    try testing.expectEqual(RET.ALLOW, in_compat);
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 0x40000000 | 41 }));
    try testing.expectEqual(
        RET.KILL_THREAD,
        try verdict(&program, .{ .arch = aarch64, .number = 198 }),
    );

    try compileFor(.x86, &program, denying(all_x86[0..1], &rules));
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 41 }));
    const x32 = try verdict(&program, .{ .number = 0x40000000 | 41 });
    try testing.expectEqual(RET.KILL_THREAD, x32);
    const skipped = try verdict(&program, .{ .number = std.math.maxInt(u32) });
    try testing.expectEqual(eperm, skipped);
    const compat = try verdict(&program, .{ .arch = compat_arch, .number = 359 });
    try testing.expectEqual(RET.KILL_THREAD, compat);
}

test "32-bit ARM's private calls are found and do not hide newer calls" {
    var program: Program = undefined;
    const names = [_]plan.Text{ "read", "set_tls", "mseal" };
    const architectures = [_]plan.Text{ "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM" };
    try compileFor(.arm, &program, denying(&architectures, &.{allow(&names, &.{})}));

    const arm = 0x40000028;
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .arch = arm, .number = 3 }));
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .arch = arm, .number = 0xf0005 }));
    try testing.expectEqual(eperm, try verdict(&program, .{ .arch = arm, .number = 0xf0004 }));
    try testing.expectEqual(enosys, try verdict(&program, .{ .arch = arm, .number = 463 }));
    try testing.expectEqual(
        RET.ALLOW,
        try verdict(&program, .{ .arch = 0xc00000b7, .number = 63 }),
    );
}

test "every operator compares all 64 bits" {
    const v: u64 = 0x1_0000_0005;
    const samples = [_]u64{ 0, 4, 5, 6, v - 1, v, v + 1, 0x2_0000_0000, std.math.maxInt(u64) };
    const mask: u64 = 0x1_0000_0001;
    inline for (.{ "EQ", "NE", "GT", "GE", "LT", "LE", "MASKED_EQ" }) |op| {
        const masked = comptime std.mem.eql(u8, op, "MASKED_EQ");
        const args = [_]plan.SyscallArg{.{
            .index = 3,
            .value = if (masked) mask else v,
            .valueTwo = if (masked) mask else 0,
            .op = "SCMP_CMP_" ++ op,
        }};
        var program: Program = undefined;
        try compileFor(.x86, &program, denying(&all_x86, &.{allow(&.{"read"}, &args)}));
        for (samples) |a| {
            const holds = if (masked) a & mask == mask else switch (op[0]) {
                'E' => a == v,
                'N' => a != v,
                'G' => if (op[1] == 'T') a > v else a >= v,
                else => if (op[1] == 'T') a < v else a <= v,
            };
            const got = try verdict(&program, .{ .number = 0, .args = .{ 0, 0, 0, a, 0, 0 } });
            try testing.expectEqual(if (holds) RET.ALLOW else @as(u32, eperm), got);
        }
    }
}

test "rules are alternatives, arguments of one rule must all hold" {
    var program: Program = undefined;
    const both = [_]plan.SyscallArg{
        .{ .index = 0, .value = 1, .op = "SCMP_CMP_EQ" },
        .{ .index = 1, .value = 2, .op = "SCMP_CMP_EQ" },
    };
    const nine = [_]plan.SyscallArg{.{ .index = 0, .value = 9, .op = "SCMP_CMP_EQ" }};
    const rules = [_]plan.SyscallRule{ allow(&.{"read"}, &both), allow(&.{"read"}, &nine) };
    try compileFor(.x86, &program, denying(&all_x86, &rules));

    const Row = struct { [2]u64, u32 };
    for ([_]Row{
        .{ .{ 1, 2 }, RET.ALLOW },
        .{ .{ 1, 3 }, eperm },
        .{ .{ 2, 2 }, eperm },
        .{ .{ 9, 3 }, RET.ALLOW },
    }) |row| {
        const args = .{ row[0][0], row[0][1], 0, 0, 0, 0 };
        try testing.expectEqual(row[1], try verdict(&program, .{ .number = 0, .args = args }));
    }
}

test "arguments naming one index twice are alternatives" {
    var program: Program = undefined;
    const args = [_]plan.SyscallArg{
        .{ .index = 0, .value = 1, .op = "SCMP_CMP_EQ" },
        .{ .index = 0, .value = 2, .op = "SCMP_CMP_EQ" },
    };
    try compileFor(.x86, &program, denying(&all_x86, &.{allow(&.{"read"}, &args)}));
    for ([_]u64{ 1, 2, 3 }) |a| {
        const expected: u32 = if (a < 3) RET.ALLOW else eperm;
        const got = try verdict(&program, .{ .number = 0, .args = .{ a, 0, 0, 0, 0, 0 } });
        try testing.expectEqual(expected, got);
    }
}

test "a rule without arguments beats one with, and the first of two wins" {
    var program: Program = undefined;
    const args = [_]plan.SyscallArg{.{ .index = 0, .value = 1, .op = "SCMP_CMP_EQ" }};
    const rules = [_]plan.SyscallRule{
        .{ .names = &.{"read"}, .action = "SCMP_ACT_KILL_PROCESS", .args = &args },
        allow(&.{"read"}, &.{}),
        .{ .names = &.{"read"}, .action = "SCMP_ACT_TRAP" },
        .{ .names = &.{"write"}, .action = "SCMP_ACT_ERRNO", .errnoRet = 38 },
    };
    try compileFor(.x86, &program, denying(&all_x86, &rules));
    const one = [6]u64{ 1, 0, 0, 0, 0, 0 };
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 0, .args = one }));
    try testing.expectEqual(enosys, try verdict(&program, .{ .number = 1 }));
}

test "the family of socket(2) is compared as the int the kernel takes" {
    var program: Program = undefined;
    const below = [_]plan.SyscallArg{.{ .index = 0, .value = 40, .op = "SCMP_CMP_LT" }};
    const above = [_]plan.SyscallArg{.{ .index = 0, .value = 40, .op = "SCMP_CMP_GT" }};
    const rules = [_]plan.SyscallRule{ allow(&.{"socket"}, &below), allow(&.{"socket"}, &above) };
    try compileFor(.x86, &program, denying(&all_x86, &rules));
    for ([_]u64{ 40, 0x1_0000_0000 | 40 }) |family| {
        const args = [6]u64{ family, 0, 0, 0, 0, 0 };
        try testing.expectEqual(eperm, try verdict(&program, .{ .number = 41, .args = args }));
    }
    const unix = [6]u64{ 1, 0, 0, 0, 0, 0 };
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 41, .args = unix }));
}

test "a permissive default is left alone above the highest number" {
    var program: Program = undefined;
    try compileFor(.x86, &program, .{
        .defaultAction = "SCMP_ACT_ALLOW",
        .syscalls = &.{.{ .names = &.{"read"}, .action = "SCMP_ACT_ERRNO" }},
    });
    try testing.expectEqual(eperm, try verdict(&program, .{ .number = 0 }));
    try testing.expectEqual(RET.ALLOW, try verdict(&program, .{ .number = 600 }));
}

test "unknown words and SCMP_ACT_NOTIFY are refused" {
    report.fd = -1;
    defer report.fd = 2;

    var program: Program = undefined;
    const bad_op = [_]plan.SyscallArg{.{ .index = 0, .value = 0, .op = "==" }};
    const bad_index = [_]plan.SyscallArg{.{ .index = 6, .value = 0, .op = "SCMP_CMP_EQ" }};
    const rows = [_]plan.Seccomp{
        .{ .defaultAction = "DENY" },
        .{ .defaultAction = "SCMP_ACT_NOTIFY" },
        denying(&.{"X86"}, &.{}),
        denying(&.{}, &.{.{ .names = &.{"read"}, .action = "SCMP_ACT_NOTIFY" }}),
        denying(&.{}, &.{allow(&.{"read"}, &bad_op)}),
        denying(&.{}, &.{allow(&.{"read"}, &bad_index)}),
    };
    for (rows) |profile| {
        try testing.expectError(error.Reported, compileFor(.x86, &program, profile));
    }
}

test "the kernel takes the program and obeys it" {
    var program: Program = undefined;
    try compile(&program, .{
        .defaultAction = "SCMP_ACT_ALLOW",
        .syscalls = &.{.{ .names = &.{"sync"}, .action = "SCMP_ACT_ERRNO", .errnoRet = 42 }},
    });
    const pid = linux.fork();
    if (pid == 0) {
        forbidNewPrivileges() catch linux.exit(1);
        install(&program) catch linux.exit(2);
        const errno = linux.errno(linux.syscall0(.sync));
        linux.exit(if (@backingInt(errno) == 42) 0 else 3);
    }
    var status: i32 = undefined;
    _ = linux.waitpid(@intCast(pid), &status, 0);
    try testing.expectEqual(0, status);
}
