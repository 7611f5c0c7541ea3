//! Who the payload runs as: docker's USER (`name|uid[:group|gid]`) looked up in the container's own
//! /etc/passwd and /etc/group, and the change to it. The rules are those of moby/sys/user:
//!
//!   no user        root, with the supplementary groups /etc/group gives it
//!   a name         must be in /etc/passwd
//!   a number       needs no entry; without one its group is 0
//!   :group         replaces the primary group and leaves out the supplementary ones

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const sync = @import("sync.zig");
const report = @import("report.zig");
const plan = @import("plan.zig");
const inside = @import("inside.zig");
const capabilities = @import("capabilities.zig");

/// Groups a process may have (NGROUPS_MAX is 65536; no image comes near this).
pub const groups_max = 1024;

/// /etc/passwd and /etc/group are the image's: bounded.
const database_bytes_max = 16 << 20;

/// The highest id a USER may name, as in moby/sys/user.
const id_max = std.math.maxInt(i32);

/// A user as the kernel knows it, and what the environment should say.
pub const Identity = struct {
    uid: u32 = 0,
    gid: u32 = 0,
    groups: [groups_max]u32 = undefined,
    groups_len: usize = 0,
    home: []const u8 = "/",

    pub fn additionalGids(identity: *const Identity) []const u32 {
        return identity.groups[0..identity.groups_len];
    }

    fn addGroup(identity: *Identity, gid: u32) report.Error!void {
        for (identity.additionalGids()) |have| if (have == gid) return;
        if (identity.groups_len == groups_max)
            return report.fail("a user with more than {d} groups", .{groups_max});
        identity.groups[identity.groups_len] = gid;
        identity.groups_len += 1;
    }
};

/// The text of the two files; empty where missing.
pub const Databases = struct {
    passwd: []const u8,
    group: []const u8,

    /// Reads both in `root`.
    pub fn read(root: inside.Root, arena: std.mem.Allocator) report.Error!Databases {
        return .{
            .passwd = try readDatabase(root, "/etc/passwd", arena),
            .group = try readDatabase(root, "/etc/group", arena),
        };
    }
};

/// Who is asked for.
pub const Wanted = struct {
    /// docker's USER; "" is whoever `numeric` is.
    name: plan.Text,
    numeric: plan.User = .{},
    /// `--group-add`.
    groups: []const plan.Text = &.{},
    /// Of the container's user namespace; none: all ids exist.
    gidMappings: []const plan.IdMapping = &.{},

    pub fn of(it: *const plan.Plan) Wanted {
        return .{
            .name = it.hb.user,
            .numeric = it.process.user,
            .groups = it.hb.groupAdd,
            .gidMappings = it.linux.gidMappings,
        };
    }
};

/// Looks up the user and the additional groups.
pub fn find(wanted: Wanted, databases: Databases) report.Error!Identity {
    const numeric = wanted.numeric;
    var identity = if (wanted.name.len == 0 and (numeric.uid != 0 or numeric.gid != 0))
        fromNumbers(numeric, databases)
    else
        try lookUp(wanted.name, databases, wanted.gidMappings);
    // The primary group too: a process that changes its group later must not lose a group that
    // files deny something to (CVE-2022-36109, "negative" group permissions).
    try identity.addGroup(identity.gid);
    for (numeric.additionalGids) |gid| try identity.addGroup(gid);
    for (wanted.groups) |name| {
        const gid = try groupNamed(name, databases);
        if (!isMapped(gid, wanted.gidMappings)) return unmapped("group", gid);
        try identity.addGroup(gid);
    }
    return identity;
}

/// Whether `gid` exists in the container; without a map all do.
fn isMapped(gid: u32, map: []const plan.IdMapping) bool {
    if (map.len == 0) return true;
    for (map) |range| {
        if (gid >= range.containerID and gid - range.containerID < range.size) return true;
    }
    return false;
}

fn unmapped(comptime kind: []const u8, id: u32) report.Error {
    return report.fail(
        "run as " ++ kind ++ " {d}: not among the ids this user may use in a container; " ++
            "a larger range in /etc/subuid and /etc/subgid helps",
        .{id},
    );
}

