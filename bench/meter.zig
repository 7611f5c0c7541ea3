//! The bench's stop watch and its payloads: one static program, the same inside and outside.
//!
//!   spend [--as UID:GID] [--report FILE] PROGRAM ARG…   run it; write what it cost as JSON
//!   clock                                               CLOCK_MONOTONIC now, in ns
//!   getppid COUNT                                       that many system calls: wall ns, cpu ns
//!   files DIR COUNT                                     create, stat, read, unlink: wall, cpu ns
//!   stay                                                say "ready", then wait for a signal
//!   lines COUNT FILE                                    say that many bytes; wall, cpu ns to FILE
//!   serve PORT COUNT                                    give that many bytes to one who connects
//!   fetch ADDRESS PORT                                  take them: ns of first and last, count
//!   link DEVICE NETNS BIT/S DELAY_NS QUEUE_BYTES        be a slow link into a network namespace
//!
//! A stop watch of its own because a small process forks in no time, whereas the bench's runtime
//! would add its own start cost and, through vfork, its own peak memory to every figure.

const std = @import("std");
const linux = std.os.linux;
const link_module = @import("link.zig");
const transfer = @import("transfer.zig");

const Argv = []const [*:0]const u8;

/// How long descendants that outlive PROGRAM may finish, so that they disturb nobody else's turn.
const stragglers_ns_max = 3 * std.time.ns_per_s;

pub fn main(init: std.process.Init.Minimal) u8 {
    const args: Argv = init.args.vector;
    if (args.len < 2) return die("no subcommand", 0);
    const rest = args[2..];
    const name = std.mem.span(args[1]);
    if (std.mem.eql(u8, name, "spend")) return spend(rest, init.environ.block.slice.ptr);
    if (std.mem.eql(u8, name, "clock")) return say("{d}\n", .{now()});
    if (std.mem.eql(u8, name, "getppid") and rest.len == 1) return getppid(number(rest[0]));
    if (std.mem.eql(u8, name, "files") and rest.len == 2) return files(rest[0], number(rest[1]));
    if (std.mem.eql(u8, name, "stay")) return stay();
    if (std.mem.eql(u8, name, "lines") and rest.len == 2) return lines(number(rest[0]), rest[1]);
    if (std.mem.eql(u8, name, "serve") and rest.len == 2) return serve(rest[0], rest[1]);
    if (std.mem.eql(u8, name, "fetch") and rest.len == 2) return fetch(rest[0], rest[1]);
    if (std.mem.eql(u8, name, "link") and rest.len == 5) return link(rest);
    return die("unknown subcommand", 0);
}

const Spend = struct {
    uid: ?u32 = null,
    gid: u32 = 0,
    report: ?[*:0]const u8 = null,
    argv: Argv,
};

fn parseSpend(args: Argv) ?Spend {
    var spending: Spend = .{ .argv = args };
    while (spending.argv.len > 2) : (spending.argv = spending.argv[2..]) {
        const flag = std.mem.span(spending.argv[0]);
        const value = std.mem.span(spending.argv[1]);
        if (std.mem.eql(u8, flag, "--as")) {
            const colon = std.mem.indexOfScalar(u8, value, ':') orelse return null;
            spending.uid = std.fmt.parseInt(u32, value[0..colon], 10) catch return null;
            spending.gid = std.fmt.parseInt(u32, value[colon + 1 ..], 10) catch return null;
        } else if (std.mem.eql(u8, flag, "--report")) {
            spending.report = value.ptr;
        } else break;
    }
    return if (spending.argv.len == 0) null else spending;
}

/// Wall time ends with PROGRAM; cpu and peak memory include every descendant, also those it leaves
/// behind (a monitor, a cleanup process): as subreaper, they become ours when their parent ends.
fn spend(args: Argv, env: [*:null]const ?[*:0]const u8) u8 {
    const spending = parseSpend(args) orelse return die("spend: bad arguments", 0);
    _ = linux.prctl(@backingInt(linux.PR.SET_CHILD_SUBREAPER), 1, 0, 0, 0);
    var report_fd: i32 = 1;
    if (spending.report) |path| {
        const flags: linux.O =
            .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true };
        const rc = linux.open(path, flags, 0o600);
        if (linux.errno(rc) != .SUCCESS) return die("cannot write the report", rc);
        report_fd = @intCast(rc);
    }
    var child_ended = linux.sigemptyset();
    linux.sigaddset(&child_ended, .CHLD);
    _ = linux.sigprocmask(linux.SIG.BLOCK, &child_ended, null);

    const started = now();
    const forked = linux.fork();
    if (linux.errno(forked) != .SUCCESS) return die("fork", forked);
    if (forked == 0) {
        _ = linux.sigprocmask(linux.SIG.UNBLOCK, &child_ended, null);
        return become(spending, env);
    }
    var status: i32 = 0;
    _ = linux.wait4(@intCast(forked), &status, 0, null);
    const wall = now() - started;
    reapStragglers(&child_ended);
    var usage: linux.rusage = undefined;
    _ = linux.getrusage(linux.rusage.CHILDREN, &usage);
    return write(report_fd,
        \\{{"status":{d},"startedNs":{d},"wallNs":{d},"userUs":{d},"sysUs":{d},"peakKiB":{d}}}
        \\
    , .{ status, started, wall, micros(usage.utime), micros(usage.stime), usage.maxrss });
}

