//! Plans as the front end writes them, read by the helper: hand-written ones in testdata/plans, and
//! the golden plans of tests/golden, which src/container/convert.test.ts holds the front end to.

const std = @import("std");
const testing = std.testing;
const sys = @import("sys.zig");
const plan = @import("plan.zig");
const plan_text = @import("plan_text.zig");
const report = @import("report.zig");
const dirent = @import("dirent.zig");

const plans = "helper-zig/testdata/plans/";
const golden = "tests/golden";

fn readText(dir: sys.Fd, path: [*:0]const u8, arena: std.mem.Allocator) !?[]const u8 {
    const fd = switch (sys.openat(dir, path, .{}, 0)) {
        .ok => |fd| fd,
        .err => return null,
    };
    defer sys.close(fd);

    const text = try arena.alloc(u8, 1 << 20);
    return text[0..sys.readAll(fd, text).ok];
}

test "a plan of the least fields gets the rest by default" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();

    const text = try readText(sys.cwd, plans ++ "least.json", arena.allocator()) orelse
        return error.SkipZigTest;
    const it = try plan_text.parse(text, arena.allocator());
    try testing.expectEqualStrings("true", it.process.args[0]);
    try testing.expectEqual(null, it.hb.overlay);
    try testing.expectEqual(null, it.linux.seccomp);
    try testing.expect(!it.root.readonly and !it.hb.interactive);
    try testing.expect(it.linux.has(.pid) and !it.linux.has(.user));
}

test "every key of a plan is read, and what is not ours is passed over" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();

    const text = try readText(sys.cwd, plans ++ "every-key.json", arena.allocator()) orelse
        return error.SkipZigTest;
    const it = try plan_text.parse(text, arena.allocator());
    try testing.expectEqualStrings("echo \"ü\"", it.process.args[2]);
    try testing.expectEqual(plan.Limit.infinity, it.process.rlimits[0].hard.value);
    try testing.expectEqual(1024, it.process.rlimits[0].soft.value);
    try testing.expectEqual(1000, it.linux.uidMappings[0].hostID);
    try testing.expectEqual(2114060288, it.linux.seccomp.?.syscalls[0].args[0].value);
    try testing.expectEqualStrings("/store/names/box", it.hb.container.nameFile.?);
    try testing.expectEqualStrings("/usr/bin/newgidmap", it.hb.idTools.?.newgidmap);
    try testing.expect(it.hb.overlay.?.userxattr and it.hb.init and it.process.terminal);
}

test "every golden plan of the front end is read" {
    const dir = switch (sys.openat(sys.cwd, golden, .{ .DIRECTORY = true }, 0)) {
        .ok => |fd| fd,
        .err => return error.SkipZigTest,
    };
    defer sys.close(dir);

    var buffer: [64 << 10]u8 align(8) = undefined;
    var read: usize = 0;
    while (true) {
        const length = sys.call(usize, .getdents64, .{ dir, &buffer, buffer.len }).ok;
        if (length == 0) break;
        var records: dirent.Records = .{ .bytes = buffer[0..length] };
        while (records.next()) |entry| read += try readGolden(dir, entry.name);
    }
    try testing.expect(read > 10);
}

/// 1 when there is a plan in that directory (others hold an error message).
fn readGolden(dir: sys.Fd, name: []const u8) !usize {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();

    const path = try std.mem.concatWithSentinel(arena.allocator(), u8, &.{ name, "/plan.json" }, 0);
    const text = try readText(dir, path, arena.allocator()) orelse return 0;
    // The files say it in words; in the plan itself it is the number.
    const size = std.mem.replacementSize(u8, text, "\"infinity\"", "18446744073709551615");
    const plain = try arena.allocator().alloc(u8, size);
    _ = std.mem.replace(u8, text, "\"infinity\"", "18446744073709551615", plain);
    _ = try plan_text.parse(plain, arena.allocator());
    return 1;
}

test "plans that cannot be are refused" {
    report.fd = -1;
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();

    const head = "{\"ociVersion\":\"1\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}," ++
        "{\"type\":\"pid\"}]},\"hb\":{\"container\":{\"id\":\"0\",\"directory\":\"/c\"}},";
    const refused = [_][]const u8{
        "",
        "[]",
        "{",
        head ++ "\"root\":{\"path\":\"/r\"},\"process\":{\"args\":[],\"cwd\":\"/\"}}",
        head ++ "\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"}}",
        head ++ "\"root\":{\"path\":\"/r\"},\"process\":{\"args\":[\"x\"],\"cwd\":\"\"}}",
        head ++ "\"root\":{\"path\":\"/r\"},\"process\":{\"args\":[1],\"cwd\":\"/\"}}",
        head ++ "\"root\":{\"path\":\"/r\"},\"process\":{\"args\":[\"x\\u0000y\"],\"cwd\":\"/\"}}",
    };
    for (refused) |text|
        try testing.expectError(error.Reported, plan_text.parse(text, arena.allocator()));
    const good = head ++ "\"root\":{\"path\":\"/r\"},\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"}}";
    _ = try plan_text.parse(good, arena.allocator());
}
