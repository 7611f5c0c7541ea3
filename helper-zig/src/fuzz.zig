//! Fuzzes the helper's parsers of what strangers wrote, for a bounded number of inputs:
//!
//!     fuzz CORPUS [ITERATIONS [SEED]]
//!
//! CORPUS is testdata/: `tar/` seeds the tar reader, `plans/` the plan parser, `pending/` the
//! pending records. Every file is replayed as it is, then mutated. Parsers may refuse anything;
//! they may not crash, loop, or give out what breaks their promises. The build must have safety
//! checks.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const dirent = @import("dirent.zig");
const input = @import("input.zig");
const names = @import("names.zig");
const pending = @import("pending.zig");
const plan = @import("plan.zig");
const plan_text = @import("plan_text.zig");
const tar = @import("tar.zig");

const Allocator = std.mem.Allocator;

const input_bytes_max = 256 << 10;
const corpus_files_max = 256;
/// The reader's buffer: small, so that entries lie across its end.
const buffer_bytes = 1536;

const Target = struct {
    name: [:0]const u8,
    /// Returns if `bytes` were parsed or refused as promised, panics otherwise.
    run: *const fn (bytes: []const u8, piece: usize, gpa: Allocator) anyerror!void,
};

const targets = [_]Target{
    .{ .name = "tar", .run = fuzzTar },
    .{ .name = "plans", .run = fuzzPlan },
    .{ .name = "pending", .run = fuzzPending },
};

pub fn main(init: std.process.Init.Minimal) u8 {
    return run(init.args.vector) catch 1;
}

fn run(args: []const [*:0]const u8) !u8 {
    if (args.len < 2) return report.fail("fuzz CORPUS [ITERATIONS [SEED]]", .{});
    const iterations = try numberAt(args, 2, 20_000);
    const seed = try numberAt(args, 3, 1);
    // The parsers' own messages about bad input are not wanted.
    const opened = sys.openat(sys.cwd, "/dev/null", .{ .ACCMODE = .WRONLY }, 0);
    const quiet = try report.check(opened, "open /dev/null", .{});
    const flags = sys.directory_flags;
    const corpus = try report.check(sys.openat(sys.cwd, args[1], flags, 0), "open corpus", .{});
    for (targets) |target| {
        var seeds: std.ArrayList([]const u8) = .empty;
        try readCorpus(corpus, target.name, &seeds);
        report.fd = quiet;
        const outcome = fuzz(target, seeds.items, iterations, seed);
        report.fd = 2;
        try outcome;
        report.sayPlain("{s}: {d} inputs, {d} seeds, seed {d}", .{
            target.name, iterations + seeds.items.len, seeds.items.len, seed,
        });
    }
    return 0;
}

fn numberAt(args: []const [*:0]const u8, at: usize, default: u64) !u64 {
    if (args.len <= at) return default;
    return std.fmt.parseInt(u64, std.mem.span(args[at]), 10) catch
        report.fail("fuzz: {s} is no number", .{args[at]});
}

fn readCorpus(corpus: sys.Fd, name: [:0]const u8, seeds: *std.ArrayList([]const u8)) !void {
    const gpa = std.heap.page_allocator;
    const opened = sys.openat(corpus, name, sys.directory_flags, 0);
    if (opened == .err and opened.err == .NOENT) return;
    const fd = try report.check(opened, "open corpus {s}", .{name});
    defer sys.close(fd);

    var buffer: [16 << 10]u8 align(8) = undefined;
    while (true) {
        const len = try report.check(sys.getdents(fd, &buffer), "list corpus", .{});
        if (len == 0) return;
        var records: dirent.Records = .{ .bytes = buffer[0..len] };
        while (records.next()) |entry| {
            if (entry.is_dir or seeds.items.len == corpus_files_max) continue;
            const file = sys.openat(fd, entry.name, .{}, 0);
            const seed = try report.check(file, "open {s}", .{entry.name});
            defer sys.close(seed);

            const bytes = try gpa.alloc(u8, input_bytes_max);
            const size = try report.check(sys.readAll(seed, bytes), "read {s}", .{entry.name});
            try seeds.append(gpa, bytes[0..size]);
        }
    }
}

fn fuzz(target: Target, seeds: []const []const u8, iterations: u64, seed: u64) !void {
    var prng: std.Random.DefaultPrng = .init(seed);
    const random = prng.random();
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const bytes = try std.heap.page_allocator.alloc(u8, input_bytes_max);
    for (seeds) |one| try target.run(one, one.len, arena.allocator());
    for (0..iterations) |_| {
        _ = arena.reset(.{ .retain_with_limit = 64 << 20 });
        const len = mutate(random, seeds, bytes);
        const piece = 1 + random.uintLessThan(usize, 4096);
        try target.run(bytes[0..len], piece, arena.allocator());
    }
}

/// An input made of a seed by a few changes; how long it is.
fn mutate(random: std.Random, seeds: []const []const u8, bytes: []u8) usize {
    var len: usize = 0;
    if (seeds.len > 0) {
        const seed = seeds[random.uintLessThan(usize, seeds.len)];
        @memcpy(bytes[0..seed.len], seed);
        len = seed.len;
    }
    for (0..1 + random.uintLessThan(usize, 8)) |_| len = change(random, seeds, bytes, len);
    // Otherwise nearly everything would end at a checksum.
    if (random.boolean()) repairChecksums(bytes[0..len]);
    return len;
}