/// Becomes `identity`, keeping capabilities for setFinal: groups, group, user, in this order,
/// because each step takes away the right to the ones before.
pub fn become(identity: *const Identity, gid_is_single: bool, peer: sync.Peer) report.Error!void {
    try capabilities.keepAcrossUserChange();
    const changed = sys.setgroups(identity.additionalGids());
    // With one id mapped the kernel refuses for good (user_namespaces(7), "setgroups"); the groups
    // kept are the caller's own, on files of its own.
    const refused = gid_is_single and changed == .err and changed.err == .PERM;
    if (!refused) try report.check(changed, "set the supplementary groups", .{});
    try checkId(sys.setgid(identity.gid), "group", identity.gid);
    try checkId(sys.setuid(identity.uid), "user", identity.uid);
    // The change of user has cleared it, and the supervisor may have died meanwhile.
    _ = try report.check(sys.dieWithParent(), "set the parent death signal", .{});
    try peer.stillThere();
}

fn checkId(changed: sys.Result(void), comptime kind: []const u8, id: u32) report.Error!void {
    // EINVAL: the id is not in the user namespace's map.
    if (changed == .err and changed.err == .INVAL) return unmapped(kind, id);
    return report.check(changed, "run as " ++ kind ++ " {d}", .{id});
}

fn fromNumbers(user: plan.User, databases: Databases) Identity {
    var identity: Identity = .{ .uid = user.uid, .gid = user.gid };
    var entries: Entries = .{ .text = databases.passwd };
    while (entries.next()) |entry| {
        if (entry.number(2) != user.uid) continue;
        identity.home = homeOf(entry);
        break;
    }
    return identity;
}

fn lookUp(
    text: []const u8,
    databases: Databases,
    map: []const plan.IdMapping,
) report.Error!Identity {
    const colon = std.mem.indexOfScalar(u8, text, ':');
    const user = text[0 .. colon orelse text.len];
    const group = if (colon) |at| text[at + 1 ..] else "";

    var identity: Identity = .{};
    const name = try findUser(user, databases.passwd, &identity);
    if (group.len > 0) {
        identity.gid = try groupNamed(group, databases);
    } else if (name) |member| {
        try addMemberships(member, databases.group, &identity, map);
    }
    return identity;
}

/// Fills in uid, gid and home; the login name when there is an entry.
fn findUser(wanted: []const u8, passwd: []const u8, identity: *Identity) report.Error!?[]const u8 {
    const number: ?u32 = if (wanted.len == 0) 0 else parseId(wanted);
    var entries: Entries = .{ .text = passwd };
    while (entries.next()) |entry| {
        const uid = entry.number(2) orelse continue;
        const by_number = number != null and uid == number.?;
        if (!by_number and !std.mem.eql(u8, entry.field(0), wanted)) continue;
        identity.uid = uid;
        identity.gid = entry.number(3) orelse 0;
        identity.home = homeOf(entry);
        return entry.field(0);
    }
    identity.uid = number orelse
        return report.fail("unable to find user {s}: no such name in the image's /etc/passwd", .{
            wanted,
        });
    return null;
}

/// Groups that do not exist in the container are left out: nobody has asked for them by name.
fn addMemberships(
    member: []const u8,
    group: []const u8,
    identity: *Identity,
    map: []const plan.IdMapping,
) report.Error!void {
    var entries: Entries = .{ .text = group };
    while (entries.next()) |entry| {
        const gid = entry.number(2) orelse continue;
        if (!isMapped(gid, map)) continue;
        var members = std.mem.splitScalar(u8, entry.field(3), ',');
        while (members.next()) |name| {
            if (!std.mem.eql(u8, name, member)) continue;
            try identity.addGroup(gid);
            break;
        }
    }
}

fn groupNamed(wanted: []const u8, databases: Databases) report.Error!u32 {
    const number = parseId(wanted);
    var entries: Entries = .{ .text = databases.group };
    while (entries.next()) |entry| {
        const gid = entry.number(2) orelse continue;
        if (std.mem.eql(u8, entry.field(0), wanted)) return gid;
    }
    return number orelse
        report.fail("unable to find group {s}: no such name in the image's /etc/group", .{wanted});
}

fn parseId(text: []const u8) ?u32 {
    // Digits only: parseInt would take signs and underscores.
    for (text) |byte| if (!std.ascii.isDigit(byte)) return null;
    const number = std.fmt.parseInt(u32, text, 10) catch return null;
    return if (number > id_max) null else number;
}

fn homeOf(entry: Entry) []const u8 {
    const home = entry.field(5);
    return if (home.len > 0) home else "/";
}

/// The lines of passwd(5) or group(5); comments and blank lines are passed over.
const Entries = struct {
    text: []const u8,
    at: usize = 0,

    fn next(entries: *Entries) ?Entry {
        while (entries.at < entries.text.len) {
            const rest = entries.text[entries.at..];
            const length = std.mem.indexOfScalar(u8, rest, '\n') orelse rest.len;
            entries.at += length + 1;
            const line = std.mem.trim(u8, rest[0..length], " \t\r");
            if (line.len > 0 and line[0] != '#') return .{ .line = line };
        }
        return null;
    }
};

