"""One thing to be timed, in a process of its own: ``python -m tests.benchmarks.subject KIND --width 64 ...``.

Does its work once for every line it reads, and answers with the seconds and the memory it took. Several of them,
measured in turn, are an interleaved comparison.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys
import time
from typing import Any

import torch

KINDS = ("distillation", "experts", "students", "matching")


def arguments() -> argparse.ArgumentParser:
    """The options of a measurement; for any side of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--images", type=int, default=90, help="synthetic images; or --ipc")
    parser.add_argument("--ipc", type=int, default=0, help="synthetic images per class, instead of --images")
    parser.add_argument("--student_steps", type=int, default=20)
    parser.add_argument("--chunk", type=int, default=None, help="student steps held at once; else from the budget")
    parser.add_argument("--images_at_once", type=int, default=None, help="where chunk is 1; else from the budget")
    parser.add_argument("--memory_budget", type=float, default=512.0, help="MiB; the default is the configuration's")
    parser.add_argument("--compiled", nargs="?", const=True, default=False, help="measure compiled steps as well")
    parser.add_argument("--segments", type=int, default=1, help="measure so many segments in one call as well")
    parser.add_argument(
        "--together", choices=["yes", "no"], default=None, help="networks in one call; else as measured"
    )
    parser.add_argument("--autocast", default=None, help="a type such as bfloat16 for what autocast allows")
    parser.add_argument("--double", action="store_true", help="double precision; of distillation")
    parser.add_argument("--no_augmentation", action="store_true")
    parser.add_argument("--real_images", type=int, default=1024, help="of an expert's epoch")
    parser.add_argument("--experts_at_once", type=int, default=5)
    parser.add_argument("--students_at_once", type=int, default=5)
    parser.add_argument("--training_steps", type=int, default=10, help="SGD steps of a student per repeat")
    parser.add_argument("--reference", default=None, help="a checkout of GeorgeCazenavette/mtt-distillation")
    parser.add_argument("--condensation", default=None, help="a checkout of VICO-UoE/DatasetCondensation")
    parser.add_argument("--method", choices=["dc", "dsa", "dm"], default="dm", help="of matching")
    parser.add_argument("--real_batch", type=int, default=256, help="real images of a class in an image step")
    parser.add_argument("--image_lr", type=float, default=1.0, help="of matching")
    parser.add_argument("--data", default=None, help="of matching: MNIST's folder or an .npz; else random images")
    parser.add_argument("--seed", type=int, default=0, help="of matching")
    return parser


def options_of(settings: dict[str, Any]) -> argparse.Namespace:
    """The options with these values."""
    return argparse.Namespace(**{**vars(arguments().parse_args([])), **settings})


def prepare(device: str) -> None:
    """Make ``device`` known: the stand-in of the tests has to be."""
    if device.partition(":")[0] not in ("cpu", "cuda"):
        importlib.import_module("tests.other_device.device").count_graphs_by_length()


def peak_mib(device: str) -> float:
    """The most memory that this process has had, of the device it computes on."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Subject:
    """The work of a kind, timed: a call does it once and returns seconds, memory and what a budget chose."""

    def __init__(self, kind: str, options: argparse.Namespace) -> None:
        side, _, what = kind.rpartition(" ")
        if what not in KINDS:
            raise ValueError(f"Expected one of {KINDS}, also with 'official' before it, got {kind}.")
        prepare(options.device)
        # imported here, so that the official program's process holds nothing of this project
        file = f"{side or 'own'}_matching" if what == "matching" else side or "own"
        module = importlib.import_module(f".{file}", __package__)
        self.work = getattr(module, what)(options)
        self.device = options.device
        self.before = peak_mib(options.device)

    def __call__(self) -> dict[str, Any]:
        wall, cpu = time.perf_counter(), time.process_time()
        self.work()
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        taken = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        peak = peak_mib(self.device)
        chosen = getattr(self.work, "chosen", None)
        return {**taken, "mib": peak, "added_mib": peak - self.before, "chosen": chosen}


def main() -> int:
    """Answer the questions of :mod:`tests.benchmarks.comparison` until there are no more."""
    kind, *rest = sys.argv[1:]
    options = arguments().parse_args(rest)
    answers, sys.stdout = sys.stdout, sys.stderr  # the official modules print
    torch.set_num_threads(options.threads)
    subject = Subject(kind, options)
    for _ in sys.stdin:
        print(json.dumps(subject()), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
