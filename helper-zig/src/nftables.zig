//! nf_tables' netlink messages (linux/netfilter/nf_tables.h): tables, chains, rules and maps, in
//! one batch that comes into force whole or not at all. What hb's rules say is firewall.zig's.
//!
//! What a rule is made of is in nft_rule.zig.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const netlink = @import("netlink.zig");
const Rule = @import("nft_rule.zig").Rule;
const Builder = netlink.Builder;
const Flags = netlink.Flags;

/// struct nfgenmsg.
pub const General = extern struct {
    family: u8,
    version: u8 = 0,
    resource: u16 = 0,
};

const subsystem = 10; // NFNL_SUBSYS_NFTABLES
const batch_begin = 16; // NFNL_MSG_BATCH_BEGIN
const batch_end = 17;

/// NFPROTO_INET: IPv4 and IPv6 in one table.
const inet = 1;

/// NFT_MSG_*.
const Message = enum(u16) {
    new_table = 0,
    get_table = 1,
    del_table = 2,
    new_chain = 3,
    get_chain = 4,
    new_rule = 6,
    get_rule = 7,
    new_set = 9,
    new_element = 12,
    get_element = 13,
    del_element = 14,

    fn kind(message: Message) u16 {
        return (subsystem << 8) | @backingInt(message);
    }
};

/// NFTA_*, as far as they are used.
const Attribute = struct {
    const list_element = 1;
    const value = 1;
    const table_name = 1;
    const chain_table = 1;
    const chain_name = 3;
    const chain_hook = 4;
    const chain_policy = 5;
    const chain_kind = 7;
    const hook_number = 1;
    const hook_priority = 2;
    const rule_table = 1;
    const rule_chain = 2;
    const rule_expressions = 4;
    const set_table = 1;
    const set_name = 2;
    const set_flags = 3;
    const set_key_kind = 4;
    const set_key_length = 5;
    const set_data_kind = 6;
    const set_data_length = 7;
    const set_id = 10;
    const set_user = 13;
    const elements_table = 1;
    const elements_set = 2;
    const elements = 3;
    const element_key = 1;
    const element_data = 2;
    const element_user = 6;
};

/// A hook a chain hangs on, and when among others there.
pub const Hook = struct {
    kind: enum { nat, filter },
    at: enum(u32) { prerouting = 0, forward = 2, output = 3, postrouting = 4 },
    priority: i32,
};

/// The types nft(8) knows keys and values by, for `nft list ruleset`; the kernel does not care.
pub const Kind = enum(u32) { ip4 = 7, ip6 = 8, protocol = 12, port = 13, name = 41 };

/// A map's or set's key and value, each of parts that take up whole words.
pub const Shape = struct {
    name: []const u8,
    key: []const Kind,
    data: []const Kind = &.{},
};

fn kindOf(parts: []const Kind) u32 {
    var all: u32 = 0;
    for (parts) |part| all = all << 6 | @backingInt(part);
    return all;
}

fn lengthOf(parts: []const Kind) u32 {
    var bytes: u32 = 0;
    for (parts) |part| bytes += switch (part) {
        .ip4, .protocol, .port => 4,
        .ip6, .name => 16,
    };
    // A key of one part is as long as that is.
    if (parts.len == 1 and parts[0] == .port) return 2;
    return bytes;
}

