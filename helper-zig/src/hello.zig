//! The payload of the embedded image `hello`: says, from inside, what isolation it really got.
//!
//!   /hello                  one line for each thing hb promises, for people
//!   /hello --format json    the same for machines
//!
//! It trusts nothing it was told: every line is asked of the kernel. Exit status 1 if a promise is
//! broken. What is promised is hb's default container (SECURITY.md); with --privileged or
//! --cap-add it rightly complains.

const std = @import("std");
const linux = std.os.linux;
const checks = @import("hello_checks.zig");
const sys = @import("sys.zig");

const exit_broken = 1;
const exit_usage = 2;

const Format = enum { text, json };

pub fn main(init: std.process.Init.Minimal) u8 {
    const format = parseFormat(init.args.vector[@min(1, init.args.vector.len)..]) orelse {
        _ = sys.writeAll(2, "hello: only --format json or --format text can be asked for\n");
        return exit_usage;
    };
    var arena_bytes: [256 * 1024]u8 = undefined;
    var arena = std.heap.FixedBufferAllocator.init(&arena_bytes);
    var findings: [checks.all.len]checks.Finding = undefined;
    var broken: usize = 0;
    for (checks.all, &findings) |check, *finding| {
        finding.* = check.run(arena.allocator());
        if (finding.mark == .broken) broken += 1;
    }

    var text_bytes: [32 * 1024]u8 = undefined;
    var text = std.Io.Writer.fixed(&text_bytes);
    const written = switch (format) {
        .json => writeJson(&text, &findings, broken),
        .text => writeText(&text, &findings, .{
            .broken = broken,
            .colored = wantsColor(init.environ),
        }),
    };
    // Findings are short and bounded, so it always fits; if not, say nothing rather than half.
    written catch return exit_broken;
    _ = sys.writeAll(1, text.buffered());
    return if (broken == 0) 0 else exit_broken;
}

fn parseFormat(args: []const [*:0]const u8) ?Format {
    if (args.len == 0) return .text;
    const first = std.mem.span(args[0]);
    const flag = "--format";
    if (args.len == 2 and std.mem.eql(u8, first, flag)) {
        return std.meta.stringToEnum(Format, std.mem.span(args[1]));
    }
    if (args.len == 1 and std.mem.startsWith(u8, first, flag ++ "=")) {
        return std.meta.stringToEnum(Format, first[flag.len + 1 ..]);
    }
    return null;
}

/// no-color.org, and only on a terminal.
fn wantsColor(environ: std.process.Environ) bool {
    if (environ.getPosix("NO_COLOR")) |value| if (value.len > 0) return false;
    if (environ.getPosix("TERM")) |term| if (std.mem.eql(u8, term, "dumb")) return false;
    var settings: linux.termios = undefined;
    return sys.ioctl(1, linux.T.CGETS, @intFromPtr(&settings)) == .ok;
}

const Look = struct { broken: usize, colored: bool };

fn writeText(text: *std.Io.Writer, findings: []const checks.Finding, look: Look) !void {
    try text.writeAll("Hello from inside a container. This is what the kernel says of it:\n\n");
    for (checks.all, findings) |check, finding| {
        const mark: []const u8, const color: []const u8 = switch (finding.mark) {
            .kept => .{ "✔", "\x1b[32m" },
            .broken => .{ "✘", "\x1b[31m" },
            .not_promised => .{ "–", "\x1b[2m" },
        };
        try text.print("  {s}{s}{s} {s: <13} {s}\n", .{
            if (look.colored) color else "",
            mark,
            if (look.colored) "\x1b[0m" else "",
            check.name,
            finding.phrase,
        });
    }
    switch (look.broken) {
        0 => try text.writeAll("\nEverything hb promises is in place (– is not promised here).\n"),
        1 => try text.writeAll("\nOne promise is broken: see ✘.\n"),
        else => |count| try text.print("\n{d} promises are broken: see ✘.\n", .{count}),
    }
}

fn writeJson(text: *std.Io.Writer, findings: []const checks.Finding, broken: usize) !void {
    try text.print("{{\"ok\":{},\"checks\":[", .{broken == 0});
    for (checks.all, findings, 0..) |check, finding, position| {
        if (position > 0) try text.writeByte(',');
        try text.print("\n {{\"name\":\"{s}\",\"result\":\"{s}\",\"detail\":", .{
            check.name,
            @tagName(finding.mark),
        });
        try std.json.Stringify.encodeJsonString(finding.phrase, .{}, text);
        try text.writeByte('}');
    }
    try text.writeAll("]}\n");
}

test "one format can be asked for, and only that" {
    try std.testing.expectEqual(.text, parseFormat(&.{}));
    try std.testing.expectEqual(.json, parseFormat(&.{ "--format", "json" }));
    try std.testing.expectEqual(.json, parseFormat(&.{"--format=json"}));
    try std.testing.expectEqual(null, parseFormat(&.{"--format=yaml"}));
    try std.testing.expectEqual(null, parseFormat(&.{"json"}));
}

test "no line is wider than a terminal" {
    for (checks.all) |check| try std.testing.expect(check.name.len <= 13);
}
