"""Which column of a table holds what, however people spell its name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from monai_distill.runtime.validation import listed_names

__all__ = ["LocatedColumns", "TableColumns"]

RESERVED = {"image", "label", "class_name", "mask", "patient"}


@dataclass(frozen=True)
class LocatedColumns:
    """The names of the columns as the table spells them."""

    image: str
    label: str
    patient: str | None
    split: str | None
    groups: tuple[str, ...]


@dataclass(frozen=True)
class TableColumns:
    """Names of a table's columns.

    Attributes:
        image: paths.
        label: classes.
        patient: patients; None takes ``"patient"`` if the table has it.
        split: sections; None takes ``"split"`` if the table has it.
        groups: further columns that items carry, such as site or sex; test scores are reported by their values.
    """

    image: str = "image"
    label: str = "label"
    patient: str | None = None
    split: str | None = None
    groups: Sequence[str] = ()

    def located(self, table: pd.DataFrame, name: str) -> LocatedColumns:
        """Find the columns in ``table``.

        Raises:
            ValueError: if a column is missing, or the table has no rows.
        """
        groups = listed_names(self.groups, "group_columns")
        if taken := RESERVED & set(groups):
            raise ValueError(f"Expected other group_columns than {sorted(taken)}, which every item has. Rename them.")
        patient = self.patient or ("patient" if "patient" in table.columns else None)
        split = self.split or ("split" if "split" in table.columns else None)
        wanted = (self.image, self.label, patient, split, *groups)
        missing = [column for column in wanted if column and column not in table.columns]
        if missing:
            raise ValueError(
                f"{name} lacks the column(s) {missing}, got {list(table.columns)}; name the columns with "
                "image_column, label_column, patient_column, split_column and group_columns."
            )
        if table.empty:
            raise ValueError(f"{name} has a header and no rows, expected a row per image.")
        return LocatedColumns(self.image, self.label, patient, split, groups)
