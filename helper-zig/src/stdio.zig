//! What the payload has as standard input, output and error.
//!
//! Only anonymous pipes and sockets of ours enter the container as they are. A terminal or file
//! given to hb would be open to more than reading and writing there: the payload could reopen
//! /proc/self/fd/1 and read the terminal, or truncate the file. So those are pumped through a pipe
//! by the supervisor. /dev/null is opened anew inside: chmod on the host's would reach the host.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const poll = @import("poll.zig");
const pump = @import("pump.zig");
const Fanout = @import("fanout.zig").Fanout;

const buffer_bytes = 64 << 10;

/// One per pump; pages that are never used are never there.
var buffers: [3][buffer_bytes]u8 = undefined;

/// How a descriptor of hb's reaches the payload.
const Kind = enum { discard, direct, pumped };

/// What the streams are to be.
pub const Wanted = struct {
    interactive: bool,
    /// The payload gets one of its own: its streams come when it is made.
    terminal: bool,
    /// hb's own streams take part: the container runs in the foreground.
    has_own: bool,
    /// Others take part, too: a log, and who attaches.
    is_shared: bool,
    /// The payload's input ends with the last who could send some.
    ends_input: bool,

    pub const nothing: Wanted = .{
        .interactive = false,
        .terminal = true,
        .has_own = false,
        .is_shared = false,
        .ends_input = false,
    };
};

/// The three streams, decided before the clone.
pub const Streams = struct {
    wanted: Wanted = .nothing,
    /// What the payload gets; -1 for the container's own /dev/null.
    payload: [3]sys.Fd = .{ -1, -1, -1 },
    pumps: [3]?pump.Pump = .{ null, null, null },
    slots: [3]poll.Slot = .{ 0, 0, 0 },
    /// In the pumps' place, where the streams are shared.
    fanout: ?*Fanout = null,
    started: bool = false,

    /// Lets go of the payload's ends, so that the pumps see when the payload's are closed.
    pub fn closePayloadEnds(streams: *const Streams) void {
        for (streams.payload, 0..) |fd, i| {
            const is_same = i == 2 and fd == streams.payload[1];
            if (fd > 2 and !is_same) sys.close(fd);
        }
    }

    /// The payload's terminal has been made, and is its streams.
    pub fn useTerminal(streams: *Streams, master: sys.Fd) report.Error!void {
        try report.check(sys.setNonBlocking(master), "prepare the container's terminal", .{});
        const wanted = streams.wanted;
        if (streams.fanout) |it|
            return it.useTerminal(master, wanted.interactive, wanted.has_own);
        streams.pumps[1] = .{
            .from = .{ .fd = master, .nonblocking = true },
            .to = pump.outputEnd(1),
            .buffer = &buffers[1],
        };
        if (!wanted.interactive) return;
        streams.pumps[0] = .{
            .from = .{ .fd = 0 },
            .to = .{ .fd = master, .nonblocking = true },
            .buffer = &buffers[0],
            .farewell = .end_of_transmission,
        };
    }

    /// The payload runs, and reads what there is for it.
    pub fn start(streams: *Streams) void {
        streams.started = true;
        if (streams.fanout) |it| it.start();
    }

    // -- the loop --

    pub fn interest(streams: *Streams, set: *poll.Set) void {
        if (streams.fanout) |it| return it.interest(set);
        for (&streams.pumps, &streams.slots, 0..) |*maybe, *slot, i| {
            var wanted: linux.pollfd = .{ .fd = -1, .events = 0, .revents = 0 };
            // Input is not taken before there is somebody to read it.
            const has_reader = i > 0 or streams.started;
            if (maybe.*) |*it| if (has_reader and !it.isDone()) {
                wanted = it.interest();
            };
            slot.* = set.addAll(&.{wanted});
        }
    }

    /// Moves what can be moved, after poll(2) has said what can.
    pub fn step(streams: *Streams, set: *const poll.Set) void {
        if (streams.fanout) |it| return it.step(set);
        for (&streams.pumps, streams.slots) |*maybe, slot| {
            if (set.ready(slot) != 0) if (maybe.*) |*it| it.step();
        }
    }

    /// After the payload's end: reads what it wrote and nobody has read yet. Its writers are all
    /// gone (the end of pid 1 is the end of its namespace), so what is there is all there is. True
    /// as long as there is something to write, which `interest` and `step` do.
    pub fn drain(streams: *Streams) bool {
        if (streams.fanout) |it| return it.drain();
        if (streams.pumps[0]) |*input| input.close();
        streams.pumps[0] = null;
        var pending = false;
        for (streams.pumps[1..]) |*maybe| {
            const it = if (maybe.*) |*it| it else continue;
            if (it.begin < it.end or it.fill()) pending = true;
        }
        return pending;
    }

    /// Ends what is left of them.
    pub fn close(streams: *Streams) void {
        if (streams.fanout) |it| it.close();
        streams.fanout = null;
        for (&streams.pumps) |*maybe| if (maybe.*) |*it| it.close();
        streams.pumps = .{ null, null, null };
    }
};

