//! The system calls that make file systems appear: fsopen(2), open_tree(2), move_mount(2),
//! mount_setattr(2), mount(2), pivot_root(2). Raw, as sys.zig; the constants are linux/mount.h's.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");

const Fd = sys.Fd;
const Result = sys.Result;

/// MOUNT_ATTR_*: what one mount allows, whatever its file system allows.
pub const attr = struct {
    pub const rdonly: u64 = 0x1;
    pub const nosuid: u64 = 0x2;
    pub const nodev: u64 = 0x4;
    pub const noexec: u64 = 0x8;
    /// The bits of the three access-time policies, one of which is set.
    pub const atime_mask: u64 = 0x70;
    pub const relatime: u64 = 0x0;
    pub const noatime: u64 = 0x10;
    pub const strictatime: u64 = 0x20;
    pub const nodiratime: u64 = 0x80;
    pub const nosymfollow: u64 = 0x200000;
};

/// MS_*: mount(2)'s flags, and mount_setattr(2)'s propagation types.
pub const ms = struct {
    pub const rdonly: u32 = 0x1;
    pub const nosuid: u32 = 0x2;
    pub const nodev: u32 = 0x4;
    pub const noexec: u32 = 0x8;
    pub const remount: u32 = 0x20;
    pub const nosymfollow: u32 = 0x100;
    pub const noatime: u32 = 0x400;
    pub const nodiratime: u32 = 0x800;
    pub const bind: u32 = 0x1000;
    pub const rec: u32 = 0x4000;
    pub const unbindable: u32 = 0x20000;
    pub const private: u32 = 0x40000;
    pub const slave: u32 = 0x80000;
    pub const shared: u32 = 0x100000;
    pub const relatime: u32 = 0x200000;
    pub const strictatime: u32 = 0x1000000;
};

const at_recursive: u32 = 0x8000;

/// Whether what is mounted below comes along.
pub const Depth = enum { this, below };

/// A detached copy of the mount at `path` (follows links), not yet anywhere.
pub fn openTree(dir: Fd, path: [*:0]const u8, depth: Depth) Result(Fd) {
    const open_tree_clone: u32 = 1;
    const cloexec: u32 = @bitCast(linux.O{ .CLOEXEC = true });
    const empty_path: u32 = linux.AT.EMPTY_PATH;
    const below: u32 = if (depth == .below) at_recursive else 0;
    return sys.call(Fd, .open_tree, .{ dir, path, open_tree_clone | cloexec | empty_path | below });
}

/// Puts the detached mount `from` on top of what `to` refers to.
pub fn moveMount(from: Fd, to: Fd) Result(void) {
    const from_empty_path: u32 = 0x4;
    const to_empty_path: u32 = 0x40;
    return sys.call(void, .move_mount, .{ from, "", to, "", from_empty_path | to_empty_path });
}

/// struct mount_attr.
pub const Change = extern struct {
    set: u64 = 0,
    clear: u64 = 0,
    /// One of MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, or 0 to leave it.
    propagation: u64 = 0,
    userns_fd: u64 = 0,
};

/// mount_setattr(2) on the mount `fd` is the root of. Linux 5.12.
pub fn setAttributes(fd: Fd, change: Change, depth: Depth) Result(void) {
    const empty_path: u32 = linux.AT.EMPTY_PATH;
    const below: u32 = if (depth == .below) at_recursive else 0;
    return sys.call(void, .mount_setattr, .{
        fd, "", empty_path | below, &change, @as(usize, @sizeOf(Change)),
    });
}

/// A context for a new file system of `kind`.
pub fn fsopen(kind: [*:0]const u8) Result(Fd) {
    return sys.call(Fd, .fsopen, .{ kind, @as(u32, 1) });
}

pub fn setString(context: Fd, key: [*:0]const u8, value: [*:0]const u8) Result(void) {
    return sys.call(void, .fsconfig, .{ context, @as(u32, 1), key, value, @as(u32, 0) });
}

pub fn setFlag(context: Fd, key: [*:0]const u8) Result(void) {
    return sys.call(void, .fsconfig, .{ context, @as(u32, 0), key, null, @as(u32, 0) });
}

/// Makes the super block out of what was configured.
pub fn create(context: Fd) Result(void) {
    return sys.call(void, .fsconfig, .{ context, @as(u32, 6), null, null, @as(u32, 0) });
}

/// A detached mount of the new file system.
pub fn fsmount(context: Fd, attributes: u64) Result(Fd) {
    return sys.call(Fd, .fsmount, .{ context, @as(u32, 1), attributes });
}

/// mount(2): for changes of what is mounted, and for kernels without the calls above.
pub fn mount(
    source: ?[*:0]const u8,
    target: [*:0]const u8,
    kind: ?[*:0]const u8,
    flags: u32,
    data: ?[*:0]const u8,
) Result(void) {
    return sys.call(void, .mount, .{ source, target, kind, flags, data });
}

pub fn pivotRoot(new: [*:0]const u8, old: [*:0]const u8) Result(void) {
    return sys.call(void, .pivot_root, .{ new, old });
}

/// Takes the mount away from the tree; it ends when nobody uses it any more.
pub fn detach(path: [*:0]const u8) Result(void) {
    const mnt_detach: u32 = 2;
    return sys.call(void, .umount2, .{ path, mnt_detach });
}

/// The MS_* flags in force at `fd` (statfs(2)'s ST_* have the same values, up to relatime).
pub fn flagsOf(fd: Fd) Result(u32) {
    // struct statfs, 64 bit: flags is the eleventh word; 120 bytes on x86_64 and aarch64.
    var words: [15]u64 = undefined;
    return switch (sys.call(void, .fstatfs, .{ fd, &words })) {
        .err => |e| .{ .err = e },
        .ok => {
            const flags: u32 = @truncate(words[10]);
            const st_relatime: u32 = 0x1000;
            const same = ms.rdonly | ms.nosuid | ms.nodev | ms.noexec | ms.noatime | ms.nodiratime;
            const relatime = if (flags & st_relatime != 0) ms.relatime else 0;
            return .{ .ok = (flags & same) | relatime };
        },
    };
}
