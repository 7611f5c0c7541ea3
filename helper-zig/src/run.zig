//! THE ORDER: how a plan becomes one container.

const main_args = @import("main.zig");
const report = @import("report.zig");

/// `run --plan-fd N`.
pub fn main(args: main_args.Args) u8 {
    _ = args;
    return report.exit_hb_failed;
}
