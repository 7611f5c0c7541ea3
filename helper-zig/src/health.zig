//! docker's health check, carried out by the supervisor: now and then a command is run in the
//! container, and its exit status is the answer (moby, daemon/health.go). It enters the container
//! as `hb exec`'s commands do; one at a time, so that slow ones do not pile up.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const poll = @import("poll.zig");
const clock = @import("clock.zig");
const state = @import("state.zig");
const stdio = @import("stdio.zig");
const enter = @import("enter.zig");
const Target = @import("target.zig").Target;

/// Results kept, and bytes of output in each, as docker has them.
const results_max = 5;
const output_bytes_max = 4096;

/// How often a check's output is read before the supervisor looks at everything else again.
const reads_max = 16;

/// docker's for a check that was not let come to an end.
const exit_timed_out = -1;

pub const Checker = struct {
    it: *const plan.Plan,
    wanted: plan.Health,
    /// For the checks' processes, which are forks; nothing is allocated in this one.
    arena: std.mem.Allocator,

    status: state.Health.Word = .starting,
    streak: u32 = 0,
    results: [results_max]Result = undefined,
    log: [results_max]state.Health.Result = undefined,
    log_len: usize = 0,

    pid: sys.Pid = -1,
    started_at: u64 = 0,
    next: clock.Timer = .{},
    check: ?Check = null,

    /// The payload runs, as `pid`: whatever was known of the one before is forgotten.
    pub fn begin(self: *Checker, pid: sys.Pid) void {
        self.pid = pid;
        self.started_at = clock.now();
        self.status = .starting;
        self.streak = 0;
        self.next.start(self.interval());
    }

    /// The payload has ended, or is about to: so does the check under way.
    pub fn end(self: *Checker) void {
        self.next.stop();
        if (self.check) |*check| check.abandon();
        self.check = null;
    }

    pub fn interest(self: *Checker, set: *poll.Set) void {
        set.until(self.next);
        if (self.check) |*check| check.interest(set);
    }

    /// Deals with what has happened; true when there is another result to be told.
    pub fn step(self: *Checker, set: *const poll.Set) bool {
        if (self.check) |*check| {
            const code = check.step(set) orelse return false;
            self.take(code);
            self.check = null;
            self.next.start(self.interval());
            return true;
        }
        if (!self.next.goesOff()) return false;
        self.check = Check.start(self);
        if (self.check == null) self.next.start(self.interval());
        return false;
    }

    /// What is known, for state.json.
    pub fn known(self: *Checker) state.Health {
        for (self.results[0..self.log_len], self.log[0..self.log_len]) |*result, *line|
            line.* = result.line();
        return .{
            .status = self.status,
            .failingStreak = self.streak,
            .log = self.log[0..self.log_len],
        };
    }

    /// Until the first good answer in the start period other rules hold.
    fn interval(self: *const Checker) u64 {
        const is_starting = self.status == .starting and self.isInStartPeriod(clock.now());
        return if (is_starting) self.wanted.startIntervalMs else self.wanted.intervalMs;
    }

    fn isInStartPeriod(self: *const Checker, at: u64) bool {
        return at - self.started_at < self.wanted.startPeriodMs;
    }

    fn take(self: *Checker, code: i32) void {
        const check = &self.check.?;
        self.keep(check, code);
        if (code == 0) {
            self.status = .healthy;
            self.streak = 0;
            return;
        }
        if (self.status == .starting and self.isInStartPeriod(check.started_at)) return;
        self.streak += 1;
        if (self.streak >= self.wanted.retries) self.status = .unhealthy;
    }

    fn keep(self: *Checker, check: *const Check, code: i32) void {
        if (self.log_len == results_max) {
            std.mem.copyForwards(Result, self.results[0 .. results_max - 1], self.results[1..]);
            self.log_len -= 1;
        }
        const result = &self.results[self.log_len];
        self.log_len += 1;
        result.* = .{ .start = check.start_stamp, .end = clock.stamp(), .exit_code = code };
        if (code == exit_timed_out)
            result.print("Health check exceeded timeout ({d} ms)", .{self.wanted.timeoutMs});
        const separator = if (code == exit_timed_out and output_len > 0) ": " else "";
        result.add(separator);
        result.add(output[0..output_len]);
    }
};

