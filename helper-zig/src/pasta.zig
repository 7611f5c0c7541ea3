//! pasta(1): a user's own network for a container, over a tap device in its network namespace.
//!
//! The front end composes the arguments; here they are completed with how this process follows
//! pasta: in the foreground, a child like the container itself, telling on its standard error when
//! it is ready (`--pid`, which passt of 2023 and of 2025 write when all is set up), and tied to the
//! supervisor's life.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const spawn = @import("spawn.zig");
const plan = @import("plan.zig");
const Device = @import("tap.zig").Device;

/// What pasta said, kept for the moment it fails: all its help, after an option it does not know.
const said_bytes_max = 32 << 10;

/// What happened to pasta.
pub const Event = enum { nothing, ready, failed, died };

pub const Pasta = struct {
    process: spawn.Process,
    path: plan.Text,
    /// Its standard error, where it also writes its pid once the network is there; -1 at its end.
    errors: sys.Fd,
    /// Our end of the pipe whose other end is its standard input: see `tie`.
    life: sys.Fd,
    /// What it goes by, where it has not made that itself.
    device: ?Device = null,
    said: [said_bytes_max]u8 = undefined,
    said_length: usize = 0,
    is_ready: bool = false,

    pub const fds = 2;

    /// What to poll for, for `step`.
    pub fn interest(pasta: *const Pasta) [fds]linux.pollfd {
        return .{
            .{ .fd = pasta.process.pidfd, .events = linux.POLL.IN, .revents = 0 },
            .{ .fd = pasta.errors, .events = linux.POLL.IN, .revents = 0 },
        };
    }

    /// Deals with what poll(2) found. A pasta that ends before it was ready has `failed`; later it
    /// has `died`, once.
    pub fn step(pasta: *Pasta, polled: *const [fds]linux.pollfd) Event {
        if (polled[1].revents != 0) pasta.listen();
        if (!pasta.is_ready and pasta.hasSaidItsPid()) {
            pasta.is_ready = true;
            pasta.said_length = 0;
            return .ready;
        }
        if (polled[0].revents == 0) return .nothing;
        pasta.end();
        return if (pasta.is_ready) .died else .failed;
    }

    /// Has it end: it has nothing to clean up, and the kernel takes a while for its sockets, and
    /// tens of milliseconds for a device of its own.
    pub fn kill(pasta: *const Pasta) void {
        // ESRCH: it has ended by itself.
        _ = sys.signalPidfd(pasta.process.pidfd, signals.number(.KILL));
    }

    /// Ends it, if it is there, and waits until it is gone with all it held.
    pub fn end(pasta: *Pasta) void {
        if (pasta.process.pidfd < 0) return;
        pasta.kill();
        _ = sys.wait(pasta.process.pidfd);
        // For the container where pasta has died, or for others in its network where that has.
        if (pasta.device) |device| device.takeDown();
        pasta.listen();
        closeOnce(&pasta.process.pidfd);
        closeOnce(&pasta.errors);
        closeOnce(&pasta.life);
        if (pasta.device) |device| device.socket.close();
        pasta.device = null;
    }

    /// Its last words.
    pub fn complaint(pasta: *const Pasta) []const u8 {
        const word = lastWord(pasta.said[0..pasta.said_length]);
        const named = std.mem.startsWith(u8, word, pasta.path) and
            std.mem.startsWith(u8, word[pasta.path.len..], ": ");
        return if (named) word[pasta.path.len + 2 ..] else word;
    }

    /// Says why it `failed`.
    pub fn sayWhy(pasta: *const Pasta) report.Error {
        const why = pasta.complaint();
        if (why.len == 0) return report.fail("start {s}: it ended without a word", .{pasta.path});
        return report.fail("start {s}: {s}", .{ pasta.path, why });
    }

    fn hasSaidItsPid(pasta: *const Pasta) bool {
        var buffer: [12]u8 = undefined;
        // proven: a pid has ten digits at most.
        const pid = std.fmt.bufPrint(&buffer, "{d}", .{pasta.process.pid}) catch unreachable;
        var lines = std.mem.splitScalar(u8, pasta.said[0..pasta.said_length], '\n');
        while (lines.next()) |line| if (std.mem.eql(u8, line, pid)) return true;
        return false;
    }

    /// Reads what pasta says; of more than fits the later part is kept.
    fn listen(pasta: *Pasta) void {
        const half = said_bytes_max / 2;
        while (pasta.errors >= 0) {
            if (pasta.said_length == said_bytes_max) {
                const later = pasta.said[pasta.said_length - half .. pasta.said_length];
                std.mem.copyForwards(u8, pasta.said[0..half], later);
                pasta.said_length = half;
            }
            switch (sys.read(pasta.errors, pasta.said[pasta.said_length..])) {
                .ok => |length| {
                    if (length == 0) closeOnce(&pasta.errors);
                    pasta.said_length += length;
                },
                // EAGAIN: that was all for now.
                .err => return,
            }
        }
    }
};

