//! netlink(7): messages put together in a buffer, sent at once, and their answers.
//!
//! What the messages say is rtnetlink.zig's and nftables.zig's. Several requests go in one write:
//! the kernel takes them in order, complains about each that fails, and acknowledges the last.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");

pub const Protocol = enum(u32) { route = 0, netfilter = 12 };

/// struct nlmsghdr's flags. For requests that make something the later ones; for questions `dump`.
pub const Flags = struct {
    pub const request = 0x1;
    pub const acknowledge = 0x4;
    pub const dump = 0x300;
    pub const replace = 0x100;
    pub const exclusive = 0x200;
    pub const create = 0x400;
};

const Header = extern struct {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32 = 0,
};

const header_bytes = @sizeOf(Header);
const kind_error = 2;
const kind_done = 3;
const nested = 0x8000;

/// Below the 208 KiB a socket takes in one write (net.core.wmem_default).
pub const request_bytes_max = 200 << 10;

/// Requests under construction.
pub const Builder = struct {
    buffer: []align(4) u8,
    length: usize = 0,
    /// Where the last message begins.
    message: usize = 0,
    count: u32 = 0,
    is_full: bool = false,

    /// Begins a message, which the next `begin` or sending ends.
    pub fn begin(b: *Builder, kind: u16, flags: u16, payload: anytype) void {
        b.message = b.length;
        b.count += 1;
        const header: Header = .{
            .length = 0,
            .kind = kind,
            .flags = flags | Flags.request,
            .sequence = b.count,
        };
        b.append(std.mem.asBytes(&header));
        b.append(std.mem.asBytes(&payload));
        b.close();
    }

    /// Asks for an answer to the message just made also when it succeeds.
    pub fn acknowledgeLast(b: *Builder) void {
        if (b.is_full) return;
        const at = b.message + @offsetOf(Header, "flags");
        const flags = std.mem.readInt(u16, b.buffer[at..][0..2], .native);
        std.mem.writeInt(u16, b.buffer[at..][0..2], flags | Flags.acknowledge, .native);
    }

    /// struct nlattr and its value.
    pub fn attribute(b: *Builder, kind: u16, value: []const u8) void {
        const length: u16 = @intCast(4 + value.len);
        b.append(std.mem.asBytes(&[2]u16{ length, kind }));
        b.append(value);
        b.close();
    }

    /// A name, with the zero that ends it.
    pub fn string(b: *Builder, kind: u16, value: []const u8) void {
        const length: u16 = @intCast(4 + value.len + 1);
        b.append(std.mem.asBytes(&[2]u16{ length, kind }));
        b.appendParts(&.{ value, "\x00" });
        b.close();
    }

    /// A number in the machine's byte order, as rtnetlink has them.
    pub fn number(b: *Builder, kind: u16, value: u32) void {
        b.attribute(kind, std.mem.asBytes(&value));
    }

    /// A number in network byte order, as nf_tables has them.
    pub fn bigNumber(b: *Builder, kind: u16, value: u32) void {
        b.number(kind, std.mem.nativeToBig(u32, value));
    }

    /// Begins an attribute made of attributes; `end` takes the result.
    pub fn nest(b: *Builder, kind: u16) usize {
        const at = b.length;
        b.append(std.mem.asBytes(&[2]u16{ 0, kind | nested }));
        return at;
    }

    pub fn end(b: *Builder, at: usize) void {
        if (b.is_full) return;
        const length: u16 = @intCast(b.length - at);
        std.mem.writeInt(u16, b.buffer[at..][0..2], length, .native);
        b.close();
    }

    /// Bytes without a header, such as the struct a nested attribute begins with.
    pub fn append(b: *Builder, bytes: []const u8) void {
        b.appendParts(&.{ bytes, "" });
    }

    fn appendParts(b: *Builder, parts: *const [2][]const u8) void {
        for (parts) |part| {
            if (b.buffer.len - b.length < part.len) b.is_full = true;
            if (b.is_full) return;
            @memcpy(b.buffer[b.length..][0..part.len], part);
            b.length += part.len;
        }
        while (b.length % 4 != 0) {
            if (b.length == b.buffer.len) b.is_full = true;
            if (b.is_full) return;
            b.buffer[b.length] = 0;
            b.length += 1;
        }
    }

    /// Brings the message's length up to date.
    fn close(b: *Builder) void {
        if (b.is_full) return;
        const length: u32 = @intCast(b.length - b.message);
        std.mem.writeInt(u32, b.buffer[b.message..][0..4], length, .native);
    }
};