fn become(spending: Spend, env: [*:null]const ?[*:0]const u8) u8 {
    if (spending.uid) |uid| {
        const no_groups = [_]linux.gid_t{spending.gid};
        const steps = [_]usize{
            linux.setgroups(1, &no_groups),
            linux.setresgid(spending.gid, spending.gid, spending.gid),
            linux.setresuid(uid, uid, uid),
        };
        for (steps) |rc| if (linux.errno(rc) != .SUCCESS) return die("cannot become the user", rc);
    }
    // After the change of user, which clears it: who stops the bench stops what it measures.
    _ = linux.prctl(@backingInt(linux.PR.SET_PDEATHSIG), @backingInt(linux.SIG.TERM), 0, 0, 0);
    const argv: [*:null]const ?[*:0]const u8 = @ptrCast(spending.argv.ptr);
    return die("execve", linux.execve(spending.argv[0], argv, env));
}

fn reapStragglers(child_ended: *const linux.sigset_t) void {
    const deadline = now() + stragglers_ns_max;
    while (true) {
        const rc = linux.wait4(-1, undefined_status, linux.W.NOHANG, null);
        if (linux.errno(rc) != .SUCCESS) return; // ECHILD: nobody is left
        if (rc > 0) continue;
        const left = deadline -| now();
        if (left == 0) return;
        const timeout: linux.timespec = .{
            .sec = @intCast(left / std.time.ns_per_s),
            .nsec = @intCast(left % std.time.ns_per_s),
        };
        _ = linux.syscall4(
            .rt_sigtimedwait,
            @intFromPtr(child_ended),
            0,
            @intFromPtr(&timeout),
            @sizeOf(linux.sigset_t),
        );
    }
}

var status_slot: i32 = 0;
const undefined_status = &status_slot;

fn getppid(count: u64) u8 {
    const started: Spot = .here();
    for (0..count) |_| _ = linux.getppid();
    return started.sayElapsed();
}

/// Four passes over COUNT small files, as a build or a package manager makes them.
fn files(dir: [*:0]const u8, count: u64) u8 {
    const dir_rc = linux.open(dir, .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(dir_rc) != .SUCCESS) return die("files: cannot open the directory", dir_rc);
    const root: i32 = @intCast(dir_rc);
    const started: Spot = .here();
    inline for (.{ createOne, statOne, readOne, unlinkOne }) |pass| {
        for (0..count) |i| {
            var buffer: [32]u8 = undefined;
            // proven: 6 + 20 + 1 < 32
            const name = std.fmt.bufPrintSentinel(&buffer, "bench-{d}", .{i}, 0) catch unreachable;
            const rc = pass(root, name);
            if (linux.errno(rc) != .SUCCESS) return die("files: a step failed", rc);
        }
    }
    return started.sayElapsed();
}

fn createOne(root: i32, name: [*:0]const u8) usize {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .CLOEXEC = true };
    const rc = linux.openat(root, name, flags, 0o644);
    if (linux.errno(rc) != .SUCCESS) return rc;
    defer _ = linux.close(@intCast(rc));
    return linux.write(@intCast(rc), &sample, sample.len);
}

fn statOne(root: i32, name: [*:0]const u8) usize {
    var stat: linux.Statx = undefined;
    return linux.statx(root, name, 0, .{ .MODE = true, .SIZE = true, .MTIME = true }, &stat);
}

