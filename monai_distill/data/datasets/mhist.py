"""MHIST: colorectal polyps, hyperplastic or sessile serrated, with the votes of seven pathologists."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from monai_distill.data.reading.file_to_image import FileToImaged

from .image_rows import ImageRow
from .image_table import ImageTableDataset
from .section_dataset import DataSource
from .split_rule import SplitRule

__all__ = ["MHISTDataset"]

_HEADER = ["Image Name", "Majority Vote Label", "Number of Annotators who Selected SSA (Out of 7)", "Partition"]


class MHISTDataset(ImageTableDataset):
    """One section of MHIST (Wei et al., A Petri Dish for Histopathology Image Analysis, 2021).

    On disk: ``ROOT_DIR/annotations.csv`` and ``ROOT_DIR/images/MHIST_aaa.png``: 3152 RGB images of 224x224, classes HP
    and SSA. The partition into 2175 training and 977 test images is the published one; validation is split off
    training, stratified by class. The data needs a signed research use agreement and cannot be downloaded here.
    Items also carry ``votes`` (int), how many of seven annotators chose SSA. The published files name no patients.

    Args:
        root_dir: the folder of ``annotations.csv``.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform, which reads the file that ``image`` names.
        reading: how a file becomes an image; 224x224 unless given, the stored size.
        split: ``val_frac`` and ``seed`` of the validation part.
        options: ``seed`` and the cache options of :class:`ImageFilesDataset`.

    Raises:
        ValueError: if the header, a label, a vote or a partition is not as published.
        RuntimeError: if the table or images are missing, with where to get them.

    Example:
        >>> dataset = MHISTDataset("data/mhist", "training")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        reading: FileToImaged | None = None,
        split: SplitRule | None = None,
        **options: Any,
    ) -> None:
        source = DataSource(
            "MHIST",
            "MHIST research use agreement: no redistribution",
            "Wei et al., A Petri Dish for Histopathology Image Analysis, AIME 2021",
        )
        options = {"class_names": ("HP", "SSA"), "source": source, **options}
        reading, table = reading or FileToImaged(224), "annotations.csv"
        super().__init__(root_dir, section, transform, table=table, reading=reading, split=split, **options)

    def _rows(self) -> list[ImageRow]:
        table = self._read_table()
        if list(table.columns) != _HEADER:
            raise ValueError(
                f"annotations.csv has the header {list(table.columns)}, expected {_HEADER}; use the published file."
            )
        rows = []
        for number, (image, label, votes, partition) in enumerate(table.itertuples(index=False, name=None), start=2):
            where = f"row {number} of annotations.csv"
            if votes not in set("01234567"):
                raise ValueError(f"expected 0 to 7 votes in {where}, got {votes!r}; use the published file.")
            if partition not in ("train", "test"):
                raise ValueError(f"expected the partition train or test in {where}, got {partition!r}.")
            rows.append(ImageRow(f"images/{image}", label, where, split=partition, extra={"votes": int(votes)}))
        return rows

    def _advice(self) -> str:
        return (
            "MHIST is available under a signed research use agreement: ask for it at https://bmirds.github.io/MHIST/, "
            "then unpack it so that root_dir holds annotations.csv and images/MHIST_aaa.png and so on."
        )