/// One answer.
const Result = struct {
    start: clock.Stamp,
    end: clock.Stamp,
    exit_code: i32,
    text: [output_bytes_max]u8 = undefined,
    text_len: usize = 0,

    fn print(result: *Result, comptime format: []const u8, args: anytype) void {
        const text = std.fmt.bufPrint(&result.text, format, args) catch return;
        result.text_len = text.len;
    }

    /// Adds what fits; bytes that are no UTF-8, which JSON cannot have, become question marks.
    fn add(result: *Result, bytes: []const u8) void {
        const room = result.text[result.text_len..];
        const length = @min(room.len, bytes.len);
        @memcpy(room[0..length], bytes[0..length]);
        result.text_len += length;
        replaceInvalid(result.text[0..result.text_len]);
    }

    fn line(result: *const Result) state.Health.Result {
        return .{
            .start = &result.start,
            .end = &result.end,
            .exitCode = result.exit_code,
            .output = result.text[0..result.text_len],
        };
    }
};

fn replaceInvalid(text: []u8) void {
    var at: usize = 0;
    while (at < text.len) {
        const length: usize = std.unicode.utf8ByteSequenceLength(text[at]) catch 1;
        const is_whole = at + length <= text.len and
            std.unicode.utf8ValidateSlice(text[at..][0..length]);
        if (is_whole) {
            at += length;
        } else {
            text[at] = '?';
            at += 1;
        }
    }
}

/// What the check under way has written. There is one at a time.
var output: [output_bytes_max]u8 = undefined;
var output_len: usize = 0;

/// A check under way.
const Check = struct {
    entered: enter.Entered,
    /// What it writes, messages about its failing start included.
    pipe: sys.Fd,
    limit: clock.Timer = .{},
    is_late: bool = false,
    started_at: u64,
    start_stamp: clock.Stamp,
    keeper_slot: poll.Slot = 0,
    pipe_slot: poll.Slot = 0,

    /// Null when the container is ending, or nothing can be started: the next may be.
    fn start(checker: *Checker) ?Check {
        const pipe = switch (sys.pipe()) {
            .ok => |pipe| pipe,
            .err => return null,
        };
        output_len = 0;
        // Its troubles are part of the answer, and nobody else's.
        const messages = report.fd;
        report.fd = pipe[1];
        defer report.fd = messages;
        const entered = begin(checker, pipe[1]) catch {
            sys.close(pipe[0]);
            sys.close(pipe[1]);
            return null;
        };
        var check: Check = .{
            .entered = entered,
            .pipe = pipe[0],
            .started_at = clock.now(),
            .start_stamp = clock.stamp(),
        };
        _ = sys.setNonBlocking(pipe[0]);
        check.limit.start(checker.wanted.timeoutMs);
        return check;
    }

    fn begin(checker: *Checker, out: sys.Fd) report.Error!enter.Entered {
        const it = execPlan(checker);
        const target = try Target.open(it.hb.container);
        defer sys.close(target.pidfd);

        const streams: stdio.Streams = .{ .payload = .{ -1, out, out } };
        return enter.start(&it, &target, &streams, checker.arena);
    }

    fn interest(check: *Check, set: *poll.Set) void {
        check.keeper_slot = set.add(check.entered.keeper, linux.POLL.IN);
        check.pipe_slot = set.add(check.pipe, linux.POLL.IN);
        set.until(check.limit);
    }

    /// The answer, once it is there.
    fn step(check: *Check, set: *const poll.Set) ?i32 {
        if (set.ready(check.pipe_slot) != 0) check.read();
        if (check.limit.goesOff()) {
            check.is_late = true;
            check.entered.close(); // which ends it
        }
        if (set.ready(check.keeper_slot) == 0) return null;
        const ended = sys.wait(check.entered.keeper);
        check.read();
        check.close();
        if (check.is_late or ended == .err) return exit_timed_out;
        return ended.ok.status();
    }

    fn abandon(check: *Check) void {
        check.entered.close();
        _ = sys.wait(check.entered.keeper);
        check.close();
    }

    fn close(check: *Check) void {
        check.entered.close();
        sys.close(check.entered.keeper);
        if (check.pipe >= 0) sys.close(check.pipe);
    }

    /// Takes what there is; what is too much is taken as well, or the check would wait for us. Not
    /// for as long as more comes: somebody who writes faster than this reads would keep it here.
    fn read(check: *Check) void {
        var rest: [4096]u8 = undefined;
        for (0..reads_max) |_| {
            if (check.pipe < 0) return;
            const room = output[output_len..];
            const into = if (room.len > 0) room else &rest;
            const got = sys.read(check.pipe, into);
            if (got == .err and got.err == .AGAIN) return;
            if (got == .ok and got.ok > 0) {
                if (room.len > 0) output_len += got.ok;
                continue;
            }
            sys.close(check.pipe);
            check.pipe = -1;
        }
    }
};

