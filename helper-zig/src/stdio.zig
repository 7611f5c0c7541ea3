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
const pump = @import("pump.zig");

const buffer_bytes = 64 << 10;

/// One per pump; pages that are never used are never there.
var buffers: [3][buffer_bytes]u8 = undefined;

/// How a descriptor of hb's reaches the payload.
const Kind = enum { discard, direct, pumped };

/// The three streams, decided before the clone.
pub const Streams = struct {
    /// What the payload gets; -1 for the container's own /dev/null.
    payload: [3]sys.Fd = .{ -1, -1, -1 },
    pumps: [3]?pump.Pump = .{ null, null, null },

    /// Ends what is left of them.
    pub fn close(streams: *Streams) void {
        for (&streams.pumps) |*maybe| if (maybe.*) |*it| it.close();
        streams.* = .{};
    }

    /// Lets go of the payload's ends, so that the pumps see when the payload's are closed.
    pub fn closePayloadEnds(streams: *const Streams) void {
        for (streams.payload, 0..) |fd, i| {
            const shared = i == 2 and fd == streams.payload[1];
            if (fd > 2 and !shared) sys.close(fd);
        }
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

/// Decides the streams of a payload without a terminal, and makes the pipes that takes.
pub fn prepare(interactive: bool) report.Error!Streams {
    var streams: Streams = .{};
    if (interactive) try prepareInput(&streams);
    try prepareOutput(&streams, 1);
    if (isSameFile(1, 2)) {
        // One pipe for both: what the payload writes keeps its order, as it would without us.
        streams.payload[2] = if (streams.payload[1] == 1) 2 else streams.payload[1];
    } else {
        try prepareOutput(&streams, 2);
    }
    return streams;
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
                .to = outputEnd(fd),
                .buffer = &buffers[index],
            };
        },
    }
}

/// The streams between hb's own and a pty's master.
pub fn throughTerminal(interactive: bool, master: sys.Fd) report.Error!Streams {
    try report.check(sys.setNonBlocking(master), "prepare the container's terminal", .{});
    var streams: Streams = .{};
    streams.pumps[1] = .{
        .from = .{ .fd = master, .nonblocking = true },
        .to = outputEnd(1),
        .buffer = &buffers[1],
    };
    if (!interactive) return streams;
    streams.pumps[0] = .{
        .from = .{ .fd = 0 },
        .to = .{ .fd = master, .nonblocking = true },
        .buffer = &buffers[0],
        .farewell = .end_of_transmission,
    };
    return streams;
}

/// The streams of a terminal that nobody is at: what is written there is read and forgotten.
pub fn unheardTerminal(master: sys.Fd) report.Error!Streams {
    const doing = "prepare the container's terminal";
    try report.check(sys.setNonBlocking(master), doing, .{});
    const nowhere = sys.openat(sys.cwd, "/dev/null", .{ .ACCMODE = .WRONLY }, 0);
    var streams: Streams = .{};
    streams.pumps[1] = .{
        .from = .{ .fd = master, .nonblocking = true },
        .to = .{
            .fd = try report.check(nowhere, doing, .{}),
            .owned = true,
            .nonblocking = true,
        },
        .buffer = &buffers[1],
    };
    return streams;
}

/// hb's own descriptor as the end of a pump. A terminal stopped by ^S would make a write wait, and
/// with it all signals: it is opened once more, for an open file description of our own.
fn outputEnd(fd: sys.Fd) pump.End {
    const stat = switch (sys.fstat(fd)) {
        .ok => |stat| stat,
        .err => return .{ .fd = fd },
    };
    // Writes to a file do not wait for a reader.
    if (stat.kind() == linux.S.IFREG) return .{ .fd = fd, .nonblocking = true };
    if (stat.kind() != linux.S.IFCHR) return .{ .fd = fd };
    var path: [32:0]u8 = @splat(0);
    // proven: a descriptor has ten digits at most.
    _ = std.fmt.bufPrint(&path, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .NONBLOCK = true, .NOCTTY = true };
    return switch (sys.openat(sys.cwd, &path, flags, 0)) {
        .ok => |own| .{ .fd = own, .owned = true, .nonblocking = true },
        // Another user's terminal (su): then in small pieces, when it says that it is ready.
        .err => .{ .fd = fd },
    };
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
