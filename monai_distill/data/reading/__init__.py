"""From files and arrays to images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .array_to_image import ArrayToImaged
from .data_stats import ClassAsMapd, data_stats_transforms
from .file_to_image import FileToImaged
from .network_input import ArrayAsTrainedd, LoadImageAsTrainedd
from .read_as_trained import image_files, trained_reading
from .shared_reading import shared_reading

__all__ = [
    "ArrayAsTrainedd",
    "ArrayToImaged",
    "ClassAsMapd",
    "FileToImaged",
    "LoadImageAsTrainedd",
    "data_stats_transforms",
    "image_files",
    "shared_reading",
    "trained_reading",
]