/// The check as a command like any other: the container's equal.
fn execPlan(checker: *const Checker) plan.ExecPlan {
    const it = checker.it;
    var process = it.process;
    process.args = checker.wanted.args;
    process.terminal = false;
    return .{
        .ociVersion = it.ociVersion,
        .process = process,
        .linux = .{ .seccomp = it.linux.seccomp },
        .hb = .{
            .container = .{
                .id = it.hb.container.id,
                .directory = it.hb.container.directory,
                .pid = checker.pid,
                .supervisor = sys.getpid(),
                .cgroups = if (it.hb.cgroup) |cgroup| cgroup.directories else &.{},
            },
            .user = it.hb.user,
            .groupAdd = it.hb.groupAdd,
        },
    };
}

const testing = std.testing;

fn example() Checker {
    return .{
        .it = undefined,
        .wanted = .{
            .args = &.{"true"},
            .intervalMs = 1000,
            .timeoutMs = 1000,
            .startPeriodMs = 60_000,
            .startIntervalMs = 10,
            .retries = 2,
        },
        .arena = testing.allocator,
    };
}

fn answer(checker: *Checker, code: i32, after_ms: u64) void {
    checker.check = .{
        .entered = undefined,
        .pipe = -1,
        .started_at = checker.started_at + after_ms,
        .start_stamp = clock.stamp(),
    };
    checker.take(code);
    checker.check = null;
}

test "failures count from the end of the start period, or the first good answer" {
    var checker = example();
    checker.begin(1);
    for (0..3) |_| answer(&checker, 1, 10);
    try testing.expectEqual(.starting, checker.known().status);
    answer(&checker, 1, 60_000);
    answer(&checker, 0, 61_000);
    try testing.expectEqual(.healthy, checker.known().status);
    answer(&checker, 1, 20);
    try testing.expectEqual(.healthy, checker.known().status);
    answer(&checker, exit_timed_out, 30);
    try testing.expectEqual(.unhealthy, checker.known().status);
    try testing.expectEqual(2, checker.known().failingStreak);
    checker.begin(2);
    try testing.expectEqual(.starting, checker.known().status);
}

test "the last five answers are kept" {
    var checker = example();
    checker.begin(1);
    for (0..7) |code| answer(&checker, @intCast(code), 10);
    const log = checker.known().log;
    try testing.expectEqual(5, log.len);
    try testing.expectEqual(2, log[0].exitCode);
    try testing.expectEqual(6, log[4].exitCode);
}

test "a check that was late says so before what it wrote" {
    var checker = example();
    checker.begin(1);
    const text = "half\xff\xe2\x82";
    @memcpy(output[0..text.len], text);
    output_len = text.len;
    defer output_len = 0;
    answer(&checker, exit_timed_out, 10);
    const said = checker.known().log[0].output;
    try testing.expectEqualStrings("Health check exceeded timeout (1000 ms): half???", said);
}

test "until the payload was well once, it is asked more often" {
    var checker = example();
    checker.begin(1);
    try testing.expectEqual(10, checker.interval());
    answer(&checker, 0, 10);
    try testing.expectEqual(1000, checker.interval());
}

test "a check that writes faster than it is read does not keep the supervisor" {
    const pipe = sys.pipe().ok;
    defer sys.close(pipe[1]);
    const bytes: [4096]u8 = @splat('x');
    var left: usize = 1 << 20;
    sys.enlargePipe(pipe[1], left);
    while (left > 0) left -= sys.write(pipe[1], &bytes).ok;
    var check: Check = .{
        .entered = undefined,
        .pipe = pipe[0],
        .started_at = 0,
        .start_stamp = undefined,
    };
    defer sys.close(pipe[0]);
    output_len = 0;
    defer output_len = 0;
    _ = sys.setNonBlocking(pipe[0]);
    check.read();
    try testing.expectEqual(output_bytes_max, output_len);
    var rest: [1]u8 = undefined;
    try testing.expectEqual(1, sys.read(pipe[0], &rest).ok);
}
