"""Image files listed in a CSV table: the way in for data of your own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from monai_distill.runtime.progress import with_progress

from .image_files import ImageFilesDataset
from .image_rows import ImageRow
from .table_columns import TableColumns

__all__ = ["ImageTableDataset"]


class ImageTableDataset(ImageFilesDataset):
    """One section of the images that a CSV table lists: PNG, JPEG, BMP, TIFF, DICOM or NIfTI, 2D or 3D.

    On disk: ``ROOT_DIR/TABLE`` with a header and one row per image: path (relative to ``root_dir``; of a DICOM series
    that of the folder with its slices), label and, as far as known, patient and split (train, val or test).

    Args:
        root_dir: the folder of the table.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform, which reads the file that ``image`` names.
        table: the name of the table in ``root_dir``.
        columns: which column holds what.
        options: ``class_names``, ``reading``, ``split``, ``source``, ``seed`` and the cache options of
            :class:`ImageFilesDataset`.

    Raises:
        ValueError: if columns are missing or ambiguous, a cell is empty, or for what :class:`ImageFilesDataset`
            refuses.
        RuntimeError: if the table or images are missing, or an image cannot be read; the message names the file.

    Example:
        >>> from monai_distill.data.reading import FileToImaged
        >>> dataset = ImageTableDataset("data", "test", table="xrays.csv", reading=FileToImaged(224))  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        table: str = "table.csv",
        columns: TableColumns | None = None,
        **options: Any,
    ) -> None:
        self.table = table
        self.columns = columns or TableColumns()
        self._patient_column: str | None = None
        super().__init__(root_dir, section, transform=transform, **options)

    def _rows(self) -> list[ImageRow]:
        table = self._read_table()
        located = self.columns.located(table, self.table)
        self.notes, self.unused_patients = located.notes, located.unused_patients
        self._patient_column = located.patient
        numbered = zip(table.index + 1, table.to_dict("records"), strict=True)  # as spreadsheets count
        return [
            ImageRow(
                image=str(cells[located.image]).strip(),
                label=str(cells[located.label]),
                where=f"row {number} of {self.table}",
                patient=None if located.patient is None else str(cells[located.patient]),
                split=None if located.split is None else str(cells[located.split]).strip(),
                extra={column: str(cells[column]).strip() for column in located.groups},
            )
            for number, cells in with_progress(numbered, len(table), f"reading the rows of {self.table}")
        ]

    def _names_patients(self) -> bool:
        return self._patient_column is not None

    def _read_table(self) -> pd.DataFrame:
        path = self._listing()
        if not path.is_file():
            raise RuntimeError(f"Cannot find dataset file: {path}. {self._advice()}")
        return _read_table(path)

    def _listing(self) -> Path:
        return self.root_dir / self.table

    def _advice(self) -> str:
        return (
            f"Expected a table {self.table} with the columns {self.columns.image} (paths relative to its folder) and "
            f"{self.columns.label} under root_dir."
        )


def _read_table(path: Path) -> pd.DataFrame:
    """Every cell as text under the header's names; rows keep their place in the file (0 is the header).

    Cells that a short row lacks are empty, rows without any content and columns without a name are left out; a byte
    order mark and Windows' line ends carry no meaning.

    Raises:
        ValueError: if the file is no such table, a row is longer than the header, or a column is named twice.
    """
    try:
        # everything as text: labels such as 01 or NA are names, not numbers and not missing values; the header as a
        # row among others, or pandas would take longer rows for rows with names, and rename columns
        cells = pd.read_csv(
            path, dtype=str, header=None, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
        )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(
            f"cannot read {path} as a CSV table: {' '.join(str(error).split())}; expected UTF-8 text with a header and "
            "as many cells in every row, separated by commas: save it as CSV UTF-8."
        ) from error
    cells = cells.fillna("")
    names = [str(name).strip() for name in cells.iloc[0]]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise ValueError(f"{path} has the header {names[0]!r}, expected commas between cells: save it with commas.")
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise ValueError(f"{path} names the column(s) {twice} twice, expected once; rename or remove one.")
    table = cells.set_axis(names, axis="columns").iloc[1:].loc[:, [name != "" for name in names]]
    return table[(table.map(str.strip) != "").any(axis="columns")]
