"""What root may do that others may not: a renderer of a slave that runs as root gives it up, but for reading files.

So a file that is read-only is read-only to it too. <linux/capability.h>
"""

from __future__ import annotations

import ctypes
import os
import struct

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_READ = 1 << 2  # CAP_DAC_READ_SEARCH: a mapped folder may be another user's


def drop() -> None:
    """Give up all others, for this thread and those that it starts; programs get none back. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", _VERSION, 0)  # of this thread
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # Effective, permitted, inheritable; then the same of the numbers above 31.
    _, permitted, *_ = struct.unpack("=6I", held.raw)
    kept = permitted & _READ
    if libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
