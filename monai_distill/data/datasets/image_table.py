"""Image files listed in a CSV table: the way in for data of your own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from monai_distill.runtime.progress import with_progress

from .image_files import ImageFilesDataset
from .image_rows import ImageRow
from .table_columns import TableColumns
from .table_reading import read_table

__all__ = ["ImageTableDataset"]


class ImageTableDataset(ImageFilesDataset):
    """One section of the images that a CSV table lists: PNG, JPEG, BMP, TIFF, DICOM or NIfTI, 2D or 3D.

    On disk: ``ROOT_DIR/TABLE`` with a header and one row per image: path (relative to ``root_dir``; of a DICOM series
    that of the folder with its slices), label and, as far as known, patient and split (train, val or test).

    Args:
        root_dir: the folder of the table.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        table: the name of the table in ``root_dir``.
        columns: which column holds what.
        options: ``class_names``, ``reading``, ``split``, ``source``, ``transform``, ``seed`` and the cache options of
            :class:`ImageFilesDataset`.

    Raises:
        ValueError: if columns are missing or ambiguous, a cell is empty, or for what :class:`ImageFilesDataset`
            refuses.
        RuntimeError: if the table or images are missing, or an image cannot be read; the message names the file.

    Example:
        >>> from monai_distill.data.reading import FileToImaged
        >>> dataset = ImageTableDataset("data", "test", "xrays.csv", reading=FileToImaged(224))  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        table: str = "table.csv",
        *,
        columns: TableColumns | None = None,
        **options: Any,
    ) -> None:
        self.table = table
        self.columns = columns or TableColumns()
        self._patient_column: str | None = None
        super().__init__(root_dir, section, **options)

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
        return read_table(path)

    def _listing(self) -> Path:
        return self.root_dir / self.table

    def _advice(self) -> str:
        return (
            f"Expected a table {self.table} with the columns {self.columns.image} (paths relative to its folder) and "
            f"{self.columns.label} under root_dir."
        )
