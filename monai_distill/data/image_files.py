"""The image files of a folder, as items that a MONAI dataset takes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path

from monai_distill.data.dicom_series import dicom_files
from monai_distill.data.stored_image import IMAGE_SUFFIXES

__all__ = ["image_files"]


def image_files(folder: str | PathLike[str], spatial_dims: int = 2) -> list[dict[str, str]]:
    """Every image below ``folder``, sorted, as items ``image`` (the path) and ``name`` (relative to ``folder``).

    The name is what a result may carry: it says no more of the disk than the folder's own content. Where volumes are
    asked for, a folder with DICOM files is one image, a series.

    Args:
        folder: to look through.
        spatial_dims: 2, or 3 for volumes.

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
    series = {place: set(dicom_files(place)) for place in _folders(root)} if spatial_dims == 3 else {}
    slices = {path for files in series.values() for path in files}
    found = [p for p in root.rglob("*") if p.name.lower().endswith(IMAGE_SUFFIXES) and p.is_file() and p not in slices]
    found += [place for place, files in series.items() if files]
    if not found:
        raise ValueError(f"Expected a folder with image files ({', '.join(IMAGE_SUFFIXES)}), got none in {root}.")
    return [{"image": str(path), "name": path.relative_to(root).as_posix()} for path in sorted(found)]


def _folders(root: Path) -> list[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())] if root.is_dir() else []
