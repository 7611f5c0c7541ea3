//! System call names -> numbers, for every ABI a kernel of one architecture family answers to.
//!
//! The numbers are std.os.linux.syscalls'; the names are libseccomp's, because profiles are
//! written in them. Where the two spell a name differently, `spelling` translates.

const builtin = @import("builtin");
const std = @import("std");
const tables = std.os.linux.syscalls;

/// A kernel of a family runs programs of several ABIs. The first is its own, with 64-bit arguments;
/// the others pass 32 bits.
pub const Family = enum { x86, arm };

/// The family this helper is built for.
pub const native: Family = switch (builtin.cpu.arch) {
    .x86_64 => .x86,
    .aarch64 => .arm,
    else => @compileError("no system call tables for this architecture"),
};

pub const Abi = struct {
    /// As profiles call it.
    name: []const u8,
    /// AUDIT_ARCH_* (include/uapi/linux/audit.h): what seccomp_data.arch holds.
    audit: u32,
    table: type,
};

const x86_abis = [_]Abi{
    .{ .name = "SCMP_ARCH_X86_64", .audit = 0xc000003e, .table = tables.X64 },
    .{ .name = "SCMP_ARCH_X86", .audit = 0x40000003, .table = tables.X86 },
    .{ .name = "SCMP_ARCH_X32", .audit = 0xc000003e, .table = tables.X32 },
};

const arm_abis = [_]Abi{
    .{ .name = "SCMP_ARCH_AARCH64", .audit = 0xc00000b7, .table = tables.Arm64 },
    .{ .name = "SCMP_ARCH_ARM", .audit = 0x40000028, .table = tables.Arm },
};

pub fn abisOf(comptime family: Family) []const Abi {
    return switch (family) {
        .x86 => &x86_abis,
        .arm => &arm_abis,
    };
}

/// Set in the number of every x32 call; arch says x86_64 for both (arch/x86/entry/syscalls).
pub const x32_bit: u32 = 0x40000000;

/// Where 32-bit ARM keeps its private calls, far above all others (arch/arm/include/uapi).
pub const arm_private: u32 = 0x0f0000;

/// This ABI has no such call.
pub const absent = std.math.maxInt(u32);

/// The numbers of one name, by the position of the ABI in `abisOf(family)`.
pub fn Numbers(comptime family: Family) type {
    return [abisOf(family).len]u32;
}

/// The numbers of `name` in each ABI of the family; null if none has it.
pub fn find(comptime family: Family, name: []const u8) ?Numbers(family) {
    return Names(family).map.get(name);
}

fn Names(comptime family: Family) type {
    return struct {
        const map = build: {
            @setEvalBranchQuota(4_000_000);
            const abis = abisOf(family);
            const Entry = struct { []const u8, Numbers(family) };
            var entries: [1024]Entry = undefined;
            var count: usize = 0;
            for (abis, 0..) |abi, position| {
                for (@typeInfo(abi.table).@"enum".field_names) |field| {
                    const name = spelling(abi, field);
                    if (knownTo(abis[0..position], name)) continue;
                    entries[count] = .{ name, numbersOf(abis, name) };
                    count += 1;
                }
            }
            break :build std.StaticStringMap(Numbers(family)).initComptime(entries[0..count].*);
        };
    };
}

fn knownTo(comptime abis: []const Abi, comptime name: []const u8) bool {
    for (abis) |abi| if (fieldOf(abi, name) != null) return true;
    return false;
}

fn numbersOf(comptime abis: []const Abi, comptime name: []const u8) [abis.len]u32 {
    var numbers: [abis.len]u32 = @splat(absent);
    for (abis, &numbers) |abi, *number| {
        const field = fieldOf(abi, name) orelse continue;
        number.* = @backingInt(@field(abi.table, field));
    }
    return numbers;
}

const Spelling = struct { std: []const u8, libseccomp: []const u8, table: ?type = null };

const spellings = [_]Spelling{
    .{ .std = "llseek", .libseccomp = "_llseek" },
    .{ .std = "newselect", .libseccomp = "_newselect" },
    .{ .std = "sysctl", .libseccomp = "_sysctl" },
    // The kernel's 32-bit ARM headers have these two under names of their own.
    .{ .std = "fadvise64_64", .libseccomp = "arm_fadvise64_64", .table = tables.Arm },
    .{ .std = "sync_file_range", .libseccomp = "arm_sync_file_range", .table = tables.Arm },
};

/// libseccomp's name for std's.
fn spelling(comptime abi: Abi, comptime field: []const u8) []const u8 {
    for (spellings) |pair| {
        if (pair.table != null and pair.table != abi.table) continue;
        if (std.mem.eql(u8, field, pair.std)) return pair.libseccomp;
    }
    return field;
}

/// std's name for libseccomp's, in the table of `abi`.
fn fieldOf(comptime abi: Abi, comptime name: []const u8) ?[]const u8 {
    for (spellings) |pair| {
        if (pair.table != null and pair.table != abi.table) continue;
        if (std.mem.eql(u8, name, pair.std)) return null;
        if (!std.mem.eql(u8, name, pair.libseccomp)) continue;
        return if (@hasField(abi.table, pair.std)) pair.std else null;
    }
    return if (@hasField(abi.table, name)) name else null;
}

test "a name has its number in every ABI that knows it" {
    const socket = find(.x86, "socket").?;
    try std.testing.expectEqual([3]u32{ 41, 359, x32_bit + 41 }, socket);
    const chown32 = find(.x86, "chown32").?;
    try std.testing.expectEqual([3]u32{ absent, 212, absent }, chown32);
    const openat = find(.arm, "openat").?;
    try std.testing.expectEqual([2]u32{ 56, 322 }, openat);
}

test "names are spelled as profiles spell them" {
    try std.testing.expectEqual(@as(u32, 142), find(.x86, "_newselect").?[1]);
    try std.testing.expectEqual(@as(u32, 270), find(.arm, "arm_fadvise64_64").?[1]);
    try std.testing.expectEqual(@as(u32, arm_private + 5), find(.arm, "set_tls").?[1]);
    try std.testing.expectEqual([2]u32{ 84, absent }, find(.arm, "sync_file_range").?);
    try std.testing.expectEqual([2]u32{ absent, 341 }, find(.arm, "arm_sync_file_range").?);
    try std.testing.expectEqual(null, find(.x86, "newselect"));
    try std.testing.expectEqual(null, find(.x86, "riscv_flush_icache"));
}
