//! `exec --plan-fd N`: one more command in a running container. This process stays outside, as the
//! supervisor does with a container's own: it moves what is written, passes signals on, and ends
//! as the command does. When it is killed the command is, too.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sync = @import("sync.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const plan = @import("plan.zig");
const plan_text = @import("plan_text.zig");
const stdio = @import("stdio.zig");
const terminal = @import("terminal.zig");
const keeper = @import("keeper.zig");
const incoming = @import("incoming.zig");
const descriptors = @import("descriptors.zig");
const enter = @import("enter.zig");
const DetachKeys = @import("detach_keys.zig").DetachKeys;
const Target = @import("target.zig").Target;

const POLL = linux.POLL;

/// As docker's for a container that does not run.
const exit_not_running = 1;

/// The subcommand; the exit status is the command's, or docker's for what went wrong.
pub fn main(args: []const [*:0]const u8) u8 {
    // For the life of the process: the plan, and after the clone what the command is given.
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const it = readPlan(args, arena.allocator()) catch return report.exit_hb_failed;
    return run(&it, arena.allocator()) catch report.exit_hb_failed;
}

fn readPlan(args: []const [*:0]const u8, arena: std.mem.Allocator) report.Error!plan.ExecPlan {
    const named = args.len == 2 and std.mem.eql(u8, std.mem.span(args[0]), "--plan-fd");
    if (!named) return report.fail("exec needs --plan-fd N", .{});
    const fd = std.fmt.parseInt(sys.Fd, std.mem.span(args[1]), 10) catch
        return report.fail("exec --plan-fd {s}: not a number", .{args[1]});
    return plan_text.readExec(fd, arena);
}

fn run(it: *const plan.ExecPlan, arena: std.mem.Allocator) report.Error!u8 {
    _ = sys.prctl(.SET_NAME, @intFromPtr("hb-init")); // or ps shows the number of a descriptor
    sys.umask(0o022); // hb's own may be anything; containers start with this one
    try stdio.fillGaps(); // before anything is opened, or it would become a standard stream
    signals.ignore(.PIPE); // a reader that goes away is an errno of its pump, not our end
    signals.ignore(.XFSZ); // and so is a file that has grown to its limit
    signals.block(incoming.forwarded); // from now on signals wait for the loop
    const signal_fd = try report.check(
        signals.descriptor(incoming.forwarded),
        "wait for signals",
        .{},
    );
    const target = Target.open(it.hb.container) catch return exit_not_running;
    const streams = if (it.hb.detach and !it.process.terminal)
        stdio.Streams{}
    else
        try stdio.prepare(.{
            .interactive = it.hb.interactive,
            .terminal = it.process.terminal,
            .has_own = true,
            .is_shared = false,
            .ends_input = true,
        });
    if (it.process.terminal and !it.hb.detach) terminal.noticeIfNone();
    var follower: Follower = .{
        .entered = try enter.start(it, &target, &streams, arena),
        .signal_fd = signal_fd,
        .streams = streams,
        .it = it,
        .keys = .parse(it.hb.detachKeys),
    };
    return follower.run();
}

