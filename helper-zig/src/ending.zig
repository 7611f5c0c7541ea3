//! How a run of the payload is to end, and how it did end, in words.

const std = @import("std");
const sys = @import("sys.zig");
const signals = @import("signals.zig");
const clock = @import("clock.zig");
const poll = @import("poll.zig");

/// Two interrupts within this time are a demand.
const interrupts_ms = 2000;

/// What ended the payload when it was not the payload itself.
pub const Cause = union(enum) {
    none,
    /// It was asked to end and did not in time.
    patience: struct { signal: u8, timeout_ms: u64 },
    /// A run may not last longer.
    timeout_ms: u64,
    interrupts,
    /// The kernel found no memory for it: below its limit, in bytes; null: on the whole machine.
    memory: ?u64,
};

pub const Ending = struct {
    cause: Cause = .none,
    /// When a payload that was asked to end is killed.
    patience: clock.Timer = .{},
    /// What `patience` is to be called once it is over.
    next: Cause = .none,
    /// When the run has lasted as long as it may.
    limit: clock.Timer = .{},
    interrupted_at: ?u64 = null,

    pub fn interest(ending: *const Ending, set: *poll.Set) void {
        set.until(ending.patience);
        set.until(ending.limit);
    }

    /// The payload has been sent `signal` to end by it; null: it may take its time.
    pub fn asked(ending: *Ending, signal: u8, timeout_ms: ?u64) void {
        const ms = timeout_ms orelse return ending.patience.stop();
        ending.patience.start(ms);
        ending.next = .{ .patience = .{ .signal = signal, .timeout_ms = ms } };
    }

    /// Whether it is the second time in short.
    pub fn interrupted(ending: *Ending) bool {
        const now = clock.now();
        const before = ending.interrupted_at;
        ending.interrupted_at = now;
        return if (before) |at| now - at <= interrupts_ms else false;
    }

    /// How it ended, where that is worth a word; the exit status says the rest.
    pub fn describe(ending: *const Ending, ended: sys.Ended, buffer: *[128]u8) ?[]const u8 {
        var writer: std.Io.Writer = .fixed(buffer);
        ending.write(ended, &writer) catch {
            // What fits is enough.
        };
        return if (writer.end == 0) null else writer.buffered();
    }

    fn write(ending: *const Ending, ended: sys.Ended, writer: *std.Io.Writer) !void {
        var name: [16]u8 = undefined;
        switch (ended) {
            .signaled => |it| try writer.print("killed by {s}", .{signals.nameOf(it, &name)}),
            .exited => |code| switch (ending.cause) {
                // It has noticed, and found an end of its own.
                .timeout_ms, .memory => try writer.print("exited with status {d}", .{code}),
                else => return,
            },
        }
        switch (ending.cause) {
            .none => {},
            .patience => |it| {
                try writer.writeAll(": it did not end within ");
                try writeTime(writer, it.timeout_ms);
                try writer.print(" of {s}", .{signals.nameOf(it.signal, &name)});
            },
            .timeout_ms => |ms| {
                try writer.writeAll(": timeout of ");
                try writeTime(writer, ms);
                try writer.writeAll(" reached");
            },
            .interrupts => try writer.writeAll(": interrupted twice"),
            .memory => |limit| if (limit) |bytes| {
                try writer.writeAll(": memory limit ");
                try writeSize(writer, bytes);
                try writer.writeAll(" reached");
            } else try writer.writeAll(": memory limit reached"),
        }
    }
};

fn writeTime(writer: *std.Io.Writer, ms: u64) !void {
    if (ms % 1000 == 0) return writer.print("{d} s", .{ms / 1000});
    return writer.print("{d} ms", .{ms});
}

fn writeSize(writer: *std.Io.Writer, bytes: u64) !void {
    const units = [_][]const u8{ "bytes", "KiB", "MiB", "GiB", "TiB" };
    var size = bytes;
    for (units) |unit| {
        const is_whole = size % 1024 == 0 and size > 0 and unit[0] != 'T';
        if (!is_whole) return writer.print("{d} {s}", .{ size, unit });
        size /= 1024;
    }
}

test "an end is told in words when there is more to tell than its status" {
    const cases = [_]struct { Cause, sys.Ended, ?[]const u8 }{
        .{ .none, .{ .exited = 3 }, null },
        .{ .none, .{ .signaled = 11 }, "killed by SIGSEGV" },
        .{
            .{ .timeout_ms = 30_000 },
            .{ .signaled = 9 },
            "killed by SIGKILL: timeout of 30 s reached",
        },
        .{
            .{ .timeout_ms = 1500 },
            .{ .exited = 0 },
            "exited with status 0: timeout of 1500 ms reached",
        },
        .{
            .{ .memory = 512 << 20 },
            .{ .signaled = 9 },
            "killed by SIGKILL: memory limit 512 MiB reached",
        },
        .{
            .{ .patience = .{ .signal = 15, .timeout_ms = 10_000 } },
            .{ .signaled = 9 },
            "killed by SIGKILL: it did not end within 10 s of SIGTERM",
        },
    };
    for (cases) |case| {
        const ending: Ending = .{ .cause = case[0] };
        var buffer: [128]u8 = undefined;
        const words = ending.describe(case[1], &buffer);
        if (case[2]) |expected| {
            try std.testing.expectEqualStrings(expected, words.?);
        } else try std.testing.expectEqual(null, words);
    }
}

test "the second interrupt within two seconds is a demand" {
    var ending: Ending = .{};
    try std.testing.expect(!ending.interrupted());
    try std.testing.expect(ending.interrupted());
    ending.interrupted_at = clock.now() - interrupts_ms - 1;
    try std.testing.expect(!ending.interrupted());
}
