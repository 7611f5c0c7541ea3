//! The supervisor after the release: one loop over everything that can happen while the container
//! runs. What hb is sent reaches the payload; what the payload writes reaches hb's streams; what
//! others ask for by the control socket is done; the end of the payload is the end of the loop.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sync = @import("sync.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const poll = @import("poll.zig");
const clock = @import("clock.zig");
const stdio = @import("stdio.zig");
const Fanout = @import("fanout.zig").Fanout;
const terminal = @import("terminal.zig");
const pasta = @import("pasta.zig");
const control = @import("control.zig");
const detach = @import("detach.zig");
const restart = @import("restart.zig");
const state = @import("state.zig");
const incoming = @import("incoming.zig");
const Cgroup = @import("cgroup.zig").Cgroup;
const Events = @import("events.zig").Events;
const Checker = @import("health.zig").Checker;
const Ending = @import("ending.zig").Ending;

const kill_number = signals.number(.KILL);

const POLL = linux.POLL;

/// How a run of the payload ended.
pub const Outcome = struct {
    status: u8,
    /// Nothing has run: the container's side has said why.
    failed: bool,
};

pub const Supervisor = struct {
    // -- for good --
    signal_fd: sys.Fd,
    caller: detach.Caller,
    interactive: bool,
    has_init: bool,
    life: plan.Life,
    policy: restart.Policy,
    record: state.Record,
    events: Events,
    cgroup: Cgroup,
    control: control.Server = .{},
    /// Asks whether the payload is well.
    health: ?Checker = null,
    back_off: restart.BackOff = .{},
    /// Somebody has asked for the end: it is not started again.
    stopped: bool = false,

    // -- of one run of the payload --
    pid: sys.Pid = -1,
    pidfd: sys.Fd = -1,
    peer: sync.Peer = .{ .fd = -1 },
    streams: stdio.Streams = .{},
    /// Both sides of the container's terminal.
    master: sys.Fd = -1,
    slave: sys.Fd = -1,
    raw: terminal.Raw = .{},
    /// The container's network, where it is pasta that makes it.
    pasta: ?pasta.Pasta = null,
    /// The payload has been exec'd (or the child is gone, which the pidfd tells).
    started: bool = false,
    started_at: u64 = 0,
    /// The child cannot become the payload.
    failed: bool = false,
    /// The signal hb was sent that the payload could not receive, and died of in our stead.
    killed_by: ?u8 = null,
    ending: Ending = .{},
    reason: [128]u8 = undefined,

    /// Whether the payload has not run yet.
    pub fn isFirst(self: *const Supervisor) bool {
        return self.record.state.hb.restartCount == 0;
    }

    /// Makes the container's control socket in its directory.
    pub fn listen(self: *Supervisor, dir: sys.Fd) void {
        self.control.open(dir) catch {
            // Said; the container runs all the same, and can be ended by its supervisor's end.
        };
    }

    /// What the payload writes is taken down in the container's directory, where that is wanted.
    pub fn keepLog(self: *Supervisor, dir: sys.Fd) void {
        const it = self.streams.fanout orelse return;
        if (self.life.log) |limits| it.log = .open(dir, limits);
    }

    /// Follows the payload to its end, and tells it.
    pub fn run(self: *Supervisor) report.Error!Outcome {
        defer self.raw.leave();

        const ended = while (true) {
            if (try self.turn()) |ended| break ended;
        };
        if (self.health) |*it| it.end();
        if (self.pasta) |*it| it.kill(); // waited for when all else is done
        try self.drain();
        const status = if (self.killed_by) |signal| 128 +| signal else ended.status();
        const outcome: Outcome = .{ .status = status, .failed = self.failed };
        self.conclude(ended, outcome);
        return outcome;
    }

    /// Waits for something to happen and deals with it; how the container ended, once it has.
    fn turn(self: *Supervisor) report.Error!?sys.Ended {
        var set: poll.Set = .{};
        const ended = set.add(self.pidfd, POLL.IN);
        const signalled = set.add(self.signal_fd, POLL.IN);
        const heard = set.add(if (self.started) -1 else self.peer.fd, POLL.IN);
        self.streams.interest(&set);
        const followed = if (self.pasta) |*it| set.addAll(&it.interest()) else 0;
        self.control.interest(&set);
        self.ending.interest(&set);
        if (self.health) |*it| it.interest(&set);
        try set.wait();

        if (set.ready(heard) != 0) try self.hear();
        self.streams.step(&set);
        incoming.takeFollowers(self);
        if (self.pasta) |*it| try self.follow(it, set.span(followed, pasta.Pasta.fds));
        while (self.control.next(&set)) |asked| self.obey(asked);
        if (set.ready(signalled) != 0) incoming.take(self);
        self.keepTime();
        if (self.health) |*it| self.examine(it, &set);
        if (set.ready(ended) == 0) return null;
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

    /// The child's own word: its terminal, that it cannot go on, or that the payload runs.
    fn hear(self: *Supervisor) report.Error!void {
        var along: sync.Along = .{};
        switch (try self.peer.receive(&along)) {
            .failed => |why| {
                self.failed = true;
                report.remember(why);
            },
            .gone => if (self.failed) {
                self.started = true;
            } else self.hasStarted(),
            .message => |message| {
                if (message != .terminal or along.fds[0] < 0)
                    return report.fail("unexpected message from the container's side", .{});
                self.master = along.fds[0];
                // Kept: with it open, a moment without any reader is no hang-up.
                self.slave = along.fds[1];
                try self.streams.useTerminal(self.master);
            },
        }
    }

    fn hasStarted(self: *Supervisor) void {
        self.started = true;
        self.started_at = clock.now();
        // Not before: messages of a failed start should not meet a raw terminal.
        if (self.master >= 0 and self.interactive and !self.caller.is_detached) self.raw.enter();
        if (self.health) |*it| {
            it.begin(self.pid);
            self.record.state.hb.health = it.known();
        }
        // First the word somebody waits for, then what others may read.
        self.record.started(self.pid);
        self.caller.tellStarted();
        self.streams.start();
        // Where the front end has made the directory, it has told so.
        const container = self.events.container;
        if (container.lock == null and self.record.state.hb.restartCount == 0)
            self.events.append("create", .{});
        self.events.append("start", .{});
        if (self.life.timeoutMs) |ms| self.ending.limit.start(ms);
    }

    /// Goes on with the health check; a result is for everybody.
    fn examine(self: *Supervisor, checker: *Checker, set: *const poll.Set) void {
        const before = checker.status;
        if (!checker.step(set)) return;
        self.record.state.hb.health = checker.known();
        self.record.write();
        if (checker.status != before) switch (checker.status) {
            inline else => |word| self.events.append("health_status: " ++ @tagName(word), .{}),
        };
    }

    /// What somebody asks for by the control socket.
    fn obey(self: *Supervisor, asked: control.Asked) void {
        switch (asked.request) {
            .signal => |signal| {
                const is_end = signal == kill_number or signal == self.life.stopSignal;
                if (is_end) self.stopped = true;
                self.events.append("kill", .{ .signal = .{ .value = signal } });
                self.send(signal);
                asked.done();
            },
            .stop => |wanted| {
                asked.untilLastEnd();
                self.stop(wanted.signal, wanted.timeout_ms);
            },
            .wait => asked.untilNextEnd(),
            .policy => |policy| {
                self.policy = policy;
                asked.done();
            },
            .attach => |wanted| self.admit(asked, wanted),
        }
    }

    /// Somebody wants to follow the payload's streams.
    fn admit(self: *Supervisor, asked: control.Asked, wanted: control.Request.Attach) void {
        const it = self.streams.fanout orelse
            return asked.refuse("the container runs in the foreground, where its streams are");
        if (self.pidfd < 0) return asked.refuse("the container is between two runs; try again");
        if (!it.hasRoom()) return asked.refuse("too many others follow this container");
        self.events.append("attach", .{});
        it.join(asked.take(), .{ .input = wanted.input, .output = wanted.output });
    }

    /// Somebody wants the container to end, and not to start again.
    pub fn stop(self: *Supervisor, signal: u8, timeout_ms: ?u64) void {
        self.stopped = true;
        if (self.pidfd < 0) return; // between two runs; there will be no other
        self.events.append("kill", .{ .signal = .{ .value = signal } });
        if (!self.started) return self.send(kill_number); // nobody there to take it
        self.cgroup.thaw();
        self.send(signal);
        self.ending.asked(signal, timeout_ms);
    }

    pub fn stopTimeout(self: *const Supervisor) ?u64 {
        const ms = self.life.stopTimeoutMs;
        return if (ms < 0) null else @intCast(ms);
    }

    /// What was to happen by now.
    fn keepTime(self: *Supervisor) void {
        if (self.ending.limit.goesOff()) {
            const signal = self.life.stopSignal;
            self.cgroup.thaw();
            self.send(signal);
            self.ending.asked(signal, self.stopTimeout());
            self.ending.next = .{ .timeout_ms = self.life.timeoutMs.? };
            self.ending.cause = self.ending.next;
        }
        if (self.ending.patience.goesOff()) {
            self.ending.cause = self.ending.next;
            self.send(kill_number);
        }
    }

    pub fn send(self: *Supervisor, signal: u8) void {
        if (signal == kill_number) self.cgroup.thaw();
        // It fails only when there is nobody left to send to, which the loop is about to learn.
        _ = sys.signalPidfd(self.pidfd, signal);
    }

    /// After the end: what the container wrote and nobody has read yet.
    fn drain(self: *Supervisor) report.Error!void {
        while (self.streams.drain()) {
            var set: poll.Set = .{};
            const signalled = set.add(self.signal_fd, POLL.IN);
            self.streams.interest(&set);
            try set.wait();
            if (set.ready(signalled) != 0 and self.isToldToEnd()) return;
            self.streams.step(&set);
        }
    }

    /// Whether somebody has lost patience with a reader that does not read.
    fn isToldToEnd(self: *Supervisor) bool {
        var info: linux.signalfd_siginfo = undefined;
        var told = false;
        while (sys.read(self.signal_fd, std.mem.asBytes(&info)) == .ok)
            told = told or incoming.ending.has(@intCast(info.signo));
        return told;
    }

    /// Tells everybody that the payload has ended.
    fn conclude(self: *Supervisor, ended: sys.Ended, outcome: Outcome) void {
        const own: sys.Ended = if (self.has_init) ended.unwrapped() else ended;
        const shortage = self.cgroup.takeShortage();
        // Another process of the container may have been the one that was killed.
        if (shortage) |it| if (own == .signaled and own.signaled == kill_number) {
            self.ending.cause = .{ .memory = it.limit };
        };
        const hb = &self.record.state.hb;
        hb.reason = if (outcome.failed) null else self.ending.describe(own, &self.reason);
        hb.@"error" = if (outcome.failed) report.lastFailure() else null;
        hb.signal = if (own == .signaled) own.signaled else null;
        hb.oomKilled = shortage != null;
        hb.stopped = self.stopped;
        hb.restarting = self.startsAgain(outcome);
        // A container that goes away now has nobody to read it.
        if (self.events.container.keep or hb.restarting) self.record.ended(outcome.status);
        self.dismiss(outcome.status);
        if (outcome.failed) return;
        if (hb.oomKilled) self.events.append("oom", .{});
        self.events.append("die", .{ .exitCode = .{ .value = outcome.status } });
        if (self.stopped) self.events.append("stop", .{});
        if (hb.restarting) self.control.tellEnd(outcome.status);
        const is_news = self.ending.cause == .timeout_ms or self.ending.cause == .memory;
        if (is_news and !self.caller.is_detached) report.notice("{s}", .{hb.reason.?});
    }

    /// Tells those who follow the streams: at once where that was one run of several, else when all
    /// is over, as those who wait for that.
    fn dismiss(self: *Supervisor, status: u8) void {
        const it = self.streams.fanout orelse return;
        while (it.leave()) |fd| {
            if (self.record.state.hb.restarting or !self.control.adopt(fd)) {
                _ = sys.send(fd, &.{ 'x', status });
                sys.close(fd);
            }
        }
    }

    fn startsAgain(self: *const Supervisor, outcome: Outcome) bool {
        if (self.stopped or outcome.failed) return false;
        return self.policy.startsAgain(outcome.status, self.record.state.hb.restartCount);
    }

    /// After a run: waits for the moment of the next one. False when there is none.
    pub fn rest(self: *Supervisor, outcome: Outcome) report.Error!bool {
        if (!self.record.state.hb.restarting) return false;
        sys.close(self.pidfd);
        self.pidfd = -1;
        var timer: clock.Timer = .{};
        timer.start(self.back_off.next(clock.now() - self.started_at));
        while (self.startsAgain(outcome)) {
            if (timer.goesOff()) {
                self.record.state.hb.restartCount += 1;
                self.events.append("restart", .{});
                return true;
            }
            var set: poll.Set = .{};
            const signalled = set.add(self.signal_fd, POLL.IN);
            self.control.interest(&set);
            set.until(timer);
            try set.wait();
            while (self.control.next(&set)) |asked| self.obey(asked);
            if (set.ready(signalled) != 0) incoming.take(self);
        }
        self.record.state.hb.restarting = false;
        self.record.state.hb.stopped = self.stopped;
        self.record.write();
        return false;
    }

    /// Lets go of what belonged to the last run.
    pub fn forgetRun(self: *Supervisor) void {
        self.endPasta();
        self.streams.close();
        for ([_]sys.Fd{ self.pidfd, self.peer.fd, self.master, self.slave }) |fd| {
            if (fd >= 0) sys.close(fd);
        }
        self.pidfd = -1;
        self.peer = .{ .fd = -1 };
        self.master = -1;
        self.slave = -1;
        self.started = false;
        self.killed_by = null;
        self.ending = .{};
    }

    /// Ends a child that may be waiting or at work.
    pub fn endChild(self: *Supervisor) void {
        if (self.pidfd < 0) return;
        self.send(kill_number);
        _ = sys.wait(self.pidfd);
    }

    /// hb itself has failed, and has said why: nothing runs any more.
    pub fn hasFailed(self: *Supervisor) void {
        self.record.state.hb.@"error" = report.lastFailure();
        self.record.state.hb.restarting = false;
        if (self.events.container.keep) self.record.ended(report.exit_hb_failed);
    }
};
