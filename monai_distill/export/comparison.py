"""Several methods on one data set, side by side, as a table and a picture."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_distill.whole_file import write_whole

from .score_table import NAMES

__all__ = ["compare_methods", "save_comparison"]

CONTROLS = {"random": "random real, same size", "full": "all training images"}
COSTS = {"seconds": "time in s", "peak_memory_mib": "peak MiB"}
SAME = ("dataset", "images_per_class")
Row = tuple[str, Mapping[str, Any]]


def compare_methods(
    folder: str | Path, methods: Sequence[str], run: Callable[[str, Path], None], *, asked: Mapping[str, Any]
) -> str:
    """Run every method that has no scores yet in ``folder/METHOD``, then :func:`save_comparison`.

    A method that fails is told of in a warning, and the others are compared; calling again goes on with it.

    Args:
        folder: made when absent.
        methods: in the order of the rows.
        run: runs (or goes on with) a method, given its name and its folder.
        asked: the settings of all runs as plain JSON values; kept in ``compare.json``.

    Returns:
        The Markdown table.

    Raises:
        ValueError: when no method is given or ``folder`` holds a comparison with other settings.
        RuntimeError: when a method failed; the table of the others is written.
    """
    folder = Path(folder)
    _keep_to(folder, json.loads(json.dumps(dict(asked))))
    failed = []
    for method in methods:
        if not (folder / method / "scores.json").exists():
            try:
                run(method, folder / method)
            except (ValueError, TypeError, RuntimeError, OSError) as error:
                while error.__cause__ is not None:  # the one that says what is wrong
                    error = error.__cause__  # type: ignore[assignment]
                warnings.warn(f"{method} failed: {error}", stacklevel=2)
                failed.append(method)
    done = [method for method in methods if method not in failed]
    table = save_comparison(folder, done) if done or not failed else ""
    if failed:
        raise RuntimeError(f"{', '.join(failed)} did not finish, see the warnings.\n{table}")
    return table


def _keep_to(folder: Path, asked: dict[str, Any]) -> None:
    file = folder / "compare.json"
    found = json.loads(file.read_text()) if file.exists() else asked
    names = [name for name in sorted({*found, *asked}) if found.get(name) != asked.get(name)]
    if names:
        rows = "; ".join(f"{name}: found {found.get(name)!r}, asked for {asked.get(name)!r}" for name in names)
        raise ValueError(f"{folder} holds a comparison with other settings ({rows}). Give another output_dir.")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(asked, indent=2).encode())


def save_comparison(folder: str | Path, methods: Sequence[str]) -> str:
    """Write ``compare.md``, ``compare.csv`` and ``compare.png`` from the finished runs ``folder/METHOD``.

    Below the methods stand the controls, once: the random subset, all training images and the most frequent class, as
    the first run that has them scored them (its preprocessing and its candidates for the step size). The time is that
    of the whole run, experts and scores included; experts that several runs share count in full in each.

    Args:
        folder: holds one run folder per method, and receives the files.
        methods: the runs in the order of the rows.

    Returns:
        The Markdown table.

    Raises:
        ValueError: when no method is given, or the runs are of different data sets or numbers of images per class.
        RuntimeError: when a run has no scores.

    Example:
        >>> import tempfile
        >>> folder, value = Path(tempfile.mkdtemp()), {name: {"mean": 0.5, "std": 0.1} for name in NAMES}
        >>> scores = {"dataset": "digits", "images_per_class": 1, "distilled": value, "prior": {"accuracy": 0.1}}
        >>> (folder / "mtt").mkdir()
        >>> _ = (folder / "mtt" / "scores.json").write_text(json.dumps(scores))
        >>> save_comparison(folder, ["mtt"]).splitlines()[-1].split("|")[2].strip()
        '0.100'
    """
    folder = Path(folder)
    runs = {method: _scores(folder / method) for method in methods}
    if not runs:
        raise ValueError("Expected at least one method with a run, got none (random is a row beside others).")
    first = next(iter(runs.values()))
    for method, scores in runs.items():
        found, expected = ([s.get(key) for key in SAME] for s in (scores, first))
        if found != expected:
            raise ValueError(
                f"Expected runs of the same {' and '.join(SAME)}, {folder / method} has {found}, another {expected}. "
                "Give another output_dir."
            )
    rows: list[Row] = [(method, {**scores["distilled"], **_cost(scores)}) for method, scores in runs.items()]
    for control, title in CONTROLS.items():
        rows += [(title, scores[control]) for scores in runs.values() if control in scores][:1]
    rows.append(("most frequent class", {"accuracy": {"mean": first["prior"]["accuracy"], "std": None}}))
    text = _markdown(rows)
    write_whole(folder / "compare.md", (text + "\n").encode())
    write_whole(folder / "compare.csv", _csv(rows).encode())
    _draw(rows, f"{first['dataset']}, {first['images_per_class']} per class", folder / "compare.png")
    return text


def _scores(run: Path) -> dict[str, Any]:
    file = run / "scores.json"
    if not file.is_file():
        raise RuntimeError(f"Cannot find {file}: that run is not finished. Run or resume it first.")
    scores: dict[str, Any] = json.loads(file.read_text())
    return scores


def _cost(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Wall seconds and peak memory as further columns; none for a run of before these were counted."""
    if "cost" not in scores:
        return {}
    seconds, memory = sum(scores["cost"]["seconds"].values()), scores["cost"]["peak_memory_mib"]
    return {"seconds": {"mean": seconds, "std": None}, "peak_memory_mib": {"mean": memory, "std": None}}


def _cell(value: Mapping[str, Any] | None) -> str:
    if value is None or value["mean"] is None:
        return ""
    return f"{value['mean']:.3f}" + ("" if value["std"] is None else f" ± {value['std']:.3f}")


def _markdown(rows: Sequence[Row]) -> str:
    lines = [["trained on", *NAMES.values(), *COSTS.values()]]
    for title, values in rows:
        costs = (f"{values[name]['mean']:.0f}" if name in values else "" for name in COSTS)
        lines.append([title, *(_cell(values.get(name)) for name in NAMES), *costs])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def _csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["trained on", "metric", "mean", "std", "values"])
    for title, values in rows:
        for name in (*NAMES, *COSTS):
            if name in values:
                value = values[name]
                single = " ".join(str(v) for v in value.get("values", []))
                writer.writerow([title, name, value["mean"], value["std"], single])
    return buffer.getvalue()


def _draw(rows: Sequence[Row], title: str, file: Path) -> None:
    """One panel per metric that every run has, one bar per row, the standard deviation as its error bar."""
    panels = [("accuracy", "accuracy"), ("balanced_accuracy", "balanced accuracy")]
    figure = Figure(figsize=(5 * len(panels), 1.2 + 0.32 * len(rows)), layout="constrained", dpi=110)
    figure.suptitle(title)
    for axis, (name, label) in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        known = [(row, values[name]) for row, (_, values) in enumerate(rows) if values.get(name)]
        methods = len(rows) - 1 - sum(row_title in CONTROLS.values() for row_title, _ in rows)
        axis.barh(
            [row for row, _ in known],
            [value["mean"] or 0.0 for _, value in known],
            xerr=[value["std"] or 0.0 for _, value in known],
            color=["tab:blue" if row < methods else "lightgray" for row, _ in known],
            capsize=2,
        )
        axis.set(title=label, xlim=(0, 1), yticks=range(len(rows)), yticklabels=[row_title for row_title, _ in rows])
        axis.grid(axis="x", alpha=0.3)
    figure.axes[0].invert_yaxis()
    FigureCanvasAgg(figure).print_png(str(file))
