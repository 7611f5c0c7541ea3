//! Keys that leave a container or command running, looked for in what is typed at its terminal.

const std = @import("std");

/// As many as anybody would want to press.
pub const keys_max = 16;

pub const DetachKeys = struct {
    storage: [keys_max]u8 = undefined,
    len: usize = 0,
    /// How many have been typed; held back until it is clear that they are not meant for us.
    matched: usize = 0,
    /// All have been typed, one after the other.
    pressed: bool = false,

    /// From hexadecimal; what is none, or too long, is no keys.
    pub fn parse(hex: []const u8) DetachKeys {
        var keys: DetachKeys = .{};
        const bytes = std.fmt.hexToBytes(&keys.storage, hex) catch return .{};
        keys.len = bytes.len;
        return keys;
    }

    /// What of `buffer[keys_max..][0..typed]` is to be passed on, moved to the beginning of
    /// `buffer`; its length. Keys that were held back may come before.
    pub fn take(keys: *DetachKeys, buffer: []u8, typed: usize) usize {
        var length: usize = 0;
        for (0..typed) |at| {
            // Never overtaken: what is written lags behind by what is held back at least.
            const byte = buffer[keys_max + at];
            if (keys.len == 0) {
                buffer[length] = byte;
                length += 1;
                continue;
            }
            if (byte != keys.storage[keys.matched]) {
                @memcpy(buffer[length..][0..keys.matched], keys.storage[0..keys.matched]);
                length += keys.matched;
                keys.matched = 0;
            }
            if (byte == keys.storage[keys.matched]) {
                keys.matched += 1;
                keys.pressed = keys.matched == keys.len;
                if (keys.pressed) return length;
            } else {
                buffer[length] = byte;
                length += 1;
            }
        }
        return length;
    }
};

const Try = struct {
    keys: DetachKeys = .parse("1011"),
    passed: std.ArrayList(u8) = .empty,

    fn press(it: *Try, text: []const u8) !void {
        var buffer: [64]u8 = undefined;
        @memcpy(buffer[keys_max..][0..text.len], text);
        const length = it.keys.take(&buffer, text.len);
        try it.passed.appendSlice(std.testing.allocator, buffer[0..length]);
    }
};

test "keys typed at once or one by one leave, and what came before goes through" {
    for ([_][]const []const u8{ &.{"ls\x10\x11x"}, &.{ "ls", "\x10", "\x11" } }) |texts| {
        var it: Try = .{};
        defer it.passed.deinit(std.testing.allocator);

        for (texts) |text| try it.press(text);
        try std.testing.expect(it.keys.pressed);
        try std.testing.expectEqualStrings("ls", it.passed.items);
    }
}

test "a first key alone is passed on with what follows" {
    var it: Try = .{};
    defer it.passed.deinit(std.testing.allocator);

    try it.press("a\x10");
    try std.testing.expectEqualStrings("a", it.passed.items);
    try it.press("\x10b");
    try it.press("\x10");
    try std.testing.expectEqualStrings("a\x10\x10b", it.passed.items);
    try std.testing.expect(!it.keys.pressed);
    try it.press("\x11");
    try std.testing.expect(it.keys.pressed);
}

test "without keys everything goes through" {
    var it: Try = .{ .keys = .parse("") };
    defer it.passed.deinit(std.testing.allocator);

    try it.press("\x10\x11");
    try std.testing.expectEqualStrings("\x10\x11", it.passed.items);
}
