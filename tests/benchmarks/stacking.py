"""Where gradient matching takes all classes in one call: ``python -m tests.benchmarks stacking`` writes the table.

Processor time of the distances of ten classes and of their derivatives, by ``torch.func.vmap`` and by plain autograd in
turn, interleaved.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from typing import Any

import torch

from monai_distill.engines.distillation.class_gradients import ClassGradients
from monai_distill.losses import GradientMatchingLoss
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from tests.benchmarks.results import commit, hardware, write_record

NETWORKS = ((32, 1, 28, 3), (32, 3, 28, 3), (128, 1, 28, 3), (32, 1, 8, 2))  # width, channels, side, depth
IMAGES, CLASSES = (1, 2, 5, 10, 20), 10


def milliseconds(network: FlatNetwork, shape: tuple[int, int, int], images: int, repeats: int) -> list[float]:
    """Median processor time of all classes, in one call and in turn."""
    generator = seeded_generator(0, "stacking", images)
    parts = [torch.randn(images, *shape, generator=generator) for _ in range(CLASSES)]
    targets = [1e-3 * torch.randn(network.size, generator=generator) for _ in parts]
    parameters, ways = (
        network.initial(0),
        [ClassGradients(network, GradientMatchingLoss(), vmap) for vmap in (True, False)],
    )
    taken: list[list[float]] = [[], []]
    for _ in range(repeats + 1):  # the first warms up
        for way, times in zip(ways, taken, strict=True):
            begin = time.process_time()
            way.distances(parameters, range(CLASSES), parts, targets)
            times.append(time.process_time() - begin)
    return [1000 * statistics.median(times[1:]) for times in taken]


def main(words: list[str]) -> int:
    """Measure and write ``results/stacking.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    rows: list[list[Any]] = []
    for width, channels, side, depth in NETWORKS:
        network = FlatNetwork(partial(ConvNet, 2, channels, CLASSES, side, width=width, depth=depth))
        for images in IMAGES:
            stacked, looped = milliseconds(network, (channels, side, side), images, options.repeats)
            rows.append([width, f"{channels}x{side}x{side}", images, stacked, looped, stacked / looped])
            print(rows[-1], flush=True)
    columns = ["width", "images", "images a class", "in one call, CPU ms", "one after another, CPU ms", "ratio"]
    record = {
        "columns": columns, "rows": rows, "format": {columns[3]: ".0f", columns[4]: ".0f", "ratio": ".2f"},
        "command": "python -m tests.benchmarks stacking", "commit": commit(), "hardware": hardware(1),
        "seeds": f"0, medians of {options.repeats} interleaved repeats",
    }  # fmt: skip
    print(write_record("stacking", record))
    return 0