/// Changes to one table, to be made at once.
pub const Batch = struct {
    b: *Builder,
    table: []const u8,
    sets: u32 = 0,

    pub fn begin(b: *Builder, table: []const u8) Batch {
        const resource = std.mem.nativeToBig(u16, subsystem);
        b.begin(batch_begin, 0, General{ .family = linux.AF.UNSPEC, .resource = resource });
        return .{ .b = b, .table = table };
    }

    /// Makes the changes; `failed` is the number of the message that failed.
    pub fn commit(batch: *Batch, socket: netlink.Socket, failed: *u32) sys.Result(void) {
        const b = batch.b;
        b.acknowledgeLast();
        const last = b.count;
        const resource = std.mem.nativeToBig(u16, subsystem);
        b.begin(batch_end, 0, General{ .family = linux.AF.UNSPEC, .resource = resource });
        return socket.transactAs(b, last, failed);
    }

    /// Whether there is nothing to change.
    pub fn isEmpty(batch: *const Batch) bool {
        return batch.b.count == 1;
    }

    fn message(batch: *Batch, kind: Message, flags: u16) void {
        batch.b.begin(kind.kind(), flags, General{ .family = inet });
    }

    pub fn addTable(batch: *Batch) void {
        batch.message(.new_table, Flags.create | Flags.exclusive);
        batch.b.string(Attribute.table_name, batch.table);
    }

    /// With all that is in it.
    pub fn removeTable(batch: *Batch) void {
        batch.message(.del_table, 0);
        batch.b.string(Attribute.table_name, batch.table);
    }

    /// A chain others jump to, or one that hangs on a hook.
    pub fn addChain(batch: *Batch, name: []const u8, hook: ?Hook) void {
        batch.message(.new_chain, Flags.create);
        const b = batch.b;
        b.string(Attribute.chain_table, batch.table);
        b.string(Attribute.chain_name, name);
        const it = hook orelse return;
        const nest = b.nest(Attribute.chain_hook);
        b.bigNumber(Attribute.hook_number, @backingInt(it.at));
        b.bigNumber(Attribute.hook_priority, @bitCast(it.priority));
        b.end(nest);
        b.string(Attribute.chain_kind, @tagName(it.kind));
    }

    pub fn addSet(batch: *Batch, shape: Shape) void {
        const is_map = 0x8;
        batch.message(.new_set, Flags.create);
        batch.sets += 1;
        const b = batch.b;
        b.string(Attribute.set_table, batch.table);
        b.string(Attribute.set_name, shape.name);
        b.bigNumber(Attribute.set_flags, if (shape.data.len > 0) is_map else 0);
        b.bigNumber(Attribute.set_key_kind, kindOf(shape.key));
        b.bigNumber(Attribute.set_key_length, lengthOf(shape.key));
        if (shape.data.len > 0) {
            b.bigNumber(Attribute.set_data_kind, kindOf(shape.data));
            b.bigNumber(Attribute.set_data_length, lengthOf(shape.data));
        }
        b.bigNumber(Attribute.set_id, batch.sets);
        // For nft(8), which shows names only where it is told that they are in our byte order:
        // libnftnl's udata, type 0 (NFTNL_UDATA_SET_KEYBYTEORDER), a number, 1.
        const in_our_order = [2]u8{ 0, 4 } ++ std.mem.toBytes(@as(u32, 1));
        if (shape.key[0] == .name) b.attribute(Attribute.set_user, &in_our_order);
    }

    /// One element; it is an error when it is there already.
    pub const Element = struct {
        set: []const u8,
        key: []const u8,
        data: []const u8 = "",
        comment: []const u8 = "",
    };

    pub fn addElement(batch: *Batch, element: Element) void {
        batch.message(.new_element, Flags.create | Flags.exclusive);
        batch.putElement(element);
    }

    pub fn removeElement(batch: *Batch, element: Element) void {
        batch.message(.del_element, 0);
        batch.putElement(.{ .set = element.set, .key = element.key });
    }

    fn putElement(batch: *Batch, element: Element) void {
        const b = batch.b;
        b.string(Attribute.elements_table, batch.table);
        b.string(Attribute.elements_set, element.set);
        const list = b.nest(Attribute.elements);
        const one = b.nest(Attribute.list_element);
        const key = b.nest(Attribute.element_key);
        b.attribute(Attribute.value, element.key);
        b.end(key);
        if (element.data.len > 0) {
            const data = b.nest(Attribute.element_data);
            b.attribute(Attribute.value, element.data);
            b.end(data);
        }
        if (element.comment.len > 0) {
            var buffer: [comment_bytes_max]u8 = undefined;
            b.attribute(Attribute.element_user, userData(element.comment, &buffer));
        }
        b.end(one);
        b.end(list);
    }

    /// Begins a rule at the end of `chain`; `Rule.end` ends it.
    pub fn rule(batch: *Batch, chain: []const u8) Rule {
        batch.message(.new_rule, Flags.create | 0x800); // NLM_F_APPEND
        batch.b.string(Attribute.rule_table, batch.table);
        batch.b.string(Attribute.rule_chain, chain);
        return .{ .b = batch.b, .list = batch.b.nest(Attribute.rule_expressions) };
    }
};

const comment_bytes_max = 66;

/// A comment as nft(8) keeps it: type 0, length, text and a zero (libnftnl's udata).
fn userData(comment: []const u8, buffer: *[comment_bytes_max]u8) []const u8 {
    const text = comment[0..@min(comment.len, comment_bytes_max - 3)];
    buffer[0] = 0;
    buffer[1] = @intCast(text.len + 1);
    @memcpy(buffer[2..][0..text.len], text);
    buffer[2 + text.len] = 0;
    return buffer[0 .. text.len + 3];
}

/// Whether the table is there.
pub fn hasTable(socket: netlink.Socket, table: []const u8) sys.Result(bool) {
    var buffer: [128]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    b.begin(Message.get_table.kind(), 0, General{ .family = inet });
    b.string(Attribute.table_name, table);
    var nothing: Ignored = .{};
    return switch (socket.ask(&b, &nothing)) {
        .ok => .{ .ok = true },
        .err => |e| if (e == .NOENT) .{ .ok = false } else .{ .err = e },
    };
}

