"""A filter of system calls: what Landlock leaves open, of the network, of other processes and of other people's files.

Sockets of which both ends are in this process, or that nobody is connected to, may be made, as a GPU's driver may do.
https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers of calls from the kernel's tables for the machine.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

from . import landlock

_MACHINES = {
    "x86_64": (0, 0xC000003E),
    "aarch64": (1, 0xC00000B7),
}  # column in _CALLS, AUDIT_ARCH_... of <linux/audit.h>
_X32 = 0x40000000  # from here on: calls of x86_64 with another layout, which no program has

SOCKET, SOCKETPAIR = (41, 198), (53, 199)
_CONNECT = (42, 203)
_UNIX = 1  # AF_UNIX
_KINDS = (1, 5)  # SOCK_STREAM and SOCK_SEQPACKET: they send to nobody unless they are connected
_KIND = 0xF  # the part of a socket's type that is its kind
PRLIMIT = (302, 261)  # of this process, as which its number is 0; limits of another one can end it

# No process needs these to render. A number a machine; None where it has no such call.
_CALLS: dict[str, tuple[int | None, int]] = {
    # what goes past a filter of calls
    "io_uring_setup": (425, 425),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    # a way out of the process group, by which the agent ends a renderer with all that it started
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # what outlives the process, and other processes see
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # files, by another way than their path, or without being opened
    "open_by_handle_at": (304, 265),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    # the machine, of a slave that runs as root
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "unshare": (272, 97),
    "setns": (308, 268),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}
_X86_64 = {
    "chmod": 90,
    "chown": 92,
    "lchown": 94,
    "utime": 132,
    "utimes": 235,
    "futimesat": 261,
    "iopl": 172,
    "ioperm": 173,
}

# <linux/seccomp.h>, <linux/bpf_common.h>
_SET_MODE_FILTER = 1
_SPEC_ALLOW = 1 << 2  # without slowing down the processor's guesses
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; an argument has 8 bytes


def program(machine: str) -> bytes:
    """The filter, as instructions of the kernel's packet filter. Raises KeyError for a machine that is not known."""
    column, architecture = _MACHINES[machine]
    denied = [numbers[column] for numbers in _CALLS.values()]
    if machine == "x86_64":
        denied += _X86_64.values()
    no, refused = _ERRNO | errno.EPERM, _ERRNO | errno.EACCES
    code = [
        *_load(_ARCHITECTURE),
        *_unless(_EQUAL, architecture, no),  # another instruction set of the same processor
        *_load(_NUMBER),
        *_if(_AT_LEAST, _X32, no),
        *_if(_EQUAL, _CONNECT[column], refused),
    ]
    for number in denied:
        if number is not None:
            code += _if(_EQUAL, number, no)
    sockets = [
        *_load(_ARGUMENTS),
        *_unless(_EQUAL, _UNIX, refused),
        *_load(_ARGUMENTS + 8),
        (_AND, 0, 0, _KIND),
        *_if(_EQUAL, _KINDS[0], _ALLOW),
        *_if(_EQUAL, _KINDS[1], _ALLOW),
        (_RETURN, 0, 0, refused),
    ]
    limits = [
        *_load(_ARGUMENTS),
        *_unless(_EQUAL, 0, no),
        *_load(_ARGUMENTS + 4),
        *_unless(_EQUAL, 0, no),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code += [(_EQUAL, 0, len(limits), PRLIMIT[column]), *limits]
    code += [
        (_EQUAL, 2, 0, SOCKET[column]),  # jump to the sockets
        (_EQUAL, 1, 0, SOCKETPAIR[column]),
        (_RETURN, 0, 0, _ALLOW),
        *sockets,
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install() -> None:
    """Put it into force for this thread and those that it starts. Raises OSError, also if the machine is not known."""
    machine = os.uname().machine
    if machine not in _MACHINES or sys.maxsize < 2**32:
        raise OSError(errno.ENOSYS, f"no filter for the machine {machine}")
    landlock.no_new_privileges()
    code = program(machine)
    instructions = ctypes.create_string_buffer(code, len(code))
    rules = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    number, mode, flags = map(ctypes.c_long, (_SECCOMP[machine], _SET_MODE_FILTER, _SPEC_ALLOW))
    if libc.syscall(number, mode, flags, rules):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _load(offset: int) -> list[tuple[int, int, int, int]]:
    return [(_LOAD, 0, 0, offset)]


def _if(test: int, value: int, then: int) -> list[tuple[int, int, int, int]]:
    return [(test, 0, 1, value), (_RETURN, 0, 0, then)]


def _unless(test: int, value: int, then: int) -> list[tuple[int, int, int, int]]:
    return [(test, 1, 0, value), (_RETURN, 0, 0, then)]
