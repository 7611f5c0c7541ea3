//! The lines of /etc/hosts by which containers on one network find each other, when one has ended.
//!
//! The front end writes them (src/network/hosts.ts), everybody's file when somebody joins. Here the
//! line of one who has ended goes, before its lease: a name is not to lead to an address that
//! nobody has, or somebody else. A container may write to its own file, so nothing in it is
//! believed; files are changed in place, because they are mounted.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const dirent = @import("dirent.zig");

/// Below this line is what hb writes.
const mark = "\n# containers on this network\n";

/// One file at a time; more than a container that plays with its own is worth.
var text: [64 << 10]u8 = undefined;

/// Takes the lines of `address` out of every file in `hosts` of the network's directory `state`,
/// whose lock the caller has. What cannot be changed is when the next container joins.
pub fn forget(state: sys.Fd, address: []const u8) void {
    const directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true };
    const fd = switch (sys.openat(state, "hosts", directory, 0)) {
        .ok => |fd| fd,
        .err => return, // a network without names
    };
    defer sys.close(fd);

    var listing: dirent.Listing = .{ .fd = fd };
    while (true) switch (listing.next()) {
        .ok => |entry| forgetIn(fd, (entry orelse return).name, address),
        .err => return,
    };
}

fn forgetIn(directory: sys.Fd, name: [:0]const u8, address: []const u8) void {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .NOFOLLOW = true };
    const fd = switch (sys.openat(directory, name, flags, 0)) {
        .ok => |fd| fd,
        .err => return,
    };
    defer sys.close(fd);

    const length = switch (sys.readAll(fd, &text)) {
        .ok => |length| length,
        .err => return,
    };
    if (length == text.len) return;
    const kept = without(text[0..length], address);
    if (kept == length) return;
    // Never empty, as whoever reads it meanwhile would find it.
    if (sys.seek(fd, 0, .start) == .err or sys.writeAll(fd, text[0..kept]) == .err) return;
    _ = sys.ftruncate(fd, kept);
}

/// Moves what stays of `content` to its beginning; how much that is.
fn without(content: []u8, address: []const u8) usize {
    const at = std.mem.indexOf(u8, content, mark) orelse return content.len;
    var kept = at + mark.len;
    var next = kept;
    while (next < content.len) {
        const newline = std.mem.indexOfScalarPos(u8, content, next, '\n');
        const end = if (newline) |n| n + 1 else content.len;
        const line = content[next..end];
        next = end;
        const rest = std.mem.cutPrefix(u8, line, address) orelse "";
        if (std.mem.startsWith(u8, rest, "\t")) continue;
        std.mem.copyForwards(u8, content[kept..], line);
        kept += line.len;
    }
    return kept;
}

test "only hb's line of the address goes" {
    const own = "10.89.0.5\tadded-by-hand\n# containers on this network\n";
    var whole = (own ++ "10.89.0.5\tdb\n10.89.0.50\tweb\n10.89.0.5 x\n10.89.0.5\tdb2").*;
    const kept = without(&whole, "10.89.0.5");
    try std.testing.expectEqualStrings(own ++ "10.89.0.50\tweb\n10.89.0.5 x\n", whole[0..kept]);

    var cut = (own ++ "10.89.0.5").*;
    try std.testing.expectEqual(cut.len, without(&cut, "10.89.0.5"));
    var foreign = "10.89.0.5\tdb\n".*;
    try std.testing.expectEqual(foreign.len, without(&foreign, "10.89.0.5"));
}
