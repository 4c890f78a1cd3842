"""Folders named by what is in them, so that runs share what they would otherwise make twice."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["job_folder"]


def job_folder(root: str | Path, job: Mapping[str, Any]) -> Path:
    """The folder below ``root`` for the results of ``job``: equal jobs share it, different ones never do.

    Args:
        root: the folder that several runs share.
        job: what decides the results, as plain JSON values; the order of its keys does not matter.

    Example:
        >>> job_folder("experts", {"seed": 0, "width": 4}) == job_folder("experts", {"width": 4, "seed": 0})
        True
    """
    text = json.dumps(job, sort_keys=True)
    return Path(root) / hashlib.sha256(text.encode()).hexdigest()[:16]
