"""Scores class by class, for clinical readers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Sequence

from monai_distill.export.fonts import drawable_names
from monai_distill.metrics.score_record import Cell, ClinicalScores, Table
from monai_distill.metrics.score_tables import metric_table, row_title

from .charts import heat_map
from .page_elements import Picture, Section, flat_table, number

__all__ = ["clinical_section"]


def clinical_section(clinical: ClinicalScores, class_names: Sequence[str]) -> Section:
    """Sensitivity and specificity of every class, the confusion matrix, calibration, subgroups.

    Args:
        clinical: from ``scores.json``; lists are in class order, ``controls`` holds those of controls.
        class_names: in label order, for scores without ``classes``.

    Example:
        >>> value = {"mean": 0.9, "std": None, "interval95": None, "values": [0.9]}
        >>> section = clinical_section({"sensitivity": [value, value], "confusion": [[9, 1], [2, 8]]}, ["no", "yes"])
        >>> section.tables[1]["rows"][1], len(section.pictures)
        (['yes', '2', '8'], 1)
    """
    names = [str(name) for name in clinical.get("classes", class_names)]
    tables, pictures = [_per_class(clinical, names, "distilled")], []
    tables += [_per_class(scores, names, kind) for kind, scores in clinical.get("controls", {}).items()]
    if "confusion" in clinical:
        matrix = clinical["confusion"]
        pictures.append(_confusion(matrix, names))
        rows = [[name, *(f"{round(value, 1):g}" for value in row)] for name, row in zip(names, matrix, strict=True)]
        title = "Confusion matrix: true class (row), predicted class (column); mean over networks"
        tables.insert(1, {"title": title, "header": ["true class", *names], "rows": rows})
    if "calibration" in clinical:
        tables.append(flat_table("Calibration errors", clinical["calibration"]))
    if "auroc_bootstrap" in clinical:
        tables.append(flat_table("Macro AUROC, resampled", clinical["auroc_bootstrap"]))
    tables += _subgroups(clinical)
    paragraphs = ["Each class against all others. The predicted class is the most probable one."]
    return Section("Class by class", paragraphs, pictures, [table for table in tables if len(table["header"]) > 1])


def _per_class(scores: ClinicalScores, names: Sequence[str], kind: str) -> Table:
    columns: dict[str, Sequence[Cell]] = {}
    if "images" in scores:
        columns["test images"] = scores["images"]
    if "sensitivity" in scores:
        columns["sensitivity"] = scores["sensitivity"]
    if "specificity" in scores:
        columns["specificity"] = scores["specificity"]
    if "auroc" in scores:
        columns["AUROC"] = scores["auroc"]
    rows = [
        [name, *(values[place] if place < len(values) else None for values in columns.values())]
        for place, name in enumerate(names)
    ]
    return {"title": f"Every class, trained on {row_title(kind)}", "header": ["class", *columns], "rows": rows}


def _subgroups(clinical: ClinicalScores) -> Iterator[Table]:
    for column, groups in clinical.get("subgroups", {}).items():
        rows = {f"{name} ({number(group.get('images'))})": group for name, group in groups.items()}
        yield metric_table(rows, f"By {column} (number of test images)", str(column))


def _confusion(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> Picture:
    shares = [[value / sum(row) if sum(row) else None for value in row] for row in matrix]
    correct = [f"{name} {number(row[place])}" for place, (name, row) in enumerate(zip(names, shares, strict=True))]
    alt = f"Confusion matrix. Share predicted correctly: {'; '.join(correct)}. All numbers are in the table below."
    drawn = drawable_names(names, "the confusion matrix of the report")
    return heat_map(shares, drawn, drawn, alt, "Share of every true class (row) by predicted class (column).")
