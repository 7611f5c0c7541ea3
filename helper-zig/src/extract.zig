//! `hb-init extract`: a tar on stdin -> files in a directory, a container's or the caller's own.
//!
//!   extract --path DIRECTORY [--container DIRECTORY …] [--owners kept]
//!
//! In a container owners are what the tar says (ids that do not exist there become root's). Outside
//! there are no device nodes, and everything is the caller's, without set-id bits and file
//! capabilities, unless `--owners kept`. As docker has it, a file takes the place of another, but
//! neither of a directory nor the other way round, and what is a directory already takes the tar's
//! mode and time.
//!
//! No name leads out of the directory: `..` beyond it is refused, and symbolic links are followed
//! only in a container and only to where they stay below the directory (openat2(2)). What is half
//! written when it goes wrong, or when hb is interrupted, is removed.
//!
//! At the end: {"bytes":N,"skipped":N,"squashed":N}, the archive's size, the device nodes that were
//! left out and the entries whose owner could not be kept.

const std = @import("std");
const linux = std.os.linux;
const sys = @import("sys.zig");
const report = @import("report.zig");
const signals = @import("signals.zig");
const input = @import("input.zig");
const reach = @import("reach.zig");
const extractor = @import("extractor.zig");

const stdin: sys.Fd = 0;

const Job = struct {
    place: reach.Flags = .{},
    path: [:0]const u8 = "",
    keeps_owners: bool = false,
};

/// The subcommand.
pub fn main(args: []const [*:0]const u8) u8 {
    run(args) catch return 1;
    return 0;
}

fn run(args: []const [*:0]const u8) report.Error!void {
    var job: Job = .{};
    var at: usize = 0;
    while (at + 1 < args.len) : (at += 2) {
        const name = std.mem.span(args[at]);
        const value = std.mem.span(args[at + 1]);
        if (try job.place.take(name, value)) continue;
        if (std.mem.eql(u8, name, "--path")) {
            job.path = value;
        } else if (std.mem.eql(u8, name, "--owners")) {
            job.keeps_owners = std.mem.eql(u8, value, "kept");
        } else return report.fail("extract: unknown flag {s}", .{name});
    }
    if (at != args.len or job.path.len == 0) return report.fail("extract needs --path", .{});
    return if (job.place.directory == null) onHost(job) else inContainer(job);
}

fn onHost(job: Job) report.Error!void {
    try reach.dieWith(linux.getppid());
    sys.clearUmask();
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true };
    const opened = sys.openat(sys.cwd, job.path, flags, 0);
    const top = try report.check(opened, "open {s}", .{job.path});
    defer sys.close(top);

    return extract(.{
        .top = top,
        .resolve = .{ .beneath = true, .no_symlinks = true, .no_magiclinks = true },
        .keeps_owners = job.keeps_owners,
        .makes_devices = false,
    });
}

fn inContainer(job: Job) report.Error!void {
    const container = try reach.Container.load(job.place);
    const reached = try container.enter(.mounted, .write);
    defer reached.close();

    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true };
    const top = try report.check(reached.root.open(job.path, flags), "open {s}", .{job.path});
    defer sys.close(top);

    const doing = "examine {s}";
    const own = try report.check(sys.fstat(top), doing, .{job.path});
    const root = try report.check(sys.fstat(reached.root.fd), doing, .{job.path});
    const is_root = own.inode == root.inode and std.meta.eql(own.device, root.device);
    return extract(.{
        .top = top,
        // Of the container's root a link may be absolute and still stay in it.
        .resolve = .{ .in_root = is_root, .beneath = !is_root, .no_magiclinks = true },
        .keeps_owners = true,
        .makes_devices = true,
    });
}

fn extract(to: extractor.Destination) report.Error!void {
    // hb may be gone when this says so; what is half written is removed all the same.
    signals.ignore(.PIPE);
    // They end the reading, so that what is half written can be removed.
    const interrupting: signals.Set = .of(&.{ .INT, .TERM, .HUP });
    signals.block(interrupting);
    const signal_fd = try report.check(
        signals.descriptor(interrupting),
        "wait for signals",
        .{},
    );
    defer sys.close(signal_fd);

    sys.enlargePipe(stdin, input.buffer_bytes);
    const source: input.Interruptible = .{ .fd = stdin, .signal_fd = signal_fd };
    const counts = try extractor.run(source, to, std.heap.page_allocator);
    var buffer: [128]u8 = undefined;
    const format = "{{\"bytes\":{d},\"skipped\":{d},\"squashed\":{d}}}\n";
    const numbers = .{ counts.bytes, counts.skipped, counts.squashed };
    // proven: three numbers of at most twenty digits.
    const text = std.fmt.bufPrint(&buffer, format, numbers) catch unreachable;
    return report.check(sys.writeAll(1, text), "print the archive's size", .{});
}
