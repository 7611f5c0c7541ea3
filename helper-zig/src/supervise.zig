//! The supervisor after the release: one loop over everything that can happen while the container
//! runs, without a timer. What hb is sent reaches the payload; what the payload writes reaches hb's
//! streams; the end of the payload is the end of the loop.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sync = @import("sync.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const stdio = @import("stdio.zig");
const terminal = @import("terminal.zig");
const pasta = @import("pasta.zig");

/// Signals that are ours to pass on: all but those that mean something to this process alone.
pub const forwarded = signals.Set.all.without(&.{
    .KILL, .STOP, .CHLD, .PIPE, .TTIN, .TTOU, .URG, .XFSZ, .XCPU,
    .SEGV, .BUS,  .FPE,  .ILL,  .TRAP, .SYS,
});

/// Signals that ask hb to end.
const ending = signals.Set.of(&.{ .INT, .TERM, .HUP, .QUIT });

const POLL = linux.POLL;

pub const Supervisor = struct {
    pid: sys.Pid,
    pidfd: sys.Fd,
    signal_fd: sys.Fd,
    peer: sync.Peer,
    streams: stdio.Streams,
    interactive: bool,
    has_init: bool,
    /// The master of the container's terminal.
    master: sys.Fd = -1,
    raw: terminal.Raw = .{},
    /// The container's network, where it is pasta that makes it.
    pasta: ?pasta.Pasta = null,
    /// The payload has been exec'd (or the child is gone, which the pidfd tells).
    started: bool = false,
    /// The signal hb was sent that the payload could not receive, and died of in our stead.
    killed_by: ?u8 = null,

    /// Follows the container to its end; the exit status.
    pub fn run(self: *Supervisor) report.Error!u8 {
        defer self.raw.leave();

        const ended = while (true) {
            if (try self.turn()) |ended| break ended;
        };
        if (self.pasta) |*it| it.kill(); // waited for when all else is done
        try self.drain();
        if (self.killed_by) |signal| return 128 +| signal;
        return ended.status();
    }

    /// Waits for something to happen and deals with it; how the container ended, once it has.
    fn turn(self: *Supervisor) report.Error!?sys.Ended {
        var fds: [6 + pasta.Pasta.fds]linux.pollfd = @splat(.{
            .fd = -1,
            .events = POLL.IN,
            .revents = 0,
        });
        fds[0].fd = self.pidfd;
        fds[1].fd = self.signal_fd;
        if (!self.started) fds[2].fd = self.peer.fd;
        if (self.pasta) |*it| fds[6..].* = it.interest();
        for (&self.streams.pumps, fds[3..6], 0..) |*maybe, *fd, i| {
            // Input is not taken before there is somebody to read it.
            if (i == 0 and !self.started) continue;
            if (maybe.*) |*pump| if (!pump.isDone()) {
                fd.* = pump.interest();
            };
        }
        try wait(&fds);
        if (fds[2].revents != 0) try self.hear();
        for (&self.streams.pumps, fds[3..6]) |*maybe, fd| {
            if (fd.revents != 0) if (maybe.*) |*pump| pump.step();
        }
        if (self.pasta) |*it| try self.follow(it, fds[6..]);
        if (fds[1].revents != 0) try self.takeSignals();
        if (fds[0].revents == 0) return null;
        return try report.check(sys.wait(self.pidfd), "wait for the container", .{});
    }

    /// The network is there, and the container may begin; or it is gone, and the container goes on.
    fn follow(
        self: *Supervisor,
        it: *pasta.Pasta,
        polled: *const [pasta.Pasta.fds]linux.pollfd,
    ) report.Error!void {
        switch (it.step(polled)) {
            .nothing => {},
            .failed => {
                // A child that could not begin has taken the namespace with it, and has said why.
                if (!self.peer.isGone()) return it.sayWhy();
                self.pasta = null;
            },
            // It fails when the child is gone; the loop is about to learn how it ended.
            .ready => self.peer.tell(.network_ready),
            .died => {
                const said = it.complaint();
                const separator = if (said.len > 0) ": " else "";
                report.notice(
                    "pasta has ended{s}{s}; the container goes on without a network",
                    .{ separator, said },
                );
                self.pasta = null;
            },
        }
    }

    /// Ends pasta, if there is one.
    pub fn endPasta(self: *Supervisor) void {
        if (self.pasta) |*it| it.end();
        self.pasta = null;
    }

    /// The child's own word: its terminal, or that the payload runs.
    fn hear(self: *Supervisor) report.Error!void {
        var fds: [2]sys.Fd = .{ -1, -1 };
        switch (try self.peer.receive(&fds)) {
            .gone => {
                self.started = true;
                // Not before: messages of a failed start should not meet a raw terminal.
                if (self.master >= 0 and self.interactive) self.raw.enter();
            },
            .message => |message| {
                if (message != .terminal or fds[0] < 0)
                    return report.fail("unexpected message from the container's side", .{});
                self.master = fds[0];
                // The slave is kept: with it open, a moment without any reader is no hang-up.
                self.streams = try stdio.throughTerminal(self.interactive, self.master);
            },
        }
    }

    fn takeSignals(self: *Supervisor) report.Error!void {
        var info: linux.signalfd_siginfo = undefined;
        while (true) {
            const got = sys.read(self.signal_fd, std.mem.asBytes(&info));
            if (got == .err) return;
            self.take(@intCast(info.signo));
        }
    }

    fn take(self: *Supervisor, signal: u8) void {
        switch (@as(signals.Signal, @fromBackingInt(@intCast(signal)))) {
            .TSTP => self.stop(),
            .WINCH => if (self.master >= 0) {
                terminal.copySize(self.master);
            } else self.forward(signal),
            else => self.forward(signal),
        }
    }

    /// Signal 1 of the container has no default actions: the kernel drops what it has no handler
    /// for (pid_namespaces(7)). A signal that asks to end and that nothing inside would notice ends
    /// the container the way it would have ended the program outside.
    fn forward(self: *Supervisor, signal: u8) void {
        const unheard = !self.started or !isNoticed(self.pid, signal);
        if (ending.has(signal) and unheard) {
            self.killed_by = signal;
            self.send(signals.number(.KILL));
        } else {
            self.send(signal);
        }
    }

    /// ^Z without a terminal of the container's own: the payload stops, then hb does; SIGCONT,
    /// which continues hb, is passed on like any other.
    fn stop(self: *Supervisor) void {
        const stop_signal: signals.Signal = .STOP;
        const to_payload: signals.Signal = if (self.has_init) .TSTP else stop_signal;
        self.send(signals.number(to_payload));
        const was_raw = self.raw.before != null;
        self.raw.leave();
        _ = sys.kill(sys.getpid(), signals.number(stop_signal));
        if (was_raw) self.raw.enter();
    }

    fn send(self: *Supervisor, signal: u8) void {
        // It fails only when there is nobody left to send to, which the loop is about to learn.
        _ = sys.signalPidfd(self.pidfd, signal);
    }

    /// After the end: what the container wrote and nobody has read yet. Its writers are all gone
    /// (the end of pid 1 is the end of its namespace), so what is there is all there is.
    fn drain(self: *Supervisor) report.Error!void {
        if (self.streams.pumps[0]) |*input| input.close();
        self.streams.pumps[0] = null;
        while (true) {
            var fds = [_]linux.pollfd{
                .{ .fd = self.signal_fd, .events = POLL.IN, .revents = 0 },
                .{ .fd = -1, .events = 0, .revents = 0 },
                .{ .fd = -1, .events = 0, .revents = 0 },
            };
            var pending = false;
            for (self.streams.pumps[1..], fds[1..]) |*maybe, *fd| {
                const pump = if (maybe.*) |*pump| pump else continue;
                if (pump.begin == pump.end and !pump.fill()) continue;
                fd.* = pump.interest();
                pending = true;
            }
            if (!pending) return;
            try wait(&fds);
            if (fds[0].revents != 0 and self.isToldToEnd()) return;
            for (self.streams.pumps[1..], fds[1..]) |*maybe, fd| {
                if (fd.revents != 0) if (maybe.*) |*pump| pump.flush();
            }
        }
    }

    /// Whether somebody has lost patience with a reader that does not read.
    fn isToldToEnd(self: *Supervisor) bool {
        var info: linux.signalfd_siginfo = undefined;
        var told = false;
        while (sys.read(self.signal_fd, std.mem.asBytes(&info)) == .ok)
            told = told or ending.has(@intCast(info.signo));
        return told;
    }
};

