//! The plan: everything the helper needs to become one container. Twin of src/container/plan.ts,
//! which says what each field means; the words are OCI runtime-spec 1.2's, plus `hb`.
//!
//! Unknown fields are ignored, as the spec asks of a runtime. Strings are kept zero-terminated:
//! nearly all of them end up in a system call.

const std = @import("std");

pub const Text = [:0]const u8;

pub const Plan = struct {
    ociVersion: Text,
    process: Process,
    root: Root,
    hostname: Text = "",
    annotations: Unread = .unread,
    mounts: []const Mount = &.{},
    linux: Linux,
    hb: Extension,
};

/// A field for other readers than the helper.
pub const Unread = enum {
    unread,

    pub fn jsonParse(
        allocator: std.mem.Allocator,
        source: anytype,
        options: std.json.ParseOptions,
    ) !Unread {
        _ = allocator;
        _ = options;
        try source.skipValue();
        return .unread;
    }
};

pub const Process = struct {
    terminal: bool = false,
    user: User = .{},
    args: []const Text,
    env: []const Text = &.{},
    cwd: Text,
    capabilities: Capabilities = .{},
    rlimits: []const Rlimit = &.{},
    noNewPrivileges: bool = false,
    oomScoreAdj: ?i16 = null,
};

pub const User = struct {
    uid: u32 = 0,
    gid: u32 = 0,
    additionalGids: []const u32 = &.{},
};

pub const Capabilities = struct {
    bounding: []const Text = &.{},
    effective: []const Text = &.{},
    inheritable: []const Text = &.{},
    permitted: []const Text = &.{},
    ambient: []const Text = &.{},
};

pub const Rlimit = struct {
    type: Text,
    soft: Limit,
    hard: Limit,
};

/// A number that may be too large for JSON's other readers: "no limit" is 2^64-1, which JavaScript
/// by itself writes as 18446744073709552000, and some tools as -1.
pub const Limit = packed struct(u64) {
    value: u64,

    pub const infinity: u64 = std.math.maxInt(u64);

    pub fn jsonParse(
        allocator: std.mem.Allocator,
        source: anytype,
        options: std.json.ParseOptions,
    ) !Limit {
        _ = allocator;
        _ = options;
        const text = switch (try source.next()) {
            .number => |text| text,
            else => return error.UnexpectedToken,
        };
        const exact = std.fmt.parseInt(u64, text, 10) catch {
            const number = try std.fmt.parseFloat(f64, text);
            const is_infinite = number == -1 or number >= 0x1p63;
            return if (is_infinite) .{ .value = infinity } else error.InvalidNumber;
        };
        return .{ .value = exact };
    }
};

pub const Root = struct {
    path: Text,
    readonly: bool = false,
};

pub const Mount = struct {
    destination: Text,
    type: Text = "",
    source: Text = "",
    options: []const Text = &.{},
};

pub const Linux = struct {
    uidMappings: []const IdMapping = &.{},
    gidMappings: []const IdMapping = &.{},
    namespaces: []const Namespace = &.{},
    sysctl: std.json.ArrayHashMap(Text) = .{},
    maskedPaths: []const Text = &.{},
    readonlyPaths: []const Text = &.{},
    seccomp: ?Seccomp = null,
    resources: ?Resources = null,

    /// Whether the container gets a new namespace of this type, of its own.
    pub fn has(linux: Linux, wanted: NamespaceType) bool {
        for (linux.namespaces) |namespace| {
            if (namespace.type == wanted) return namespace.path == null;
        }
        return false;
    }

    /// The existing namespace of this type that the container joins.
    pub fn joined(linux: Linux, wanted: NamespaceType) ?Text {
        for (linux.namespaces) |namespace| {
            if (namespace.type == wanted) return namespace.path;
        }
        return null;
    }
};

pub const IdMapping = struct {
    containerID: u32,
    hostID: u32,
    size: u32,
};

pub const NamespaceType = enum { user, mount, pid, network, ipc, uts, cgroup };

pub const Namespace = struct {
    type: NamespaceType,
    path: ?Text = null,
};

pub const Seccomp = struct {
    defaultAction: Text,
    defaultErrnoRet: ?u32 = null,
    architectures: []const Text = &.{},
    syscalls: []const SyscallRule = &.{},
};

pub const SyscallRule = struct {
    names: []const Text,
    action: Text,
    errnoRet: ?u32 = null,
    args: []const SyscallArg = &.{},
};

pub const SyscallArg = struct {
    index: u32,
    value: u64,
    valueTwo: u64 = 0,
    op: Text,
};

pub const Extension = struct {
    container: ContainerDirectory,
    overlay: ?Overlay = null,
    files: []const PlannedFile = &.{},
    user: Text = "",
    groupAdd: []const Text = &.{},
    volumes: []const Text = &.{},
    idTools: ?IdTools = null,
    interactive: bool = false,
    init: bool = false,
    network: ?Network = null,
    cgroup: ?Cgroup = null,
    life: Life = .{},
    origin: Unread = .unread,
};

