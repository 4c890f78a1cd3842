"""From files and arrays to images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .array_to_image import ArrayToImaged
from .file_to_image import FileToImaged

__all__ = ["ArrayToImaged", "FileToImaged"]
