"""Files of a folder, read for a network as its training images were, each with an image or an error."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Transform

from .dicom_series import dicom_files
from .file_to_image import FileToImaged

__all__ = ["ReadAsTrained", "image_files", "trained_reading"]


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


class ReadAsTrained(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Reads ``image`` as the training images of the set in ``folder`` were read; ``error`` says why it could not.

    An item whose file cannot be read has an image of zeros, so that the rest of its batch goes on, and the reason
    under ``error``, which is empty otherwise. The settings come from the manifest, where the data set was one of files;
    otherwise images are fitted to the size and the channels of the set. The set is read when the first image comes.

    Args:
        folder: as :py:meth:`~monai_distill.data.SyntheticDataset.save` wrote it.

    Raises:
        RuntimeError: from the call, when the folder holds no set.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "manifest.json").write_text('{"images": {"shape": [1, 4, 4]}}')
        >>> ReadAsTrained(folder)({"image": "a.txt"})["error"][:28]
        "unsupported file type '.txt'"
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self._loaded: tuple[FileToImaged, tuple[int, ...]] | None = None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a new item with ``image`` and ``error``."""
        reader, shape = self._loaded = self._loaded or self._read_manifest()
        try:
            item = reader(data)
            if tuple(item["image"].shape) != shape:
                raise ValueError(
                    f"expected an image of shape {list(shape)}, as in training, got {list(item['image'].shape)}."
                )
        except Exception as error:  # whatever is wrong with this file, the others are classified
            return {**data, "image": torch.zeros(shape), "error": _text(error, str(data["image"]))}
        return {**item, "error": ""}

    def _read_manifest(self) -> tuple[FileToImaged, tuple[int, ...]]:
        manifest = _manifest(self.folder)
        if manifest is None:
            raise RuntimeError(
                f"{self.folder} holds no distilled set yet, and its model is untrained. Run the bundle's train "
                "configuration first: it fills the folder."
            )
        shape = tuple(int(side) for side in manifest["images"]["shape"])
        settings = manifest.get("source", {}).get("reading") or {"image_size": list(shape[1:])}
        if shape[0] in (1, 3):
            settings = {**settings, "channels": shape[0]}
        return FileToImaged(**settings), shape


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


def _text(error: Exception, path: str) -> str:
    # a table of predictions may be passed on: it names files, not where they lie on the disk
    return " ".join(str(error).replace(path, Path(path).name).split()) or type(error).__name__