const Ignored = struct {
    pub fn take(_: *Ignored, _: netlink.Answer) void {}
};

/// Whether a chain of `table` of iptables (family ip) is there, and drops what it has no rule for.
pub const Foreign = struct {
    is_there: bool = false,
    drops: bool = false,

    pub fn take(foreign: *Foreign, answer: netlink.Answer) void {
        foreign.is_there = true;
        const policy = answer.find(@sizeOf(General), Attribute.chain_policy) orelse return;
        foreign.drops = policy.len == 4 and std.mem.allEqual(u8, policy, 0);
    }

    pub fn look(socket: netlink.Socket, table: []const u8, chain: []const u8) Foreign {
        var buffer: [128]u8 align(4) = undefined;
        var b: Builder = .{ .buffer = &buffer };
        b.begin(Message.get_chain.kind(), 0, General{ .family = 2 });
        b.string(Attribute.chain_table, table);
        b.string(Attribute.chain_name, chain);
        var foreign: Foreign = .{};
        // No such chain, or no tables at all: it is not there.
        _ = socket.ask(&b, &foreign);
        return foreign;
    }
};

/// Takes out of `batch`'s map `set` every element with this comment.
pub fn removeCommented(
    batch: *Batch,
    socket: netlink.Socket,
    set: []const u8,
    comment: []const u8,
) sys.Result(void) {
    var buffer: [256]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    b.begin(Message.get_element.kind(), Flags.dump, General{ .family = inet });
    b.string(Attribute.elements_table, batch.table);
    b.string(Attribute.elements_set, set);
    var found: Commented = .{ .batch = batch, .set = set, .comment = comment };
    return socket.ask(&b, &found);
}

const Commented = struct {
    batch: *Batch,
    set: []const u8,
    comment: []const u8,

    pub fn take(found: *Commented, answer: netlink.Answer) void {
        const list = answer.find(@sizeOf(General), Attribute.elements) orelse return;
        var elements: netlink.Attributes = .{ .rest = list };
        var buffer: [comment_bytes_max]u8 = undefined;
        const wanted = userData(found.comment, &buffer);
        while (elements.next()) |element| {
            const user = netlink.findIn(element.value, Attribute.element_user) orelse continue;
            if (!std.mem.eql(u8, user, wanted)) continue;
            const key = netlink.findIn(element.value, Attribute.element_key) orelse continue;
            const value = netlink.findIn(key, Attribute.value) orelse continue;
            found.batch.removeElement(.{ .set = found.set, .key = value });
        }
    }
};

test "a batch is framed, and its messages say which table they are about" {
    var buffer: [1024]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &buffer };
    var batch: Batch = .begin(&b, "hb-hb0");
    const rule = batch.rule("forward");
    rule.interface(.out_name, .equal, "hb0");
    rule.verdict(.drop, null);
    rule.end();

    var answers: netlink.Answers = .{ .rest = buffer[0..b.length] };
    const first = answers.next().?;
    try std.testing.expectEqual(batch_begin, first.header.kind);
    try std.testing.expectEqualStrings("\x00\x00\x00\x0a", first.payload);
    const second = answers.next().?;
    try std.testing.expectEqual(0x0a06, second.header.kind);
    const message: netlink.Answer = .{ .kind = second.header.kind, .payload = second.payload };
    try std.testing.expectEqualStrings("hb-hb0\x00", message.find(4, Attribute.rule_table).?);
    try std.testing.expect(message.find(4, Attribute.rule_expressions) != null);
}

test "an element is found again by its comment" {
    var built: [512]u8 align(4) = undefined;
    var b: Builder = .{ .buffer = &built };
    var batch: Batch = .begin(&b, "t");
    batch.addElement(.{ .set = "any4", .key = "key1key2", .data = "datadata", .comment = "c1" });
    batch.addElement(.{ .set = "any4", .key = "key3key4", .data = "datadata", .comment = "c2" });

    var removed: [512]u8 align(4) = undefined;
    var into: Builder = .{ .buffer = &removed };
    var removal: Batch = .begin(&into, "t");
    var found: Commented = .{ .batch = &removal, .set = "any4", .comment = "c2" };
    var answers: netlink.Answers = .{ .rest = built[0..b.length] };
    while (answers.next()) |one| found.take(.{ .kind = one.header.kind, .payload = one.payload });
    try std.testing.expectEqual(2, into.count);
    try std.testing.expect(std.mem.indexOf(u8, removed[0..into.length], "key3key4") != null);
    try std.testing.expect(std.mem.indexOf(u8, removed[0..into.length], "datadata") == null);
}
