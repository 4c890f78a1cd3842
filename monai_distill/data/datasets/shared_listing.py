"""The listing of image files, made once for the three sections of a data set, and for the plan and the run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_distill.data.reading.file_to_image import FileToImaged

from .image_rows import ImageRow

__all__ = ["LAST", "LastListing", "Listing", "listed_paths"]

RECENT = 2.0  # seconds in which a file may change again without a later time of change


@dataclass
class Listing:
    """The images of a data set in all sections, and what was recognized in the data.

    Attributes:
        rows: of every image.
        labels: class number of every row.
        sections: positions in ``rows`` by section.
        paths: of every image.
        class_names: in label order.
        provenance: see :class:`~.section_dataset.SectionDataset`, as ``notes``, ``left_out`` and ``unused_patients``.
        notes: sentences for the user.
        left_out: counts of what is not read.
        unused_patients: columns or folders.
        modalities: counts by DICOM modality.
        cautions: warnings for the user.
        reading: how all files are read, and sentences on it; None until a section needs it.
    """

    rows: Sequence[ImageRow]
    labels: Sequence[int]
    sections: Mapping[str, Sequence[int]]
    paths: Sequence[str]
    class_names: tuple[str, ...]
    provenance: dict[str, Any]
    notes: tuple[str, ...]
    left_out: Mapping[str, int]
    unused_patients: tuple[str, ...]
    modalities: Counter[str]
    cautions: tuple[str, ...]
    reading: tuple[FileToImaged, list[str]] | None = None


class LastListing:
    """The last listing of this process, used again while its files are the same.

    A listing is used again for equal settings, if every path that it depends on has the names, sizes, times of change
    and inode that it had. Files that changed during the listing, or a moment before it, could change again without a
    later time: their listing is not used again.

    Example:
        >>> from pathlib import Path
        >>> last = LastListing()
        >>> listings = [last.of("settings", lambda: Listing(*[()] * 11), lambda rows: [__file__]) for _ in range(2)]
        >>> listings[0] is listings[1]
        True
    """

    def __init__(self) -> None:
        self._last: tuple[Any, str, Listing] | None = None

    def of(
        self, settings: Any, make: Callable[[], Listing], watched: Callable[[Sequence[ImageRow]], Iterable[str]]
    ) -> Listing:
        """The listing of ``settings``.

        Args:
            settings: everything but the files that decides the listing; None if that is not known.
            make: lists the files.
            watched: function of the rows of a listing to the files and folders that it depends on.
        """
        if self._last is not None:
            known, state, listing = self._last
            if settings is not None and known == settings and _state(watched(listing.rows))[0] == state:
                return listing
        self._last = None
        began = time.time()
        listing = make()
        if settings is not None:
            state, newest = _state(watched(listing.rows))
            if newest < began - RECENT:
                self._last = settings, state, listing
        return listing


LAST = LastListing()


def listed_paths(root: Path, rows: Iterable[ImageRow]) -> Iterator[str]:
    """The files and folders that rows name, with the files in folders of slices, and the folders around all of them.

    Example:
        >>> sorted(listed_paths(Path("data"), [ImageRow("a/1.png", "cat", "row 2")]))
        ['data', 'data/a', 'data/a/1.png']
    """
    folders: set[str] = set()
    for row in rows:
        for name in filter(None, (row.image, row.extra.get("mask"))):
            path = os.path.join(root, name)  # noqa: PTH118 - an absolute name is its own path; pathlib is slow
            yield path
            folders.add(path.rpartition("/")[0])
            if os.path.isdir(path):  # noqa: PTH112 - pathlib takes three times as long
                yield from sorted(entry.path for entry in os.scandir(path))
    around = {str(above) for folder in folders for above in Path(folder).parents if above.is_relative_to(root)}
    yield from sorted({*folders, *around})


def _state(paths: Iterable[str]) -> tuple[str, float]:
    """A hash over the state of files and folders, and the time of the latest change."""
    digest, newest = hashlib.blake2b(), 0.0
    for path in paths:
        try:
            facts = os.stat(path)  # noqa: PTH116 - pathlib takes three times as long
            names = sorted(entry.name for entry in os.scandir(path)) if stat.S_ISDIR(facts.st_mode) else None
        except OSError:  # a link to nothing
            digest.update(f"{path!r} is missing\n".encode())
            continue
        state = (path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, names)
        digest.update(f"{state!r}\n".encode("utf-8", "backslashreplace"))
        newest = max(newest, facts.st_mtime, facts.st_ctime)
    return digest.hexdigest(), newest