pub const Life = struct {
    detach: ?Detach = null,
    log: ?Log = null,
    stopSignal: u8 = 15,
    stopTimeoutMs: i32 = 10_000,
    timeoutMs: ?u64 = null,
    restart: ?Restart = null,
    health: ?Health = null,
    events: Text = "/dev/null",
};

pub const Detach = struct {
    print: Text = "",
    attach: ?Attach = null,
};

pub const Attach = struct {
    stdin: bool,
    output: bool = true,
    sigProxy: bool = true,
    detachKeys: Text = "",
};

pub const Log = struct {
    maxSizeBytes: i64 = -1,
    maxFiles: u32 = 1,
};

pub const Restart = struct {
    policy: RestartPolicy,
    maximumRetryCount: u32 = 0,
};

pub const RestartPolicy = enum { @"on-failure", always, @"unless-stopped" };

pub const Health = struct {
    args: []const Text,
    intervalMs: u64,
    timeoutMs: u64,
    startPeriodMs: u64,
    startIntervalMs: u64,
    retries: u32,
};

pub const ExecPlan = struct {
    ociVersion: Text,
    process: Process,
    linux: ExecLinux,
    hb: ExecExtension,
};

pub const ExecLinux = struct {
    seccomp: ?Seccomp = null,
};

pub const ExecExtension = struct {
    container: ExecContainer,
    user: Text = "",
    groupAdd: []const Text = &.{},
    interactive: bool = false,
    detach: bool = false,
    detachKeys: Text = "",
};

pub const ExecContainer = struct {
    id: Text,
    directory: Text,
    pid: i32,
    supervisor: i32,
    cgroups: []const Text = &.{},
};

pub const ContainerDirectory = struct {
    id: Text,
    directory: Text,
    keep: bool = false,
    lock: ?i32 = null,
    name: ?Text = null,
    nameFile: ?Text = null,
    image: ?Text = null,
};

pub const Overlay = struct {
    lowerdirs: []const Text,
    userxattr: bool,
};

pub const Network = struct {
    pasta: ?Pasta = null,
    bridge: ?Bridge = null,
};

pub const Pasta = struct {
    path: Text,
    args: []const Text = &.{},
    publish: Unread = .unread,
    device: ?Text = null,
};

pub const Bridge = struct {
    name: Text,
    address4: Text,
    gateway4: Text,
    address6: ?Text = null,
    gateway6: ?Text = null,
    mac: ?Text = null,
    internal: bool = false,
    publish: []const Publish = &.{},
    state: Text,
};

pub const Protocol = enum { tcp, udp };

pub const Publish = struct {
    protocol: Protocol,
    hostAddress: Text = "",
    hostPort: u16,
    containerPort: u16,
};

pub const PlannedFile = struct {
    destination: Text,
    content: Text,
};

pub const IdTools = struct {
    newuidmap: Text,
    newgidmap: Text,
};

pub const Resources = struct {
    memory: ?MemoryLimits = null,
    cpu: ?CpuLimits = null,
    pids: ?PidsLimit = null,
    blockIO: ?BlockIo = null,
};

pub const MemoryLimits = struct {
    limit: ?i64 = null,
    reservation: ?i64 = null,
    swap: ?i64 = null,
    swappiness: ?u64 = null,
    disableOOMKiller: bool = false,
};

pub const CpuLimits = struct {
    shares: ?u64 = null,
    quota: ?i64 = null,
    period: ?u64 = null,
    cpus: ?Text = null,
    mems: ?Text = null,
};

pub const PidsLimit = struct {
    limit: i64,
};

pub const BlockIo = struct {
    weight: ?u16 = null,
    throttleReadBpsDevice: []const Throttle = &.{},
    throttleWriteBpsDevice: []const Throttle = &.{},
    throttleReadIOPSDevice: []const Throttle = &.{},
    throttleWriteIOPSDevice: []const Throttle = &.{},
};

pub const Throttle = struct {
    major: u32,
    minor: u32,
    rate: u64,
};

pub const Cgroup = struct {
    version: u8,
    directories: []const Text,
};

/// A plan as it is understood, and as it came.
pub const Received = struct {
    plan: Plan,
    text: []const u8,
};

test "a limit too large for a double is no limit" {
    for ([_][]const u8{ "-1", "18446744073709552000", "1.8446744073709552e19" }) |text| {
        const parsed = try std.json.parseFromSlice(Limit, std.testing.allocator, text, .{});
        defer parsed.deinit();
        try std.testing.expectEqual(Limit.infinity, parsed.value.value);
    }
    const parsed = try std.json.parseFromSlice(Limit, std.testing.allocator, "1024", .{});
    defer parsed.deinit();
    try std.testing.expectEqual(1024, parsed.value.value);
}

test "a namespace with a path is joined, not new" {
    const linux: Linux = .{ .namespaces = &.{
        .{ .type = .network, .path = "/proc/1/ns/net" },
        .{ .type = .pid },
    } };
    try std.testing.expect(linux.has(.pid));
    try std.testing.expect(!linux.has(.network));
    try std.testing.expectEqualStrings("/proc/1/ns/net", linux.joined(.network).?);
    try std.testing.expectEqual(null, linux.joined(.pid));
}