/// One answer.
pub const Answer = struct {
    kind: u16,
    /// What follows the header.
    payload: []const u8,

    /// The attribute `wanted` of an answer whose own struct has `skip` bytes.
    pub fn find(answer: Answer, skip: usize, wanted: u16) ?[]const u8 {
        if (answer.payload.len < skip) return null;
        return findIn(answer.payload[skip..], wanted);
    }
};

/// The attribute `wanted` among `attributes`.
pub fn findIn(attributes: []const u8, wanted: u16) ?[]const u8 {
    var rest: Attributes = .{ .rest = attributes };
    while (rest.next()) |it| if (it.kind == wanted) return it.value;
    return null;
}

/// Attributes one after another.
pub const Attributes = struct {
    rest: []const u8,

    pub const One = struct { kind: u16, value: []const u8 };

    pub fn next(attributes: *Attributes) ?One {
        const rest = attributes.rest;
        if (rest.len < 4) return null;
        const length = std.mem.readInt(u16, rest[0..2], .native);
        const kind = std.mem.readInt(u16, rest[2..4], .native);
        if (length < 4 or length > rest.len) return null;
        const padded = std.mem.alignForward(usize, length, 4);
        attributes.rest = rest[@min(padded, rest.len)..];
        return .{ .kind = kind & 0x3fff, .value = rest[4..length] };
    }
};

/// A connection to the kernel, in the network namespace it was opened in.
pub const Socket = struct {
    fd: sys.Fd,

    pub fn open(protocol: Protocol) sys.Result(Socket) {
        const kind: u32 = linux.SOCK.RAW | linux.SOCK.CLOEXEC;
        const family: u32 = linux.AF.NETLINK;
        const fd = switch (sys.call(sys.Fd, .socket, .{ family, kind, protocol })) {
            .ok => |fd| fd,
            .err => |e| return .{ .err = e },
        };
        // Answers without a copy of the question. Older than any kernel that runs hb.
        const one: u32 = 1;
        const cap_ack: u32 = 10;
        const level: u32 = linux.SOL.NETLINK;
        _ = sys.call(void, .setsockopt, .{ fd, level, cap_ack, &one, @as(u32, 4) });
        return .{ .ok = .{ .fd = fd } };
    }

    pub fn close(socket: Socket) void {
        sys.close(socket.fd);
    }

    /// Sends what is built and waits until the last message is done; or gives the first failure,
    /// and which message it was in `failed` (counted from 1).
    pub fn transact(socket: Socket, b: *Builder, failed: *u32) sys.Result(void) {
        b.acknowledgeLast();
        return socket.transactAs(b, b.count, failed);
    }

    /// The same where `last` is the message whose acknowledgement ends it all.
    pub fn transactAs(socket: Socket, b: *const Builder, last: u32, failed: *u32) sys.Result(void) {
        failed.* = 0;
        const sent = socket.send(b);
        if (sent == .err) return sent;
        return socket.receive(last, failed);
    }

    /// What became of a request that was sent already, up to the message `last`.
    pub fn answer(socket: Socket, last: u32) sys.Result(void) {
        var failed: u32 = 0;
        return socket.receive(last, &failed);
    }

    fn receive(socket: Socket, last: u32, failed: *u32) sys.Result(void) {
        var buffer: [8 << 10]u8 align(4) = undefined;
        while (true) {
            var answers: Answers = switch (sys.read(socket.fd, &buffer)) {
                .ok => |length| .{ .rest = buffer[0..length] },
                .err => |e| return .{ .err = e },
            };
            while (answers.next()) |one| {
                if (one.header.kind != kind_error) continue;
                if (one.errno()) |errno| {
                    failed.* = one.header.sequence;
                    return .{ .err = errno };
                }
                if (one.header.sequence == last) return .{ .ok = {} };
            }
        }
    }

    /// Asks one question and gives each answer to `context.take`, or the errno that is the answer.
    pub fn ask(socket: Socket, b: *const Builder, context: anytype) sys.Result(void) {
        const sent = socket.send(b);
        if (sent == .err) return sent;
        const flags_at = b.message + @offsetOf(Header, "flags");
        const flags = std.mem.readInt(u16, b.buffer[flags_at..][0..2], .native);
        const many = flags & Flags.dump != 0;
        var buffer: [32 << 10]u8 align(4) = undefined;
        while (true) {
            var answers: Answers = switch (sys.read(socket.fd, &buffer)) {
                .ok => |length| .{ .rest = buffer[0..length] },
                .err => |e| return .{ .err = e },
            };
            while (answers.next()) |one| {
                if (one.header.kind == kind_done) return .{ .ok = {} };
                if (one.header.kind == kind_error)
                    return if (one.errno()) |e| .{ .err = e } else .{ .ok = {} };
                context.take(Answer{ .kind = one.header.kind, .payload = one.payload });
                if (!many) return .{ .ok = {} };
            }
        }
    }

    /// Sends what is built, and asks for no answer.
    pub fn send(socket: Socket, b: *const Builder) sys.Result(void) {
        if (b.is_full) return .{ .err = .MSGSIZE };
        return switch (sys.write(socket.fd, b.buffer[0..b.length])) {
            .ok => .{ .ok = {} },
            .err => |e| .{ .err = e },
        };
    }
};

