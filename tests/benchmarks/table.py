"""The table of a comparison: time, memory, experts and students per hour, and ratios to the official program."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from monai_distill.networks.cuda_graphs import CUDA_GRAPHS
from tests.benchmarks.comparison import Row, measure, ratios
from tests.benchmarks.subject import arguments

# ratios to the official program that are to be kept
LIMITS = {"time, chosen chunk": 1.0, "memory, chosen chunk": 0.5, "time, chunk 1": 1.15, "time per image": 1.0}


def distillation_rows(settings: dict[str, Any]) -> list[Row]:
    """The chosen chunk, one step at a time, other requested rows, and the official program where it is given.

    A row of several segments in one call tells the time of one of them.
    """
    several, kind = settings["segments"], "distillation"
    plain = {**settings, "compiled": False, "segments": 1, "autocast": None}
    rows = [Row("chosen chunk", kind, plain), Row("chunk 1", kind, {**plain, "chunk": 1})]
    if settings["autocast"]:
        rows.append(Row(settings["autocast"], kind, {**plain, "autocast": settings["autocast"]}))
    if settings["device"].startswith("cuda"):
        recorded = {**plain, "chunk": None, "compiled": CUDA_GRAPHS}
        rows.append(Row("recorded", kind, recorded))
        if settings["autocast"]:
            rows.append(Row(f"recorded, {settings['autocast']}", kind, {**recorded, "autocast": settings["autocast"]}))
    if settings["compiled"]:
        ways = {
            "compiled": settings["compiled"],
            "compiled with CUDA graphs": "reduce-overhead",
        }  # on a CPU the second is the first
        names = list(ways)[: 1 if settings["device"] == "cpu" else 2]
        rows += [Row(name, kind, {**plain, "chunk": None, "compiled": ways[name]}) for name in names]
    if several > 1:
        rows += [
            Row(f"{row.name}, {several} segments", kind, {**row.settings, "segments": several}, several)
            for row in rows
            if row.name != "chunk 1"
        ]
    if settings["reference"]:
        rows.append(Row("official", "official distillation", settings))
    return rows


def training_rows(kind: str, settings: dict[str, Any]) -> list[Row]:
    """Experts or students, ours and official; the unit is one network's pass over the images, or its SGD step."""
    steps = settings["training_steps"] if kind == "students" else 1
    units, plain = steps * settings[f"{kind}_at_once"], {**settings, "compiled": False, "segments": 1}
    rows = [Row("ours", kind, plain, units)]
    if settings["device"].startswith("cuda"):
        rows.append(Row("recorded", kind, {**plain, "together": "no", "compiled": CUDA_GRAPHS}, units))
    if settings["compiled"]:
        rows.append(Row("one after another", kind, {**plain, "together": "no"}, units))
    if kind == "experts" and settings["compiled"]:
        rows.append(Row("compiled", kind, {**plain, "together": "no", "compiled": settings["compiled"]}, units))
    if settings["reference"]:
        rows.append(Row("official", f"official {kind}", settings, units=steps))
    return rows


def distillation_table(rows: list[Row]) -> str:
    """One line per row."""
    lines = ["| outer iteration | s | CPU s | peak MiB | held at once |", "|---|---|---|---|---|"]
    for row in rows:
        chosen = row.report["chosen"]
        held = f"{chosen['chunk']} steps, {chosen['images_at_once']} images" if chosen else "all steps"
        lines.append(f"| {row.name} | {row.median:.3f} | {row.cpu_median:.3f} | {row.report['mib']:.0f} | {held} |")
    return "\n".join(lines)


def training_table(kind: str, rows: list[Row], settings: dict[str, Any]) -> str:
    """Images per second, and networks per hour at the protocol's length."""
    per_unit = settings["real_images"] if kind == "experts" else settings["ipc"] * settings["classes"]
    per_unit = per_unit or settings["images"]
    length = 50 * 50_000 / per_unit if kind == "experts" else 1000
    workload = "50 epochs of 50 000 images" if kind == "experts" else "1000 steps"
    lines = [f"| {kind} | images/s | images/CPU s | per hour ({workload}) | peak MiB |", "|---|---|---|---|---|"]
    for row in rows:
        hour = 3600 / (row.median * length)
        speeds = f"{per_unit / row.median:.0f} | {per_unit / row.cpu_median:.0f}"
        lines.append(f"| {row.name} | {speeds} | {hour:.2f} | {row.report['mib']:.0f} |")
    return "\n".join(lines)


def ratio_lines(rows: list[Row]) -> list[tuple[str, float, float, float]]:
    """(name, wall, CPU, memory) of every row over the official one, which is the last."""
    official = rows[-1]
    return [(row.name, *ratios(row, official)) for row in rows[:-1]] if official.kind.startswith("official") else []


def verdict(name: str, value: float) -> str:
    """The figure next to its target."""
    limit = LIMITS.get(name)
    if limit is None:
        return f"{name}: {value:.2f}"
    return f"{name}: {value:.2f} (target {limit}: {'ok' if value <= limit else 'missed'})"


def main(words: list[str]) -> int:
    """Measure and print; 1 when a target that applies is missed."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()], conflict_handler="resolve")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=["distillation", "experts", "students"])
    parser.add_argument("--json", default=None, help="where to write all figures")
    options = vars(parser.parse_args(words))
    repeats, parts, file = (options.pop(name) for name in ("repeats", "parts", "json"))
    lines, workload = ["Ratios to the official program, medians of paired repeats:"], {}
    for part in parts:
        rows = distillation_rows(options) if part == "distillation" else training_rows(part, options)
        measure(rows, repeats)
        print(distillation_table(rows) if part == "distillation" else training_table(part, rows, options), flush=True)
        workload[part] = [vars(row) for row in rows]
        for name, wall, cpu, memory in ratio_lines(rows):
            time_name = f"time, {name}" if part == "distillation" else "time per image"
            figures = [verdict(time_name, wall), f"CPU time {cpu:.2f}", verdict(f"memory, {name}", memory)]
            lines.append(f"{part}, {name}: " + "; ".join(figures))
    if len(lines) > 1:
        print("\n".join(lines))
    if file:
        Path(file).write_text(json.dumps(workload, indent=1))
    return int(any("missed" in line for line in lines))