const Follower = struct {
    entered: enter.Entered,
    signal_fd: sys.Fd,
    streams: stdio.Streams,
    it: *const plan.ExecPlan,
    /// Both sides of the command's terminal. The slave is kept: with it open, a moment without any
    /// reader is no hang-up.
    master: sys.Fd = -1,
    slave: sys.Fd = -1,
    raw: terminal.Raw = .{},
    /// The command has been exec'd (or is gone, which the keeper tells).
    started: bool = false,
    failed: bool = false,
    keys: DetachKeys,

    /// Follows the command to its end, or until it is left alone; the exit status.
    fn run(self: *Follower) report.Error!u8 {
        defer self.raw.leave();

        const status = while (true) {
            if (try self.turn()) |status| break status;
            if (!self.isLeft()) continue;
            try self.leave();
            return 0;
        };
        try self.drain();
        return status;
    }

    /// Whether the command goes on without us: by its keys, or detached and under way.
    fn isLeft(self: *const Follower) bool {
        if (self.keys.pressed) return true;
        return self.it.hb.detach and self.started and !self.failed;
    }

    /// Lets the command live on. Its terminal would hang up without us: somebody stays for that.
    fn leave(self: *Follower) report.Error!void {
        self.entered.order(keeper.release);
        if (self.master < 0) return;
        self.raw.leave();
        var pidfd: sys.Fd = -1;
        const flags = linux.CLONE.PIDFD | @as(usize, signals.number(.CHLD));
        const pid = try report.check(sys.clone(flags, &pidfd), "leave the terminal", .{});
        if (pid == 0) self.holdTerminal();
    }

    /// Reads and forgets what is written to a terminal nobody is at, until the command has ended.
    fn holdTerminal(self: *Follower) noreturn {
        _ = sys.setsid();
        _ = sys.chdir("/");
        const kept = [_]sys.Fd{ self.master, self.slave, self.entered.keeper };
        descriptors.closeAllBut(&kept) catch sys.exit(1);
        for (0..3) |number| sys.close(@intCast(number)); // whoever reads them waits for their end
        while (true) {
            var fds = [_]linux.pollfd{
                .{ .fd = self.entered.keeper, .events = POLL.IN, .revents = 0 },
                .{ .fd = self.master, .events = POLL.IN, .revents = 0 },
            };
            wait(&fds) catch sys.exit(1);
            if (fds[0].revents != 0) sys.exit(0);
            var forgotten: [4096]u8 = undefined;
            if (fds[1].revents != 0) _ = sys.read(self.master, &forgotten);
        }
    }

    /// Waits for something to happen and deals with it; the command's status, once it has ended.
    fn turn(self: *Follower) report.Error!?u8 {
        var fds: [6]linux.pollfd = @splat(.{ .fd = -1, .events = POLL.IN, .revents = 0 });
        fds[0].fd = self.entered.keeper;
        fds[1].fd = self.signal_fd;
        if (!self.started) fds[2].fd = self.entered.peer.fd;
        for (&self.streams.pumps, fds[3..], 0..) |*maybe, *fd, i| {
            // Input is not taken before there is somebody to read it.
            if (i == 0 and !self.started) continue;
            if (maybe.*) |*pump| if (!pump.isDone()) {
                fd.* = pump.interest();
            };
        }
        try wait(&fds);
        if (fds[2].revents != 0) try self.hear();
        for (&self.streams.pumps, fds[3..]) |*maybe, fd| {
            if (fd.revents != 0) if (maybe.*) |*pump| pump.step();
        }
        if (fds[1].revents != 0) self.takeSignals();
        if (fds[0].revents == 0) return null;
        const ended = try report.check(sys.wait(self.entered.keeper), "wait for the command", .{});
        return ended.status();
    }

    /// The command's own word: its terminal, that it runs, or that it could not.
    fn hear(self: *Follower) report.Error!void {
        var along: sync.Along = .{};
        switch (try self.entered.peer.receive(&along)) {
            .failed => self.failed = true,
            .gone => {
                self.started = true;
                // Not before: messages of a failed start should not meet a raw terminal.
                if (self.master >= 0 and self.it.hb.interactive and !self.failed) self.raw.enter();
            },
            .message => |message| switch (message) {
                .terminal => {
                    self.master = along.fds[0];
                    self.slave = along.fds[1];
                    try self.streams.useTerminal(self.master);
                    if (self.streams.pumps[0]) |*input| input.keys = &self.keys;
                },
                else => return report.fail("unexpected message from the container's side", .{}),
            },
        }
    }

    fn takeSignals(self: *Follower) void {
        var info: linux.signalfd_siginfo = undefined;
        while (sys.read(self.signal_fd, std.mem.asBytes(&info)) == .ok) {
            const signal: u8 = @intCast(info.signo);
            switch (@as(signals.Signal, @fromBackingInt(@intCast(signal)))) {
                .TSTP => self.stop(),
                .WINCH => if (self.master >= 0) {
                    terminal.copySize(self.master);
                } else self.entered.order(signal),
                else => self.entered.order(signal),
            }
        }
    }

    /// ^Z without a terminal of the command's own: the command stops, then hb does; SIGCONT, which
    /// continues hb, is passed on like any other.
    fn stop(self: *Follower) void {
        const stop_signal = signals.number(.STOP);
        self.entered.order(stop_signal);
        const was_raw = self.raw.before != null;
        self.raw.leave();
        _ = sys.kill(sys.getpid(), stop_signal);
        if (was_raw) self.raw.enter();
    }

    /// After the end: what the command wrote and nobody has read yet. What it left running may go
    /// on writing; that is not waited for.
    fn drain(self: *Follower) report.Error!void {
        while (true) {
            var fds: [3]linux.pollfd = @splat(.{ .fd = -1, .events = 0, .revents = 0 });
            fds[0] = .{ .fd = self.signal_fd, .events = POLL.IN, .revents = 0 };
            var pending = false;
            for (self.streams.pumps[1..], fds[1..]) |*maybe, *fd| {
                const pump = if (maybe.*) |*pump| pump else continue;
                if (pump.begin == pump.end and !pump.fill()) continue;
                fd.* = pump.interest();
                pending = true;
            }
            if (!pending) return;
            try wait(&fds);
            // Somebody has lost patience with a reader that does not read.
            if (fds[0].revents != 0 and self.isToldToEnd()) return;
            for (self.streams.pumps[1..], fds[1..]) |*maybe, fd| {
                if (fd.revents != 0) if (maybe.*) |*pump| pump.flush();
            }
        }
    }

    fn isToldToEnd(self: *Follower) bool {
        var info: linux.signalfd_siginfo = undefined;
        const ending = signals.Set.of(&.{ .INT, .TERM, .HUP, .QUIT });
        while (sys.read(self.signal_fd, std.mem.asBytes(&info)) == .ok)
            if (ending.has(@intCast(info.signo))) return true;
        return false;
    }
};

fn wait(fds: []linux.pollfd) report.Error!void {
    const forever = -1;
    const polled = sys.poll(fds, forever);
    // Stopped and continued: look again.
    if (polled == .err and polled.err == .INTR) return;
    _ = try report.check(polled, "wait for the command", .{});
}
