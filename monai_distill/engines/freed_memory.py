"""Keep freed memory in the process: a third of a CPU training step is spent giving it back and asking for it again."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Tell glibc to serve large blocks from its heap and not to shrink it; returns whether that was possible.

    By default glibc maps every block over 32 MiB anew and the kernel clears its pages at each step. Measured for one
    SGD step of
    ConvNet-3 of width 32 on 256 images of 3x28x28, two CPU cores: 84 ms before, 56 ms after. It holds for the whole
    process, so the command calls it and library code does not. No effect outside Linux with glibc.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    largest = 2**31 - 1
    return bool(mallopt(M_MMAP_THRESHOLD, largest) and mallopt(M_TRIM_THRESHOLD, largest))
