//! `hb-init unpack`: a layer's tar on stdin becomes a directory overlayfs can use as a lower one.
//!
//! The security boundary of a pull: the stream is hostile until the front end has its digest, and
//! may be after. Names are cleaned (names.zig), resolved inside the layer (tree.zig), and every
//! file is made new, by one name under an open directory. What leans on lower layers is put off to
//! `complete` (pending.zig). OCI image-spec, layer.md.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const userns = @import("userns.zig");
const finish = @import("finish.zig");
const recipe = @import("recipe.zig");
const tree = @import("tree.zig");
const Layer = @import("layer.zig").Layer;
const staging_module = @import("staging.zig");
const Staging = staging_module.Staging;
const Paths = staging_module.Paths;

const stdin: sys.Fd = 0;

/// The subcommand: `unpack [maps] --staging DIR --commit DIR`.
pub fn main(args: []const [*:0]const u8) u8 {
    return parseAndRun(args) catch 1;
}

const Job = struct { paths: Paths, in_user_namespace: bool };

fn parseAndRun(args: []const [*:0]const u8) report.Error!u8 {
    var flags: userns.Flags = .{};
    var staging: ?[:0]const u8 = null;
    var commit: ?[:0]const u8 = null;
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try flags.take(name, value)) continue;
        if (std.mem.eql(u8, name, "--staging")) {
            staging = value;
        } else if (std.mem.eql(u8, name, "--commit")) {
            commit = value;
        } else return report.fail("unpack: unknown flag {s}", .{name});
    }
    if (at != args.len or staging == null or commit == null) {
        return report.fail("unpack needs --staging and --commit", .{});
    }
    const maps = try flags.maps();
    const job: Job = .{
        .paths = .{ .staging = staging.?, .commit = commit.? },
        .in_user_namespace = maps != null,
    };
    return userns.run(maps, job, run);
}

/// Inside the user namespace.
fn run(job: Job) u8 {
    // The front end's death is told by errors, not by a signal that would leave the staging behind.
    signals.ignore(.PIPE);
    sys.clearUmask();
    make(job) catch return 1;
    return 0;
}

fn make(job: Job) report.Error!void {
    const staging = try Staging.open(job.paths) orelse {
        try staging_module.say("present\n", .{});
        return staging_module.waitForEnd();
    };
    fill(staging, job.in_user_namespace) catch |err| {
        staging.discard();
        return err;
    };
    staging.commit() catch |err| {
        staging.discard();
        return err;
    };
}

fn fill(staging: Staging, in_user_namespace: bool) report.Error!void {
    try staging_module.say("ready\n", .{});
    const made = sys.mkdirat(staging.fd, "diff", tree.default_mode);
    try report.check(made, "make {s}/diff", .{staging.paths.staging});
    const opened = sys.openat(staging.fd, "diff", sys.directory_flags, 0);
    const root = try report.check(opened, "open {s}/diff", .{staging.paths.staging});
    defer sys.close(root);

    const gpa = std.heap.page_allocator;
    var layer = Layer.init(gpa, stdin, root, in_user_namespace) catch return outOfMemory();
    defer layer.deinit();

    const writer = gpa.create(recipe.Writer) catch return outOfMemory();
    const flags: std.os.linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true };
    const recipe_made = sys.openat(staging.fd, recipe.file_name, flags, 0o600);
    const recipe_fd = try report.check(recipe_made, "make the layer's recipe", .{});
    defer sys.close(recipe_fd);

    writer.init(recipe_fd);
    layer.reader.in.tap = writer;
    layer.tree.aside = .{ .layer = staging.fd, .recipe = writer };
    try layer.readAll();
    const written = writer.finish();
    try report.check(written, "write the layer's recipe", .{});
    try finish.run(&layer, staging.fd);
    if (writer.is_lost) {
        try report.check(writer.giveUp(), "write the layer's recipe", .{});
        // Nothing will tell what a power cut took from it.
        try report.check(sys.syncfs(staging.fd), "sync {s}", .{staging.paths.staging});
    }
    try staging_module.sayUnpacked(.{
        .entries = layer.entries,
        .bytes = layer.reader.in.total,
        .pending = layer.pending.count,
        .squashed = layer.owners.squashed,
        .skipped = layer.skipped,
    });
}

fn outOfMemory() report.Error {
    return report.fail("unpack a layer: out of memory", .{});
}
