//! The container's control socket: how other hb processes reach its supervisor.
//!
//! `ctl` in the container's directory, SOCK_SEQPACKET; who may enter that directory may ask. A
//! packet is a type and a body:
//! ```
//!   's' u8 signal               send it to the payload          ─▶ 'k'
//!   't' u8 signal, i32 ms       stop: the signal, then SIGKILL  ─▶ 'x' u8 status, once all is over
//!   'w'                         wait                            ─▶ 'x' u8 status, at the next end
//!   'r' u8 policy, u32 max      restart policy from now on      ─▶ 'k'
//!   'a' u8 flags                take part in the streams        ─▶ 'k', and then another protocol
//!   anything that cannot be done                                ─▶ 'e' text
//! ```
//! Numbers are little-endian. One request per connection. End of file without an answer means that
//! the supervisor was killed.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const descriptors = @import("descriptors.zig");
const poll = @import("poll.zig");
const restart = @import("restart.zig");

/// The socket's name in the container's directory.
pub const name = "ctl";

const clients_max = 64;

pub const Request = union(enum) {
    signal: u8,
    stop: Stop,
    wait,
    policy: restart.Policy,
    attach: Attach,

    pub const Stop = struct {
        signal: u8,
        /// Null: as long as it takes.
        timeout_ms: ?u64,
    };

    pub const Attach = struct { input: bool, output: bool };

    /// Null for what is no request.
    pub fn parse(packet: []const u8) ?Request {
        if (packet.len == 0) return null;
        const body = packet[1..];
        switch (packet[0]) {
            's' => return if (body.len == 1 and isSignal(body[0])) .{ .signal = body[0] } else null,
            't' => {
                if (body.len != 5 or !isSignal(body[0])) return null;
                const ms = std.mem.readInt(i32, body[1..5], .little);
                const timeout_ms: ?u64 = if (ms < 0) null else @intCast(ms);
                return .{ .stop = .{ .signal = body[0], .timeout_ms = timeout_ms } };
            },
            'w' => return if (body.len == 0) .wait else null,
            'r' => {
                if (body.len != 5) return null;
                const kind = std.enums.fromInt(restart.Policy.Kind, body[0]) orelse return null;
                const max = std.mem.readInt(u32, body[1..5], .little);
                return .{ .policy = .{ .kind = kind, .retries_max = max } };
            },
            'a' => {
                if (body.len != 1 or body[0] == 0 or body[0] > 3) return null;
                return .{ .attach = .{ .input = body[0] & 1 != 0, .output = body[0] & 2 != 0 } };
            },
            else => return null,
        }
    }

    /// The packet that asks for it, in `buffer`.
    pub fn write(request: Request, buffer: *[6]u8) []const u8 {
        switch (request) {
            .signal => |signal| buffer[0..2].* = .{ 's', signal },
            .stop => |stop| {
                buffer[0..2].* = .{ 't', stop.signal };
                const ms: i32 = if (stop.timeout_ms) |ms| std.math.lossyCast(i32, ms) else -1;
                std.mem.writeInt(i32, buffer[2..6], ms, .little);
                return buffer;
            },
            .wait => {
                buffer[0] = 'w';
                return buffer[0..1];
            },
            .policy => |policy| {
                buffer[0..2].* = .{ 'r', @backingInt(policy.kind) };
                std.mem.writeInt(u32, buffer[2..6], policy.retries_max, .little);
                return buffer;
            },
            .attach => |attach| {
                const flags = @as(u8, @intFromBool(attach.input)) |
                    @as(u8, @intFromBool(attach.output)) << 1;
                buffer[0..2].* = .{ 'a', flags };
            },
        }
        return buffer[0..2];
    }
};

fn isSignal(number: u8) bool {
    return number > 0 and number <= signals.highest;
}

const Client = struct {
    fd: sys.Fd = -1,
    slot: poll.Slot = 0,
    awaits: enum { nothing, next_end, last_end } = .nothing,

    fn close(client: *Client) void {
        sys.close(client.fd);
        client.* = .{};
    }

    /// Answers and is done. Who does not listen has no claim to an answer.
    fn answer(client: *Client, packet: []const u8) void {
        _ = sys.send(client.fd, packet);
        client.close();
    }
};