fn readOne(root: i32, name: [*:0]const u8) usize {
    const rc = linux.openat(root, name, .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return rc;
    defer _ = linux.close(@intCast(rc));
    var buffer: [sample.len]u8 = undefined;
    return linux.read(@intCast(rc), &buffer, buffer.len);
}

fn unlinkOne(root: i32, name: [*:0]const u8) usize {
    return linux.unlinkat(root, name, 0);
}

const sample: [1024]u8 = @splat('x');

fn stay() u8 {
    _ = say("ready\n", .{});
    _ = linux.pause();
    return 0;
}

/// Lines as a busy service writes them, many to a call, as fast as they are taken.
fn lines(count: u64, path: [*:0]const u8) u8 {
    const line = "2026-01-01T00:00:00Z INFO web: GET /articles/2026/of-mice-and-men 200 " ++
        "1532 bytes, 12.4 milliseconds\n";
    const many: [640][100]u8 = @splat(line.*);
    const text: []const u8 = @ptrCast(&many);
    const started: Spot = .here();
    var left = count;
    // A short write goes on where it was cut off, so that no line is.
    var at: usize = 0;
    while (left > 0) {
        const rc = linux.write(1, text.ptr + at, @min(text.len - at, left));
        if (linux.errno(rc) != .SUCCESS) return die("lines: write", rc);
        left -= rc;
        at = (at + rc) % text.len;
    }
    const end: Spot = .here();
    const rc = linux.open(path, .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true }, 0o644);
    if (linux.errno(rc) != .SUCCESS) return die("lines: cannot write the times", rc);
    return end.sayElapsedSince(started, @intCast(rc));
}

fn serve(port: [*:0]const u8, count: [*:0]const u8) u8 {
    const failure = transfer.serve(portOf(port), number(count)) orelse return 0;
    return die(failure.what, failure.rc);
}

fn fetch(address: [*:0]const u8, port: [*:0]const u8) u8 {
    const ip = std.Io.net.Ip4Address.parse(std.mem.span(address), 0) catch
        return die("fetch: bad address", 0);
    const got = transfer.fetch(ip.bytes, portOf(port), now) orelse
        return die("fetch: nobody answered", 0);
    return say("{d} {d} {d}\n", .{ got.first_ns, got.end_ns, got.bytes });
}

fn link(args: Argv) u8 {
    if (link_module.open(std.mem.span(args[0]), args[1])) |failure| {
        return die(failure.what, failure.rc);
    }
    _ = linux.prctl(@backingInt(linux.PR.SET_PDEATHSIG), @backingInt(linux.SIG.TERM), 0, 0, 0);
    _ = say("ready\n", .{});
    const line: link_module.Line = .{
        .bits_per_second = number(args[2]),
        .delay_ns = number(args[3]),
        .queue_bytes = number(args[4]),
    };
    const failure = link_module.carry(line, now) orelse return 0;
    return die(failure.what, failure.rc);
}

fn portOf(text: [*:0]const u8) u16 {
    return std.fmt.parseInt(u16, std.mem.span(text), 10) catch 0;
}

fn number(text: [*:0]const u8) u64 {
    return std.fmt.parseInt(u64, std.mem.span(text), 10) catch 0;
}

/// A moment on both clocks.
const Spot = struct {
    wall: u64,
    cpu: u64,

    fn here() Spot {
        return .{ .wall = now(), .cpu = clock(.PROCESS_CPUTIME_ID) };
    }

    fn sayElapsed(spot: Spot) u8 {
        return Spot.here().sayElapsedSince(spot, 1);
    }

    fn sayElapsedSince(end: Spot, started: Spot, fd: i32) u8 {
        return write(fd, "{d} {d}\n", .{ end.wall - started.wall, end.cpu - started.cpu });
    }
};

fn now() u64 {
    return clock(.MONOTONIC);
}

fn clock(which: linux.clockid_t) u64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(which, &time);
    return @as(u64, @intCast(time.sec)) * std.time.ns_per_s + @as(u64, @intCast(time.nsec));
}

fn micros(time: linux.timeval) u64 {
    return @as(u64, @intCast(time.sec)) * std.time.us_per_s + @as(u64, @intCast(time.usec));
}

fn say(comptime format: []const u8, values: anytype) u8 {
    return write(1, format, values);
}

fn write(fd: i32, comptime format: []const u8, values: anytype) u8 {
    var buffer: [512]u8 = undefined;
    const text = std.fmt.bufPrint(&buffer, format, values) catch return 1;
    return if (linux.write(fd, text.ptr, text.len) == text.len) 0 else 1;
}

fn die(what: []const u8, rc: usize) u8 {
    _ = write(2, "meter: {s}: {t}\n", .{ what, linux.errno(rc) });
    return 127;
}
