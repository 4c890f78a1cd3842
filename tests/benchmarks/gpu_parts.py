"""The parts of the GPU benchmark: functions of the options and of the log of their rows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from monai_distill.networks.cuda_graphs import CUDA_GRAPHS
from tests.benchmarks import ladder as climb
from tests.benchmarks import own, subject
from tests.benchmarks.comparison import Apart, Here, Row, measure, ratios
from tests.benchmarks.gpu_rows import Rows
from tests.benchmarks.table import distillation_rows, training_rows
from tests.configs.command import command, read
from tests.other_device.runs import RUNS
from tests.runtime.processes.test_two_processes import furthest

SETTINGS = ((1, 50), (10, 30))  # images per class, student steps: the published ones of CIFAR-10
BRIEF = "dm"  # the one method of a brief try
FIRST = ("mtt", "dm", "dsa", "datm")  # a method of every family, and one that learns labels
WAYS = ("plain", "recorded", "compiled")
FASTER = {"iterations": 5.0, "experts": 8.0, "students": 1.0}  # times the official program's speed
SAME_SET = 1e-3  # largest difference of two sets, in units of the largest value
SAME_GRADIENT = {"float64": 1e-9, "bfloat16": 0.2}  # relative
COMPARED_STEPS, COMPARED_IMAGES = 5, 1  # student steps and images per class of a compared gradient
# the best method without experts, from nothing: settings of the accuracy benchmark, scored by recorded steps
SCORED_SETTINGS = ("--method", "dm", "--iterations", "1000", "--validate_every", "500", "--batch_per_class", "64")
SCORED_SETTINGS += ("--operations", "[crop,cutout,flip,scale,rotate]", "--full_students", "0", "--students", "3")
SCORED_SETTINGS += ("--validation_students", "2")
SCORED = {"dm, factor 2": (*SCORED_SETTINGS, "--factor", "2"), "dm": SCORED_SETTINGS}
TRIED = {
    "iterations": 2,
    "validate_every": 1,
    "evaluation_steps": 3,
    "validation_steps": 2,
    "full_steps": 3,
    "depth": 1,
}
TRIED |= {"students": 1, "full_students": 1, "validation_students": 1}
BLOOD, CIFAR = "bloodmnist_own_split.npz", "cifar10_jpeg.zip"
LADDER_TRIED = {"depth": 1, "iterations": 2, "evaluate_every": 1, "student_steps": 2, "evaluation_steps": 3}
LADDER_TRIED |= {"experts": 2, "max_start_epoch": 1, "training_images": 100, "students": 1, "zca": "false"}
LADDER_TRIED |= {"images_per_class": 1}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options of a subject, and those of the parts."""
    parser = argparse.ArgumentParser(description=description, parents=[subject.arguments()], conflict_handler="resolve")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shrink", type=int, default=1, help="divide student steps and real images, to try it out")
    parser.add_argument("--tiny", action="store_true", help="sizes for a first try")
    parser.add_argument("--brief", action="store_true", help="one of everything, in this process: the shortest try")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="of iterations and training")
    parser.add_argument("--rows", nargs="+", default=[""], help="ends of the names of their rows; all by default")
    parser.add_argument("--data_dir", type=Path, default=None, help="with the archives of BloodMNIST and CIFAR-10")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="results: few and small files")
    parser.add_argument("--work", type=Path, default=Path("runs/gpu_work"), help="run folders")
    parser.set_defaults(
        device="cuda", width=128, real_images=10_000, experts_at_once=10, memory_budget=16384.0, compiled=True,
        segments=8, autocast="bfloat16", training_steps=100,
    )  # fmt: skip
    return parser


