//! Why a program that exists cannot be run, from its first bytes: the kernel's errno alone sends
//! people looking in the wrong place (ENOENT is as often the interpreter as the program).

const std = @import("std");
const builtin = @import("builtin");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");

/// How much of the program is looked at. An ELF's program headers and interpreter are in there.
const head_bytes_max = 4096;

/// Whether something is at `path`, whatever it is.
pub fn exists(path: [*:0]const u8) bool {
    return sys.statat(sys.cwd, path, 0) == .ok;
}

/// Says why `name`, found at `path`, could not be executed; the exit status.
pub fn failure(name: []const u8, path: [:0]const u8, errno: sys.E) u8 {
    const missing = errno == .NOENT or errno == .NOTDIR;
    if (missing and !exists(path)) {
        report.fail("exec \"{s}\": no such file", .{name}) catch {};
        return report.exit_not_found;
    }
    var head: [head_bytes_max]u8 = undefined;
    const reason = explain(readHead(path, &head), errno);
    switch (reason) {
        .unknown => report.failErrno(errno, "exec \"{s}\"", .{name}),
        .interpreter => |interpreter| report.fail(
            "exec \"{s}\": its interpreter {s} is missing from the image",
            .{ name, interpreter },
        ) catch {},
        .machine => |machine| report.fail(
            "exec \"{s}\": built for {s}, this machine is {s}; " ++
                "use an image of this platform, or install qemu-user-static and binfmt-support",
            .{ name, machine, @tagName(builtin.cpu.arch) },
        ) catch {},
        .no_program => report.fail(
            "exec \"{s}\": neither a program nor a script that starts with #!",
            .{name},
        ) catch {},
        .directory => report.fail("exec \"{s}\": is a directory", .{name}) catch {},
    }
    return if (missing) report.exit_not_found else report.exit_not_executable;
}

const Reason = union(enum) {
    unknown,
    interpreter: []const u8,
    machine: []const u8,
    no_program,
    directory,
};

fn readHead(path: [*:0]const u8, buffer: []u8) ?[]const u8 {
    const fd = switch (sys.openat(sys.cwd, path, .{ .NONBLOCK = true, .NOCTTY = true }, 0)) {
        .ok => |fd| fd,
        // Executable and not readable happens; then there is nothing to say.
        .err => return null,
    };
    defer sys.close(fd);

    return switch (sys.readAll(fd, buffer)) {
        .ok => |length| buffer[0..length],
        .err => |e| if (e == .ISDIR) "" else null,
    };
}

fn explain(read: ?[]const u8, errno: sys.E) Reason {
    const head = read orelse return .unknown;
    switch (errno) {
        .NOENT, .NOTDIR => {
            const interpreter = scriptInterpreter(head) orelse elfInterpreter(head) orelse
                return .unknown;
            return .{ .interpreter = interpreter };
        },
        .NOEXEC => return .{ .machine = foreignMachine(head) orelse return .no_program },
        .ACCES => return if (head.len == 0) .directory else .unknown,
        // What the kernel says of an ELF whose interpreter is of another machine.
        .LIBBAD => return .{ .machine = foreignMachine(head) orelse return .unknown },
        else => return .unknown,
    }
}

/// The path after `#!`.
fn scriptInterpreter(head: []const u8) ?[]const u8 {
    if (!std.mem.startsWith(u8, head, "#!")) return null;
    const line = std.mem.sliceTo(head[2..], '\n');
    var words = std.mem.tokenizeAny(u8, line, " \t");
    // A carriage return left by an editor is part of the name, and not seen by who reads it.
    return words.next();
}

const elf_magic = "\x7fELF";

/// What PT_INTERP names, of a 64-bit little-endian file. Offsets are those of elf(5).
fn elfInterpreter(head: []const u8) ?[]const u8 {
    if (head.len < 64 or !std.mem.startsWith(u8, head, elf_magic)) return null;
    if (head[std.elf.EI.CLASS] != 2 or head[std.elf.EI.DATA] != 1) return null;
    const segments = std.mem.readInt(u64, head[32..40], .little);
    const segment_bytes = 56;
    const pt_interp = 3;
    for (0..std.mem.readInt(u16, head[56..58], .little)) |i| {
        const segment = within(head, segments +| i * segment_bytes, segment_bytes) orelse
            return null;
        if (std.mem.readInt(u32, segment[0..4], .little) != pt_interp) continue;
        const offset = std.mem.readInt(u64, segment[8..16], .little);
        const length = std.mem.readInt(u64, segment[32..40], .little);
        return std.mem.sliceTo(within(head, offset, length) orelse return null, 0);
    }
    return null;
}

/// `length` bytes at `offset`, when all of them are there.
fn within(bytes: []const u8, offset: u64, length: u64) ?[]const u8 {
    if (offset > bytes.len or bytes.len - offset < length) return null;
    return bytes[@intCast(offset)..][0..@intCast(length)];
}

/// The name of the machine an ELF is for, when that is not this one.
fn foreignMachine(head: []const u8) ?[]const u8 {
    if (head.len < 20 or !std.mem.startsWith(u8, head, elf_magic)) return null;
    const big_endian = head[std.elf.EI.DATA] == 2;
    const machine = std.mem.readInt(u16, head[18..20], if (big_endian) .big else .little);
    const own: u16 = if (builtin.cpu.arch == .x86_64) 62 else 183;
    return switch (machine) {
        3 => "i386 (32 bit)",
        8 => "mips",
        20, 21 => "powerpc",
        22 => "s390x",
        40 => "arm (32 bit)",
        62 => if (own == 62) null else "x86_64",
        183 => if (own == 183) null else "aarch64",
        243 => "riscv",
        258 => "loongarch",
        else => "another machine",
    };
}

test "the interpreter of a script is what follows #!" {
    try std.testing.expectEqualStrings("/bin/no", scriptInterpreter("#! /bin/no -x\nrest").?);
    try std.testing.expectEqualStrings("/bin/sh\r", scriptInterpreter("#!/bin/sh\r\n").?);
    try std.testing.expectEqual(null, scriptInterpreter("#!"));
    try std.testing.expectEqual(null, scriptInterpreter("echo"));
}

test "a program of another machine is named" {
    var head: [64]u8 = @splat(0);
    @memcpy(head[0..4], elf_magic);
    head[5] = 1;
    head[18] = 243;
    try std.testing.expectEqualStrings("riscv", foreignMachine(&head).?);
    try std.testing.expectEqual(null, foreignMachine("#!/bin/sh\n"));
}

test "a hostile ELF header leads nowhere" {
    var head: [120]u8 = @splat(0xff);
    @memcpy(head[0..4], elf_magic);
    head[4] = 2;
    head[5] = 1;
    try std.testing.expectEqual(null, elfInterpreter(&head));
}
