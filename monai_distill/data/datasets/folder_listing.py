"""The images below class folders, to any depth, and the account of every other file."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from monai_distill.data.reading.dicom_head import dicom_head
from monai_distill.data.reading.file_type import NOT_DICOM, file_type, is_image_file

from .column_words import header_key

__all__ = ["CONTAINERS", "MASK_FOLDERS", "ClassFolder", "other_kind", "visible_files", "visible_folders", "walked"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONTAINERS = _words(
    "image images img imgs picture pictures photo photos jpg jpeg png tif tiff dicom dcm nifti data files raw original "
    "originals scans slices frames"
)
MASK_FOLDERS = _words(
    "mask masks lungmask lungmasks seg segs segmentation segmentations label labels annotation annotations groundtruth "
    "gt roi rois contour contours overlay overlays"
)
_MASK_WORD = "(?:mask|seg|segm|segmentation|gt|ground_?truth|annotation|label|roi|contour|overlay)s?"
_MASK_NAME = re.compile(rf"(?i)(?P<stem>.*[^ _.-])[ _.-]+{_MASK_WORD}(?:[ _.-]*\d+)?|{_MASK_WORD}[ _.-]+(?P<end>.+)")
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


@dataclass
class ClassFolder:
    """The contents of one class folder.

    Args:
        folder: the class folder.
        volumes: whether a folder with DICOM slices is one image.
        seen: called with the number of files after each file.

    Attributes:
        images: paths of image files, or of folders of DICOM series.
        masks: paths of masks, which lie in a folder for masks or next to the image that they belong to.
        doubtful: paths that are named like masks and belong to no image; they are among the images.
        others: the count of other files by their kind, such as ``.txt files`` or ``Basic Text SR Storage (SR)``.
    """

    folder: Path
    volumes: bool = False
    seen: Callable[[int], object] = lambda count: None
    images: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    doubtful: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for place, names in walked(self.folder):
            inside = place.relative_to(self.folder).parts
            images = [path for name in names if self._is_image(path := place / name)]
            if any(header_key(part) in MASK_FOLDERS for part in inside):
                self.masks += images
                continue
            if self.volumes and place != self.folder and (slices := [path for path in images if _is_slice(path)]):
                self.images.append(place)
                images = [path for path in images if path not in slices]
            self.images += images
        self._set_masks_aside()

    def _is_image(self, path: Path) -> bool:
        """Whether a file is an image; any other is counted."""
        kind = other_kind(path)
        self.seen(1)
        self.others.update([kind] if kind else [])
        return kind is None

    def levels(self, image: Path) -> tuple[str, ...]:
        """The names of the folders between the class folder and an image, without those named for their content."""
        between = image.relative_to(self.folder).parts[:-1]
        return tuple(name for name in between if header_key(name) not in CONTAINERS)

    def _set_masks_aside(self) -> None:
        stems = {_stem(path) for path in self.images}
        starts = {start for stem in stems for start in _starts(stem)}
        named = {path: match for path in self.images if (match := _MASK_NAME.fullmatch(_stem(path)))}
        for path, match in named.items():
            stem = match["stem"] or match["end"]
            belongs = stem in stems or (match["stem"] and stem in starts and not _MASK_NAME.fullmatch(stem))
            (self.masks if belongs else self.doubtful).append(path)
        aside = set(self.masks)
        self.images = sorted(path for path in self.images if path not in aside)


def other_kind(path: Path) -> str | None:
    """The kind of a file that is no image, in words that follow a count; None for an image."""
    if path.name.lower().endswith(NOT_DICOM):
        return None
    if not is_image_file(path):
        return f"{path.suffix} files" if path.suffix else "files without a suffix"
    head = dicom_head(path)
    return None if head is None else head.document or None


def _stem(path: Path) -> str:
    return re.sub(r"(\.nii)?\.[^.]*$", "", path.name)


def _starts(stem: str) -> Iterator[str]:
    """The beginnings of a name that is no mask's, such as ``case_1`` of ``case_1_t1``."""
    if not _MASK_NAME.fullmatch(stem):
        for match in re.finditer(r"[ _.-]+", stem):
            yield stem[: match.start()]


def _is_slice(path: Path) -> bool:
    return file_type(path) == "DICOM"


def visible_folders(folder: Path) -> list[Path]:
    """The folders in ``folder``, sorted; hidden ones and those that macOS leaves in archives are left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_visible(path.name))


def visible_files(folder: Path) -> list[Path]:
    """The files in ``folder``, sorted, without hidden ones and those that systems leave."""
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_visible(path.name))


def _is_visible(name: str) -> bool:
    return not name.startswith((".", "__")) and name.lower() not in _SYSTEM_FILES


def walked(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every visible folder with the names of its visible files; links are followed, each folder once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if _is_visible(name))
        yield Path(place), sorted(name for name in names if _is_visible(name))
