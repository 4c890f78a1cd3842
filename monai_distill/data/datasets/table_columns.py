"""Which column of a table holds what, however people spell its name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from monai_distill.runtime.validation import listed_names

from .column_words import IMAGE_WORDS, LABEL_WORDS, header_key, names_split, patient_rank
from .spelling import cleaned_names
from .split_rule import section_named

__all__ = ["LocatedColumns", "TableColumns"]

RESERVED = {"image", "label", "class_name", "mask", "patient"}
_SETTINGS = "image_column, label_column, patient_column, split_column and group_columns"


@dataclass(frozen=True)
class LocatedColumns:
    """The columns of one table, as the table spells them.

    Attributes:
        image: paths.
        label: classes.
        patient: patients, where a column names them.
        split: sections, where a column gives them.
        groups: further columns of the items.
        notes: sentences for the user about columns that were recognized by their names.
        unused_patients: columns that may name patients and are not used.
    """

    image: str
    label: str
    patient: str | None
    split: str | None
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unused_patients: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableColumns:
    """Names of a table's columns; case, blanks, dashes and underscores do not matter.

    Attributes:
        image: paths.
        label: classes.
        patient: patients; None takes a column with a usual name, such as ``PatientID`` or ``subject``.
        split: sections; None takes a column with a usual name, or whose cells say train, val and test.
        groups: further columns that items carry, such as site or sex; test scores are reported by their values.
        ignored: columns that look like patients or splits and shall not be used as such.

    Example:
        >>> table = pd.DataFrame([["a.png", "x", "7"], ["b.png", "x", "7"]], columns=["Image", "label", "Patient ID"])
        >>> TableColumns().located(table, "table.csv").patient
        'Patient ID'
    """

    image: str = "image"
    label: str = "label"
    patient: str | None = None
    split: str | None = None
    groups: Sequence[str] = ()
    ignored: Sequence[str] = ()

    def located(self, table: pd.DataFrame, name: str) -> LocatedColumns:
        """Find the columns in ``table``, called ``name`` in errors.

        Raises:
            ValueError: if a column is missing, a name fits several columns, a column looks like patients or a split
                and cannot be used with certainty, or the table has no rows.
        """
        groups = listed_names(self.groups, "group_columns")
        if taken := RESERVED & set(groups):
            raise ValueError(f"Expected other group_columns than {sorted(taken)}, which every item has. Rename them.")
        headers = _Headers(table, name)
        headers.require([self.image, self.label, self.patient, self.split, *groups, *self.ignored])
        if table.empty:
            raise ValueError(f"{name} has a header and no rows, expected a row per image.")
        image, label = headers.one(self.image), headers.one(self.label)
        ignored = {headers.one(column) for column in listed_names(self.ignored, "ignored_columns")}
        headers.free = [h for h in headers.free if h not in {image, label, *ignored}]
        split = headers.one(self.split) if self.split else headers.split()
        headers.free = [h for h in headers.free if h != split]
        patient = headers.one(self.patient) if self.patient else headers.patient()
        possible = [column for column in {*headers.free, *ignored} if column not in (patient, label, image)]
        unused = sorted(column for column in possible if headers.may_name_patients(column, patient))
        if unused:
            headers.notes.append(
                f"the column(s) {unused} of {name} may name patients and are not used: with patient_column patients "
                "stay in one section"
            )
        return LocatedColumns(
            image, label, patient, split, tuple(map(headers.one, groups)), tuple(headers.notes), tuple(unused)
        )


class _Headers:
    """The headers of one table and what is said about them."""

    def __init__(self, table: pd.DataFrame, name: str) -> None:
        self.table, self.name = table, name
        self.headers = [str(header) for header in table.columns if str(header)]
        self.free = list(self.headers)
        self.notes: list[str] = []
        self._codes: dict[str, list[int]] = {}

    def fitting(self, wanted: str) -> list[str]:
        return [header for header in self.headers if header_key(header) == header_key(wanted)]

    def one(self, wanted: str) -> str:
        if wanted in self.headers:
            return wanted
        return self.fitting(wanted)[0]

    def require(self, wanted: Sequence[str | None]) -> None:
        names = [name for name in wanted if name]
        missing = [name for name in names if not self.fitting(name)]
        if missing:
            raise ValueError(
                f"{self.name} lacks the column(s) {missing}, got {self.headers}; name the columns with {_SETTINGS}."
                f"{self._suggested(missing)}"
            )
        for name in names:
            if name not in self.headers and len(self.fitting(name)) > 1:
                raise ValueError(
                    f"{self.name} has several columns for {name!r}: {self.fitting(name)}; give the exact name, or "
                    "rename all but one."
                )
        for name in names[:2]:  # the names of images and labels are seldom given, so an exact one proves little
            if len(self.fitting(name)) > 1:
                raise ValueError(f"{self.name} has several columns for {name!r}: {self.fitting(name)}; rename one.")

    def _suggested(self, missing: Sequence[str]) -> str:
        words = {"image": IMAGE_WORDS, "label": LABEL_WORDS}
        parts = []
        for setting, synonyms in words.items():
            close = [header for header in self.headers if header_key(header) in synonyms]
            if setting in missing and close:
                parts.append(f"--{setting}_column {' or '.join(close)}")
        if parts:
            return f" Did you mean {' '.join(parts)}?"
        joined = [name for name in missing if all(self.fitting(part.strip()) for part in name.split(","))]
        if joined:
            return f" Give several columns as a list: [{joined[0]}]."
        binary = [h for h in self.headers if set(cleaned_names(list(self.table[h]))) <= {"0", "1"}]
        if "label" in missing and len(binary) > 1 and len(self.table):
            return (
                f" The columns {binary} hold only 0 and 1: write the class of every row into one column (of several "
                "findings choose one, as multi-label data is not supported)."
            )
        if any("/" in header or header.lower().endswith((".png", ".jpg", ".dcm", ".tif")) for header in self.headers):
            return " The first row looks like an image: put a row with the names of the columns above it."
        return ""

    def codes(self, header: str) -> list[int]:
        """A number per row: equal for equal cells."""
        if header not in self._codes:
            self._codes[header] = pd.factorize(pd.Series(cleaned_names(list(self.table[header]))))[0].tolist()
        return self._codes[header]

    def _agree(self, columns: Sequence[str]) -> bool:
        joined = list(zip(*(self.codes(column) for column in columns), strict=True))
        return all(len(set(joined)) == len(set(self.codes(column))) for column in columns)

    def patient(self) -> str | None:
        ranks = {header: patient_rank(header) for header in self.free}
        certain = [header for header, rank in ranks.items() if rank == "certain"]
        likely = [header for header, rank in ranks.items() if rank == "likely"]
        if len(certain) > 1 and not self._agree(certain):
            raise ValueError(
                f"{self.name} has several columns that may name patients and differ: {certain}; did you mean "
                f"--patient_column {' or '.join(map(repr, certain))}?"
            )
        if certain:
            exact = "patient" if "patient" in certain else certain[0]
            if exact != "patient":
                self.notes.append(f"patients are the values of the column {exact!r} of {self.name}")
            return exact
        if likely:
            raise ValueError(
                f"{self.name} has the column(s) {likely}, which may name patients; did you mean --patient_column "
                f"{likely[0]!r}? Otherwise give --ignored_columns {likely}."
            )
        return None

    def may_name_patients(self, header: str, patient: str | None) -> bool:
        """Whether rows that are apart by image, or by ``patient``, belong together by ``header``."""
        if patient_rank(header) is None:
            return False
        counts = len(set(self.codes(header)))
        if patient is None:
            return 1 < counts < len(self.table)
        joined = set(zip(self.codes(header), self.codes(patient), strict=True))
        is_certain = patient_rank(header) == "certain"
        return is_certain and 1 < counts < len(joined)

    def split(self) -> str | None:
        named = [header for header in self.free if names_split(header) or self._holds_sections(header)]
        if not named:
            return None
        wrong = {header: self._unknown(header) for header in named}
        bad = [header for header in named if wrong[header]]
        if bad:
            cells = ", ".join(cell or "an empty cell" for cell in wrong[bad[0]])
            raise ValueError(
                f"{self.name} has the column {bad[0]!r}, which looks like a split and holds {cells}, expected "
                f"train, val and test; write these, or give --ignored_columns [{bad[0]}] and a split is drawn."
            )
        if len(named) > 1 and not self._agree(named):
            raise ValueError(
                f"{self.name} has several columns that look like a split and differ: {named}; did you mean "
                f"--split_column {' or '.join(map(repr, named))}?"
            )
        if named[0] != "split":
            self.notes.append(f"sections are the values of the column {named[0]!r} of {self.name}")
        return named[0]

    def _cells(self, header: str) -> set[str]:
        return {str(cell).strip() for cell in self.table[header]}

    def _holds_sections(self, header: str) -> bool:
        known = {section_named(cell) for cell in self._cells(header)} - {None}
        return {"training", "test"} <= known or {"training", "validation"} <= known

    def _unknown(self, header: str) -> list[Any]:
        return sorted(cell for cell in self._cells(header) if section_named(cell) is None)[:5]
