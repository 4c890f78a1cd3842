"""JSON files of a run and of a release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["read_json", "write_json"]


def read_json(file: Path) -> dict[str, Any] | None:
    """The content of a file; None if there is no file.

    Raises:
        RuntimeError: if it is not JSON.
    """
    if not file.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise RuntimeError(f"{file} is not valid JSON ({error}). Make it again.") from error
    return content


def write_json(file: Path, content: Any) -> None:
    """Write a file with two spaces of indentation."""
    atomic_write(file, json.dumps(content, indent=2).encode())