/// What somebody asks for. Whoever takes it up calls one of the methods once.
pub const Asked = struct {
    request: Request,
    client: *Client,

    pub fn done(asked: Asked) void {
        asked.client.answer("k");
    }

    pub fn refuse(asked: Asked, why: []const u8) void {
        refuseTo(asked.client.fd, why);
        asked.client.close();
    }

    /// It is answered when the payload has ended.
    pub fn untilNextEnd(asked: Asked) void {
        asked.client.awaits = .next_end;
    }

    /// It is answered when nothing comes after that.
    pub fn untilLastEnd(asked: Asked) void {
        asked.client.awaits = .last_end;
    }

    /// The connection, which is the caller's from now on.
    pub fn take(asked: Asked) sys.Fd {
        const fd = asked.client.fd;
        asked.client.* = .{};
        return fd;
    }
};

fn refuseTo(fd: sys.Fd, why: []const u8) void {
    var packet: [256]u8 = undefined;
    packet[0] = 'e';
    const length = @min(why.len, packet.len - 1);
    @memcpy(packet[1..][0..length], why[0..length]);
    _ = sys.send(fd, packet[0 .. length + 1]);
}

pub const Server = struct {
    listener: sys.Fd = -1,
    slot: poll.Slot = 0,
    clients: [clients_max]Client = @splat(.{}),

    /// Listens in the directory `dir`; once is enough.
    pub fn open(server: *Server, dir: sys.Fd) report.Error!void {
        if (server.listener >= 0) return;
        const doing = "make the container's control socket";
        const fd = try report.check(sys.packetSocket(), doing, .{});
        errdefer sys.close(fd);

        _ = sys.unlinkat(dir, name, 0); // of a supervisor that was killed
        var buffer: [32]u8 = undefined;
        const address = addressIn(dir, &buffer);
        // Its own user's alone from the beginning (unix(7): the mode is what the umask leaves).
        sys.umask(0o177);
        const bound = sys.bind(fd, &address);
        sys.umask(0o022);
        try report.check(bound, doing, .{});
        try report.check(sys.listen(fd, clients_max), doing, .{});
        server.listener = fd;
    }

    /// Takes no more requests; who waits goes on waiting for `tellLastEnd`.
    pub fn close(server: *Server, dir: sys.Fd) void {
        if (server.listener < 0) return;
        // Requests that were not read yet end unanswered, as with a supervisor that was killed.
        sys.close(server.listener);
        server.listener = -1;
        _ = sys.unlinkat(dir, name, 0);
    }

    pub fn interest(server: *Server, set: *poll.Set) void {
        server.slot = set.add(server.listener, linux.POLL.IN);
        for (&server.clients) |*client| {
            if (client.fd >= 0) client.slot = set.add(client.fd, linux.POLL.IN);
        }
    }

    /// The next request of those that poll(2) has found; null when there are no more.
    pub fn next(server: *Server, set: *poll.Set) ?Asked {
        for (&server.clients) |*client| {
            if (client.fd < 0 or set.ready(client.slot) == 0) continue;
            set.forget(client.slot);
            var packet: [16]u8 = undefined;
            const got = sys.read(client.fd, &packet);
            if (got == .err and got.err == .AGAIN) continue;
            const length = if (got == .ok) got.ok else 0;
            // Gone, or it goes on talking while it waits.
            if (length == 0 or client.awaits != .nothing) {
                client.close();
                continue;
            }
            if (Request.parse(packet[0..length])) |request|
                return .{ .request = request, .client = client };
            refuseTo(client.fd, "not a request this version of hb knows");
            client.close();
        }
        // Last: a place that somebody new gets has no answer of poll's yet.
        if (set.ready(server.slot) != 0) server.accept();
        set.forget(server.slot);
        return null;
    }

    fn accept(server: *Server) void {
        while (true) {
            const fd = switch (sys.accept(server.listener)) {
                .ok => |fd| fd,
                // EAGAIN: that was all. Else a client that is gone again, or no descriptor left.
                .err => return,
            };
            const free = for (&server.clients) |*client| {
                if (client.fd < 0) break client;
            } else {
                refuseTo(fd, "too many others are waiting for this container");
                sys.close(fd);
                continue;
            };
            free.* = .{ .fd = fd };
        }
    }

    /// Has a socket of another conversation wait with the others for the very end; false when
    /// there are too many.
    pub fn adopt(server: *Server, fd: sys.Fd) bool {
        for (&server.clients) |*client| {
            if (client.fd >= 0) continue;
            client.* = .{ .fd = fd, .awaits = .last_end };
            return true;
        }
        return false;
    }

    /// Answers those who wait for the payload's end.
    pub fn tellEnd(server: *Server, status: u8) void {
        for (&server.clients) |*client| {
            if (client.fd >= 0 and client.awaits == .next_end) client.answer(&.{ 'x', status });
        }
    }

    /// Answers all who wait, at the very end: what they do next may need the lock and the name of
    /// this container, so whatever this process holds is let go of first.
    pub fn tellLastEnd(server: *Server, status: u8) void {
        var waiting: [clients_max]sys.Fd = undefined;
        var count: usize = 0;
        for (&server.clients) |*client| {
            if (client.fd < 0 or client.awaits == .nothing) continue;
            waiting[count] = client.fd;
            count += 1;
        }
        if (count == 0) return;
        descriptors.closeAllBut(waiting[0..count]) catch return;
        for (waiting[0..count]) |fd| _ = sys.send(fd, &.{ 'x', status });
    }
};