const Entry = struct {
    line: []const u8,

    /// The field at `index`; empty where the line is too short.
    fn field(entry: Entry, index: usize) []const u8 {
        var fields = std.mem.splitScalar(u8, entry.line, ':');
        for (0..index) |_| _ = fields.next();
        return fields.next() orelse "";
    }

    fn number(entry: Entry, index: usize) ?u32 {
        return parseId(entry.field(index));
    }
};

fn readDatabase(
    root: inside.Root,
    path: [:0]const u8,
    arena: std.mem.Allocator,
) report.Error![]const u8 {
    // Not to be held up by a fifo the image has put there.
    const opened = root.open(path, .{ .NONBLOCK = true, .NOCTTY = true });
    if (opened == .err and (opened.err == .NOENT or opened.err == .NOTDIR)) return "";
    const fd = try report.check(opened, "read the image's {s}", .{path});
    defer sys.close(fd);

    const stat = try report.check(sys.fstat(fd), "read the image's {s}", .{path});
    if (stat.kind() != linux.S.IFREG)
        return report.fail("read the image's {s}: not a file", .{path});
    if (stat.size > database_bytes_max)
        return report.fail("read the image's {s}: larger than {d} bytes", .{
            path,
            database_bytes_max,
        });
    const text = arena.alloc(u8, @intCast(stat.size)) catch
        return report.fail("read the image's {s}: out of memory", .{path});
    const length = try report.check(sys.readAll(fd, text), "read the image's {s}", .{path});
    return text[0..length];
}

const testing = std.testing;

const example: Databases = .{
    .passwd =
    \\root:x:0:0:root:/root:/bin/sh
    \\# a comment
    \\
    \\web:x:33:34:www:/var/www:/bin/false
    \\short:x:7
    \\123:x:44:45::/numbers:
    \\
    ,
    .group =
    \\root:x:0:
    \\wheel:x:10:root,web
    \\web:x:34:
    \\logs:x:35:web
    \\
    ,
};

test "nobody asked for is root with root's groups" {
    const identity = try lookUp("", example, &.{});
    try testing.expectEqual(0, identity.uid);
    try testing.expectEqualStrings("/root", identity.home);
    try testing.expectEqualSlices(u32, &.{10}, identity.additionalGids());
}

test "a name brings its group, home and memberships" {
    const identity = try lookUp("web", example, &.{});
    try testing.expectEqual(33, identity.uid);
    try testing.expectEqual(34, identity.gid);
    try testing.expectEqualStrings("/var/www", identity.home);
    try testing.expectEqualSlices(u32, &.{ 10, 35 }, identity.additionalGids());
}

test "a number with an entry is that user, without one has group 0" {
    try testing.expectEqual(34, (try lookUp("33", example, &.{})).gid);
    const unknown = try lookUp("4242", example, &.{});
    try testing.expectEqual(4242, unknown.uid);
    try testing.expectEqual(0, unknown.gid);
    try testing.expectEqualStrings("/", unknown.home);
}

test "a login name made of digits is found before its number" {
    try testing.expectEqual(44, (try lookUp("123", example, &.{})).uid);
}

test "a group given replaces the memberships" {
    const identity = try lookUp("web:logs", example, &.{});
    try testing.expectEqual(35, identity.gid);
    try testing.expectEqual(0, identity.additionalGids().len);
    try testing.expectEqual(99, (try lookUp("33:99", example, &.{})).gid);
}

test "memberships in groups that are not mapped are left out" {
    const map = [_]plan.IdMapping{.{ .containerID = 0, .hostID = 1000, .size = 35 }};
    const identity = try lookUp("web", example, &map);
    try testing.expectEqualSlices(u32, &.{10}, identity.additionalGids());
}

test "an entry that is cut short has group 0 and home /" {
    const identity = try lookUp("short", example, &.{});
    try testing.expectEqual(0, identity.gid);
    try testing.expectEqualStrings("/", identity.home);
}

test "unknown names are refused" {
    report.fd = -1;
    try testing.expectError(error.Reported, lookUp("ghost", example, &.{}));
    try testing.expectError(error.Reported, lookUp("web:ghosts", example, &.{}));
    try testing.expectError(error.Reported, lookUp("-5", example, &.{}));
    try testing.expectError(error.Reported, lookUp("1_0", example, &.{}));
    try testing.expectError(error.Reported, lookUp("4294967295", example, &.{}));
    try testing.expectError(error.Reported, groupNamed("ghosts", example));
}
