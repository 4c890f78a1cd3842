"""One way of reading for all files of a data set, decided once from their headers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_distill.runtime.progress import with_progress

from .file_to_image import FileToImaged
from .fitting import axis_sizes, inner_sizes
from .intensity import KIND_MEANINGS, shared_kind
from .stored_image import FileHeader, cached_header

__all__ = ["shared_reading"]


def shared_reading(reader: FileToImaged, paths: Sequence[str]) -> tuple[FileToImaged, list[str]]:
    """A reader with one rule for the values of all files, and sentences on how it changes them.

    A file whose header cannot be read counts for nothing here; reading its image fails and names it.

    Args:
        reader: the settings; where they name a kind of values, files of another kind fail when they are read.
        paths: of every image of the data set, in all its sections.

    Returns:
        The reader, and the sentences: how values are scaled, axes turned and proportions fitted, what is left out.

    Raises:
        ValueError: when the files hold different kinds of values and ``intensity_range`` is not set, or only some
            volumes tell their orientation.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (6, 4)).save(f"{folder}/a.png")
        ...     reader, lines = shared_reading(FileToImaged(image_size=8), [f"{folder}/a.png"])
        >>> reader.values
        '8-bit'
        >>> lines
        ['1 of 1 images, such as a.png (4 x 6), are stretched to 8 x 8; --fit pad or --fit crop keeps proportions.']
    """
    listed = with_progress(paths, len(paths), "reading the headers of the files")
    headers = {path: header for path in listed if (header := _header_of(path, reader.orientation)) is not None}
    values = reader.values
    if values is None and reader.intensity_range is None:
        values = shared_kind({Path(path).name: header for path, header in headers.items()})
    settings = {**reader.to_dict(), "values": values}
    lines = [*_intensity_lines(values), *_orientation_lines(reader, headers), *_fit_lines(reader, headers)]
    lines += _alpha_lines(headers)
    return FileToImaged(**settings), lines


def _header_of(path: str, orientation: str | None) -> FileHeader | None:
    try:
        return cached_header(path, orientation)
    except Exception:  # reading the image fails too, and its error names the file
        return None


def _intensity_lines(values: str | None) -> list[str]:
    if values in (None, "8-bit"):
        return []
    meaning = next(text for kind, text in KIND_MEANINGS.items() if kind == values)
    return [f"The images hold {meaning}; --intensity_range '[low, high]' sets another window."]


def _orientation_lines(reader: FileToImaged, headers: Mapping[str, FileHeader]) -> list[str]:
    volumes = {path: header.orientation for path, header in headers.items() if len(header.shape) == 3}
    stored = Counter(code for code in volumes.values() if code is not None)
    silent = [path for path, code in volumes.items() if code is None]
    if silent and stored and reader.orientation is not None:
        raise ValueError(
            f"Expected volumes that all tell their orientation, got {len(silent)} of {len(volumes)} that do not, such "
            f"as {Path(silent[0]).name}. Correct their headers, or pass --orientation stored to leave all axes as they "
            "are stored."
        )
    if silent:
        return [f"None of {len(silent)} volumes tells its orientation: the axes are as they are stored."]
    counts = " and ".join(f"{count} stored as {code}" for code, count in sorted(stored.items()))
    if reader.orientation is None:
        return [f"Volumes are read as they are stored: {counts}; their orientations differ."] if len(stored) > 1 else []
    if set(stored) <= {reader.orientation}:
        return []
    return [f"Volumes are brought to the orientation {reader.orientation}: {counts}."]


def _fit_lines(reader: FileToImaged, headers: Mapping[str, FileHeader]) -> list[str]:
    if reader.image_size is None or reader.pixdim is not None:
        return []
    changed, size = [], ""
    for path, header in headers.items():
        sizes = axis_sizes(reader.image_size, header.shape) if _fits_rank(reader, header) else header.shape
        if inner_sizes(header.shape, sizes, "pad") != tuple(sizes):
            changed.append(f"{Path(path).name} ({_by(header.shape)})")
            size = _by(sizes)
    if not changed:
        return []
    start = f"{len(changed)} of {len(headers)} images, such as {changed[0]}, are"
    if reader.fit == "stretch":
        return [f"{start} stretched to {size}; --fit pad or --fit crop keeps proportions."]
    done = f"padded with 0 to {size}" if reader.fit == "pad" else f"cropped to {size}; what is outside is lost"
    return [f"{start} {done}."]


def _alpha_lines(headers: Mapping[str, FileHeader]) -> list[str]:
    paths = [path for path, header in headers.items() if header.has_alpha]
    if not paths:
        return []
    start = f"{len(paths)} of {len(headers)} images, such as {Path(paths[0]).name}, store an alpha channel"
    return [f"{start}, which is left out: a transparent pixel has the color that is stored below."]


def _fits_rank(reader: FileToImaged, header: FileHeader) -> bool:
    return isinstance(reader.image_size, int) or len(reader.image_size or ()) == len(header.shape)


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
