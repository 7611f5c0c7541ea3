//! An assembler for the classic BPF that seccomp runs (networking/filter.rst, seccomp_filter.rst).
//!
//! Instructions are written from the last to the first: jumps only go forward, so their targets
//! are known when they are written, and a `return` written already can be shared. Addresses count
//! from the program's end for the same reason.

const std = @import("std");
const linux = std.os.linux;

/// BPF_MAXINSNS; the kernel takes no longer program.
pub const instructions_max = 4096;

/// struct sock_filter.
pub const Instruction = extern struct {
    code: u16,
    jt: u8 = 0,
    jf: u8 = 0,
    k: u32,

    comptime {
        std.debug.assert(@sizeOf(Instruction) == 8);
    }
};

/// include/uapi/linux/bpf_common.h and filter.h, as far as seccomp lets them be used.
pub const load: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub const bit_and: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub const jump: u16 = 0x05; // BPF_JMP | BPF_JA
pub const jump_equal: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub const jump_greater: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
pub const jump_at_least: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub const ret: u16 = 0x06; // BPF_RET | BPF_K

/// Offsets in struct seccomp_data; arguments are 64 bits, little-endian here.
pub const offset_number = 0;
pub const offset_arch = 4;

pub fn offsetLow(argument: u32) u32 {
    return 16 + 8 * argument;
}

pub fn offsetHigh(argument: u32) u32 {
    return offsetLow(argument) + 4;
}

/// An instruction's place, counted from the end; the last one is 0.
pub const Address = u16;

pub const Error = error{ProgramTooLong};

pub const Program = struct {
    /// Filled from the end; only the last `len` are the program.
    buffer: [instructions_max]Instruction,
    len: Address,
    /// The latest `return` of each value, to be shared.
    returns: [returns_max]Return,
    returns_len: usize,

    const returns_max = 16;
    const Return = struct { value: u32, address: Address };

    /// A jump offset is 8 bits; up to two trampolines may come between a test and its targets.
    const reach = std.math.maxInt(u8) - 2;

    pub fn reset(program: *Program) void {
        program.len = 0;
        program.returns_len = 0;
    }

    pub fn instructions(program: *const Program) []const Instruction {
        return program.buffer[instructions_max - program.len ..];
    }

    fn prepend(program: *Program, instruction: Instruction) Error!Address {
        if (program.len == instructions_max) return error.ProgramTooLong;
        program.len += 1;
        program.buffer[instructions_max - program.len] = instruction;
        return program.len - 1;
    }

    /// `return value`: one in reach, or a new one.
    pub fn prependReturn(program: *Program, value: u32) Error!Address {
        for (program.returns[0..program.returns_len]) |*known| {
            if (known.value != value) continue;
            if (program.len - known.address <= reach) return known.address;
            known.address = try program.prepend(.{ .code = ret, .k = value });
            return known.address;
        }
        const address = try program.prepend(.{ .code = ret, .k = value });
        if (program.returns_len < returns_max) {
            program.returns[program.returns_len] = .{ .value = value, .address = address };
            program.returns_len += 1;
        }
        return address;
    }

    /// A load or an AND; goes on at `next`.
    pub fn prependStep(program: *Program, code: u16, k: u32, next: Address) Error!Address {
        if (next + 1 != program.len) _ = try program.prependJump(next);
        return program.prepend(.{ .code = code, .k = k });
    }

    /// A comparison of the accumulator with `k`.
    pub fn prependTest(
        program: *Program,
        code: u16,
        k: u32,
        targets: struct { yes: Address, no: Address },
    ) Error!Address {
        const yes = try program.near(targets.yes);
        const no = try program.near(targets.no);
        return program.prepend(.{
            .code = code,
            .jt = @intCast(program.len - 1 - yes),
            .jf = @intCast(program.len - 1 - no),
            .k = k,
        });
    }

    /// `target`, or a trampoline to it that a conditional jump can reach.
    fn near(program: *Program, target: Address) Error!Address {
        if (program.len - target <= reach) return target;
        return program.prependJump(target);
    }

    fn prependJump(program: *Program, target: Address) Error!Address {
        return program.prepend(.{ .code = jump, .k = program.len - 1 - target });
    }
};

/// Runs `program` as the kernel would. For tests: the kernel's own verdict cannot be asked
/// without living with it.
pub fn interpret(program: []const Instruction, data: *const linux.SECCOMP.data) !u32 {
    const words: *const [16]u32 = @ptrCast(data);
    var accumulator: u32 = 0;
    var counter: usize = 0;
    while (counter < program.len) : (counter += 1) {
        const instruction = program[counter];
        const k = instruction.k;
        const holds = switch (instruction.code) {
            load => {
                accumulator = words[k / 4];
                continue;
            },
            bit_and => {
                accumulator &= k;
                continue;
            },
            jump => {
                counter += k;
                continue;
            },
            ret => return k,
            jump_equal => accumulator == k,
            jump_greater => accumulator > k,
            jump_at_least => accumulator >= k,
            else => return error.UnknownInstruction,
        };
        counter += if (holds) instruction.jt else instruction.jf;
    }
    return error.FellOffTheEnd;
}

test "a return in reach is shared, one out of reach is written again" {
    var program: Program = undefined;
    program.reset();
    const first = try program.prependReturn(7);
    try std.testing.expectEqual(first, try program.prependReturn(7));

    var last = first;
    for (0..300) |_| last = try program.prependStep(load, offset_number, last);
    try std.testing.expect(first != try program.prependReturn(7));
}

test "a jump too far for eight bits takes a trampoline" {
    var program: Program = undefined;
    program.reset();
    const far = try program.prependReturn(1);
    var near = try program.prependReturn(2);
    for (0..300) |_| near = try program.prependStep(load, offset_arch, near);
    const head = try program.prependTest(jump_equal, 9, .{ .yes = far, .no = near });
    _ = try program.prependStep(load, offset_number, head);

    var data = std.mem.zeroes(linux.SECCOMP.data);
    try std.testing.expectEqual(2, try interpret(program.instructions(), &data));
    data.nr = 9;
    try std.testing.expectEqual(1, try interpret(program.instructions(), &data));
}

test "a program longer than the kernel takes is refused" {
    var program: Program = undefined;
    program.reset();
    var last = try program.prependReturn(0);
    for (1..instructions_max) |_| last = try program.prependStep(load, 0, last);
    try std.testing.expectError(error.ProgramTooLong, program.prependStep(load, 0, last));
}
