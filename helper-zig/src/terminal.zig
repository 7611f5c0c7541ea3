//! The container's terminal (`-t`): a pty of its own devpts on the inside, and hb's own terminal in
//! raw mode on the outside. pty(7), ioctl_tty(2), termios(3).

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sysmount = @import("sysmount.zig");
const signals = @import("signals.zig");
const report = @import("report.zig");
const mount = @import("mount.zig");
const inside = @import("inside.zig");

/// ioctl numbers of asm-generic/ioctls.h, which x86_64 and aarch64 share.
const request = struct {
    const get_attributes = 0x5401;
    const set_attributes = 0x5402;
    const set_controlling = 0x540e;
    const set_foreground = 0x5410;
    const get_size = 0x5413;
    const set_size = 0x5414;
    const lock = 0x40045431;
    const get_peer = 0x5441;
};

/// struct winsize; width and height are pixels, which nobody fills in.
pub const Size = extern struct { rows: u16, columns: u16, width: u16 = 0, height: u16 = 0 };

// -- inside --

/// Both sides of a pty.
pub const Pty = struct {
    master: sys.Fd,
    slave: sys.Fd,

    /// A new one of the container's devpts, which is also its /dev/console.
    pub fn open(root: inside.Root) report.Error!Pty {
        const pty = try another(root);
        try pty.bindConsole(root);
        return pty;
    }

    /// One more of the container's devpts, with the size of hb's terminal.
    pub fn another(root: inside.Root) report.Error!Pty {
        const doing = "open a terminal in the container";
        const flags: linux.O = .{ .ACCMODE = .RDWR, .NOCTTY = true };
        const master = try report.check(root.open("/dev/pts/ptmx", flags), doing, .{});
        var unlocked: i32 = 0;
        _ = try report.check(sys.ioctl(master, request.lock, @intFromPtr(&unlocked)), doing, .{});
        // By descriptor and not by the name /dev/pts/N, which need not be the same file.
        var peer_flags = flags;
        peer_flags.CLOEXEC = true;
        const slave = try report.check(
            sys.ioctl(master, request.get_peer, @as(u32, @bitCast(peer_flags))),
            doing,
            .{},
        );
        const pty: Pty = .{ .master = master, .slave = @intCast(slave) };
        copySize(pty.slave);
        return pty;
    }

    fn bindConsole(pty: Pty, root: inside.Root) report.Error!void {
        const target = try root.makeFile("/dev/console");
        defer sys.close(target);

        const copy = try report.check(
            sysmount.openTree(pty.slave, "", .this),
            "bind /dev/console",
            .{},
        );
        defer sys.close(copy);

        try mount.attach(.{
            .mount = copy,
            .target = target,
            .change = .{ .propagation = sysmount.ms.private },
            .depth = .this,
            .source = "/dev/pts",
            .destination = "/dev/console",
        });
    }

    /// Makes it the session's controlling terminal, and the standard streams.
    pub fn connect(pty: Pty, uid: u32) report.Error!void {
        const doing = "connect the container's terminal";
        const changed = sys.fchown(pty.slave, uid, sys.unchanged_id);
        try report.check(changed, "give the terminal to user {d}", .{uid});
        _ = try report.check(sys.ioctl(pty.slave, request.set_controlling, 0), doing, .{});
        for (0..3) |number|
            try report.check(sys.dupOver(pty.slave, @intCast(number)), doing, .{});
    }
};

/// Makes this process a group of its own, in the terminal's foreground: what ^C goes to. Leaves
/// every signal blocked: a group that is not in front yet is stopped for asking (SIGTTOU).
pub fn takeForeground() void {
    signals.block(.all);
    const zero: sys.Pid = 0;
    _ = sys.call(void, .setpgid, .{ zero, zero });
    const pid: sys.Pid = sys.getpid();
    _ = sys.ioctl(0, request.set_foreground, @intFromPtr(&pid));
}

// -- outside --

/// Copies the size of hb's terminal, whichever of its streams is one, to the pty `fd`.
pub fn copySize(fd: sys.Fd) void {
    if (sizeHere()) |size| setSize(fd, size);
}

/// The size of hb's terminal, whichever of its streams is one.
pub fn sizeHere() ?Size {
    var size: Size = undefined;
    for (0..3) |number| {
        if (sys.ioctl(@intCast(number), request.get_size, @intFromPtr(&size)) == .ok) return size;
    }
    return null;
}

pub fn setSize(fd: sys.Fd, size: Size) void {
    // A pty takes any size.
    _ = sys.ioctl(fd, request.set_size, @intFromPtr(&size));
}

/// struct termios of asm-generic/termbits.h.
const Attributes = extern struct {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    characters: [19]u8,

    comptime {
        std.debug.assert(@sizeOf(Attributes) == 36);
    }
};

/// Says so when neither input nor output of hb is a terminal.
pub fn noticeIfNone() void {
    if (isTerminal(0) or isTerminal(1)) return;
    report.notice("-t without a terminal here: the container's own ends up in a pipe or file", .{});
}

fn isTerminal(fd: sys.Fd) bool {
    var attributes: Attributes = undefined;
    return sys.ioctl(fd, request.get_attributes, @intFromPtr(&attributes)) == .ok;
}

/// hb's terminal handed over to the container's: every key goes through, nothing is echoed here.
pub const Raw = struct {
    before: ?Attributes = null,

    /// From the background this stops hb until it is brought to the front, as any program is.
    pub fn enter(raw: *Raw) void {
        var attributes: Attributes = undefined;
        if (sys.ioctl(0, request.get_attributes, @intFromPtr(&attributes)) != .ok) return;
        const before = attributes;
        makeRaw(&attributes);
        if (sys.ioctl(0, request.set_attributes, @intFromPtr(&attributes)) != .ok) return;
        raw.before = before;
    }

    /// Gives the terminal back as it was; may be called again.
    pub fn leave(raw: *Raw) void {
        const before = raw.before orelse return;
        raw.before = null;
        // From the background too: SIGTTOU would stop us with the terminal still raw.
        signals.ignore(.TTOU);
        _ = sys.ioctl(0, request.set_attributes, @intFromPtr(&before));
        signals.restoreDefault(.TTOU);
    }
};

/// cfmakeraw(3).
fn makeRaw(attributes: *Attributes) void {
    const ignbrk_brkint_parmrk_istrip = 0o1 | 0o2 | 0o10 | 0o40;
    const inlcr_igncr_icrnl_ixon = 0o100 | 0o200 | 0o400 | 0o2000;
    const opost = 0o1;
    const isig_icanon_echo_echonl_iexten = 0o1 | 0o2 | 0o10 | 0o100 | 0o100000;
    const csize_parenb = 0o60 | 0o400;
    const cs8 = 0o60;
    const vtime = 5;
    const vmin = 6;
    attributes.input &= ~@as(u32, ignbrk_brkint_parmrk_istrip | inlcr_igncr_icrnl_ixon);
    attributes.output &= ~@as(u32, opost);
    attributes.local &= ~@as(u32, isig_icanon_echo_echonl_iexten);
    attributes.control = (attributes.control & ~@as(u32, csize_parenb)) | cs8;
    attributes.characters[vmin] = 1;
    attributes.characters[vtime] = 0;
}
