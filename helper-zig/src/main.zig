//! hb's helper: one static program, one subcommand per job that must happen in a namespace.
//!
//!   run       the plan on a descriptor -> one container, supervised to its end
//!   unpack    a tar stream -> a layer directory overlayfs can use
//!
//! It reads no configuration and no environment. The front end decides; this acts.

const std = @import("std");
const report = @import("report.zig");

pub fn main(init: std.process.Init.Minimal) u8 {
    const args = init.args.vector;
    if (args.len < 2) return usage();
    return usage();
}

fn usage() u8 {
    report.fail("hb-init is hb's helper and is not run by hand", .{}) catch {};
    return report.exit_hb_failed;
}
