/**
 * The default seccomp profile: what docker's lets through, in our own order. Data only.
 *
 * Equal in effect to github.com/moby/profiles seccomp/v0.2.3 on x86-64 and arm64, the machines hb
 * is built for, so calls that only other architectures have are left out. What is not named is
 * refused: EPERM for calls docker's authors knew (the helper answers ENOSYS above the newest one).
 * Names are libseccomp's; sources are the man page of each call and capabilities(7).
 */

import type { ConditionalRule, SeccompProfile } from "./seccomp.ts";

/** For every container. 32-bit programs use the calls ending in 32, 64 and time64. */
const everyone: readonly string[] = [
  // Opening, reading, writing; copying between descriptors.
  "open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev",
  "pwrite64 pwritev pwritev2 lseek _llseek dup dup2 dup3 pipe pipe2 fcntl fcntl64 ioctl flock",
  "sendfile sendfile64 splice tee vmsplice copy_file_range readahead fallocate",
  "fadvise64 fadvise64_64 truncate truncate64 ftruncate ftruncate64",
  "sync fsync fdatasync syncfs sync_file_range",
  // Names: directories, links, the working directory. Devices need CAP_MKNOD, and a file system
  // that is not nodev to be of any use.
  "getdents getdents64 mkdir mkdirat mknod mknodat rmdir link linkat symlink symlinkat unlink",
  "unlinkat rename renameat renameat2 readlink readlinkat chdir fchdir getcwd umask",
  // A handle is only a name; open_by_handle_at, which walks past mounts, needs its capability.
  "name_to_handle_at",
  // What a file is: owner, mode, times, attributes. Permission is checked as ever.
  "access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx",
  "statfs statfs64 fstatfs fstatfs64 statmount listmount",
  "chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown lchown32",
  "utime utimes futimesat utimensat utimensat_time64",
  "getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat",
  "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat",
  // Watching. fanotify_init, which sees whole mounts, needs CAP_SYS_ADMIN; without it nobody has
  // anything to mark.
  "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark",
  // Waiting for descriptors; asynchronous I/O. io_uring is missing on purpose: its requests are
  // system calls no filter sees, and it has been a steady source of kernel exploits.
  "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64",
  "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait",
  "epoll_pwait2 eventfd eventfd2 signalfd signalfd4",
  "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64",
  // Sockets; socket(2) itself is below. socketcall is 32-bit x86's one door to all of them, and
  // its arguments are in memory, where no filter can look.
  "socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername",
  "getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg",
  "recvmmsg_time64",
  // Memory.
  "brk mmap mmap2 mremap munmap mprotect msync madvise mincore mseal remap_file_pages",
  "mlock mlock2 mlockall munlock munlockall pkey_alloc pkey_free pkey_mprotect map_shadow_stack",
  "memfd_create memfd_secret membarrier cachestat process_mrelease",
  // Processes and threads; clone(2) is below.
  "fork vfork execve execveat exit exit_group wait4 waitid waitpid restart_syscall",
  "getpid getppid gettid getpgid getpgrp setpgid getsid setsid",
  "pidfd_open pidfd_send_signal set_tid_address set_thread_area get_thread_area rseq",
  "futex futex_time64 futex_wait futex_wake futex_waitv futex_requeue set_robust_list",
  "get_robust_list uretprobe",
  // Signals.
  "kill tkill tgkill pause sigaltstack sigprocmask sigreturn rt_sigaction rt_sigpending",
  "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait",
  "rt_sigtimedwait_time64 rt_tgsigqueueinfo",
  // Scheduling and limits; raising a priority or a hard limit needs its capability.
  "sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler",
  "sched_getattr sched_setattr sched_getaffinity sched_setaffinity sched_get_priority_max",
  "sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 getcpu",
  "getpriority setpriority ioprio_get ioprio_set",
  "getrlimit setrlimit ugetrlimit prlimit64 getrusage times",
  // Clocks and timers. adjtimex and its like only read without CAP_SYS_TIME.
  "time gettimeofday clock_getres clock_getres_time64 clock_gettime clock_gettime64",
  "clock_nanosleep clock_nanosleep_time64 nanosleep alarm getitimer setitimer adjtimex",
  "clock_adjtime clock_adjtime64 timer_create timer_delete timer_getoverrun timer_gettime",
  "timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime",
  "timerfd_gettime64 timerfd_settime timerfd_settime64",
  // Who one is; changing it needs CAP_SETUID or CAP_SETGID.
  "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32",
  "getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid",
  "setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid",
  "setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset",
  // System V and POSIX message queues, semaphores, shared memory: all in the own IPC namespace.
  "ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64",
  "shmget shmctl shmat shmdt mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend",
  "mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64",
  // Confining oneself further, and what a libc asks at start.
  "prctl seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
  "getrandom uname sysinfo",
];