fn wait(fds: []linux.pollfd) report.Error!void {
    const forever = -1;
    const polled = sys.poll(fds, forever);
    // Stopped and continued: look again.
    if (polled == .err and polled.err == .INTR) return;
    _ = try report.check(polled, "wait for the container", .{});
}

/// Whether `signal` would do anything to the process `pid`: handled, blocked (to be taken by
/// sigwait or signalfd), or ignored on purpose. proc_pid_status(5).
fn isNoticed(pid: sys.Pid, signal: u8) bool {
    var path: [32:0]u8 = @splat(0);
    // proven: a pid has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/{d}/status", .{pid}) catch unreachable;
    const fd = switch (sys.openat(sys.cwd, &path, .{}, 0)) {
        .ok => |fd| fd,
        // Unknown: let it have the signal.
        .err => return true,
    };
    defer sys.close(fd);

    var buffer: [4096]u8 = undefined;
    const length = switch (sys.readAll(fd, &buffer)) {
        .ok => |n| n,
        .err => return true,
    };
    return isInStatus(buffer[0..length], signal);
}

fn isInStatus(status: []const u8, signal: u8) bool {
    for ([_][]const u8{ "\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t" }) |name| {
        const at = std.mem.indexOf(u8, status, name) orelse return true;
        const line = std.mem.sliceTo(status[at + name.len ..], '\n');
        const bits = std.fmt.parseInt(u64, line, 16) catch return true;
        const set: signals.Set = .{ .bits = bits };
        if (set.has(signal)) return true;
    }
    return false;
}

test "a signal is noticed when it is handled, blocked or ignored" {
    const status = "Name:\tsh\n" ++
        "SigBlk:\t0000000000000001\n" ++
        "SigIgn:\t0000000000000002\n" ++
        "SigCgt:\t0000000000004000\n";
    try std.testing.expect(isInStatus(status, 1));
    try std.testing.expect(isInStatus(status, 2));
    try std.testing.expect(isInStatus(status, 15));
    try std.testing.expect(!isInStatus(status, 3));
}
