"""Landlock, which Linux has since 5.13: a process gives up what it does not need, for ever, with its children.

Numbers and structures are those of <linux/landlock.h>; what they mean:
https://docs.kernel.org/userspace-api/landlock.html. A rule is tied to the folder or file that is at its path when the
rule is made: it holds where that folder is moved to, and not for another one that takes its place.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

# System calls, the same on every architecture but Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1 << 0  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH

# LANDLOCK_ACCESS_FS_...
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_FIRST = (1 << 13) - 1  # what the first version knows
_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # what a rule about a file may have
_TCP = 0b11  # LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1  # LANDLOCK_SCOPE_...

READ = EXECUTE | READ_FILE | READ_DIR
USE = READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV  # a device
RESULTS = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE
SCRATCH = RESULTS | MAKE_DIR | REMOVE_DIR | REFER


def version() -> int:
    """What this kernel's Landlock can do (its ABI). Raises OSError where there is none."""
    return _call(_CREATE_RULESET, None, 0, _VERSION)


def handled(version: int) -> tuple[int, int, int]:
    """What a kernel of this version can refuse: of files, of the network, and beyond the process."""
    files = _FIRST
    files |= REFER if version >= 2 else 0  # before it every move to another folder is refused
    files |= TRUNCATE if version >= 3 else 0
    files |= IOCTL_DEV if version >= 5 else 0
    return files, _TCP if version >= 4 else 0, _ABSTRACT_SOCKETS | _SIGNALS if version >= 6 else 0


class Ruleset:
    """Refuses everything; ``allow`` makes exceptions; ``enforce`` puts it into force, for this thread."""

    def __init__(self) -> None:
        found = version()
        self._files, network, scoped = handled(found)
        try:
            self._descriptor = _create(found, self._files, network, scoped)
        except OSError as error:
            if error.errno != errno.EINVAL or not scoped:
                raise
            # A kernel of Red Hat 9 says 6 and has no scope for signals.
            self._descriptor = _create(found, self._files, network, _ABSTRACT_SOCKETS)

    def allow(self, path: str | os.PathLike[str], access: int) -> bool:
        """Allow this, of a folder with all that is in it, or of a file. False if it is not there."""
        try:
            descriptor = _open(path)
        except OSError:
            return False
        try:
            access &= self._files
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                access &= _FILE
            rule = struct.pack("=Qi", access, descriptor)
            _call(_ADD_RULE, self._descriptor, _PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)
        return True

    def enforce(self) -> None:
        """Put it into force, for this thread, the threads that it starts, and their programs. Raises OSError."""
        try:
            no_new_privileges()
            _call(_RESTRICT_SELF, self._descriptor, 0)
        finally:
            os.close(self._descriptor)


def no_new_privileges() -> None:
    """Promise that no program that is started gets more rights than this one has: without it nobody may confine."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        raise _error()


_SET_NO_NEW_PRIVS = 38  # PR_SET_NO_NEW_PRIVS of <linux/prctl.h>


def _open(path: str | os.PathLike[str]) -> int:
    try:
        # As a folder: that mounts a drive which is only mounted when it is used.
        return os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY)
    except NotADirectoryError:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _create(version: int, files: int, network: int, scoped: int) -> int:
    attributes = struct.pack("=3Q", files, network, scoped)
    size = 8 if version < 4 else 16 if version < 6 else 24
    return _call(_CREATE_RULESET, attributes[:size], size, 0)


def _call(number: int, *arguments: bytes | int | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    words = [each if isinstance(each, bytes | None) else ctypes.c_long(each) for each in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise _error()
    return result


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
