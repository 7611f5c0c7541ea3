//! The meter's slow link: two network devices, one here and one in another network namespace, and
//! what is put into one comes out of the other as late as a line of some rate and length has it.
//!
//! tc(8)'s netem does the same where the kernel has it. Here every packet has its own moment: it
//! waits for those before it at the line's rate, and is on its way for the line's delay; a packet
//! that finds the queue before the line full is lost, as at any router.

const std = @import("std");
const linux = std.os.linux;

/// linux/if_tun.h, and struct ifreq as TUNSETIFF reads it.
const tun_set_interface: u32 = 0x400454ca;
/// IFF_TUN and IFF_NO_PI: packets without Ethernet, and nothing before them.
const tun_flags: u16 = 0x0001 | 0x1000;
const Request = extern struct {
    name: [16]u8 = @splat(0),
    flags: u16 = 0,
    rest: [22]u8 = @splat(0),
};

const packet_bytes_max = 2048;
/// More than are ever on the way: the queue's and those of the delay.
const packets_max = 4096;

pub const Line = struct {
    bits_per_second: u64,
    /// In each direction.
    delay_ns: u64,
    /// What may wait before the line.
    queue_bytes: u64,
};

pub const Failure = struct { what: []const u8, rc: usize };

/// One direction.
const Lane = struct {
    from: i32,
    to: i32,
    /// When the line has sent all it was given.
    free_ns: u64 = 0,
    packets: [packets_max]Packet = undefined,
    first: usize = 0,
    count: usize = 0,

    const Packet = struct { due_ns: u64, length: usize, bytes: [packet_bytes_max]u8 };

    /// Takes all that is there; false at the end.
    fn take(lane: *Lane, line: Line, now: u64) bool {
        while (true) {
            const packet = &lane.packets[(lane.first + lane.count) % packets_max];
            const got = linux.read(lane.from, &packet.bytes, packet_bytes_max);
            switch (linux.errno(got)) {
                .SUCCESS => {},
                // EIO: the device is down for now.
                .AGAIN, .IO => return true,
                else => return false,
            }
            const begin = @max(now, lane.free_ns);
            const waiting = (begin - now) * line.bits_per_second / 8 / std.time.ns_per_s;
            if (lane.count + 1 == packets_max or waiting > line.queue_bytes) continue;
            lane.free_ns = begin + got * 8 * std.time.ns_per_s / line.bits_per_second;
            packet.due_ns = lane.free_ns + line.delay_ns;
            packet.length = got;
            lane.count += 1;
        }
    }

    /// Gives what is due; when the next one is.
    fn give(lane: *Lane, now: u64) u64 {
        while (lane.count > 0) {
            const packet = &lane.packets[lane.first];
            if (packet.due_ns > now) return packet.due_ns;
            _ = linux.write(lane.to, &packet.bytes, packet.length);
            lane.first = (lane.first + 1) % packets_max;
            lane.count -= 1;
        }
        return std.math.maxInt(u64);
    }
};

var there: Lane = undefined;
var back: Lane = undefined;

/// Makes device `name` in this namespace and in the one that is the file `namespace`.
pub fn open(name: []const u8, namespace: [*:0]const u8) ?Failure {
    const near = device(name) orelse return .{ .what = "make a device", .rc = 0 };
    const opened = linux.open(namespace, .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return .{ .what = "open the namespace", .rc = opened };
    const entered = linux.setns(@intCast(opened), linux.CLONE.NEWNET);
    if (linux.errno(entered) != .SUCCESS) return .{ .what = "setns", .rc = entered };
    const far = device(name) orelse return .{ .what = "make a device there", .rc = 0 };
    there = .{ .from = near, .to = far };
    back = .{ .from = far, .to = near };
    return null;
}

fn device(name: []const u8) ?i32 {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .NONBLOCK = true, .CLOEXEC = true };
    const fd = linux.open("/dev/net/tun", flags, 0);
    var request: Request = .{ .flags = tun_flags };
    if (linux.errno(fd) != .SUCCESS or name.len >= request.name.len) return null;
    @memcpy(request.name[0..name.len], name);
    const made = linux.ioctl(@intCast(fd), tun_set_interface, @intFromPtr(&request));
    return if (linux.errno(made) == .SUCCESS) @intCast(fd) else null;
}

/// Carries packets both ways until killed; both devices go with the program.
pub fn carry(line: Line, clock: *const fn () u64) ?Failure {
    // The default lets a timer be 50 µs late, half a packet at 100 Mbit/s.
    _ = linux.prctl(@backingInt(linux.PR.SET_TIMERSLACK), 1, 0, 0, 0);
    while (true) {
        const due = @min(there.give(clock()), back.give(clock()));
        const left = due -| clock();
        var timeout: linux.timespec = .{
            .sec = @intCast(@min(left / std.time.ns_per_s, 3600)),
            .nsec = @intCast(left % std.time.ns_per_s),
        };
        var polled = [_]linux.pollfd{
            .{ .fd = there.from, .events = linux.POLL.IN, .revents = 0 },
            .{ .fd = back.from, .events = linux.POLL.IN, .revents = 0 },
        };
        const rc = linux.ppoll(&polled, polled.len, &timeout, null);
        if (linux.errno(rc) != .SUCCESS) return .{ .what = "ppoll", .rc = rc };
        const now = clock();
        const taken = there.take(line, now) and back.take(line, now);
        if (!taken) return .{ .what = "a device is gone", .rc = 0 };
    }
}
