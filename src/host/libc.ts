/**
 * The C library, as far as Bun has no word for it: locks, anonymous files, pipes, execve.
 *
 * The only dlopen of the project. Every symbol is opened when it is first called, because a start
 * that needs two of them should not pay for ten. Errors come back as `LibcError` with the errno's
 * name in `code`, as node's do. man 2 of each name applies.
 */

import { dlopen, type Pointer, ptr, read } from "bun:ffi";
import { constants } from "node:os";

/** glibc's and musl's names; the loader finds whichever this process already runs on. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];

/** A failed call: `code` is the errno's name (`EAGAIN`), the message is one phrase. */
export class LibcError extends Error {
  override readonly name = "LibcError";
  readonly errno: number;
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`${call}: ${code}`);
    this.errno = errno;
    this.code = code;
  }
}

type Signature = {
  readonly args: readonly ("i32" | "u32" | "ptr")[];
  readonly returns: "i32" | "ptr";
};
type Call = (...args: (number | Pointer | null)[]) => number;

const SIGNATURES = {
  __errno_location: { args: [], returns: "ptr" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  posix_spawn: { args: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
  poll: { args: ["ptr", "i32", "i32"], returns: "i32" },
  getpwuid: { args: ["u32"], returns: "ptr" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
} satisfies Record<string, Signature>;

const opened = new Map<string, Call>();

/** The named function of the C library, opened at its first use. */
function symbol(name: keyof typeof SIGNATURES): Call {
  const known = opened.get(name);
  if (known !== undefined) return known;
  let failure: unknown;
  for (const library of LIBRARIES) {
    try {
      const { symbols } = dlopen(library, { [name]: SIGNATURES[name] });
      const call = symbols[name] as unknown as Call;
      opened.set(name, call);
      return call;
    } catch (error) {
      failure = error; // the next name may be this system's
    }
  }
  throw new Error(`No C library with '${name}' could be opened`, { cause: failure });
}

/** Calls `name` and throws its errno when it returns -1. */
function checked(name: keyof typeof SIGNATURES, ...args: (number | Pointer | null)[]): number {
  const result = symbol(name)(...args);
  if (result === -1) throw new LibcError(name, lastErrno());
  return result;
}

/** The calling thread's errno. glibc and musl agree on this function's name. */
function lastErrno(): number {
  return read.i32(symbol("__errno_location")() as Pointer, 0);
}

function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(constants.errno)) if (value === errno) return name;
  return `errno ${errno}`;
}

/** `text` as C has it; the caller keeps the result alive during the call. */
function cString(text: string): Uint8Array {
  if (text.includes("\0"))
    throw new Error(`Cannot pass ${JSON.stringify(text)} to the kernel: NUL`);
  return new TextEncoder().encode(`${text}\0`);
}

export const LOCK_SH = 1;
export const LOCK_EX = 2;

/** flock(2) without waiting: whether the lock was free. */
export function tryFlock(fd: number, operation: typeof LOCK_SH | typeof LOCK_EX): boolean {
  const LOCK_NB = 4;
  try {
    checked("flock", fd, operation | LOCK_NB);
    return true;
  } catch (error) {
    if (error instanceof LibcError && error.code === "EAGAIN") return false;
    throw error;
  }
}

/** flock(2), waiting. It stops the whole event loop: only for locks held for moments. */
export function waitFlock(fd: number, operation: typeof LOCK_SH | typeof LOCK_EX): void {
  checked("flock", fd, operation);
}

/** memfd_create(2): an anonymous file that takes seals; `executable` whatever the default is. */
export function createMemfd(name: string, options: { readonly executable: boolean }): number {
  const MFD_CLOEXEC = 1;
  const MFD_ALLOW_SEALING = 2;
  const MFD_NOEXEC_SEAL = 8;
  const MFD_EXEC = 16;
  const text = cString(name);
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  try {
    // Linux 6.3's vm.memfd_noexec wants the choice spelled out.
    const choice = options.executable ? MFD_EXEC : MFD_NOEXEC_SEAL;
    return checked("memfd_create", ptr(text), flags | choice);
  } catch (error) {
    if (!(error instanceof LibcError) || error.code !== "EINVAL") throw error; // older kernels
    return checked("memfd_create", ptr(text), flags);
  }
}

/** Makes a memfd's content final: nothing can write, grow or shrink it, nor lift this. */
export function sealMemfd(fd: number): void {
  const F_ADD_SEALS = 1033;
  const F_SEAL_SEAL = 1;
  const F_SEAL_SHRINK = 2;
  const F_SEAL_GROW = 4;
  const F_SEAL_WRITE = 8;
  checked("fcntl", fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

/** Lets `fd` survive execve (`keep`) or not. */
export function keepAcrossExec(fd: number, keep: boolean): void {
  const F_SETFD = 2;
  const FD_CLOEXEC = 1;
  checked("fcntl", fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

/** A pipe, both ends CLOEXEC, with room for `bytes` where the system's limit allows it. */
export function createPipe(bytes: number): { readonly readFd: number; readonly writeFd: number } {
  const O_CLOEXEC = 0o2000000; // the same on x86-64 and arm64
  const F_SETPIPE_SZ = 1031;
  const ends = new Int32Array(2);
  checked("pipe2", ptr(ends), O_CLOEXEC);
  const [readFd = -1, writeFd = -1] = ends;
  // fs.pipe-max-size and fs.pipe-user-pages-soft may refuse: a small pipe is only slower.
  symbol("fcntl")(writeFd, F_SETPIPE_SZ, bytes);
  return { readFd, writeFd };
}

/** poll(2): returns when `fd` takes bytes, or never will. It stops the event loop. */
export function waitWritable(fd: number): void {
  const POLLOUT = 4;
  const pollfd = new Int32Array([fd, POLLOUT]); // struct pollfd: int fd, short events, revents
  while (symbol("poll")(ptr(pollfd), 1, -1) === -1) {
    const errno = lastErrno();
    if (errno !== constants.errno.EINTR) throw new LibcError("poll", errno);
  }
}

/** execve(2): this process becomes another program. Returns only by throwing. */
export function execve(path: string, args: readonly string[], env: readonly string[]): never {
  const alive: Uint8Array[] = [];
  const file = cString(path);
  checked("execve", ptr(file), ptr(vector(args, alive)), ptr(vector(env, alive)));
  throw new Error(`execve of '${path}' returned without an error (${alive.length} strings)`);
}

/**
 * posix_spawn(3): another program as a child, with every descriptor that is to survive execve under
 * its own number. Bun.spawn renumbers them.
 */
export function spawnInheriting(
  path: string,
  args: readonly string[],
  env: readonly string[],
): number {
  const alive: Uint8Array[] = [];
  const file = cString(path);
  const pid = new Int32Array(1);
  const vectors = [ptr(vector(args, alive)), ptr(vector(env, alive))] as const;
  const errno = symbol("posix_spawn")(ptr(pid), ptr(file), null, null, ...vectors);
  if (errno !== 0) throw new LibcError(`posix_spawn (${alive.length} strings)`, errno);
  return pid[0] ?? -1;
}

/** waitpid(2), stopping the event loop: the child's exit status, 128+n for a signal. */
export function waitChild(pid: number): number {
  const status = new Int32Array(1);
  while (symbol("waitpid")(pid, ptr(status), 0) === -1) {
    const errno = lastErrno();
    if (errno !== constants.errno.EINTR) throw new LibcError("waitpid", errno);
  }
  const word = status[0] ?? 0;
  const signal = word & 0x7f; // wait(2)'s WTERMSIG
  return signal === 0 ? (word >> 8) & 0xff : 128 + signal;
}

/** dup2(2): `fd` becomes another name of what `from` is. */
export function replaceDescriptor(from: number, fd: number): void {
  checked("dup2", from, fd);
}

/** A NULL-terminated `char *[]`; the strings are kept alive in `alive`. */
function vector(texts: readonly string[], alive: Uint8Array[]): BigUint64Array {
  const pointers = new BigUint64Array(texts.length + 1);
  for (const [i, text] of texts.entries()) {
    const bytes = cString(text);
    alive.push(bytes);
    pointers[i] = BigInt(ptr(bytes));
  }
  return pointers;
}

/** An internet socket that is of no use but to find out whether it can be bound; CLOEXEC. */
export function createSocket(family: number, type: number): number {
  const SOCK_CLOEXEC = 0o2000000; // the same on x86-64 and arm64
  return checked("socket", family, type | SOCK_CLOEXEC, 0);
}

/** setsockopt(2) with a number. */
export function setSocketOption(fd: number, level: number, name: number, value: number): void {
  checked("setsockopt", fd, level, name, ptr(new Int32Array([value])), 4);
}

/** bind(2) to a `struct sockaddr`, which becomes what it was bound to. */
export function bindSocket(fd: number, address: Uint8Array): void {
  checked("bind", fd, ptr(address), address.length);
  checked("getsockname", fd, ptr(address), ptr(new Uint32Array([address.length])));
}

/** The user name of `uid` by whatever nsswitch.conf names (files, LDAP, sssd…), if it has one. */
export function userName(uid: number): string | undefined {
  const passwd = symbol("getpwuid")(uid);
  if (passwd === 0 || passwd === null) return undefined;
  // struct passwd begins with char *pw_name in glibc and musl.
  const name = read.ptr(passwd as Pointer, 0);
  const bytes: number[] = [];
  for (let i = 0; i < 256; i++) {
    const byte = read.u8(name as Pointer, i);
    if (byte === 0) return new TextDecoder().decode(Uint8Array.from(bytes));
    bytes.push(byte);
  }
  return undefined;
}
