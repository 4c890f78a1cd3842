"""Peak memory, and a setting of glibc that keeps freed memory in the process."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

import torch

__all__ = ["PeakMemory", "available_memory", "default_memory_budget", "disable_malloc_trim", "physical_memory"]

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak memory in MiB: of the tensors on a CUDA device, otherwise the resident set of the process.

    The resident set includes the interpreter and the libraries (about 500 MiB). On Linux :meth:`restart` returns freed
    memory to the system and resets the kernel's high-water mark, so that the peak belongs to one run. On other systems
    the peak is that of the process's whole life.

    Args:
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Example:
        >>> memory = PeakMemory("cpu")
        >>> memory.restart()
        >>> memory.mebibytes() > 10
        True
    """

    def __init__(self, device: str | torch.device) -> None:
        self.device = torch.device(device)

    @property
    def measured_on(self) -> str:
        """The device or process whose memory :meth:`mebibytes` returns."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "process"

    def restart(self) -> None:
        """Reset the peak."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        gc.collect()
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
            CLEAR.write_text("5")
        except (OSError, AttributeError):  # not Linux, or another C library
            return

    def mebibytes(self) -> float:
        """The peak since :meth:`restart`."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        if STATUS.exists():
            fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
            if "VmHWM" in fields:
                return int(fields["VmHWM"].split()[0]) / 2**10
        import resource  # absent on Windows

        unit = 1 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def disable_malloc_trim() -> bool:
    """Make glibc serve large blocks from its heap and not shrink it; return whether that was possible.

    By default glibc maps every block above 32 MiB again at each step, and the kernel clears its pages. Measured for one
    SGD step of ConvNet-3 of width 32 on 256 images of 3x28x28, two CPU cores: 84 ms before, 56 ms after. The setting
    applies to the whole process, so the command makes it and library code does not. It has no effect outside Linux with
    glibc.

    Example:
        >>> disable_malloc_trim() in (True, False)
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


def physical_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or the limit of its control group where that is lower.

    Example:
        >>> physical_memory() > 2**20
        True
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
    texts = [limit.read_text().strip() for limit in limits if limit.is_file()]
    return min([machine, *(int(text) for text in texts if text.isdecimal())])


def default_memory_budget(device: torch.device | str) -> int:
    """MiB that the graph of a batch or of an unrolled student may take: 4096 on a GPU, 512 on a CPU.

    Example:
        >>> default_memory_budget("cpu")
        512
    """
    return 4096 if torch.device(device).type == "cuda" else 512


def available_memory(device: torch.device | str = "cpu") -> int | None:
    """Bytes that this process may take in all, its present ones included; None where nobody knows.

    For a CUDA device: the free memory, and what this process holds there.

    Example:
        >>> (available_memory() or 2**30) > 2**20
        True
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    meminfo = Path("/proc/meminfo")
    if not (meminfo.is_file() and STATUS.is_file()):
        return None
    fields = dict(line.split(":", 1) for file in (meminfo, STATUS) for line in file.read_text().splitlines())
    free, held = (int(fields[name].split()[0]) * 2**10 for name in ("MemAvailable", "VmRSS"))
    return min(free + held, physical_memory())
