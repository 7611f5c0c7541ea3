//! The meter's two ends of a TCP connection: a source of bytes, and who takes them.

const std = @import("std");
const linux = std.os.linux;

/// Nobody waits longer than this for the other, so nothing stays when one of them fails.
const wait_ms_max = 20_000;
/// Between two attempts to connect: little beside what is measured, and it leaves the processor to
/// who is waited for.
const pause_ns = 50 * std.time.ns_per_us;

var buffer: [256 * 1024]u8 = @splat('x');

/// Where it went wrong, and what the system said.
pub const Failure = struct { what: []const u8, rc: usize };

/// Gives COUNT bytes to the first who connects to a port of any address and takes them all.
pub fn serve(port: u16, count: u64) ?Failure {
    dieWhenAsked();
    const listener = open() orelse return .{ .what = "socket", .rc = 0 };
    set(listener, linux.SO.REUSEADDR, std.mem.asBytes(&@as(i32, 1)));
    const address: linux.sockaddr.in = .{ .port = std.mem.nativeToBig(u16, port), .addr = 0 };
    const bound = linux.bind(listener, @ptrCast(&address), @sizeOf(linux.sockaddr.in));
    if (linux.errno(bound) != .SUCCESS) return .{ .what = "bind", .rc = bound };
    const listening = linux.listen(listener, 16);
    if (linux.errno(listening) != .SUCCESS) return .{ .what = "listen", .rc = listening };
    while (awaitInput(listener)) {
        const accepted = linux.accept4(listener, null, null, linux.SOCK.CLOEXEC);
        if (linux.errno(accepted) != .SUCCESS) continue;
        defer _ = linux.close(@intCast(accepted));
        if (give(@intCast(accepted), count)) return null;
    }
    return .{ .what = "nobody came", .rc = 0 };
}

/// Whether the other side took everything, after which it ends in order; where it gave up before it
/// was heard it resets. Not to be left before: with a container goes what is still under way.
fn give(fd: i32, count: u64) bool {
    var left = count;
    while (left > 0) {
        const rc = linux.sendto(fd, &buffer, @min(left, buffer.len), linux.MSG.NOSIGNAL, null, 0);
        if (linux.errno(rc) != .SUCCESS) return false;
        left -= rc;
    }
    // Without an end pasta of 2023 keeps the last bytes to itself.
    _ = linux.shutdown(fd, linux.SHUT.WR);
    var rest: [1]u8 = undefined;
    return awaitInput(fd) and linux.recvfrom(fd, &rest, 1, 0, null, null) == 0;
}

fn awaitInput(fd: i32) bool {
    var polled: linux.pollfd = .{ .fd = fd, .events = linux.POLL.IN, .revents = 0 };
    return linux.poll(@ptrCast(&polled), 1, wait_ms_max) == 1;
}

/// What a fetch saw; the moments are CLOCK_MONOTONIC in ns.
pub const Fetched = struct { first_ns: u64, end_ns: u64, bytes: u64 };

/// Connects to an IPv4 address until that gives a first byte, then takes all there is.
pub fn fetch(address: [4]u8, port: u16, clock: *const fn () u64) ?Fetched {
    const target: linux.sockaddr.in = .{
        .port = std.mem.nativeToBig(u16, port),
        .addr = @bitCast(address),
    };
    const deadline = clock() + wait_ms_max * std.time.ns_per_ms;
    while (clock() < deadline) {
        if (attempt(&target, clock)) |fetched| return fetched;
        const pause: linux.timespec = .{ .sec = 0, .nsec = pause_ns };
        _ = linux.nanosleep(&pause, null);
    }
    return null;
}

/// Nothing when there was no first byte: refused, or a proxy found nobody behind it yet.
fn attempt(target: *const linux.sockaddr.in, clock: *const fn () u64) ?Fetched {
    const fd = open() orelse return null;
    defer _ = linux.close(fd);
    set(fd, linux.SO.RCVTIMEO, std.mem.asBytes(&linux.timeval{ .sec = 5, .usec = 0 }));
    // What a SYN too early cost would be a second, the first time TCP sends it again.
    set(fd, linux.SO.SNDTIMEO, std.mem.asBytes(&linux.timeval{ .sec = 0, .usec = 200_000 }));
    const rc = linux.connect(fd, target, @sizeOf(linux.sockaddr.in));
    if (linux.errno(rc) != .SUCCESS) return null;
    const first = linux.recvfrom(fd, &buffer, buffer.len, 0, null, null);
    if (linux.errno(first) != .SUCCESS or first == 0) {
        // A close that resets: { l_onoff, l_linger }.
        set(fd, linux.SO.LINGER, std.mem.asBytes(&[2]i32{ 1, 0 }));
        return null;
    }
    var fetched: Fetched = .{ .first_ns = clock(), .end_ns = 0, .bytes = first };
    while (true) {
        const got = linux.recvfrom(fd, &buffer, buffer.len, 0, null, null);
        if (linux.errno(got) != .SUCCESS or got == 0) break;
        fetched.bytes += got;
    }
    fetched.end_ns = clock();
    return fetched;
}

fn open() ?i32 {
    const rc = linux.socket(linux.AF.INET, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, 0);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}

fn set(fd: i32, option: u32, value: []const u8) void {
    _ = linux.setsockopt(fd, linux.SOL.SOCKET, option, value.ptr, @intCast(value.len));
}

/// As pid 1 of a container a program has only the signals it asks for.
fn dieWhenAsked() void {
    const action: linux.Sigaction = .{
        .handler = .{ .handler = end },
        .mask = linux.sigemptyset(),
        .flags = 0,
    };
    inline for (.{ linux.SIG.TERM, linux.SIG.INT }) |signal| {
        _ = linux.sigaction(signal, &action, null);
    }
}

fn end(_: linux.SIG) callconv(.c) void {
    linux.exit_group(1);
}
