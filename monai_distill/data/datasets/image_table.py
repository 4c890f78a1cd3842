"""Image files listed in a CSV table: the way in for data of one's own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from monai_distill.data.reading import FileToImaged
from monai_distill.runtime.checksums import file_checksum
from monai_distill.runtime.validation import listed_names

from .image_rows import (
    ImageRow,
    check_files,
    label_indices,
    listing_checksum,
    refuse_empty_cells,
    sections_of,
    sorted_names,
)
from .section_dataset import SectionDataset
from .table_reading import read_table, shared_spacing

__all__ = ["ImageTableDataset"]


class ImageTableDataset(SectionDataset):
    """One section of the images that a CSV table lists: PNG, JPEG, BMP, TIFF, DICOM or NIfTI, 2D or 3D.

    On disk: ``ROOT_DIR/TABLE`` with a header and one row per image: path (relative to ``root_dir``; of a DICOM series
    that of the folder with its slices), label and, as far as known, patient and split (train, val or test). A given
    split is used as it is; else one is drawn, by patient if there is a patient column, after sorting the rows by path.
    ``provenance`` of the training section has a ``spacing`` where the files tell it. Images are read by
    :class:`~monai_distill.data.reading.FileToImaged`: ``[C, H, W]`` or ``[C, *spatial]``, all of one size.

    Args:
        root_dir: the folder of the table.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        table: the name of the table in ``root_dir``.
        image_column: the column of paths.
        label_column: the column of classes.
        patient_column: the column of patients; None takes ``"patient"`` if the table has it.
        split_column: the column of sections; None takes ``"split"`` if the table has it.
        group_columns: further columns that items carry, such as site or sex; test scores are reported by their values.
        class_names: in label order; the sorted labels of the table unless given.
        image_size: resize to this, a number for all axes or one per axis.
        channels: 1 or 3; None keeps what is stored.
        intensity_range: a window in stored units (low, high); see ``FileToImaged``.
        pixdim: millimetres per axis to resample to; see ``FileToImaged``.
        val_frac: the share of validation where the split does not give it.
        test_frac: the share of test where there is no split.
        split_seed: the seed of a drawn split.
        transform: replaces the default transform; it is given ``image`` as a path.
        seed: seed of this object's own random state.
        name: what the data is called in the provenance; the table's name unless given.
        license: of the data, for the provenance.
        citation: of the data, for the provenance.
        cache_options: see :py:class:`monai.data.CacheDataset`.

    Raises:
        ValueError: if columns are missing or taken, a label or split is unknown, a patient is in two sections, or the
            images differ in size.
        RuntimeError: if the table or images are missing, or an image cannot be read; the message names the file.

    Example:
        >>> dataset = ImageTableDataset("data", "training", "xrays.csv", image_size=224)  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        table: str = "table.csv",
        *,
        image_column: str = "image",
        label_column: str = "label",
        patient_column: str | None = None,
        split_column: str | None = None,
        group_columns: Sequence[str] = (),
        class_names: Sequence[str] | None = None,
        image_size: int | Sequence[int] | None = None,
        channels: int | None = None,
        intensity_range: tuple[float, float] | None = None,
        pixdim: Sequence[float] | None = None,
        val_frac: float = 0.15,
        test_frac: float = 0.15,
        split_seed: int = 0,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        seed: int = 0,
        name: str | None = None,
        license: str = "unknown",
        citation: str = "unknown",
        **cache_options: Any,
    ) -> None:
        self.table = table
        self.val_frac, self.test_frac, self.split_seed = val_frac, test_frac, split_seed
        self._columns = (image_column, label_column, patient_column, split_column)
        self._groups = listed_names(group_columns, "group_columns")
        if taken := {"image", "label", "class_name", "mask", "patient"} & set(self._groups):
            raise ValueError(
                f"Expected group_columns beside {sorted(taken)}, which items have in any case. Rename them."
            )
        self._given_names = None if class_names is None else listed_names(class_names)
        self._read_image = FileToImaged(image_size, channels, intensity_range, pixdim)
        self._source = {"name": name or table, "license": license, "citation": citation}
        super().__init__(root_dir, section, transform, seed=seed, **cache_options)
        if self.uses_default_transform:
            self._check_shapes()
            self._tell_spacing()

    def _rows(self) -> list[ImageRow]:
        """Every row of every section, in any order."""
        table = self._read_table()
        image, label, patient, split = self._columns
        patient = patient or ("patient" if "patient" in table.columns else None)
        split = split or ("split" if "split" in table.columns else None)
        asked = (image, label, patient, split, *self._groups)
        missing = [column for column in asked if column and column not in table.columns]
        if missing:
            raise ValueError(
                f"{self.table} lacks the column(s) {missing}, got {list(table.columns)}; name the columns with "
                "image_column, label_column, patient_column, split_column and group_columns."
            )
        if table.empty:
            raise ValueError(f"{self.table} has a header and no rows, expected a row per image.")
        rows = [
            ImageRow(
                image=str(cells[image]).strip(),
                label=str(cells[label]).strip(),
                where=f"row {number} of {self.table}",
                patient=None if patient is None else str(cells[patient]).strip(),
                split=None if split is None else str(cells[split]),
                extra={column: str(cells[column]).strip() for column in self._groups},
            )
            for number, cells in zip(table.index + 1, table.to_dict("records"), strict=True)  # as spreadsheets count
        ]
        refuse_empty_cells(rows)
        return rows

    def _read_table(self) -> pd.DataFrame:
        path = self.root_dir / self.table
        if not path.is_file():
            raise RuntimeError(f"Cannot find dataset file: {path}. {self._advice()}")
        return read_table(path)

    def _advice(self) -> str:
        return (
            f"Expected a table {self.table} with the columns {self._columns[0]} (paths relative to its folder) and "
            f"{self._columns[1]} under root_dir."
        )

    def _items(self, section: str) -> list[dict[str, Any]]:
        # sorted, so that neither the order of the table nor that of the disk changes a drawn split
        rows = sorted(self._rows(), key=lambda row: row.image)
        self.class_names = self._given_names or sorted_names([row.label for row in rows])
        labels = label_indices(rows, self.class_names)
        check_files(self.root_dir, rows, self._advice())
        sections, rule = sections_of(rows, labels, self.val_frac, self.test_frac, self.split_seed)
        files = {"listing (paths, sizes, labels)": listing_checksum(self.root_dir, rows)}
        if (self.root_dir / self.table).is_file():
            files[self.table] = f"sha256:{file_checksum(self.root_dir / self.table)}"
        self.provenance = {
            **self._source,
            "files": files,
            "official": False,
            "split": rule,
            "seed": self.split_seed if "seed" in rule else None,
        }
        return [self._item(rows[i], labels[i]) for i in sections[section]]

    def _item(self, row: ImageRow, label: int) -> dict[str, Any]:
        extra = {key: str(self.root_dir / value) if key == "mask" else value for key, value in row.extra.items()}
        item = {"image": str(self.root_dir / row.image), "label": label, "class_name": self.class_names[label], **extra}
        return item if row.patient is None else {**item, "patient": row.patient}

    def _default_transform(self) -> FileToImaged:
        return self._read_image

    def _tell_spacing(self) -> None:
        """Of the training images, which are what a synthetic one comes from."""
        if self.section != "training":
            return
        rule = "of the files, times the factor of resizing" if self._read_image.pixdim is None else "as resampled"
        told = shared_spacing((self._read_image.spacing_of(item["image"]) for item in self.data), rule)
        if told is not None:
            self.provenance["spacing"] = told

    def _check_shapes(self) -> None:
        first: tuple[str, tuple[int, ...]] | None = None
        for item, cached in zip(self.data, self._cache, strict=False):
            if cached is None:  # filled while running
                continue
            name, shape = Path(item["image"]).name, tuple(cached["image"].shape)
            first = first or (name, shape)
            if shape != first[1]:
                raise ValueError(
                    f"Images differ in size: {first[0]} has [channels, *spatial] {list(first[1])} and {name} has "
                    f"{list(shape)}, expected one size; pass image_size, and channels=1 or 3 if the channels differ."
                )
