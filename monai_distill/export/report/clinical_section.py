"""Class by class: what a clinician asks first."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .charts import heat_map
from .page_elements import NOTHING, Picture, Section, Table, flat_table, number, spread
from .score_rows import metric_table

__all__ = ["clinical_section"]

PER_CLASS = {"images": "test images", "sensitivity": "sensitivity", "specificity": "specificity", "auroc": "AUROC"}
TRAINED = {"random": "random real images, as many", "full": "all training images"}
RESTS = {"calibration": "Calibration errors", "auroc_bootstrap": "Macro AUROC, resampled"}


def clinical_section(clinical: Mapping[str, Any], class_names: Sequence[str]) -> Section:
    """Sensitivity and specificity of every class, the confusion matrix, calibration, subgroups.

    Args:
        clinical: of ``scores.json``; per-class entries are lists in class order, ``beside`` holds the same of controls.
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
    tables, pictures = [_per_class(clinical, names, "trained on distilled images")], []
    beside = clinical.get("beside", {})
    tables += [_per_class(found, names, f"trained on {TRAINED.get(kind, kind)}") for kind, found in beside.items()]
    if "confusion" in clinical:
        matrix = clinical["confusion"]
        pictures.append(_confusion(matrix, names))
        rows = [[name, *(f"{round(value, 1):g}" for value in row)] for name, row in zip(names, matrix, strict=True)]
        caption = "Confusion matrix: true class (row), answer (column); a mean over networks"
        tables.insert(1, Table(caption, ["true class", *names], rows))
    tables += [*_rest(clinical), *_subgroups(clinical)]
    words = ["Each class against all others; the answer is the most probable class."]
    return Section("Class by class", words, pictures, [table for table in tables if len(table.head) > 1])


def _per_class(found: Mapping[str, Any], names: Sequence[str], trained: str) -> Table:
    measured = {key: title for key, title in PER_CLASS.items() if key in found}
    rows = [
        [name, *(spread(found[key][place]) if place < len(found[key]) else NOTHING for key in measured)]
        for place, name in enumerate(names)
    ]
    return Table(f"Every class, {trained}", ["class", *measured.values()], rows)


def _rest(clinical: Mapping[str, Any]) -> Iterator[Table]:
    for key, title in RESTS.items():
        if isinstance(clinical.get(key), Mapping):
            yield flat_table(title, clinical[key])


def _subgroups(clinical: Mapping[str, Any]) -> Iterator[Table]:
    for column, groups in clinical.get("subgroups", {}).items():
        shown = {f"{name} ({number(group.get('images'))})": group for name, group in groups.items()}
        yield metric_table(shown, f"By {column} (number of test images)", str(column))


def _confusion(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> Picture:
    shares = [[value / sum(row) if sum(row) else None for value in row] for row in matrix]
    right = [f"{name} {number(row[place])}" for place, (name, row) in enumerate(zip(names, shares, strict=True))]
    alt = f"Confusion matrix. Share answered correctly: {'; '.join(right)}. All numbers are in the table below."
    return heat_map(shares, names, names, alt, "Share of every true class (row) that was given each answer (column).")
