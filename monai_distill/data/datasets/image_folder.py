"""Image files in one folder per class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.data.reading.file_type import IMAGE_SUFFIXES, is_image_file

from .image_files import ImageFilesDataset
from .image_rows import ImageRow
from .split_rule import section_named

__all__ = ["ImageFolderDataset"]


class ImageFolderDataset(ImageFilesDataset):
    """One section of images in class folders.

    On disk: ``ROOT_DIR/CLASS/*.png`` or ``ROOT_DIR/CLASS/images/*.png`` (or any other type that
    :class:`~monai_distill.data.reading.FileToImaged` reads), or the same below ``ROOT_DIR/train``, ``val`` and
    ``test``. Without these a split is drawn by image; where patients are known use
    :class:`ImageTableDataset`, which keeps them whole.

    Args:
        root_dir: the folder of the class folders.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        class_names: the folders to use, in label order; all that hold images, sorted, unless given.
        options: ``reading``, ``split``, ``source``, ``transform``, ``seed`` and the cache options of
            :class:`ImageFilesDataset`.

    Raises:
        ValueError: if class and split folders are mixed, or the images differ in size.
        RuntimeError: if a class folder is missing or empty, or an image cannot be read.

    Example:
        >>> dataset = ImageFolderDataset("data/tiles", "training")  # doctest: +SKIP
    """

    def _rows(self) -> list[ImageRow]:
        folders = _folders(self.root_dir)
        splits = [folder for folder in folders if section_named(folder.name)]
        others = [folder.name for folder in folders if folder not in splits and _images(folder)]
        if splits and others:
            raise ValueError(
                f"{self.root_dir} holds both split folders {[folder.name for folder in splits]} and class folders "
                f"{others}, expected one or the other; move the class folders into train, val and test."
            )
        tops: list[tuple[Path, str | None]] = [(folder, folder.name) for folder in splits] or [(self.root_dir, None)]
        rows = [row for top, split in tops for row in self._rows_under(top, split)]
        if self._given_names is None:
            _tell_left_out([folder for top, _ in tops for folder in _folders(top)])
        absent = sorted(set(self._given_names or ()) - {row.label for row in rows})
        if absent or not rows:
            loose = len(_images(self.root_dir))  # as where the folder of a class was given
            raise RuntimeError(
                f"Cannot find dataset directory with images: {self.root_dir}/{absent[0] if absent else 'CLASS'}, "
                f"got the folders {[folder.name for folder in folders]}"
                f"{f' and {loose} images in none of them' * bool(loose)}. {self._advice()}"
            )
        return rows

    def _rows_under(self, top: Path, split: str | None) -> list[ImageRow]:
        rows = []
        for folder in _folders(top):
            if self._given_names is not None and folder.name not in self._given_names:
                continue
            for path in _images(folder):
                image = path.relative_to(self.root_dir).as_posix()
                rows.append(ImageRow(image, folder.name, image, split=split, extra=self._extra(folder, path)))
        return rows

    def _extra(self, folder: Path, path: Path) -> dict[str, Any]:
        """Further keys of the item of an image, for subclasses."""
        return {}

    def _advice(self) -> str:
        return f"Expected CLASS/*.png or CLASS/images/*.png (any of {', '.join(IMAGE_SUFFIXES)}) under root_dir."


def _tell_left_out(folders: Sequence[Path]) -> None:
    """A class whose images are of an unknown type, or lie deeper, would else be missing without a word."""
    empty = [folder.name for folder in folders if not _images(folder)]
    if empty and len(empty) < len(folders):
        warnings.warn(
            f"Left out {empty}: no image in CLASS or CLASS/images. Known types are {', '.join(IMAGE_SUFFIXES)}.",
            stacklevel=2,
        )
    others = Counter(path.suffix for folder in folders if folder.name not in empty for path in _other_files(folder))
    if others:
        shown = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(others.items()))
        warnings.warn(f"Left out files in the class folders that are no images: {shown}.", stacklevel=2)


def _other_files(folder: Path) -> list[Path]:
    return [
        path
        for place in (folder, folder / "images")
        if place.is_dir()
        for path in place.iterdir()
        if path.is_file()
        and not path.name.lower().endswith((".db", ".ini"))
        and not path.name.startswith(".")
        and not is_image_file(path)
    ]


def _folders(folder: Path) -> list[Path]:
    # hidden folders and what macOS leaves in archives are no classes
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for place in (folder, folder / "images")
        if place.is_dir()
        for path in place.iterdir()
        if not path.name.startswith(".") and path.is_file() and is_image_file(path)
    )