fn closeOnce(fd: *sys.Fd) void {
    if (fd.* >= 0) sys.close(fd.*);
    fd.* = -1;
}

/// Starts pasta on the namespaces of `pid`, whose ids are mapped by now. It goes on by itself: the
/// caller polls it until it is ready.
pub fn start(wanted: plan.Pasta, pid: sys.Pid, namespaces: plan.Linux) report.Error!Pasta {
    const doing = "open a pipe for pasta";
    const life = try report.check(sys.pipe(), doing, .{});
    defer sys.close(life[0]);

    const errors = try report.check(sys.pipe(), doing, .{});
    defer sys.close(errors[1]);

    try report.check(sys.setNonBlocking(errors[0]), doing, .{});
    var streams: spawn.Streams = .{
        .input = life[0],
        .output = errors[1],
        .errors = errors[1],
    };
    const has_user = namespaces.has(.user);
    // Root's pasta has given up the right to look at other processes before it opens the namespace
    // by their name: it is handed the open namespace.
    const namespace = if (has_user) null else try openNetwork(pid);
    defer if (namespace) |fd| sys.close(fd);

    if (namespace) |fd| streams.output = fd;
    var args: Args = .{};
    try args.compose(wanted, pid, has_user);
    const process = try spawn.startWith(wanted.path, args.list(), streams);
    var pasta: Pasta = .{
        .process = process,
        .path = wanted.path,
        .errors = errors[0],
        .life = life[1],
    };
    tie(life[0], process.pid) catch |err| {
        pasta.end();
        return err;
    };
    return pasta;
}

/// Has the kernel kill pasta when this process ends, however it ends. A parent death signal would
/// not do: joining the user namespace or becoming nobody clears it (prctl(2)). But the end of the
/// last writer of a pipe is input for its reader, and input can be told by a signal of one's choice
/// (fcntl(2), F_SETSIG). Nothing is ever written; the only writer is this process, and pasta keeps
/// the reading end as its standard input.
fn tie(reader: sys.Fd, pid: sys.Pid) report.Error!void {
    const doing = "tie pasta to this process";
    const kill: usize = signals.number(.KILL);
    const set_owner: u32 = 8; // F_SETOWN of asm-generic/fcntl.h; std has F_GETOWN's 9 for it
    try report.check(sys.call(void, .fcntl, .{ reader, linux.F.SETSIG, kill }), doing, .{});
    try report.check(sys.call(void, .fcntl, .{ reader, set_owner, pid }), doing, .{});
    const flags: u32 = @bitCast(linux.O{ .ASYNC = true });
    return report.check(sys.call(void, .fcntl, .{ reader, linux.F.SETFL, flags }), doing, .{});
}

fn openNetwork(pid: sys.Pid) report.Error!sys.Fd {
    var path: [32]u8 = undefined;
    // proven: a pid has ten digits at most.
    const name = std.fmt.bufPrintSentinel(&path, "/proc/{d}/ns/net", .{pid}, 0) catch unreachable;
    return report.check(sys.openat(sys.cwd, name, .{}, 0), "open the network namespace", .{});
}

