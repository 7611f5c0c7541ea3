//! (step, errno) -> words and advice. Data only: the one place that knows why a kernel says no.

const std = @import("std");
const sys = @import("sys.zig");

const Hint = struct {
    /// A word of the failed step, as report.check names it.
    step: []const u8,
    errno: sys.E,
    advice: []const u8,
};

const table = [_]Hint{
    .{
        .step = "write",
        .errno = .NOSPC,
        .advice = "free some space, or set HB_ROOT to a directory on a larger disk",
    },
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
    .{ .step = "set up the firewall", .errno = .PROTONOSUPPORT, .advice = without_nf_tables },
    .{ .step = "set up the firewall", .errno = .OPNOTSUPP, .advice = without_nf_tables },
    .{ .step = "set up the firewall", .errno = .NOENT, .advice = without_nf_tables },
    .{ .step = "set up the firewall", .errno = .INVAL, .advice = without_nf_tables },
    .{
        .step = "make the bridge",
        .errno = .OPNOTSUPP,
        .advice = "this kernel has no bridges (module bridge); --network pasta does without",
    },
};

/// Modules that are loaded by themselves where the kernel was built with them.
const without_nf_tables =
    "this kernel lacks a part of nf_tables (modules nf_tables, nft_chain_nat, nft_masq, " ++
    "nft_fib_inet); --network pasta does without";

/// CONFIG_SECCOMP_FILTER is missing; to go on without must be the user's word.
const without_seccomp =
    "this kernel has no seccomp filters; --security-opt seccomp=unconfined does without";

/// What to do about `errno` in the step `what`, if anything is known.
pub fn advice(what: []const u8, errno: sys.E) ?[]const u8 {
    for (table) |hint| {
        if (hint.errno == errno and std.mem.startsWith(u8, what, hint.step)) return hint.advice;
    }
    return null;
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
