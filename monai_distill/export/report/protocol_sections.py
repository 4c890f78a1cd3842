"""The sections of the protocols: each brings its title, sentences, charts and tables."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

from monai_distill.metrics.score_record import Chart, RunScores

from .charts import heat_map, line_chart
from .page_elements import Picture, Section

__all__ = ["protocol_sections"]


def protocol_sections(scores: RunScores) -> Iterator[Section]:
    """A section for every protocol that ``scores.json`` holds and that has something to show.

    Example:
        >>> result = {"title": "Sizes", "paragraphs": ["All equal."]}
        >>> [section.title for section in protocol_sections({"protocols": {"size": result, "silent": {}}})]
        ['Sizes']
    """
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
