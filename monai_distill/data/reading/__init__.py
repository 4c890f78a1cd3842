"""From files and arrays to images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .file_to_image import FileToImaged
from .network_input import ArrayAsTrainedd, LoadImageAsTrainedd

__all__ = [
    "ArrayAsTrainedd",
    "FileToImaged",
    "LoadImageAsTrainedd",
]