/// The socket in `dir` for bind(2) and connect(2): a name of 108 bytes does not hold every path.
pub fn addressIn(dir: sys.Fd, buffer: *[32]u8) linux.sockaddr.un {
    // proven: a descriptor has ten digits at most, and the whole fits an address.
    const path = std.fmt.bufPrint(buffer, "/proc/self/fd/{d}/{s}", .{ dir, name }) catch
        unreachable;
    return sys.socketAddress(path) orelse unreachable; // proven: 32 bytes at most
}

test "a request is understood as it was written, and nothing else is" {
    const requests = [_]Request{
        .{ .signal = 9 },
        .{ .stop = .{ .signal = 15, .timeout_ms = 10_000 } },
        .{ .stop = .{ .signal = 64, .timeout_ms = null } },
        .wait,
        .{ .policy = .{ .kind = .@"on-failure", .retries_max = 3 } },
        .{ .attach = .{ .input = true, .output = false } },
    };
    for (requests) |request| {
        var buffer: [6]u8 = undefined;
        const packet = request.write(&buffer);
        try std.testing.expectEqual(request, Request.parse(packet).?);
        try std.testing.expectEqual(null, Request.parse(packet[0 .. packet.len - 1]));
    }
    for ([_][]const u8{ "", "s\x00", "s\x41", "q", "r\x09aaaa", "a\x00", "ww" }) |packet|
        try std.testing.expectEqual(null, Request.parse(packet));
}

const files = @import("test_directory.zig");

test "who waits is told the end, and who asks nonsense is refused" {
    const place = try files.Directory.open();
    defer place.close();
    var server: Server = .{};
    try server.open(place.fd);
    defer server.close(place.fd);
    try files.expectMode(place.fd, name, linux.S.IFSOCK | 0o600);

    const waits = try connectTo(place.fd);
    defer sys.close(waits);
    const errs = try connectTo(place.fd);
    defer sys.close(errs);
    _ = sys.send(waits, "w").ok;
    _ = sys.send(errs, "nonsense").ok;
    var asked: ?Asked = null;
    for (0..2) |_| {
        var set: poll.Set = .{};
        server.interest(&set);
        try set.wait();
        while (server.next(&set)) |it| asked = it;
    }
    try std.testing.expectEqual(Request.wait, asked.?.request);
    asked.?.untilNextEnd();
    server.tellEnd(7);
    var packet: [64]u8 = undefined;
    try std.testing.expectEqualStrings("x\x07", packet[0..sys.read(waits, &packet).ok]);
    const refusal = packet[0..sys.read(errs, &packet).ok];
    try std.testing.expectEqualStrings("enot a request this version of hb knows", refusal);
}

fn connectTo(dir: sys.Fd) !sys.Fd {
    var buffer: [32]u8 = undefined;
    const address = addressIn(dir, &buffer);
    const fd = sys.packetSocket().ok;
    try files.expectDone(sys.connect(fd, &address));
    return fd;
}