/** For containers that hold the capability: the kernel asks for it too, in the call. */
const forCapability: Readonly<Record<string, string>> = {
  CAP_BPF: "bpf",
  CAP_DAC_READ_SEARCH: "open_by_handle_at",
  CAP_PERFMON: "perf_event_open",
  // Namespaces, mounts and the rest of the overloaded one.
  CAP_SYS_ADMIN:
    "clone clone3 unshare setns mount umount umount2 mount_setattr move_mount open_tree " +
    "fsopen fsconfig fsmount fspick bpf perf_event_open fanotify_init lookup_dcookie quotactl " +
    "quotactl_fd sethostname setdomainname syslog lsm_get_self_attr lsm_set_self_attr " +
    "lsm_list_modules",
  CAP_SYS_BOOT: "reboot",
  CAP_SYS_CHROOT: "chroot",
  CAP_SYS_MODULE: "init_module finit_module delete_module",
  CAP_SYS_NICE: "get_mempolicy set_mempolicy mbind set_mempolicy_home_node",
  CAP_SYS_PACCT: "acct",
  CAP_SYS_PTRACE: "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd",
  CAP_SYS_RAWIO: "iopl ioperm",
  CAP_SYS_TIME: "settimeofday stime clock_settime clock_settime64",
  CAP_SYS_TTY_CONFIG: "vhangup",
  CAP_SYSLOG: "syslog",
};

// sched.h: every namespace clone(2) can make, CLONE_NEWTIME (which only unshare takes) apart.
const CLONE_NEWNS = 0x00020000;
const CLONE_NEWCGROUP = 0x02000000;
const CLONE_NEWUTS = 0x04000000;
const CLONE_NEWIPC = 0x08000000;
const CLONE_NEWUSER = 0x10000000;
const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000;

const newNamespace =
  CLONE_NEWNS |
  CLONE_NEWCGROUP |
  CLONE_NEWUTS |
  CLONE_NEWIPC |
  CLONE_NEWUSER |
  CLONE_NEWPID |
  CLONE_NEWNET;

const ENOSYS = 38;
const EPERM = 1;

/** socket.h: the kernel's crypto, which no container needs, and the hypervisor's own network. */
const AF_ALG = 38;
const AF_VSOCK = 40;

/**
 * Execution domains that only change uname or the address layout of the own process: PER_LINUX,
 * PER_LINUX32, UNAME26, both, and the question what it is. ADDR_NO_RANDOMIZE is not among them.
 */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

function allow(
  names: string | readonly string[],
  more: Omit<ConditionalRule, "names" | "action"> = {},
): ConditionalRule {
  const text = typeof names === "string" ? names : names.join(" ");
  return { names: text.split(" "), action: "SCMP_ACT_ALLOW", ...more };
}

/** Built when asked for: a run with a profile of its own never needs it. */
export function defaultProfile(): SeccompProfile {
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    archMap: [
      {
        architecture: "SCMP_ARCH_X86_64",
        subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
      },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    ],
    syscalls: [
      allow(everyone),
      ...processRules(),
      ...socketRules(),
      ...personalities.map((value) =>
        allow("personality", { args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] }),
      ),
      ...machineRules(),
      ...Object.entries(forCapability).map(([capability, names]) =>
        allow(names, { includes: { caps: [capability] } }),
      ),
    ],
  };
}

/** Debuggers, and processes without new namespaces. */
function processRules(): readonly ConditionalRule[] {
  const excludes = { caps: ["CAP_SYS_ADMIN"] };
  return [
    // Before Linux 4.8 a tracer could change the call after the filter had seen it.
    allow("ptrace process_vm_readv process_vm_writev", { includes: { minKernel: "4.8" } }),
    allow("clone", {
      args: [{ index: 0, value: newNamespace, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      excludes,
    }),
    // clone3's flags are in memory, out of a filter's sight; libcs fall back to clone on ENOSYS.
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS, excludes },
  ];
}

/** Every family but two: below both, between them, above both. */
function socketRules(): readonly ConditionalRule[] {
  return [
    allow("socket", { args: [{ index: 0, value: AF_ALG, op: "SCMP_CMP_LT" }] }),
    allow("socket", { args: [{ index: 0, value: AF_ALG + 1, op: "SCMP_CMP_EQ" }] }),
    allow("socket", { args: [{ index: 0, value: AF_VSOCK, op: "SCMP_CMP_GT" }] }),
  ];
}

/** What only one kind of machine has. */
function machineRules(): readonly ConditionalRule[] {
  return [
    allow("arch_prctl modify_ldt", { includes: { arches: ["amd64"] } }),
    allow("arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls", {
      includes: { arches: ["arm64"] },
    }),
  ];
}
