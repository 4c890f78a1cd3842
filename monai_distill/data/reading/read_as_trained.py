"""The files of a folder, and how those of a trained set were read."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from .dicom_series import dicom_files
from .file_to_image import FileToImaged

__all__ = ["image_files", "trained_reading"]


def image_files(folder: str | PathLike[str], spatial_dims: int = 2) -> list[dict[str, str]]:
    """Every file below ``folder``, sorted, as items ``image`` (the path) and ``name`` (relative to ``folder``).

    The name is what a result may carry: it says no more of the disk than the content of the folder. With
    ``spatial_dims`` 3 a folder with DICOM files is one image, a series. Hidden files are left out. Files of other types
    are listed too, so that a result has a row for each, with an error.

    Args:
        folder: to look through.
        spatial_dims: 2, or 3 for volumes.

    Raises:
        ValueError: when the folder does not exist or holds no file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "b").mkdir()
        >>> (folder / "b" / "c.png").touch()
        >>> [item["name"] for item in image_files(folder)]
        ['b/c.png']
    """
    root = Path(folder)
    places = [root, *(path for path in root.rglob("*") if path.is_dir())] if root.is_dir() and spatial_dims == 3 else []
    series = {place: set(dicom_files(place)) for place in places}
    slices = {path for files in series.values() for path in files}
    listed = [path for path in root.rglob("*") if path.is_file() and path not in slices and not _is_hidden(path, root)]
    listed += [place for place, files in series.items() if files]
    if not listed:
        raise ValueError(f"Expected a folder with image files, got none in {root}; correct the path.")
    return [{"image": str(path), "name": path.relative_to(root).as_posix()} for path in sorted(listed)]


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)


def trained_reading(folder: str | PathLike[str], **settings: Any) -> FileToImaged:
    """How the training images of the set in ``folder`` were read; ``settings`` where the folder holds none yet.

    Args:
        folder: as :py:meth:`~monai_distill.data.SyntheticDataset.save` wrote it.
        settings: the arguments of :class:`FileToImaged`.

    Example:
        >>> import tempfile
        >>> trained_reading(tempfile.mkdtemp(), image_size=8, fit="pad").fit
        'pad'
    """
    manifest = _manifest(Path(folder)) or {}
    return FileToImaged(**(manifest.get("source", {}).get("reading") or settings))


def _manifest(folder: Path) -> dict[str, Any] | None:
    file = folder / "manifest.json"
    content: dict[str, Any] | None = json.loads(file.read_text()) if file.is_file() else None
    return content
