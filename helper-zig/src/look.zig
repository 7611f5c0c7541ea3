//! `hb-init look --container DIRECTORY … --path PATH`: what is there, and where it leads if it is a
//! symbolic link, as one line of JSON:
//!
//!   {"kind":"symlink","path":"/run/../etc/target","target":"directory"}
//!
//! Kinds are `absent`, `directory`, `file`, `symlink`, `device` and `other`. `path` is PATH with a
//! link at its end replaced by what it names, for as long as that is a link; `target` the kind of
//! what is there.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const names = @import("names.zig");
const reach = @import("reach.zig");
const inside = @import("inside.zig");

/// As the kernel's MAXSYMLINKS.
const links_max = 40;

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    run(args) catch return 1;
    return 0;
}

fn run(args: []const [*:0]const u8) report.Error!void {
    var place: reach.Flags = .{};
    var path: []const u8 = "";
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try place.take(name, value)) continue;
        if (!std.mem.eql(u8, name, "--path")) return report.fail("look: unknown flag {s}", .{name});
        path = value;
    }
    if (at != args.len or path.len == 0) return report.fail("look needs --path", .{});
    const container = try reach.Container.load(place);
    const reached = try container.enter(.mounted, .read);
    defer reached.close();

    var seen: Seen = .{};
    try seen.follow(reached.root, path);
    var bytes: [8 * names.path_bytes_max]u8 = undefined;
    var text: std.Io.Writer = .fixed(&bytes);
    seen.print(&text) catch return report.fail("look at {s}: path too long", .{path});
    try report.check(sys.writeAll(1, text.buffered()), "print what is there", .{});
}

const Kind = enum {
    absent,
    directory,
    file,
    symlink,
    device,
    other,

    fn of(stat: sys.Stat) Kind {
        return switch (stat.kind()) {
            linux.S.IFDIR => .directory,
            linux.S.IFREG => .file,
            linux.S.IFLNK => .symlink,
            linux.S.IFCHR, linux.S.IFBLK => .device,
            else => .other,
        };
    }
};

const Seen = struct {
    /// What is at the path itself.
    kind: Kind = .absent,
    target: Kind = .absent,
    buffer: names.PathBuffer = undefined,
    path: [:0]const u8 = "",

    fn follow(seen: *Seen, root: inside.Root, path: []const u8) report.Error!void {
        seen.path = std.fmt.bufPrintSentinel(&seen.buffer, "{s}", .{path}, 0) catch
            return tooLong(path);
        for (0..links_max) |round| {
            const flags: linux.O = .{ .PATH = true, .NOFOLLOW = true };
            const opened = root.open(seen.path, flags);
            if (opened == .err and opened.err == .NOENT) {
                seen.target = .absent;
                return;
            }
            const fd = try report.check(opened, "look at {s}", .{path});
            defer sys.close(fd);

            seen.target = .of(try report.check(sys.fstat(fd), "look at {s}", .{path}));
            if (round == 0) seen.kind = seen.target;
            if (seen.target != .symlink) return;
            try seen.replace(fd, path);
        }
        return report.fail("look at {s}: too many levels of symbolic links", .{path});
    }

    /// Puts the link's target in the place of the link, which is the last part of the path.
    fn replace(seen: *Seen, link: sys.Fd, path: []const u8) report.Error!void {
        var target: names.PathBuffer = undefined;
        const length = try report.check(
            sys.readlinkat(link, "", &target),
            "read the link {s}",
            .{path},
        );
        const is_absolute = length > 0 and target[0] == '/';
        const slash = std.mem.findScalarLast(u8, seen.path, '/') orelse 0;
        var parent: names.PathBuffer = undefined;
        const kept = if (is_absolute) 0 else slash + 1;
        @memcpy(parent[0..kept], seen.path[0..kept]);
        const parts = .{ parent[0..kept], target[0..length] };
        seen.path = std.fmt.bufPrintSentinel(&seen.buffer, "{s}{s}", parts, 0) catch
            return tooLong(path);
    }

    fn print(seen: *const Seen, text: *std.Io.Writer) std.Io.Writer.Error!void {
        try text.print("{{\"kind\":\"{t}\",\"path\":", .{seen.kind});
        try std.json.Stringify.encodeJsonString(seen.path, .{}, text);
        try text.print(",\"target\":\"{t}\"}}\n", .{seen.target});
    }
};

fn tooLong(path: []const u8) report.Error {
    return report.fail("look at {s}: path too long", .{path});
}

test "links are followed inside the root, to where nothing is if need be" {
    const files = @import("test_directory.zig");
    const directory = try files.Directory.open();
    defer directory.close();

    const root: inside.Root = .{ .fd = directory.fd };
    sys.close(try directory.make("real", 0o755));
    try files.expectDone(sys.symlinkat("/../real", directory.fd, "absolute"));
    try files.expectDone(sys.symlinkat("absolute", directory.fd, "twice"));
    try files.expectDone(sys.symlinkat("real/none", directory.fd, "dangling"));
    try files.expectDone(sys.symlinkat("loop", directory.fd, "loop"));
    const Case = struct { []const u8, Kind, []const u8, Kind };
    for ([_]Case{
        .{ "/real", .directory, "/real", .directory },
        .{ "/twice", .symlink, "/../real", .directory },
        .{ "/twice/", .directory, "/twice/", .directory },
        .{ "/dangling", .symlink, "/real/none", .absent },
        .{ "/none", .absent, "/none", .absent },
    }) |case| {
        var seen: Seen = .{};
        try seen.follow(root, case[0]);
        try std.testing.expectEqual(case[1], seen.kind);
        try std.testing.expectEqualStrings(case[2], seen.path);
        try std.testing.expectEqual(case[3], seen.target);
    }
    report.fd = -1; // it says why
    defer report.fd = 2;
    var seen: Seen = .{};
    try std.testing.expectError(error.Reported, seen.follow(root, "/loop"));
}
