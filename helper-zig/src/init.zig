//! `--init`: a pid 1 that is not the payload. It collects every orphan of the container, passes
//! signals on to the payload, and ends as the payload does; the kernel then ends what is left.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const descriptors = @import("descriptors.zig");
const plan = @import("plan.zig");
const capabilities = @import("capabilities.zig");
const seccomp = @import("seccomp.zig");
const terminal = @import("terminal.zig");

/// Not for the payload: its own children, and what the kernel sends for this process's faults.
const taken = signals.Set.all.without(&.{
    .KILL, .STOP, .SEGV, .BUS, .FPE, .ILL, .TRAP, .SYS,
});

/// Returns in a new process, which goes on to become the payload. Pid 1 stays here for good.
pub fn split(process: plan.Process, filter: ?*const seccomp.Program) report.Error!void {
    var pidfd: sys.Fd = -1;
    const flags = linux.CLONE.PIDFD | @as(usize, @backingInt(linux.SIG.CHLD));
    const pid = try report.check(sys.clone(flags, &pidfd), "start the payload under init", .{});
    if (pid == 0) {
        if (process.terminal) terminal.takeForeground();
        return;
    }
    const status = attend(pid, process, filter) catch report.exit_hb_failed;
    sys.exit(status);
}

fn attend(pid: sys.Pid, process: plan.Process, filter: ?*const seccomp.Program) report.Error!u8 {
    signals.block(taken);
    const signal_fd = try report.check(signals.descriptor(taken), "wait for signals", .{});
    try restrict(process, filter);
    // Also our end towards the supervisor, which learns from that when the payload is exec'd.
    try closeAllBut(signal_fd);
    // A payload that ended before its signal was blocked is not announced again.
    if (reap(pid)) |status| return status;
    while (true) {
        var fds = [_]linux.pollfd{.{ .fd = 0, .events = linux.POLL.IN, .revents = 0 }};
        const forever = -1;
        _ = sys.poll(&fds, forever);
        var info: linux.signalfd_siginfo = undefined;
        if (sys.read(0, std.mem.asBytes(&info)) == .err) continue;
        if (try handle(@intCast(info.signo), pid)) |status| return status;
    }
}

/// The same confinement as the payload's. This process never executes anything, so it takes
/// no_new_privs instead of keeping the right to install a filter.
fn restrict(process: plan.Process, filter: ?*const seccomp.Program) report.Error!void {
    var own = process;
    own.noNewPrivileges = true;
    try seccomp.forbidNewPrivileges();
    try capabilities.setFinal(own);
    if (filter) |program| try seccomp.install(program);
}

fn closeAllBut(fd: sys.Fd) report.Error!void {
    try report.check(sys.dupOver(fd, 0), "keep the signal descriptor", .{});
    try descriptors.closeFrom(1);
}

fn handle(signal: u8, pid: sys.Pid) report.Error!?u8 {
    switch (@as(signals.Signal, @fromBackingInt(@intCast(signal)))) {
        .CHLD => return reap(pid),
        // A group without a shell above it takes no notice of SIGTSTP (setpgid(2), "orphaned").
        .TSTP => _ = sys.kill(pid, signals.number(.STOP)),
        else => _ = sys.kill(pid, signal),
    }
    return null;
}

/// Collects every child that has ended; the status, when the payload is among them.
fn reap(payload: sys.Pid) ?u8 {
    while (true) {
        var status: u32 = 0;
        const any: sys.Pid = -1;
        const wnohang: u32 = 1;
        const pid = switch (sys.call(sys.Pid, .wait4, .{ any, &status, wnohang, null })) {
            .ok => |pid| pid,
            .err => return null,
        };
        if (pid == 0) return null;
        if (pid != payload) continue;
        const signal: u8 = @truncate(status & 0x7f);
        if (signal != 0) return 128 +| signal;
        return @truncate(status >> 8);
    }
}
