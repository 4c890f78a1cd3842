"""Write the report of a run: one HTML file that opens anywhere without a network."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from monai_distill.export.figures import MOST_PER_CLASS, stretched
from monai_distill.metrics.group_scores import group_gap
from monai_distill.metrics.score_record import Cell, Chart, GroupScores, Metric, RunScores, Table
from monai_distill.metrics.score_tables import METRIC_TITLES, row_title
from monai_distill.runtime.atomic_file import atomic_write

from .audit_section import privacy_section
from .cautions import cautions
from .charts import heat_map, line_chart
from .clinical_section import clinical_section
from .page_elements import Picture, Section, image_picture, number, spread
from .privacy_stamp import PrivacyStamp
from .records import RunRecords
from .run_sections import how_section, score_section, source_section, versions_section
from .usage_statement import UsageStatement

__all__ = ["save_report"]

FROM_REAL = (
    "They started from real training images and were changed step by step. They can still show those images. Keep this "
    "page where the real images may be seen."
)
FROM_NOISE = "They are computed, not photographed. No real image is on this page."
TEMPLATE = "report.html.jinja"
METRICS: tuple[Metric, ...] = ("balanced_accuracy", "accuracy")
GROUPS = (
    "Every row holds the test images with one value of a column. A group with few images has an uncertain score. The "
    "last row is the largest difference between two groups: compare that of the distilled images with that of all "
    "training images."
)


class ClassPictures(NamedTuple):
    """A class with its first ten synthetic images."""

    name: str
    pictures: Sequence[Picture]
    in_set: int


def save_report(folder: str | Path) -> Path:
    """Write ``report.html`` of a finished run from the files of its folder alone.

    The report has the synthetic images (and no real image), the scores with their controls, the privacy tier, possible
    and impossible uses, warnings, settings, versions and seeds. The same files give the same bytes.

    Args:
        folder: with ``synthetic.safetensors``, ``manifest.json`` and ``scores.json``; ``history.json``,
            ``audit.json`` and ``ledger.json`` are read if they exist.

    Returns:
        The file.

    Raises:
        RuntimeError: if the set or its scores are missing, or a file is damaged or cannot be written.

    Example:
        >>> import json, tempfile, torch
        >>> from monai_distill.data import SyntheticDataset
        >>> folder = Path(tempfile.mkdtemp())
        >>> summary = {"mean": 0.9, "std": 0.1, "interval95": [0.8, 1.0], "values": [0.9]}
        >>> _ = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]).save(folder)
        >>> scores = {"distilled": {"accuracy": summary, "balanced_accuracy": summary}, "prior": {"accuracy": 0.5}}
        >>> _ = (folder / "scores.json").write_text(json.dumps(scores))
        >>> save_report(folder).name
        'report.html'
    """
    folder = Path(folder)
    # autoescape: class names and paths come from the user's disk
    environment = Environment(
        loader=PackageLoader("monai_distill.export.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = spread
    page = environment.get_template(TEMPLATE).render(_content(RunRecords.read(folder)))
    file = folder / "report.html"
    atomic_write(file, page.encode())
    return file


def _content(records: RunRecords) -> dict[str, Any]:
    stamp = PrivacyStamp.of(records)
    manifest, clinical = records.manifest, records.scores.get("clinical")
    sections = [score_section(records)]
    if records.scores.get("groups"):
        sections.append(_group_section(records.scores["groups"]))
    if clinical:
        sections.append(clinical_section(clinical, records.synthetic.class_names))
    sections += _protocol_sections(records.scores)
    sections += [how_section(records), source_section(records, stamp), versions_section(records)]
    warnings = cautions(records, stamp.tier)
    return {
        "name": str(records.source.get("name", manifest.get("dataset", "a data set"))),
        "method": str(manifest.get("method", "unknown method")),
        "images_per_class": records.images_per_class,
        "stamp": stamp,
        "usage": UsageStatement.of(records, stamp.tier),
        "privacy": privacy_section(records, stamp),
        "cautions": [stamp.refused, *warnings] if stamp.refused else warnings,
        "start": FROM_REAL if records.started_real else FROM_NOISE,
        "classes": _class_pictures(records),
        "sections": sections,
    }


def _group_section(groups: Mapping[str, GroupScores]) -> Section:
    """A table per column and metric: groups in rows, training sets in columns, and the gap between groups."""
    tables = [_group_table(column, scores, metric) for column, scores in groups.items() for metric in METRICS]
    return Section("Group by group", [GROUPS], tables=tables)


def _group_table(column: str, scores: GroupScores, metric: Metric) -> Table:
    first = next(iter(scores.values()))
    rows: list[list[Cell]] = [
        [f"{value} ({number(row.get('images'))})", *(values[value].get(metric) for values in scores.values())]
        for value, row in first.items()
    ]
    rows.append(["largest difference", *(group_gap(values, metric) for values in scores.values())])
    header = [str(column), *(row_title(name) for name in scores)]
    return {"title": f"{METRIC_TITLES[metric]} by {column} (number of test images)", "header": header, "rows": rows}


def _protocol_sections(scores: RunScores) -> Iterator[Section]:
    """A section for every protocol that ``scores.json`` holds and that has something to show."""
    for name, result in scores.get("protocols", {}).items():
        paragraphs, tables = result.get("paragraphs", []), result.get("tables", [])
        pictures = [_drawn(chart) for chart in result.get("charts", [])]
        if paragraphs or tables or pictures:
            yield Section(result.get("title", name.replace("_", " ")), paragraphs, pictures, tables)


def _drawn(chart: Chart) -> Picture:
    caption = chart.get("caption", "")
    if chart["kind"] == "heat_map":
        return heat_map(chart["values"], chart["rows"], chart["columns"], chart["alt"], caption)
    lines = dict(zip(chart["rows"], chart["values"], strict=True))
    return line_chart(lines, chart["label"], chart["alt"], caption)


def _class_pictures(records: RunRecords) -> list[ClassPictures]:
    """Every class of the set. There are no pictures if the set is still the real images that it started from."""
    synthetic = records.synthetic
    pixels, labels = synthetic.pixels().cpu(), synthetic.labels.cpu()
    still_real = records.started_real and records.history.get("iterations") == []
    classes = []
    for label, name in enumerate(synthetic.class_names):
        indices = torch.nonzero(labels == label).flatten().tolist()
        pictures = [
            image_picture(stretched(pixels[index]), f"Synthetic image {i} of class {name}")
            for i, index in enumerate(indices[:MOST_PER_CLASS], 1)
        ]
        classes.append(ClassPictures(str(name), [] if still_real else pictures, len(indices)))
    return classes