fn change(random: std.Random, seeds: []const []const u8, bytes: []u8, len: usize) usize {
    if (len == 0) {
        random.bytes(bytes[0..512]);
        return 512;
    }
    const at = random.uintLessThan(usize, len);
    switch (random.uintLessThan(u8, 7)) {
        0 => bytes[at] ^= @as(u8, 1) << random.int(u3),
        1 => bytes[at] = random.int(u8),
        2 => bytes[at] = interesting[random.uintLessThan(usize, interesting.len)],
        3 => return at,
        4 => {
            const end = @min(len, at + random.uintLessThan(usize, 600));
            random.bytes(bytes[at..end]);
        },
        5 => {
            // A run of one digit or byte: large numbers, long names.
            const end = @min(len, at + random.uintLessThan(usize, 24));
            @memset(bytes[at..end], interesting[random.uintLessThan(usize, interesting.len)]);
        },
        else => {
            if (seeds.len == 0) return len;
            const other = seeds[random.uintLessThan(usize, seeds.len)];
            const from = blockStart(random, other.len);
            const to = blockStart(random, len);
            const count = @min(other.len - from, bytes.len - to);
            @memcpy(bytes[to..][0..count], other[from..][0..count]);
            return @max(len, to + count);
        },
    }
    return len;
}

const interesting = "\x00\x01\x7f\x80\xff 0179=\n/.,-xgLKS{}[]\"\\";

fn blockStart(random: std.Random, len: usize) usize {
    return random.uintAtMost(usize, len / 512) * 512;
}

fn repairChecksums(bytes: []u8) void {
    var at: usize = 0;
    while (at + 512 <= bytes.len) : (at += 512) {
        const block = bytes[at..][0..512];
        if (std.mem.allEqual(u8, block, 0)) continue;
        // Only what looks like a header: the checksum's NUL and space.
        if (block[154] != 0 or block[155] != ' ') continue;
        @memset(block[148..156], ' ');
        var sum: u64 = 0;
        for (block) |byte| sum += byte;
        // proven: 512 bytes sum up to six octal digits.
        _ = std.fmt.bufPrint(block[148..155], "{o:0>6}\x00", .{sum}) catch unreachable;
    }
}

fn fuzzTar(bytes: []const u8, piece: usize, gpa: Allocator) anyerror!void {
    var buffer: [buffer_bytes]u8 = undefined;
    var memory: input.Memory = .{ .rest = bytes, .piece = piece };
    var reader: tar.Reader(*input.Memory) = .init(&memory, &buffer, gpa);
    while (true) {
        const entry = reader.next() catch |err| return refusedTar(err);
        try checkEntry(entry orelse break);
        var stored: u64 = 0;
        while (reader.chunk() catch |err| return refusedTar(err)) |part| {
            if (part.len == 0) @panic("an empty piece");
            stored += part.len;
        }
        if (entry.?.kind == .file and entry.?.extents == null and stored != entry.?.size) {
            @panic("a file is not as long as it says");
        }
    }
    try reader.in.drain();
    if (reader.in.total != bytes.len) @panic("the stream was not read to its end");
}

fn refusedTar(err: tar.Error) error{OutOfMemory}!void {
    if (err == error.OutOfMemory) return error.OutOfMemory;
    if (tar.words(err).len == 0) @panic("an error without words");
}

fn checkEntry(entry: tar.Entry) !void {
    for ([_][]const u8{ entry.path, entry.link }) |text| {
        if (text.len > tar.path_bytes_max) @panic("a name is too long");
        if (std.mem.findScalar(u8, text, 0) != null) @panic("a name has a NUL");
    }
    if (entry.path.len == 0) @panic("an entry has no name");
    if (entry.mode > 0o7777 or entry.mtime.nsec >= std.time.ns_per_s) @panic("out of range");
    if (entry.uid == sys.unchanged_id or entry.gid == sys.unchanged_id) @panic("no owner");
    if (entry.size > std.math.maxInt(i64)) @panic("a size no file can have");
    var end: u64 = 0;
    for (entry.extents orelse &.{}) |extent| {
        if (extent.offset < end or extent.offset + extent.size > entry.size) @panic("bad extent");
        end = extent.offset + extent.size;
    }
    var buffer: names.PathBuffer = undefined;
    const path = names.clean(entry.path, &buffer) catch return;
    var parts = std.mem.splitScalar(u8, path, '/');
    while (parts.next()) |part| {
        const empty = part.len == 0 and path.len > 0;
        if (empty or std.mem.eql(u8, part, ".") or std.mem.eql(u8, part, "..")) @panic("unclean");
    }
}

fn fuzzPlan(bytes: []const u8, _: usize, gpa: Allocator) anyerror!void {
    const parsed = plan_text.parse(bytes, gpa) catch return;
    if (parsed.process.args.len == 0) @panic("a plan without a program");
}

fn fuzzPending(bytes: []const u8, _: usize, _: Allocator) anyerror!void {
    var records: pending.Records = .{ .rest = bytes };
    var left = bytes.len;
    while (records.next() catch return) |_| {
        if (records.rest.len >= left) @panic("no progress");
        left = records.rest.len;
    }
}
