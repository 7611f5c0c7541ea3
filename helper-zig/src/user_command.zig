//! `hb-init user ROOTFS USER [GROUP…]`: who a container of that root would run as, in numbers, by
//! the rules of user.zig. For bundles, whose config.json has no names.
//!
//!   {"uid":999,"gid":999,"additionalGids":[999],"home":"/data"}

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const user = @import("user.zig");
const inside = @import("inside.zig");

/// As many as `--group-add`s make sense.
const groups_asked_max = 64;
const answer_bytes_max = 32 << 10;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    answer(args) catch return 1;
    return 0;
}

fn answer(args: []const [*:0]const u8) report.Error!void {
    if (args.len < 2) return report.fail("user needs a root directory and a user", .{});
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const fd = try report.check(
        sys.openat(sys.cwd, args[0], .{ .PATH = true, .DIRECTORY = true }, 0),
        "open {s}",
        .{std.mem.span(args[0])},
    );
    var groups: [groups_asked_max]plan.Text = undefined;
    if (args.len - 2 > groups.len) return report.fail("more than {d} groups", .{groups.len});
    for (args[2..], groups[0 .. args.len - 2]) |arg, *group| group.* = std.mem.span(arg);

    const databases = try user.Databases.read(.{ .fd = fd }, arena.allocator());
    const identity = try user.find(.{
        .name = std.mem.span(args[1]),
        .groups = groups[0 .. args.len - 2],
    }, databases);

    var bytes: [answer_bytes_max]u8 = undefined;
    var text: std.Io.Writer = .fixed(&bytes);
    print(&text, &identity) catch return report.fail("the user's groups are too many", .{});
    try report.check(sys.writeAll(1, text.buffered()), "print the user", .{});
}

fn print(text: *std.Io.Writer, identity: *const user.Identity) std.Io.Writer.Error!void {
    try text.print("{{\"uid\":{d},\"gid\":{d},", .{ identity.uid, identity.gid });
    try text.writeAll("\"additionalGids\":[");
    for (identity.additionalGids(), 0..) |gid, index| {
        try text.print("{s}{d}", .{ if (index == 0) "" else ",", gid });
    }
    try text.writeAll("],\"home\":");
    try std.json.Stringify.encodeJsonString(identity.home, .{}, text);
    try text.writeAll("}\n");
}

test "an identity is one line of JSON" {
    var bytes: [256]u8 = undefined;
    var text: std.Io.Writer = .fixed(&bytes);
    var identity: user.Identity = .{ .uid = 7, .gid = 8, .home = "/a\"b" };
    identity.groups[0] = 8;
    identity.groups[1] = 9;
    identity.groups_len = 2;
    try print(&text, &identity);
    try std.testing.expectEqualStrings(
        "{\"uid\":7,\"gid\":8,\"additionalGids\":[8,9],\"home\":\"/a\\\"b\"}\n",
        text.buffered(),
    );
}