def correctness(options: argparse.Namespace, rows: Rows) -> None:
    """A run of every method against the CPU's; gradients at full width against the CPU's and the plain ones."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    for name in FIRST:
        _same_set(name, options, rows)
    _same_gradients(options, rows)
    for name in RUNS:
        _same_set(name, options, rows)


def _same_set(name: str, options: argparse.Namespace, rows: Rows) -> None:
    row = f"set of {name}"
    if rows.has(row) or (options.brief and name != BRIEF):
        return
    folders = {device: options.work / f"{name}_{device.partition(':')[0]}" for device in ("cpu", options.device)}
    outcomes = [
        command("run", *RUNS[name], "--device", device, "--output_dir", folder / str(time.time_ns()))
        for device, folder in folders.items()
    ]
    if any(outcome.code for outcome in outcomes):
        rows.add(row, error="".join(outcome.err[-500:] for outcome in outcomes))
        return
    ends = [max(folder.iterdir()) for folder in folders.values()]
    difference = furthest(ends[0], ends[-1])
    rows.add(row, furthest=difference, target=SAME_SET, target_met=difference <= SAME_SET)


def _same_gradients(options: argparse.Namespace, rows: Rows) -> None:
    """Gradients of every way against the CPU's in double precision.

    In single precision a rounding that moves a ReLU over its corner changes a gradient by up to some percent, on a CPU
    as well. So the ways are compared in double precision, and single precision has the CPU's deviation for a target.
    """
    several, single = {"segments": options.segments}, {"double": False}
    ways: dict[str, dict[str, Any]] = {"plain": {}, "chunk 1": {"chunk": 1}, "segments": several}
    ways |= {"recorded": {"compiled": CUDA_GRAPHS}} if options.device.startswith("cuda") else {}
    ways |= {"single precision": single}
    ways |= {"bfloat16": {"autocast": "bfloat16", **single}} if options.autocast else {}
    if options.compiled:
        ways |= {"compiled": {"compiled": True}, "compiled with CUDA graphs": {"compiled": "reduce-overhead"}}
    names = {way: f"gradient, {way}, width {options.width}" for way in ways}
    if all(rows.has(name) for name in names.values()):
        return
    common = {"ipc": COMPARED_IMAGES, "student_steps": COMPARED_STEPS, "compiled": False, "autocast": None}
    common |= {"segments": 1, "double": True}

    def gradients(**changed: Any) -> dict[str, torch.Tensor]:
        return own.Distillation(subject.options_of({**vars(options), **common, **changed})).gradients()

    on_cpu, many = gradients(device="cpu"), gradients(device="cpu", **several)
    targets = {"bfloat16": SAME_GRADIENT["bfloat16"]}
    targets["single precision"] = 10 * _furthest(gradients(device="cpu", **single), on_cpu)
    for way, changed in ways.items():
        if rows.has(names[way]):
            continue
        try:
            found = _furthest(gradients(**changed), many if changed is several else on_cpu)
        except Exception as error:  # the other ways are still worth knowing
            rows.add(names[way], error=f"{type(error).__name__}: {error}"[:500])
            continue
        most = targets.get(way, SAME_GRADIENT["float64"])
        rows.add(names[way], relative_to_cpu=found, target=most, target_met=found <= most)


def _furthest(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest relative difference of a parameter's gradient."""
    return max(float((got[k].double().cpu() - expected[k]).norm() / expected[k].norm()) for k in expected)