/// Makes sure 0, 1 and 2 are open, or the next descriptors made would become standard streams.
pub fn fillGaps() report.Error!void {
    for (0..3) |number| {
        const fd: sys.Fd = @intCast(number);
        const open = sys.fstat(fd);
        if (open == .ok or open.err != .BADF) continue;
        const opened = sys.openat(sys.cwd, "/dev/null", .{ .ACCMODE = .RDWR }, 0);
        _ = try report.check(opened, "open /dev/null for a closed standard stream", .{});
    }
}

/// Decides the streams, and makes the pipes that takes.
pub fn prepare(wanted: Wanted) report.Error!Streams {
    var streams: Streams = .{ .wanted = wanted };
    if (wanted.is_shared) {
        try share(&streams);
        return streams;
    }
    if (wanted.terminal) return streams;
    if (wanted.interactive) try prepareInput(&streams);
    try prepareOutput(&streams, 1);
    if (isSameFile(1, 2)) {
        // One pipe for both: what the payload writes keeps its order, as it would without us.
        streams.payload[2] = if (streams.payload[1] == 1) 2 else streams.payload[1];
    } else {
        try prepareOutput(&streams, 2);
    }
    return streams;
}

/// A supervisor has one payload at a time.
var shared: Fanout = .{};

fn share(streams: *Streams) report.Error!void {
    const wanted = streams.wanted;
    shared = .{ .ends_input = wanted.ends_input };
    streams.fanout = &shared;
    if (wanted.terminal) return;
    if (wanted.interactive) streams.payload[0] = try shared.openInput(wanted.has_own);
    streams.payload[1] = try shared.openOutput(.stdout, ownOutput(wanted, 1));
    streams.payload[2] = try shared.openOutput(.stderr, ownOutput(wanted, 2));
}

fn ownOutput(wanted: Wanted, fd: sys.Fd) ?pump.End {
    return if (wanted.has_own and kindOf(fd) != .discard) pump.outputEnd(fd) else null;
}

fn prepareInput(streams: *Streams) report.Error!void {
    switch (kindOf(0)) {
        .discard => {},
        .direct => streams.payload[0] = 0,
        .pumped => {
            const pipe = try report.check(sys.pipe(), "open a pipe for standard input", .{});
            try report.check(sys.setNonBlocking(pipe[1]), "prepare standard input", .{});
            streams.payload[0] = pipe[0];
            streams.pumps[0] = .{
                .from = .{ .fd = 0 },
                .to = .{ .fd = pipe[1], .owned = true, .nonblocking = true },
                .buffer = &buffers[0],
            };
        },
    }
}

