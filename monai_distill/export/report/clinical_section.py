"""Class by class: what a clinician asks first."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .charts import heat_map
from .picture import Picture
from .section import Section
from .table import NOTHING, Table, flat_table, number, spread

__all__ = ["clinical_section"]

PER_CLASS = ("sensitivity", "specificity", "auroc")
SHOWN = ("classes", "confusion", *PER_CLASS)


def clinical_section(clinical: Mapping[str, Any], class_names: Sequence[str]) -> Section:
    """Sensitivity and specificity of every class, the confusion matrix, and whatever else was measured, row by row.

    Args:
        clinical: of ``scores.json``; per-class entries are lists in class order or go by class name.
        class_names: in label order, when ``clinical`` has no ``classes``.

    Example:
        >>> found = {"sensitivity": [0.9, 0.8], "confusion": [[9, 1], [2, 8]], "calibration": {"error": 0.1}}
        >>> section = clinical_section(found, ["no", "yes"])
        >>> section.tables[0].rows
        [['no', '0.900'], ['yes', '0.800']]
        >>> section.tables[1].rows[1], len(section.pictures)
        (['yes', '2', '8'], 1)
    """
    names = [str(name) for name in clinical.get("classes", class_names)]
    measured = [name for name in PER_CLASS if name in clinical]
    tables = []
    if measured:
        rows = [
            [name, *(_of_class(clinical[key], place, name) for key in measured)] for place, name in enumerate(names)
        ]
        tables.append(Table("Every class against the others", ["class", *measured], rows))
    pictures = []
    if "confusion" in clinical:
        matrix = clinical["confusion"]
        pictures.append(_confusion(matrix, names))
        rows = [[name, *map(number, row)] for name, row in zip(names, matrix, strict=True)]
        tables.append(Table("Confusion matrix: true class (row), answer (column)", ["true class", *names], rows))
    rest = {key.replace("_", " ").capitalize(): value for key, value in clinical.items() if key not in SHOWN}
    tables += [flat_table(key, value if isinstance(value, Mapping) else {key: value}) for key, value in rest.items()]
    return Section("Class by class", pictures=pictures, tables=tables)


def _of_class(values: Any, place: int, name: str) -> str:
    if isinstance(values, Mapping):
        return spread(values[name]) if name in values else NOTHING
    return spread(values[place]) if place < len(values) else NOTHING


def _confusion(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> Picture:
    shares = [[value / sum(row) if sum(row) else None for value in row] for row in matrix]
    right = [f"{name} {number(row[place])}" for place, (name, row) in enumerate(zip(names, shares, strict=True))]
    alt = f"Confusion matrix. Share answered correctly: {'; '.join(right)}. All numbers are in the table below."
    return heat_map(shares, names, names, alt, "Share of every true class (row) that was given each answer (column).")
