//! Every raw system call the helper makes, each as a value: what the kernel returned, or its errno.
//!
//! Not here: policy, messages, retries other than EINTR where the man page asks for it. `std.posix`
//! is not used: it maps some errnos to `unreachable`, and a sandbox must survive all of them.
//! Descriptors are CLOEXEC from birth (style: what survives exec is listed in one place).

const std = @import("std");
const linux = std.os.linux;

pub const E = linux.E;
pub const Fd = i32;
pub const Pid = i32;

/// What a system call gave: a value or the kernel's errno.
pub fn Result(comptime T: type) type {
    return union(enum) {
        ok: T,
        err: E,
    };
}

/// Turns a raw return value into a Result; T is void, an integer type, or usize.
pub fn result(comptime T: type, rc: usize) Result(T) {
    const errno = linux.errno(rc);
    if (errno != .SUCCESS) return .{ .err = errno };
    return .{ .ok = if (T == void) {} else @intCast(rc) };
}

// -- descriptors and files --

pub fn close(fd: Fd) void {
    _ = linux.close(fd);
}

/// read(2), again on EINTR.
pub fn read(fd: Fd, buffer: []u8) Result(usize) {
    while (true) {
        const got = result(usize, linux.read(fd, buffer.ptr, buffer.len));
        if (got == .err and got.err == .INTR) continue;
        return got;
    }
}

/// write(2), again on EINTR; may write less than asked.
pub fn write(fd: Fd, bytes: []const u8) Result(usize) {
    while (true) {
        const put = result(usize, linux.write(fd, bytes.ptr, bytes.len));
        if (put == .err and put.err == .INTR) continue;
        return put;
    }
}

/// Writes all of `bytes`, or says why not.
pub fn writeAll(fd: Fd, bytes: []const u8) Result(void) {
    var rest = bytes;
    while (rest.len > 0) switch (write(fd, rest)) {
        .ok => |n| rest = rest[n..],
        .err => |e| return .{ .err = e },
    };
    return .{ .ok = {} };
}

pub fn openat(dir: Fd, path: [*:0]const u8, flags: linux.O, mode: linux.mode_t) Result(Fd) {
    var cloexec = flags;
    cloexec.CLOEXEC = true;
    return result(Fd, linux.openat(dir, path, cloexec, mode));
}
