"""A filter of system calls for a process that computes: Linux on x86-64 and ARM64, by ctypes.

What is not in the list below fails with EPERM: sockets, new processes and programs, files opened
for writing, renaming, removing, signals to others, limits, tracing, kernel services. Memory,
threads, clocks, reading files, and reading and writing what is open already go on as before. The
filter cannot be taken off, and every thread inherits it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_SET_MODE_FILTER, _TSYNC = 1, 1
_NO_NEW_PRIVS, _SET_SECCOMP = 38, 22

# name: x86-64, ARM64 (None: the machine has no such call)
_FREE = """
read 0 63, readv 19 65, pread64 17 67, preadv 295 69, preadv2 327 286, write 1 64, writev 20 66,
close 3 57, close_range 436 436, fstat 5 80, newfstatat 262 79, statx 332 291, lseek 8 62,
stat 4 -, lstat 6 -, access 21 -, faccessat 269 48, faccessat2 439 439, getdents 78 -,
getdents64 217 61, readlink 89 -, readlinkat 267 78, getcwd 79 17, statfs 137 43, fstatfs 138 44,
fadvise64 221 223, readahead 187 213, dup 32 23, dup2 33 -, dup3 292 24, pipe 22 -, pipe2 293 59,
mmap 9 222, mprotect 10 226, munmap 11 215, mremap 25 216, madvise 28 233, brk 12 214,
msync 26 227, mincore 27 232, membarrier 324 283, get_mempolicy 239 236,
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136,
rt_sigtimedwait 128 137, rt_sigsuspend 130 133, sigaltstack 131 132, restart_syscall 219 128,
select 23 -, pselect6 270 72, poll 7 -, ppoll 271 73, epoll_create 213 -, epoll_create1 291 20,
epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, eventfd 284 -, eventfd2 290 19,
futex 202 98, futex_waitv 449 449, set_robust_list 273 99, get_robust_list 274 100, rseq 334 293,
set_tid_address 218 96, arch_prctl 158 -, exit 60 93, exit_group 231 94, getrandom 318 278,
sched_yield 24 124, sched_getaffinity 204 123, sched_getparam 143 121, sched_getscheduler 145 120,
sched_get_priority_max 146 125, sched_get_priority_min 147 126, getcpu 309 168,
nanosleep 35 101, clock_nanosleep 230 115, clock_gettime 228 113, clock_getres 229 114,
gettimeofday 96 169, time 201 -, times 100 153, getitimer 36 102, setitimer 38 103, alarm 37 -,
getpid 39 172, gettid 186 178, getppid 110 173, getuid 102 174, geteuid 107 175, getgid 104 176,
getegid 108 177, getgroups 115 158, getresuid 118 148, getresgid 120 150, getpgrp 111 -,
getpgid 121 155, getsid 124 156, getrusage 98 165, getrlimit 97 163, uname 63 160, sysinfo 99 179
"""
_OPEN, _OPENAT, _IOCTL, _FCNTL = (2, None), (257, 56), (16, 29), (72, 25)
_PRCTL, _CLONE, _TGKILL, _PRLIMIT = (157, 167), (56, 220), (234, 131), (302, 261)
_UNKNOWN_TO_US = ((435, 435), (437, 437))  # clone3, openat2: libraries fall back on ENOSYS
# O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE
_WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000
_CLONE_THREAD = 0x10000
# Asking terminals and descriptors about themselves; not TIOCSTI, which types for the user.
_IOCTLS = (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_FCNTLS = (0, 1, 2, 3, 4, 1030)
_PRCTLS = (15, 16, 0x53564D41)  # the names of threads and of memory


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def machine() -> int | None:
    """0 for x86-64, 1 for ARM64, None where there is no filter."""
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return None
    return {"x86_64": 0, "aarch64": 1}.get(platform.machine())


def install() -> str | None:
    """Put the filter on this process, all threads; None, or why it could not be done."""
    column = machine()
    if column is None:
        return f"no filter for {sys.platform} on {platform.machine()}"
    code = _filter(column, os.getpid())
    program = _Program(len(code) // 8, ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        return f"no_new_privs: {os.strerror(ctypes.get_errno())}"
    number = (317, 277)[column]
    if libc.syscall(number, _SET_MODE_FILTER, _TSYNC, ctypes.byref(program)) and libc.prctl(
        _SET_SECCOMP, 2, ctypes.byref(program), 0, 0
    ):
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return None


def _filter(column: int, pid: int) -> bytes:
    """The program: one test per call, and EPERM at its end."""
    refused = _ERRNO | errno.EPERM
    arch = (0xC000003E, 0xC00000B7)[column]
    code = [_op(_LOAD, _ARCH_AT), _op(_JUMP_EQUAL, arch, 1, 0), _op(_RETURN, refused)]
    code.append(_op(_LOAD, _NUMBER_AT))

    def rule(call: tuple, body: list[bytes]) -> None:
        if call[column] is not None:
            code.extend((_op(_JUMP_EQUAL, call[column], 0, len(body)), *body))

    for entry in _FREE.split(","):
        _, *numbers = entry.split()
        rule(tuple(None if n == "-" else int(n) for n in numbers), [_op(_RETURN, _ALLOW)])
    for call in _UNKNOWN_TO_US:
        rule(call, [_op(_RETURN, _ERRNO | errno.ENOSYS)])
    rule(_OPEN, _no_bit(1, _WRITING, refused))
    rule(_OPENAT, _no_bit(2, _WRITING, refused))
    rule(_CLONE, _all_bits(0, _CLONE_THREAD, refused))
    rule(_IOCTL, _one_of(1, _IOCTLS, refused))
    rule(_FCNTL, _one_of(1, _FCNTLS, refused))
    rule(_PRCTL, _one_of(0, _PRCTLS, refused))
    rule(_TGKILL, _one_of(0, (pid,), refused))
    rule(_PRLIMIT, _null(2, refused))
    code.append(_op(_RETURN, refused))
    return b"".join(code)


def _op(what: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", what, if_true, if_false, value)


def _argument(index: int, high: bool = False) -> bytes:
    return _op(_LOAD, _ARGUMENTS_AT + 8 * index + 4 * high)


def _no_bit(index: int, mask: int, refused: int) -> list[bytes]:
    verdicts = [_op(_RETURN, refused), _op(_RETURN, _ALLOW)]
    return [_argument(index), _op(_JUMP_ANY_BIT, mask, 0, 1), *verdicts]


def _all_bits(index: int, bit: int, refused: int) -> list[bytes]:
    verdicts = [_op(_RETURN, _ALLOW), _op(_RETURN, refused)]
    return [_argument(index), _op(_JUMP_ANY_BIT, bit, 0, 1), *verdicts]


def _one_of(index: int, values: tuple[int, ...], refused: int) -> list[bytes]:
    tests = []
    for value in values:
        tests += [_op(_JUMP_EQUAL, value, 0, 1), _op(_RETURN, _ALLOW)]
    return [_argument(index), *tests, _op(_RETURN, refused)]


def _null(index: int, refused: int) -> list[bytes]:
    halves: list[bytes] = []
    for high in (False, True):
        halves += [_argument(index, high), _op(_JUMP_EQUAL, 0, 1, 0), _op(_RETURN, refused)]
    return [*halves, _op(_RETURN, _ALLOW)]
