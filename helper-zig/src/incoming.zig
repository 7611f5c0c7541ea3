//! Signals hb is sent while a container runs: in the foreground they are the payload's, as if that
//! were hb itself; a supervisor that goes on by itself has one of its own.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const terminal = @import("terminal.zig");
const isNoticed = @import("noticed.zig").isNoticed;
const Supervisor = @import("supervise.zig").Supervisor;

/// Signals that are ours to pass on: all but those that mean something to this process alone.
pub const forwarded = signals.Set.all.without(&.{
    .KILL, .STOP, .CHLD, .PIPE, .TTIN, .TTOU, .URG, .XFSZ, .XCPU,
    .SEGV, .BUS,  .FPE,  .ILL,  .TRAP, .SYS,
});

/// Signals that ask hb to end.
pub const ending = signals.Set.of(&.{ .INT, .TERM, .HUP, .QUIT });

const kill_number = signals.number(.KILL);

/// Takes what has come.
pub fn take(self: *Supervisor) void {
    var info: linux.signalfd_siginfo = undefined;
    while (sys.read(self.signal_fd, std.mem.asBytes(&info)) == .ok) {
        const signal: u8 = @intCast(info.signo);
        if (self.caller.is_detached) takeDetached(self, signal) else takeForeground(self, signal);
    }
}

/// A supervisor that goes on by itself has one ear only: what ends a service.
fn takeDetached(self: *Supervisor, signal: u8) void {
    if (signal == signals.number(.TERM)) self.stop(self.life.stopSignal, self.stopTimeout());
}

fn takeForeground(self: *Supervisor, signal: u8) void {
    if (ending.has(signal)) self.stopped = true;
    if (self.pidfd < 0) return;
    switch (@as(signals.Signal, @fromBackingInt(@intCast(signal)))) {
        .TSTP => suspendAll(self),
        .WINCH => if (self.master >= 0) {
            terminal.copySize(self.master);
        } else forward(self, signal),
        .INT => if (self.ending.interrupted()) {
            self.ending.cause = .interrupts;
            self.killed_by = signal;
            self.send(kill_number);
        } else forward(self, signal),
        .TERM => {
            forward(self, signal);
            self.ending.asked(signal, self.stopTimeout());
        },
        else => forward(self, signal),
    }
}

/// What those who follow the payload's streams have been sent, and pass on.
pub fn takeFollowers(self: *Supervisor) void {
    const from = self.streams.fanout orelse return;
    defer from.signals = .none;
    for (1..signals.highest + 1) |number| {
        const signal: u8 = @intCast(number);
        if (!from.signals.has(signal)) continue;
        if (signal == kill_number or signal == self.life.stopSignal) self.stopped = true;
        forward(self, signal);
    }
}

/// Signal 1 of the container has no default actions: the kernel drops what it has no handler
/// for (pid_namespaces(7)). A signal that asks to end and that nothing inside would notice ends
/// the container the way it would have ended the program outside.
fn forward(self: *Supervisor, signal: u8) void {
    const unheard = !self.started or !isNoticed(self.pid, signal);
    if (ending.has(signal) and unheard) {
        self.killed_by = signal;
        self.send(kill_number);
    } else {
        self.send(signal);
    }
}

/// ^Z without a terminal of the container's own: the payload stops, then hb does; SIGCONT,
/// which continues hb, is passed on like any other.
fn suspendAll(self: *Supervisor) void {
    const stop_signal: signals.Signal = .STOP;
    const to_payload: signals.Signal = if (self.has_init) .TSTP else stop_signal;
    self.send(signals.number(to_payload));
    const was_raw = self.raw.before != null;
    self.raw.leave();
    _ = sys.kill(sys.getpid(), signals.number(stop_signal));
    if (was_raw) self.raw.enter();
}