/// pasta's command line.
const Args = struct {
    words: [args_max + 1]?[*:0]const u8 = @splat(null),
    count: usize = 0,
    pid: [16]u8 = undefined,

    const args_max = 4096;

    fn compose(args: *Args, wanted: plan.Pasta, pid: sys.Pid, has_user: bool) report.Error!void {
        if (wanted.args.len + 11 > args_max)
            return report.fail("start {s}: more than {d} arguments", .{ wanted.path, args_max });
        args.add(wanted.path);
        for (wanted.args) |arg| args.add(arg);
        args.add("--foreground");
        args.add("--quiet");
        // Its own standard error, which is our pipe. It closes what else it is given.
        args.add("--pid");
        args.add("/proc/self/fd/2");
        // Its watch over a path in /proc is a timer, or does nothing: it is tied to us instead.
        args.add("--no-netns-quit");
        if (has_user) {
            // Both namespaces of the process: pasta must be root in the one that owns the other.
            // proven: a pid has ten digits at most.
            args.add(std.fmt.bufPrintSentinel(&args.pid, "{d}", .{pid}, 0) catch unreachable);
        } else {
            // Only root may join the namespace, and pasta would become nobody. It gives up root's
            // rights and the file system by itself.
            args.add("--runas");
            args.add("0:0");
            args.add("--netns");
            args.add("/proc/self/fd/1");
        }
    }

    fn add(args: *Args, word: [*:0]const u8) void {
        args.words[args.count] = word;
        args.count += 1;
    }

    fn list(args: *Args) [*:null]const ?[*:0]const u8 {
        return args.words[0..args.count :null];
    }
};

/// The line that says why: the last one, or the one before pasta's whole help. Without a system log
/// passt of 2023 complains about that with every line.
fn lastWord(said: []const u8) []const u8 {
    const usage = std.mem.indexOf(u8, said, "\nUsage: ") orelse said.len;
    var rest = std.mem.trim(u8, said[0..usage], " \n");
    while (rest.len > 0) {
        const line = spawn.lastLine(rest);
        if (!std.mem.startsWith(u8, line, "Failed to send")) return std.mem.trim(u8, line, " ");
        rest = std.mem.trimEnd(u8, rest[0 .. rest.len - line.len], " \n");
    }
    return "";
}

test "pasta is quoted by its last line about the network" {
    const noise = "Failed to send 51 bytes to syslog\n";
    const said = noise ++ "Cannot bind\n" ++ noise;
    try std.testing.expectEqualStrings("Cannot bind", lastWord(said));
    try std.testing.expectEqualStrings("", lastWord("Failed to send 9 bytes to syslog"));
    try std.testing.expectEqualStrings("", lastWord("\n"));
    const help = "pasta: unrecognized option '--x'\nFailed to send 3 bytes\nUsage: pasta\n -h\n";
    try std.testing.expectEqualStrings("pasta: unrecognized option '--x'", lastWord(help));
}

test "the target follows what is passed on" {
    var args: Args = .{};
    const wanted: plan.Pasta = .{ .path = "/usr/bin/pasta", .args = &.{ "--config-net", "-t" } };
    try args.compose(wanted, 42, true);
    try std.testing.expectEqualStrings("/usr/bin/pasta", std.mem.span(args.words[0].?));
    try std.testing.expectEqualStrings("-t", std.mem.span(args.words[2].?));
    try std.testing.expectEqualStrings("42", std.mem.span(args.words[args.count - 1].?));

    var rooted: Args = .{};
    try rooted.compose(wanted, 42, false);
    const target = std.mem.span(rooted.words[rooted.count - 1].?);
    try std.testing.expectEqualStrings("/proc/self/fd/1", target);
}

test "a pasta that fails has its complaint passed on" {
    const pasta: plan.Pasta = .{ .path = "/bin/sh", .args = &.{ "-c", "echo no tap >&2; exit 1" } };
    const saved = report.fd;
    defer report.fd = saved;

    const heard = sys.pipe().ok;
    report.fd = heard[1];
    var started = try start(pasta, sys.getpid(), .{});
    const outcome = while (true) {
        var polled = started.interest();
        _ = sys.poll(&polled, -1);
        const event = started.step(&polled);
        if (event != .nothing) break event;
    };
    try std.testing.expectEqual(Event.failed, outcome);
    try std.testing.expectEqual(error.Reported, started.sayWhy());
    var text: [128]u8 = undefined;
    const length = sys.read(heard[0], &text).ok;
    try std.testing.expectEqualStrings("hb: start /bin/sh: no tap\n", text[0..length]);
}
