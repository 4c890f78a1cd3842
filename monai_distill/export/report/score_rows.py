"""The rows of a score table, and whether one stands above another."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_distill.export.tables import NAMES
from monai_distill.export.tables import ROWS as MAIN_ROWS

from .page_elements import NOTHING, Table, number, spread

__all__ = ["apart", "metric_table", "same_size_rows", "score_rows", "score_table_section"]

CONTROLS = {
    "herding": "real, chosen by herding, same size",
    "k_center": "real, chosen by k-center, same size",
    "soft_label_random": "random real with soft labels, same size",
}
Metrics = Mapping[str, Any]


def score_rows(scores: Metrics) -> dict[str, tuple[str, Metrics]]:
    """Title and metrics of every training set that was scored: distilled, controls of the same size, all images.

    Example:
        >>> list(score_rows({"distilled": {}, "full": {}, "controls": {"herding": {}}}))
        ['distilled', 'herding', 'full']
    """
    found = {name: (title, scores[name]) for name, title in MAIN_ROWS.items() if name in scores}
    full = {"full": found.pop("full")} if "full" in found else {}
    controls = {
        name: (CONTROLS.get(name, name.replace("_", " ") + ", same size"), metrics)
        for name, metrics in scores.get("controls", {}).items()
    }
    return {**found, **controls, **full}


def same_size_rows(scores: Metrics) -> dict[str, tuple[str, Metrics]]:
    """The controls that the distilled set has to stand above: those of its own size.

    Example:
        >>> list(same_size_rows({"distilled": {}, "random": {}, "full": {}}))
        ['random']
    """
    rows = score_rows(scores)
    return {name: rows[name] for name in ("random", *scores.get("controls", {})) if name in rows}


def apart(first: Metrics | None, second: Metrics | None) -> int | None:
    """1 when the first mean is above the second by more than both standard deviations together, -1 below, 0 neither.

    None when one of them is missing or has no deviation (a single network).

    Example:
        >>> apart({"mean": 0.9, "std": 0.1}, {"mean": 0.5, "std": 0.1})
        1
        >>> apart({"mean": 0.9, "std": 0.3}, {"mean": 0.5, "std": 0.1})
        0
    """
    if not first or not second or None in (first["mean"], second["mean"], first["std"], second["std"]):
        return None
    gap, both = first["mean"] - second["mean"], first["std"] + second["std"]
    return 0 if abs(gap) <= both else 1 if gap > 0 else -1


def score_table_section(scores: Metrics) -> Table:
    """Every row with every metric, the number of networks and the learning rate that it was trained with.

    Example:
        >>> score_table_section({"distilled": {"accuracy": {"mean": 0.5, "std": 0.1}}}).rows[0][:2]
        ['distilled', '0.500 ± 0.100']
    """
    rows = []
    for title, metrics in score_rows(scores).values():
        networks = {
            len(value["values"]) for value in metrics.values() if isinstance(value, Mapping) and "values" in value
        }
        cells = [spread(metrics[name]) if name in metrics else NOTHING for name in NAMES]
        rows.append([title, *cells, number(max(networks, default=None)), number(metrics.get("lr"))])
    if "prior" in scores:
        prior = [number(scores["prior"].get(name)) for name in NAMES]
        rows.append(["always the most frequent class", *prior, NOTHING, NOTHING])
    caption = "On the test images: mean ± standard deviation over networks, below it the 95% interval of the mean"
    return Table(caption, ["trained on", *NAMES.values(), "networks", "learning rate"], rows)


def metric_table(rows: Mapping[str, Metrics], caption: str, what: str) -> Table:
    """Named rows with those of the metrics that any of them has.

    Example:
        >>> metric_table({"vit": {"accuracy": {"mean": 0.5, "std": None}, "lr": 0.1}}, "t", "architecture").rows
        [['vit', '0.500']]
    """
    metrics = {key: name for key, name in NAMES.items() if any(key in row for row in rows.values())}
    cells = [[name, *(spread(row.get(key)) for key in metrics)] for name, row in rows.items()]
    return Table(caption, [what, *metrics.values()], cells)
