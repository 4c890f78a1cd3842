"""Image files below a folder, for classification: no labels, no sections."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path

from monai_distill.data.file_to_image import IMAGE_SUFFIXES

__all__ = ["image_files"]


def image_files(folder: str | PathLike[str]) -> list[dict[str, str]]:
    """Every image file below ``folder``, sorted, as items ``image`` (the path) and ``name`` (relative to ``folder``).

    The name is what a result may carry: it says no more of the disk than the folder's own content.

    Raises:
        ValueError: when there is no such folder or no image in it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "b").mkdir()
        >>> (folder / "b" / "c.png").touch()
        >>> [item["name"] for item in image_files(folder)]
        ['b/c.png']
    """
    root = Path(folder)
    found = sorted(p for p in root.rglob("*") if p.name.lower().endswith(IMAGE_SUFFIXES) and p.is_file())
    if not found:
        raise ValueError(f"Expected a folder with image files ({', '.join(IMAGE_SUFFIXES)}), got none in {root}.")
    return [{"image": str(path), "name": path.relative_to(root).as_posix()} for path in found]
