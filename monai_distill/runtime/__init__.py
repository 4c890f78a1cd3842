"""Services at run time: randomness, atomic files, checksums, caches, validation, memory, processes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .checksums import tensor_checksum
from .memory import PeakMemory, disable_malloc_trim
from .result_cache import ResultCache, job_path

__all__ = ["PeakMemory", "ResultCache", "disable_malloc_trim", "job_path", "tensor_checksum"]
