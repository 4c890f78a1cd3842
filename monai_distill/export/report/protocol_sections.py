"""What further protocols measured: other architectures, robust scores, architecture search, continual learning."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monai_distill.export.tables import NAMES

from .charts import heat_map, step_chart
from .page_elements import Section, Table, flat_table, number, percent, spread
from .score_rows import metric_table

__all__ = ["protocol_sections"]

Scores = Mapping[str, Any]
KINDS = {
    "distilled": "distilled images",
    "random": "random real images, as many",
    "full": "all training images",
}
ROBUST = (
    "After the idea of DD-Ranking, as fractions. hlr: full minus distilled, both with hard labels (lower is better). "
    "ior: distilled minus random, each by its own protocol (higher is better). lrs and ars: 0 to 1, higher is better."
)
BEHIND = {
    "hard": "distilled, hard labels",
    "rival": "random, labels of the same kind",
    "distilled_plain": "distilled, without augmentation",
    "rival_plain": "random, labels of the same kind, without augmentation",
}
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


def protocol_sections(scores: Scores) -> Iterator[Section]:
    """A section for every protocol that ``scores.json`` holds.

    Example:
        >>> [section.title for section in protocol_sections({"robust": {"hlr": 0.1}})]
        ['Robust scores']
    """
    if scores.get("cross_architecture"):
        yield _across(scores)
    if scores.get("robust"):
        yield _robust(scores["robust"])
    if scores.get("nas"):
        yield _search(scores["nas"])
    if scores.get("continual"):
        yield _continual(scores["continual"])


def _across(scores: Scores) -> Section:
    found = {"distilled": scores["cross_architecture"], "random": scores.get("cross_architecture_random", {})}
    kinds = {kind: rows for kind, rows in found.items() if rows}
    tables = [
        metric_table(rows, f"Trained on {KINDS[kind]}: {WRITTEN}", "architecture") for kind, rows in kinds.items()
    ]
    names = list(kinds["distilled"])
    values = [[_mean(rows.get(name, {}), key) for key in DRAWN for rows in kinds.values()] for name in names]
    head = [f"{NAMES[key]},\n{kind}" for key in DRAWN for kind in kinds]
    words = "; ".join(f"{name} {number(_mean(kinds['distilled'][name], 'balanced_accuracy'))}" for name in names)
    alt = f"Scores of every architecture. Balanced accuracy on the distilled set: {words}. All numbers: tables below."
    caption = "Mean score of every architecture (row) by what it was trained on (column)."
    skipped = scores.get("cross_architecture_protocol", {}).get("skipped")
    told = [f"Not scored: {number(list(skipped))}."] if skipped else []
    return Section("Other architectures", told, [heat_map(values, names, head, alt, caption)], tables)


def _robust(robust: Scores) -> Section:
    rows = robust.get("rows", {})
    tables = [flat_table("Robust scores", {name: value for name, value in robust.items() if name != "rows"})]
    if rows:
        named = {BEHIND.get(name, name.replace("_", " ")): row for name, row in rows.items()}
        tables.append(metric_table(named, f"The rows behind them: {WRITTEN}", "trained on"))
    return Section("Robust scores", [ROBUST], tables=tables)


def _search(nas: Scores) -> Section:
    told = [RANKING]
    if nas.get("ranked_by"):
        told.append(
            f"{number(nas.get('architectures'))} architectures, ranked by {nas['ranked_by'].replace('_', ' ')}."
        )
    if nas.get("time_saved") is not None:
        told.append(f"Time saved against ranking on all training images: {percent(nas['time_saved'])}.")
    shown = [(KINDS[kind], nas[kind]) for kind in KINDS if isinstance(nas.get(kind), Mapping)]
    top = max((row.get("top_size", 0) for _, row in shown), default=0)
    head = ["ranked on", "Spearman, all", f"Spearman, best {top}", "seconds", "accuracy of its pick", "its pick"]
    rows = []
    for title, row in shown:
        figures = [number(row.get(key)) for key in ("spearman", "spearman_top")]
        tested = row.get("pick_on_full_data", {}).get("test", {}).get("accuracy")
        rows.append([title, *figures, f"{row.get('seconds', 0):.0f}", spread(tested), number(row.get("pick"))])
    caption = "Agreement of the rankings; the pick is trained on all training images and tested"
    tables = [Table(caption, head, rows)] if rows else []
    if nas.get("ranking"):
        kinds = [kind for kind in KINDS if kind in next(iter(nas["ranking"].values()))]
        lines = [[name, *(number(row.get(kind)) for kind in kinds)] for name, row in nas["ranking"].items()]
        tables.append(Table("Score of every architecture on validation", ["architecture", *kinds], lines))
    return Section("Ranking architectures", told, tables=tables)


def _continual(continual: Scores) -> Section:
    steps = continual.get("steps", [])
    kinds = [kind for kind in ("distilled", "random") if steps and kind in steps[0]]
    lines = {kind: [_mean(step[kind], "accuracy") for step in steps] for kind in kinds}
    drawn = {kind: [v for v in values if v is not None] for kind, values in lines.items()}
    ends = "; ".join(f"{kind} from {number(line[0])} to {number(line[-1])}" for kind, line in drawn.items() if line)
    chart = step_chart(drawn, "accuracy on the classes seen", f"Accuracy over the steps: {ends}.", "After every step.")
    rows = [
        [
            number(step.get("classes_seen")),
            f"{step.get('memory_images', 0):g}",
            *(spread(step[kind].get("accuracy")) for kind in kinds),
        ]
        for step in steps
    ]
    head = ["classes seen", "images remembered", *(f"memory of {KINDS[kind]}" for kind in kinds)]
    table = Table(f"Accuracy: {WRITTEN}", head, rows)
    return Section("Learning class after class", [CONTINUAL], [chart] if ends else [], [table])


def _mean(row: Scores, key: str) -> float | None:
    mean: float | None = row.get(key, {}).get("mean")
    return mean