fn prepareOutput(streams: *Streams, fd: sys.Fd) report.Error!void {
    const index: usize = @intCast(fd);
    switch (kindOf(fd)) {
        .discard => {},
        .direct => streams.payload[index] = fd,
        .pumped => {
            const pipe = try report.check(sys.pipe(), "open a pipe for output", .{});
            try report.check(sys.setNonBlocking(pipe[0]), "prepare output", .{});
            streams.payload[index] = pipe[1];
            streams.pumps[index] = .{
                .from = .{ .fd = pipe[0], .owned = true, .nonblocking = true },
                .to = pump.outputEnd(fd),
                .buffer = &buffers[index],
            };
        },
    }
}

fn kindOf(fd: sys.Fd) Kind {
    const stat = switch (sys.fstat(fd)) {
        .ok => |stat| stat,
        .err => return .discard,
    };
    return switch (stat.kind()) {
        linux.S.IFSOCK => .direct,
        // A named fifo is a file of the host's: through /proc/self/fd it has an owner and a mode.
        // Another user's pipe could not be given to the payload's user either.
        linux.S.IFIFO => if (isAnonymous(fd) and canGive(stat)) .direct else .pumped,
        linux.S.IFCHR => if (isNull(stat)) .discard else .pumped,
        else => .pumped,
    };
}

fn isAnonymous(fd: sys.Fd) bool {
    const pipefs_magic = 0x50495045;
    const on = sys.fileSystemOf(fd);
    return on == .ok and on.ok == pipefs_magic;
}

fn canGive(pipe: sys.Stat) bool {
    const own = linux.geteuid();
    return own == 0 or own == pipe.uid;
}

fn isNull(stat: sys.Stat) bool {
    return stat.kind() == linux.S.IFCHR and stat.node.major == 1 and stat.node.minor == 3;
}

/// Whether two descriptors are one open file (kcmp(2)), or one terminal.
fn isSameFile(a: sys.Fd, b: sys.Fd) bool {
    const kcmp_file = 0;
    const pid = sys.getpid();
    const compared = sys.call(usize, .kcmp, .{ pid, pid, @as(u32, kcmp_file), a, b });
    if (compared == .ok and compared.ok == 0) return true;
    const first = sys.fstat(a);
    const second = sys.fstat(b);
    if (first == .err or second == .err) return false;
    return first.ok.kind() == linux.S.IFCHR and second.ok.kind() == linux.S.IFCHR and
        std.meta.eql(first.ok.node, second.ok.node);
}

/// The payload's side, after pivot: puts the streams on 0, 1 and 2, owned by the payload's user.
pub fn connect(streams: *const Streams, uid: u32) report.Error!void {
    var null_fd: sys.Fd = -1;
    var from: [3]sys.Fd = streams.payload;
    for (&from) |*fd| {
        if (fd.* >= 0) {
            try giveTo(fd.*, uid);
            continue;
        }
        if (null_fd < 0) null_fd = try openNull();
        fd.* = null_fd;
    }
    for (from, 0..) |fd, number|
        try report.check(sys.dupOver(fd, @intCast(number)), "connect the standard streams", .{});
}

/// A pipe belongs to who made it, and its owner may open /dev/stdout: nginx and others do.
fn giveTo(fd: sys.Fd, uid: u32) report.Error!void {
    const stat = try report.check(sys.fstat(fd), "look at a standard stream", .{});
    if (stat.kind() != linux.S.IFIFO or stat.uid == uid) return;
    const changed = sys.fchown(fd, uid, sys.unchanged_id);
    // A pipe of a user that has no id in the namespace stays his; using it works, reopening not.
    if (changed == .err and (changed.err == .PERM or changed.err == .INVAL)) return;
    return report.check(changed, "give a standard stream to user {d}", .{uid});
}

fn openNull() report.Error!sys.Fd {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .NOCTTY = true, .NONBLOCK = true };
    const fd = try report.check(sys.openat(sys.cwd, "/dev/null", flags, 0), "open /dev/null", .{});
    const stat = try report.check(sys.fstat(fd), "open /dev/null", .{});
    if (!isNull(stat)) return report.fail("open /dev/null: not the null device", .{});
    return fd;
}
