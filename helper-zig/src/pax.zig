//! PAX extended header records: `LENGTH KEY=VALUE\n`, LENGTH counting all of itself. Pure.
//!
//! POSIX pax, "pax Extended Header". Values are bytes: names need not be UTF-8 and extended
//! attributes hold newlines and NULs, which is why the length rules and not the newline.

const std = @import("std");

pub const Error = error{BadPax};

pub const Record = struct { key: []const u8, value: []const u8 };

/// Seconds and nanoseconds; nanoseconds always count forward, as in struct timespec.
pub const Time = struct { sec: i64 = 0, nsec: u32 = 0 };

/// Walks the records of one extended header.
pub const Records = struct {
    rest: []const u8,

    pub fn next(self: *Records) Error!?Record {
        // Some writers pad the data with NULs inside the size they state.
        if (self.rest.len == 0 or std.mem.allEqual(u8, self.rest, 0)) return null;
        const space = std.mem.findScalar(u8, self.rest, ' ') orelse return error.BadPax;
        const len = try decimal(self.rest[0..space]);
        if (len <= space + 1 or len > self.rest.len) return error.BadPax;
        const whole = self.rest[0..@intCast(len)];
        if (whole[whole.len - 1] != '\n') return error.BadPax;
        const body = whole[space + 1 .. whole.len - 1];
        const equals = std.mem.findScalar(u8, body, '=') orelse return error.BadPax;
        if (equals == 0) return error.BadPax;
        self.rest = self.rest[whole.len..];
        return .{ .key = body[0..equals], .value = body[equals + 1 ..] };
    }
};

/// An unsigned decimal number that fits a signed 64-bit one. No sign, no underscore, no space.
pub fn decimal(digits: []const u8) Error!u64 {
    if (digits.len == 0) return error.BadPax;
    var value: i64 = 0;
    for (digits) |digit| {
        if (digit < '0' or digit > '9') return error.BadPax;
        value = std.math.mul(i64, value, 10) catch return error.BadPax;
        value = std.math.add(i64, value, digit - '0') catch return error.BadPax;
    }
    return @intCast(value);
}

/// `[-]SECONDS[.FRACTION]`; digits beyond nanoseconds are cut.
pub fn time(value: []const u8) Error!Time {
    const negative = std.mem.startsWith(u8, value, "-");
    const magnitude = if (negative) value[1..] else value;
    const point = std.mem.findScalar(u8, magnitude, '.') orelse magnitude.len;
    const sec: i64 = @intCast(try decimal(magnitude[0..point]));
    const nsec = if (point < magnitude.len) try fraction(magnitude[point + 1 ..]) else 0;
    if (!negative) return .{ .sec = sec, .nsec = nsec };
    if (nsec == 0) return .{ .sec = -sec };
    return .{ .sec = -sec - 1, .nsec = std.time.ns_per_s - nsec };
}

fn fraction(digits: []const u8) Error!u32 {
    var nsec: u32 = 0;
    for (0..9) |at| nsec = nsec * 10 + (if (at < digits.len) digits[at] -% '0' else 0) % 10;
    for (digits) |digit| if (digit < '0' or digit > '9') return error.BadPax;
    return nsec;
}

test "records are cut by their length, not by newlines" {
    var records: Records = .{ .rest = "11 path=ab\n" ++ "14 k=a\nb=\x00c\xff!\n" };
    const first = (try records.next()).?;
    try std.testing.expectEqualStrings("path", first.key);
    try std.testing.expectEqualStrings("ab", first.value);
    const second = (try records.next()).?;
    try std.testing.expectEqualStrings("k", second.key);
    try std.testing.expectEqualStrings("a\nb=\x00c\xff!", second.value);
    try std.testing.expectEqual(null, try records.next());
}

test "damaged records are refused" {
    const table = [_][]const u8{
        "11 path=abc", "99 path=ab\n",               "0 path=ab\n",
        "3 \n",        "-1 a=b\n",                   "path=ab\n",
        "7 path\n",    "6 =ab\n",                    "+6 a=b\n",
        "2 a=b\n",     "99999999999999999999 a=b\n",
    };
    for (table) |case| {
        var records: Records = .{ .rest = case };
        try std.testing.expectError(error.BadPax, records.next());
    }
}

test "time() keeps nanoseconds and times before the epoch" {
    const table = [_]struct { []const u8, i64, u32 }{
        .{ "1600000000.5", 1600000000, 500000000 }, .{ "1.123456789", 1, 123456789 },
        .{ "1.0000000019", 1, 1 },                  .{ "0", 0, 0 },
        .{ "-1.25", -2, 750000000 },                .{ "-3", -3, 0 },
        .{ "12.", 12, 0 },
    };
    for (table) |case| {
        const got = try time(case[0]);
        try std.testing.expectEqual(case[1], got.sec);
        try std.testing.expectEqual(case[2], got.nsec);
    }
    for ([_][]const u8{ "", "-", "1.x", ".5", "1e3", "99999999999999999999", " 1" }) |case| {
        try std.testing.expectError(error.BadPax, time(case));
    }
}