def iterations(options: argparse.Namespace, rows: Rows) -> None:
    """Outer iterations per second at 1 and 10 images per class: plain, then recorded, then what has to compile."""
    groups = []
    for ipc, steps in SETTINGS[:1] if options.brief else SETTINGS:
        settings = {**_settings(options), "ipc": ipc, "student_steps": max(steps // options.shrink, 2)}
        everything = distillation_rows(settings)
        for row in everything:
            row.name = f"IPC {ipc}, N {settings['student_steps']}, {row.name}"
        groups.append(everything)
    for way in options.ways:
        for group in groups:
            _compared(_measured(group, way, options.rows), options, rows, FASTER["iterations"])


def training(options: argparse.Namespace, rows: Rows) -> None:
    """Experts and students per hour, plain and recorded."""
    settings = {**_settings(options), "ipc": 10, "real_images": options.real_images // options.shrink}
    for way in options.ways:
        for kind in ("experts", "students"):
            group = training_rows(kind, settings)
            for row in group:
                row.name = f"{kind}, {row.name}"
            _compared(_measured(group, way, options.rows), options, rows, FASTER[kind])


def _measured(group: list[Row], way: str, ends: list[str]) -> list[Row]:
    """The chosen rows of a way, and the official program's, which is measured next to every one."""
    kinds = {False: WAYS[0], CUDA_GRAPHS: WAYS[1]}

    def is_chosen(row: Row) -> bool:
        return kinds.get(row.settings["compiled"], WAYS[2]) == way and row.name.endswith(tuple(ends))

    return [row for row in group if row.kind.startswith("official") or is_chosen(row)]


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    names = vars(subject.arguments().parse_args([]))
    return {name: value for name, value in vars(options).items() if name in names}


def _compared(group: list[Row], options: argparse.Namespace, rows: Rows, target: float) -> None:
    """Measure a group in turn; its rows are written after the first round and after the last."""
    official = group[-1] if group and group[-1].kind.startswith("official") else None
    ours = [row for row in group if row is not official]
    if not ours or all(rows.has(row.name, options.repeats) for row in ours):
        return

    def write(number: int) -> None:
        if number not in (1, options.repeats):
            return
        for row in group:
            figures: dict[str, Any] = {"per_second": 1 / row.median, "mib": row.report["mib"], "repeats": number}
            figures |= {"cpu_seconds": row.cpu_median}
            if official is not None and row is not official:
                times, _, memory = ratios(row, official)
                figures |= {"times_official": 1 / times, "memory_to_official": memory, "target": target}
            rows.add(row.name, **figures)

    try:
        measure(group, options.repeats, Here if options.brief else Apart, write)
    except RuntimeError as error:  # the other groups are still worth knowing
        rows.add(", ".join(row.name for row in ours), error=str(error)[:500])


def scores(options: argparse.Namespace, rows: Rows) -> None:
    """BloodMNIST (own split), ten images a class, from nothing to the score, with and without the factor."""
    for name, words in (*SCORED.items(),)[-1:] if options.brief else SCORED.items():
        row = f"BloodMNIST (own split), {name}, IPC {1 if options.tiny else 10}, width {options.width}"
        if not rows.has(row):
            _scored(row, words, options, rows)


def _scored(row: str, words: tuple[str, ...], options: argparse.Namespace, rows: Rows) -> None:
    folder = options.work / row.replace(" ", "_").replace(",", "").replace("(", "").replace(")", "")
    data = ("--dataset", "digits") if options.data_dir is None else _blood(options)
    size = ("--images_per_class", "1" if options.tiny else "10", "--width", str(options.width))
    tried = _words(TRIED) if options.tiny else []
    recorded = ("--compile_training", CUDA_GRAPHS) if options.device.startswith("cuda") else ()
    given = (*data, *words, *size, *tried, *recorded, "--device", options.device, "--output_dir", folder)
    begin, resumed = time.perf_counter(), (folder / "config.json").exists()
    if not (folder / "scores.json").exists():
        outcome = command("resume", folder) if resumed else command("run", *given)
        if outcome.code:
            rows.add(row, error=(outcome.err or outcome.out)[-800:])
            return
    found = {
        kind: [table["accuracy"]["mean"], table["accuracy"]["std"]]
        for kind, table in read(folder, "scores.json").items()
        if isinstance(table, dict) and isinstance(table.get("accuracy"), dict)
    }
    rows.add(row, seconds=time.perf_counter() - begin, resumed=resumed, accuracy=found)


def _blood(options: argparse.Namespace) -> tuple[str | Path, ...]:
    """The data set's options, with the file under its published name."""
    folder = options.work / "bloodmnist"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "bloodmnist.npz").exists():
        (folder / "bloodmnist.npz").symlink_to((options.data_dir / BLOOD).resolve())
    return ("--dataset", "bloodmnist", "--dataset_dir", folder)


def _words(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def ladder(options: argparse.Namespace, rows: Rows) -> None:
    """The CIFAR-10 curve of the official program, every point as soon as it is known; without its images the digits."""
    data = "digits" if options.data_dir is None else options.data_dir / CIFAR
    words = ["--data", str(data), "--device", options.device, "--out", str(options.work / "ladder")]
    small = {**LADDER_TRIED, "width": options.width} if options.tiny else {}
    words += _words(small)
    begin = time.perf_counter()

    def known(point: dict[str, Any]) -> None:
        name, accuracy = f"iteration {point['iteration']}", statistics.fmean(point["accuracy"])
        if not rows.has(name):
            rows.add(name, accuracy=accuracy, networks=len(point["accuracy"]), seconds=time.perf_counter() - begin)

    missed = climb.main(words, known)
    rows.add("ladder", seconds=time.perf_counter() - begin, target_met=options.tiny or not missed)
