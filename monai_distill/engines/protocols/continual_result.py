"""Summaries, table, chart and sentences of class-incremental learning."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from monai_distill.metrics.score_logits import summary
from monai_distill.metrics.score_record import Cell, Metric, ProtocolResult, ScoreRow
from monai_distill.metrics.score_tables import METRIC_TITLES, apart, percent, row_title

__all__ = ["MEMORIES", "continual_result", "summarized_steps"]

MEMORIES = ("distilled", "random")
AVERAGED: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")
EXPLANATION = (
    "Accuracy on all classes seen so far, with the synthetic images as the only memory, next to a memory of as many "
    "random real images."
)


def summarized_steps(
    values: Mapping[tuple[str, int], Sequence[Mapping[str, list[float]]]], ends: Sequence[int], sizes: Sequence[float]
) -> dict[str, Any]:
    """Summaries by step (``steps``) and their mean over the steps (``average``).

    Args:
        values: metric -> one value per student, by memory and number of classes seen; one entry per class order.
        ends: the number of classes seen after every step.
        sizes: images in memory after every step.
    """
    steps: list[dict[str, Any]] = []
    for end, size in zip(ends, sizes, strict=True):
        steps.append({"classes_seen": end, "memory_images": size})
        for kind in MEMORIES:
            rows = values[kind, end]
            steps[-1][kind] = {name: summary([v for row in rows for v in row[name]]) for name in rows[0]}
    average = {
        kind: {name: float(np.mean([step[kind][name]["mean"] for step in steps])) for name in AVERAGED}
        for kind in MEMORIES
    }
    return {"steps": steps, "average": average}


def continual_result(figures: dict[str, Any]) -> ProtocolResult:
    """The figures of class-incremental learning with the table, the chart and the sentences for readers.

    Args:
        figures: ``steps`` and ``average`` of :func:`summarized_steps`, and the settings.
    """
    steps, average = figures["steps"], figures["average"]
    curves = {kind: [step[kind]["accuracy"]["mean"] for step in steps] for kind in MEMORIES}
    ends = "; ".join(f"{kind} from {percent(line[0])} to {percent(line[-1])}" for kind, line in curves.items())
    lines: list[list[Cell]] = [
        [str(step["classes_seen"]), f"{step['memory_images']:g}", *(step[kind]["accuracy"] for kind in MEMORIES)]
        for step in steps
    ]
    lines.append(["mean of the steps", "", *(average[kind]["accuracy"] for kind in MEMORIES)])
    last = [cast("ScoreRow", steps[-1][kind])["accuracy"] for kind in MEMORIES]
    memory = "Remembering old classes while new ones are learned: {} as a memory, as many random real images {}."
    cells = {kind: {METRIC_TITLES[name]: average[kind][name] for name in AVERAGED} for kind in MEMORIES}
    return {
        "title": "Learning class after class",
        "figures": figures,
        "paragraphs": [EXPLANATION],
        "tables": [
            {
                "title": "Accuracy on the classes seen",
                "header": ["classes seen", "images in memory", *(f"memory of {row_title(kind)}" for kind in MEMORIES)],
                "rows": lines,
            }
        ],
        "charts": [
            {
                "kind": "lines",
                "rows": list(curves),
                "values": list(curves.values()),
                "label": "accuracy on the classes seen",
                "alt": f"Accuracy over the steps: {ends}.",
                "caption": "After every step.",
            }
        ],
        "comparisons": [
            {"title": "memory of a class-incremental learner, mean step", **cells, "heat_map": False}  # type: ignore[typeddict-item]
        ],
        "uses": [{"text": memory.format(*(percent(end["mean"]) for end in last)), "better": apart(*last) == 1}],
    }
