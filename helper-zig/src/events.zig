//! The store's file of events: a line of JSON for everything that happens to containers, written
//! by whoever does it. Each line is one write to a file opened for appending, so lines of several
//! writers do not mix (open(2), O_APPEND). Nobody's container fails because of it.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const plan = @import("plan.zig");
const clock = @import("clock.zig");
const state = @import("state.zig");

/// Names are short; a line that is longer is left out.
const line_bytes_max = 8 << 10;

pub const Events = struct {
    path: plan.Text,
    container: plan.ContainerDirectory,

    /// Tells what has happened.
    pub fn append(events: Events, action: []const u8, attributes: Attributes) void {
        var buffer: [line_bytes_max]u8 = undefined;
        const line = state.print(&buffer, .{
            .time = @as([]const u8, &clock.stamp()),
            .type = "container",
            .action = action,
            .id = events.container.id,
            .name = events.container.name,
            .image = events.container.image,
            .attributes = attributes,
        }) orelse return;
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .APPEND = true, .CREAT = true };
        const fd = switch (sys.openat(sys.cwd, events.path, flags, 0o600)) {
            .ok => |fd| fd,
            .err => return,
        };
        defer sys.close(fd);

        _ = sys.write(fd, line);
    }
};

/// What there is to say about it; the names are docker's, where numbers are texts.
pub const Attributes = struct {
    exitCode: ?Number = null,
    signal: ?Number = null,

    pub const Number = struct {
        value: u8,

        pub fn jsonStringify(number: Number, writer: *std.json.Stringify) !void {
            var digits: [3]u8 = undefined;
            // proven: a byte has three digits at most.
            try writer.write(std.fmt.bufPrint(&digits, "{d}", .{number.value}) catch unreachable);
        }
    };
};

const files = @import("test_directory.zig");

test "every event is a line of its own" {
    const place = try files.Directory.open();
    defer place.close();
    var path: [96]u8 = undefined;
    const events: Events = .{
        .path = try std.fmt.bufPrintSentinel(&path, "{s}/events", .{place.path}, 0),
        .container = .{ .id = "ab", .directory = "/", .name = "db" },
    };
    events.append("start", .{});
    events.append("die", .{ .exitCode = .{ .value = 7 } });
    const fd = sys.openat(place.fd, "events", .{}, 0).ok;
    defer sys.close(fd);
    var buffer: [1024]u8 = undefined;
    const text = buffer[0..sys.readAll(fd, &buffer).ok];
    var lines = std.mem.splitScalar(u8, text, '\n');
    const start = lines.next().?;
    try std.testing.expect(std.mem.endsWith(u8, start, "\"name\":\"db\",\"attributes\":{}}"));
    const die = lines.next().?;
    const end = "\"action\":\"die\",\"id\":\"ab\",\"name\":\"db\"," ++
        "\"attributes\":{\"exitCode\":\"7\"}}";
    try std.testing.expect(std.mem.endsWith(u8, die, end));
    try std.testing.expectEqualStrings("", lines.next().?);
}
