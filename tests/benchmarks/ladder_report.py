"""The results of the ladder, next to the log of the official program."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monai_distill.runtime.atomic_file import atomic_write

# an independent rerun of the official program, CIFAR-10, 10 images per class, percent
OFFICIAL_CURVE = {0: 33.5, 500: 59.6, 1000: 63.1, 2000: 63.1, 5000: 65.0, 10000: 65.7}
OFFICIAL_EXPERTS = {1: 45.4, 5: 63.8, 10: 69.5}
FIRST_LOSS = (1.1, 1.4)
POINTS = 3.0  # the JPEG copy costs a little
DECIDING = ("width", "depth", "zca", "max_start_epoch", "expert_epochs", "student_steps", "images_per_class")


def rungs(result: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """Name, measured, official, whether it stands, of every rung that this ladder has."""
    rows = []
    points = {point["iteration"]: 100 * statistics.fmean(point["accuracy"]) for point in result["curve"]}
    found = {f"iteration {k}": (points[k], OFFICIAL_CURVE[k]) for k in sorted(points) if k in OFFICIAL_CURVE}
    if 0 in points:
        rows.append(_near("iteration 0 (random real images)", *found.pop("iteration 0")))
    for epoch, values in sorted((int(k), v) for k, v in result["experts"].items()):
        rows.append(_near(f"experts after {epoch} epochs", 100 * statistics.fmean(values), OFFICIAL_EXPERTS[epoch]))
    if losses := result["losses"]:
        first = statistics.fmean(losses[:5])
        low, high = FIRST_LOSS
        rows.append(("loss, first 5 iterations", f"{first:.2f}", f"{low} to {high}", low <= first <= high))
        after = next((i + 1 for i in range(len(losses)) if statistics.fmean(losses[max(0, i - 9) : i + 1]) < 1), None)
        rows.append(
            ("loss below 1 (mean of 10)", f"iteration {after}", "within 100", after is not None and after <= 100)
        )
    return rows + [_near(name, *pair) for name, pair in found.items()]


def _near(name: str, value: float, official: float) -> tuple[str, str, str, bool]:
    return name, f"{value:.1f} %", f"{official} %", abs(value - official) <= POINTS or value > official


def write_report(result: dict[str, Any], out: Path) -> tuple[str, bool]:
    """Write ``ladder.md`` and ``ladder.png``; returns the table and whether a rung that counts was missed.

    Rungs count when data and settings are the official log's; the number of experts (100 there) may differ.
    """
    from tests.benchmarks.ladder import Settings

    settings, official = result["settings"], vars(Settings())
    judged = result["data"].endswith(".zip") and all(settings[name] == official[name] for name in DECIDING)
    rows = rungs(result)
    lines = ["| rung | here | official log | |", "|---|---|---|---|"]
    lines += [
        f"| {n} | {h} | {o if judged else '-'} | {('ok' if ok else 'missed') if judged else ''} |"
        for n, h, o, ok in rows
    ]
    others = [p for p in result["curve"] if p["iteration"] not in OFFICIAL_CURVE]
    lines += [f"| iteration {p['iteration']} | {100 * statistics.fmean(p['accuracy']):.1f} % | | |" for p in others]
    times = ", ".join(f"{name} {value:.0f} s" for name, value in result["seconds_of_this_call"].items())
    why = "" if judged else " Other data or settings than the official log's: nothing is judged."
    lines += ["", f"{result['data']}, {result['device']}, {settings['experts']} experts (the log: 100); {times}.{why}"]
    table = "\n".join(lines)
    atomic_write(out / "ladder.md", (table + "\n").encode())
    _draw(result, judged, out / "ladder.png")
    return table, judged and not all(ok for *_, ok in rows)


def _draw(result: dict[str, Any], judged: bool, file: Path) -> None:
    figure = Figure(figsize=(9, 3.4), layout="constrained", dpi=110)
    left, right = figure.subplots(1, 2)
    curve = sorted(result["curve"], key=lambda point: point["iteration"])
    left.plot(
        [point["iteration"] for point in curve],
        [100 * statistics.fmean(point["accuracy"]) for point in curve],
        "o-",
        label="here",
    )
    if judged:
        last = max(500, *(point["iteration"] for point in curve))
        logged = {k: v for k, v in OFFICIAL_CURVE.items() if k <= last}
        left.plot(list(logged), list(logged.values()), "s--", color="gray", label="official log")
    left.set(xlabel="iteration", ylabel="test accuracy, %")
    left.legend()
    left.grid(alpha=0.3)
    right.plot(range(1, len(result["losses"]) + 1), result["losses"], linewidth=0.8)
    right.axhline(1, color="gray", linewidth=0.8)
    right.set(xlabel="iteration", ylabel="matching loss")
    right.grid(alpha=0.3)
    FigureCanvasAgg(figure).print_png(str(file))