/// Messages one after another, as read from a socket.
pub const Answers = struct {
    rest: []const u8,

    pub const One = struct {
        header: Header,
        payload: []const u8,

        /// struct nlmsgerr begins with the errno, negative; 0 is an acknowledgement.
        fn errno(one: One) ?sys.E {
            if (one.payload.len < 4) return .BADMSG;
            const code = std.mem.readInt(i32, one.payload[0..4], .native);
            if (code >= 0) return null;
            return @fromBackingInt(@truncate(@as(u32, @intCast(-@as(i64, code)))));
        }
    };

    pub fn next(answers: *Answers) ?One {
        const rest = answers.rest;
        if (rest.len < header_bytes) return null;
        const header = std.mem.bytesToValue(Header, rest[0..header_bytes]);
        if (header.length < header_bytes or header.length > rest.len) return null;
        const padded = std.mem.alignForward(usize, header.length, 4);
        answers.rest = rest[@min(padded, rest.len)..];
        return .{ .header = header, .payload = rest[header_bytes..header.length] };
    }
};

test "messages are read back as they were built" {
    var buffer: [256]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    b.begin(16, Flags.create, [4]u8{ 1, 2, 3, 4 });
    b.string(3, "hb0");
    const info = b.nest(18);
    b.string(1, "bridge");
    b.end(info);
    b.begin(20, 0, [4]u8{ 0, 0, 0, 0 });
    b.acknowledgeLast();

    const golden = "\x2c\x00\x00\x00\x10\x00\x01\x04\x01\x00\x00\x00\x00\x00\x00\x00" ++
        "\x01\x02\x03\x04" ++ "\x08\x00\x03\x00hb0\x00" ++
        "\x10\x00\x12\x80" ++ "\x0b\x00\x01\x00bridge\x00\x00" ++
        "\x14\x00\x00\x00\x14\x00\x05\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    try std.testing.expectEqualSlices(u8, golden, buffer[0..b.length]);

    var answers: Answers = .{ .rest = buffer[0..b.length] };
    const first: Answer = .{ .kind = 16, .payload = answers.next().?.payload };
    try std.testing.expectEqualStrings("hb0\x00", first.find(4, 3).?);
    try std.testing.expectEqualStrings("bridge\x00", findIn(first.find(4, 18).?, 1).?);
    try std.testing.expectEqual(20, answers.next().?.header.kind);
    try std.testing.expectEqual(null, answers.next());
}

test "what does not fit is refused whole" {
    var buffer: [24]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    b.begin(16, 0, [4]u8{ 0, 0, 0, 0 });
    b.string(3, "a name");
    b.acknowledgeLast();
    const socket: Socket = .{ .fd = -1 };
    var failed: u32 = 0;
    const refused: sys.Result(void) = .{ .err = .MSGSIZE };
    try std.testing.expectEqual(refused, socket.transact(&b, &failed));
}

test "attributes with impossible lengths end the search" {
    try std.testing.expectEqual(null, findIn("\x02\x00\x01\x00", 1));
    try std.testing.expectEqual(null, findIn("\xff\x00\x01\x00abcd", 1));
    try std.testing.expectEqual(null, findIn("\x08\x00", 1));
}
