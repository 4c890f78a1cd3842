"""Tables and sentences of an architecture search."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_distill.metrics.score_record import Cell, ProtocolResult, Table
from monai_distill.metrics.score_tables import percent, row_title

__all__ = ["search_result"]

EXPLANATION = (
    "How well the order of architectures trained on the set agrees with their order on all training images (Spearman: "
    "1 the same order, 0 no relation), next to the same with random real images."
)


def search_result(figures: dict[str, Any]) -> ProtocolResult:
    """The figures of an architecture search with the tables, the comparison and the sentences for readers.

    Args:
        figures: agreement, seconds and pick by set; ``ranking``, ``ranked_by``, ``architectures``, ``time_saved``.
    """
    ranks = [figures[kind]["spearman"] for kind in ("distilled", "random")]
    text = "Ranking architectures before a large training: rank correlation {:.2f}, random real images {:.2f}."
    return {
        "title": "Ranking architectures",
        "figures": figures,
        "paragraphs": [
            EXPLANATION,
            f"{figures['architectures']} architectures, ranked by {figures['ranked_by'].replace('_', ' ')}.",
            f"Time saved against ranking on all training images: {percent(figures['time_saved'])}.",
        ],
        "tables": [_agreement(figures), _ranking(figures["ranking"])],
        "comparisons": [
            {
                "title": "architectures ranked by",
                "distilled": _figures_of(figures["distilled"]),
                "random": _figures_of(figures["random"]),
                "heat_map": False,
            }
        ],
        "uses": [] if None in ranks else [{"text": text.format(*ranks), "better": ranks[0] > ranks[1]}],
    }


def _figures_of(row: Mapping[str, Any]) -> dict[str, Cell]:
    seconds = f"{row['seconds']:.0f}"
    return {"Spearman, all": row.get("spearman"), "Spearman, top": row.get("spearman_top"), "seconds": seconds}


def _agreement(figures: Mapping[str, Any]) -> Table:
    top = figures["distilled"]["top_size"]
    lines: list[list[Cell]] = []
    for kind in ("distilled", "random", "full"):
        row = figures[kind]
        tested = row["pick_on_full_data"]["test"].get("accuracy")
        cells = _figures_of(row) if kind != "full" else {**_figures_of(row), "Spearman, all": "1", "Spearman, top": "1"}
        lines.append([row_title(kind), *cells.values(), tested, row["pick"]])
    return {
        "title": "Agreement of the rankings; the pick is trained on all training images and tested",
        "header": [
            "ranked by",
            f"Spearman, all {figures['architectures']}",
            f"Spearman, top {top}",
            "seconds",
            "test accuracy of its pick",
            "its pick",
        ],
        "rows": lines,
    }


def _ranking(ranking: Mapping[str, Mapping[str, float | None]]) -> Table:
    kinds = list(next(iter(ranking.values())))
    return {
        "title": "Balanced accuracy of every architecture on validation",
        "header": ["architecture", *map(row_title, kinds)],
        "rows": [[name, *(row[kind] for kind in kinds)] for name, row in ranking.items()],
    }
