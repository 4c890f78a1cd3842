"""Randomness, atomic files, checksums, caches, memory, processes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .checksums import tensor_checksum
from .memory import PeakMemory, keep_freed_memory
from .result_cache import FinishedParts, TensorCache, job_folder

__all__ = ["FinishedParts", "PeakMemory", "TensorCache", "job_folder", "keep_freed_memory", "tensor_checksum"]
