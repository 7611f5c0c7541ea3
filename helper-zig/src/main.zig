//! hb's helper: one static program, one subcommand per job that must happen in a namespace.
//!
//!   run             the plan on a descriptor -> one container, supervised to its end
//!   attach          a running container's streams, here
//!   exec            the plan on a descriptor -> one more process of a container
//!   control         one request to the supervisor of a container
//!   unpack          a tar stream -> a layer directory overlayfs can use
//!   rebuild         a layer directory -> the very tar stream it was made of
//!   losses          layer directories -> what they have lost of what their tars had
//!   pack            files of a container, or of the caller -> a tar stream
//!   extract         a tar stream -> files of a container, or of the caller
//!   look            what is at a path of a container
//!   changes         what a container has changed of its image
//!   commit          the same as the tar stream of a layer
//!   network-sweep   what killed containers left on bridges -> gone
//!
//! It reads no configuration and no environment. The front end decides; this acts.

const std = @import("std");
const sys = @import("sys.zig");
const report = @import("report.zig");
const run = @import("run.zig");
const attach_client = @import("attach_client.zig");
const exec_command = @import("exec_command.zig");
const control_client = @import("control_client.zig");
const unpack = @import("unpack.zig");
const complete = @import("complete.zig");
const remove = @import("remove.zig");
const user_command = @import("user_command.zig");
const copy = @import("copy.zig");
const rebuild = @import("rebuild.zig");
const losses = @import("losses.zig");
const pack = @import("pack.zig");
const extract = @import("extract.zig");
const look = @import("look.zig");
const changes = @import("changes.zig");
const commit = @import("commit.zig");
const network_sweep = @import("network_sweep.zig");

/// A defect in this program: one line, as for any failure. std's own handler would bring along a
/// reader of debugging information, which is a fifth of the program and has nothing to read.
pub const panic = std.debug.FullPanic(hasDefect);

fn hasDefect(message: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    report.fail("this is a defect in hb's helper: {s}", .{message}) catch {};
    sys.exit(report.exit_hb_failed);
}

/// No handlers for SIGSEGV and its like, for the same reason.
pub const std_options: std.Options = .{
    .enable_segfault_handler = false,
    .signal_stack_size = null,
};

/// The words of the command line.
pub const Args = []const [*:0]const u8;

const Subcommand = struct {
    name: []const u8,
    /// Takes what follows the subcommand's name; the result is the exit status.
    main: *const fn (args: Args) u8,
};

const subcommands = [_]Subcommand{
    .{ .name = "run", .main = run.main },
    .{ .name = "attach", .main = attach_client.main },
    .{ .name = "exec", .main = exec_command.main },
    .{ .name = "control", .main = control_client.main },
    .{ .name = "unpack", .main = unpack.main },
    .{ .name = "complete", .main = complete.main },
    .{ .name = "remove", .main = remove.main },
    .{ .name = "copy", .main = copy.main },
    .{ .name = "user", .main = user_command.main },
    .{ .name = "rebuild", .main = rebuild.main },
    .{ .name = "losses", .main = losses.main },
    .{ .name = "pack", .main = pack.main },
    .{ .name = "extract", .main = extract.main },
    .{ .name = "look", .main = look.main },
    .{ .name = "changes", .main = changes.main },
    .{ .name = "commit", .main = commit.main },
    .{ .name = "network-sweep", .main = network_sweep.main },
};

pub fn main(init: std.process.Init.Minimal) u8 {
    const args = init.args.vector;
    wipe(init.environ);
    if (args.len < 2) return usage();
    for (subcommands) |subcommand| {
        if (std.mem.eql(u8, std.mem.span(args[1]), subcommand.name))
            return subcommand.main(args[2..]);
    }
    return usage();
}

/// With `--init` this very process is seen by the container, /proc/1/environ included: the caller's
/// environment, tokens and all, must not be in it.
fn wipe(environ: std.process.Environ) void {
    for (environ.block.slice) |variable| {
        // The kernel's own copy, on our stack: writable, whatever the type says.
        const text = std.mem.span(@constCast(variable.?));
        @memset(text, 0);
    }
}

fn usage() u8 {
    report.fail("hb-init is hb's helper and is not run by hand", .{}) catch {};
    return report.exit_hb_failed;
}
