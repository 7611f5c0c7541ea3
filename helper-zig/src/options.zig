//! Mount options, as mount(8) and the runtime-spec spell them: which are flags of the mount, which
//! say how it spreads, and which are the file system's own. Pure.

const std = @import("std");
const sysmount = @import("sysmount.zig");
const attr = sysmount.attr;
const ms = sysmount.ms;

/// One option's meaning.
pub const Option = union(enum) {
    /// Attributes to set and to clear.
    change: struct { set: u64 = 0, clear: u64 = 0 },
    /// An MS_* propagation type.
    propagation: u64,
    /// A bind mount; with what is mounted below the source, or without.
    bind: sysmount.Depth,
    /// Accepted, and says nothing we act on.
    nothing,
    /// For the file system: a flag, or a key and its value.
    data,
};

const table = [_]struct { []const u8, Option }{
    .{ "bind", .{ .bind = .this } },
    .{ "rbind", .{ .bind = .below } },
    .{ "ro", .{ .change = .{ .set = attr.rdonly } } },
    .{ "rro", .{ .change = .{ .set = attr.rdonly } } },
    .{ "rw", .{ .change = .{ .clear = attr.rdonly } } },
    .{ "nosuid", .{ .change = .{ .set = attr.nosuid } } },
    .{ "suid", .{ .change = .{ .clear = attr.nosuid } } },
    .{ "nodev", .{ .change = .{ .set = attr.nodev } } },
    .{ "dev", .{ .change = .{ .clear = attr.nodev } } },
    .{ "noexec", .{ .change = .{ .set = attr.noexec } } },
    .{ "exec", .{ .change = .{ .clear = attr.noexec } } },
    .{ "noatime", .{ .change = .{ .set = attr.noatime, .clear = attr.atime_mask } } },
    .{ "relatime", .{ .change = .{ .set = attr.relatime, .clear = attr.atime_mask } } },
    .{ "strictatime", .{ .change = .{ .set = attr.strictatime, .clear = attr.atime_mask } } },
    .{ "nodiratime", .{ .change = .{ .set = attr.nodiratime } } },
    .{ "diratime", .{ .change = .{ .clear = attr.nodiratime } } },
    .{ "nosymfollow", .{ .change = .{ .set = attr.nosymfollow } } },
    .{ "symfollow", .{ .change = .{ .clear = attr.nosymfollow } } },
    .{ "private", .{ .propagation = ms.private } },
    .{ "rprivate", .{ .propagation = ms.private } },
    .{ "slave", .{ .propagation = ms.slave } },
    .{ "rslave", .{ .propagation = ms.slave } },
    .{ "shared", .{ .propagation = ms.shared } },
    .{ "rshared", .{ .propagation = ms.shared } },
    .{ "unbindable", .{ .propagation = ms.unbindable } },
    .{ "runbindable", .{ .propagation = ms.unbindable } },
    .{ "defaults", .nothing },
    .{ "async", .nothing },
    .{ "atime", .nothing },
    .{ "norelatime", .nothing },
    .{ "nostrictatime", .nothing },
};

/// What `option` means.
pub fn parse(option: []const u8) Option {
    for (table) |row| if (std.mem.eql(u8, row[0], option)) return row[1];
    return .data;
}

/// All options of one mount put together; those that are data are left to the caller.
pub const Options = struct {
    change: sysmount.Change = .{},
    bind: ?sysmount.Depth = null,

    pub fn from(list: []const [:0]const u8) Options {
        var options: Options = .{};
        for (list) |text| switch (parse(text)) {
            // The last one wins, as with mount(8).
            .change => |change| {
                options.change.set = (options.change.set & ~change.clear) | change.set;
                options.change.clear = (options.change.clear & ~change.set) | change.clear;
            },
            .propagation => |kind| options.change.propagation = kind,
            .bind => |depth| options.bind = depth,
            .nothing, .data => {},
        };
        return options;
    }
};

test "the last of two contrary options wins" {
    try std.testing.expectEqual(attr.rdonly, Options.from(&.{ "rw", "ro" }).change.set);
    try std.testing.expectEqual(0, Options.from(&.{ "ro", "rw" }).change.set);
    try std.testing.expectEqual(attr.rdonly, Options.from(&.{ "ro", "rw" }).change.clear);
}

test "what is no flag is the file system's" {
    try std.testing.expectEqual(Option.data, parse("size=64m"));
    try std.testing.expectEqual(Option.data, parse("newinstance"));
    const options = Options.from(&.{ "nosuid", "nodev", "mode=1777", "rslave", "rbind" });
    try std.testing.expectEqual(attr.nosuid | attr.nodev, options.change.set);
    try std.testing.expectEqual(ms.slave, options.change.propagation);
    try std.testing.expectEqual(.below, options.bind.?);
}
