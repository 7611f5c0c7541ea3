//! `hb-init changes --container DIRECTORY …`: what a container has changed of its image, a line
//! each, sorted by name: `A` added, `C` changed, `D` deleted. What is in a deleted directory is not
//! told.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const comparison = @import("comparison.zig");

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    run(args) catch return 1;
    return 0;
}

fn run(args: []const [*:0]const u8) report.Error!void {
    var changes = try comparison.run(args, .told);
    defer changes.close();

    const is_terminal = isTerminal(1);
    var text: std.ArrayList(u8) = .empty;
    for (try changes.sorted()) |change| {
        const start = text.items.len;
        text.print(changes.gpa(), "{t} /{s}\n", .{ change.kind, change.path }) catch
            return report.fail("print the changes: out of memory", .{});
        if (is_terminal) report.makeHarmless(text.items[start .. text.items.len - 1]);
    }
    const written = sys.writeAll(1, text.items);
    if (written == .err and written.err == .PIPE) return; // `hb diff x | head`
    return report.check(written, "print the changes", .{});
}

fn isTerminal(fd: sys.Fd) bool {
    var size: [4]u16 = undefined;
    return sys.ioctl(fd, linux.T.IOCGWINSZ, @intFromPtr(&size)) == .ok;
}
