"""What further protocols measured: other architectures, robust scores, architecture search, continual learning."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monai_distill.export.score_table import NAMES

from .charts import heat_map, step_chart
from .picture import Picture
from .section import Section
from .table import Table, flat_table, number, spread

__all__ = ["protocol_sections"]

Scores = Mapping[str, Any]
ROBUST = (
    "After the idea of DD-Ranking, as fractions. hlr: full minus distilled, both with hard labels (lower is better). "
    "ior: distilled minus random, each by its own protocol (higher is better). lrs and ars: 0 to 1, higher is better."
)
RANKING = (
    "How well the order of architectures trained on the set agrees with their order on all training images (Spearman: "
    "1 the same order, 0 no relation), beside the same with random real images."
)
CONTINUAL = (
    "Accuracy on all classes seen so far, with the synthetic images as the only memory, beside a memory of as many "
    "random real images."
)
WRITTEN = "mean ± standard deviation, below it the 95% interval of the mean"
DRAWN = ("accuracy", "balanced_accuracy")
OTHERS = {
    "robust": ("Robust scores", ROBUST),
    "nas": ("Ranking architectures", RANKING),
    "continual": ("Learning class after class", CONTINUAL),
}


def protocol_sections(scores: Scores) -> Iterator[Section]:
    """A section for every protocol that ``scores.json`` holds.

    Example:
        >>> [section.title for section in protocol_sections({"robust": {"hlr": 0.1}})]
        ['Robust scores']
    """
    if scores.get("cross_architecture"):
        yield _across(scores["cross_architecture"], scores.get("cross_architecture_random", {}))
    for key, (title, words) in OTHERS.items():
        if scores.get(key):
            lines = _lines(scores[key]) if key == "continual" else {}
            chart = [_steps(lines)] if lines else []
            yield Section(title, [words], chart, [flat_table(title, scores[key])])


def _across(own: Scores, random: Scores) -> Section:
    kinds = {"distilled images": own, "random real images, as many": random} if random else {"distilled images": own}
    tables = [_table_across(rows, f"Trained on {kind}: {WRITTEN}") for kind, rows in kinds.items()]
    columns = [(key, rows) for key in DRAWN for rows in kinds.values()]
    values = [[_mean(rows, key, name) for key, rows in columns] for name in own]
    head = [f"{NAMES[key]},\n{kind.partition(' ')[0]}" for key in DRAWN for kind in kinds]
    words = "; ".join(f"{name} {number(_mean(own, 'balanced_accuracy', name))}" for name in own)
    alt = f"Scores of every architecture. Balanced accuracy on the distilled set: {words}. All numbers: tables below."
    caption = "Mean score of every architecture (row) by what it was trained on (column)."
    return Section("Other architectures", pictures=[heat_map(values, list(own), head, alt, caption)], tables=tables)


def _table_across(rows: Scores, caption: str) -> Table:
    metrics = {key: name for key, name in NAMES.items() if any(key in row for row in rows.values())}
    cells = [[name, *(spread(row.get(key)) for key in metrics)] for name, row in rows.items()]
    return Table(caption, ["architecture", *metrics.values()], cells)


def _mean(rows: Scores, key: str, name: str) -> float | None:
    mean: float | None = rows.get(name, {}).get(key, {}).get("mean")
    return mean


def _lines(content: Any) -> dict[str, list[float]]:
    """The accuracies over the steps, by what was the memory: every list of fractions or of summaries of fractions."""
    found: dict[str, list[float]] = {}
    for name, steps in content.items() if isinstance(content, Mapping) else ():
        if isinstance(steps, list) and len(steps) > 1:
            means = [step.get("mean") if isinstance(step, Mapping) else step for step in steps]
            fractions = [mean for mean in means if isinstance(mean, float) and 0 <= mean <= 1]
            if len(fractions) == len(means):
                found[name.replace("_", " ")] = fractions
    return found


def _steps(lines: Mapping[str, Sequence[float]]) -> Picture:
    ends = "; ".join(f"{name} from {number(values[0])} to {number(values[-1])}" for name, values in lines.items())
    return step_chart(
        lines, "accuracy on the classes seen", f"Accuracy over the steps: {ends}.", "Accuracy after every step."
    )
