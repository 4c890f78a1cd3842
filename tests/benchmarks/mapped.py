"""``python -m tests.benchmarks mapped FILE.npz``: an iteration of ``dm`` on a memory-mapped file and on a few of its
images in memory, in turn, in CPU seconds; on a busy machine the ratio of two neighbors is what to look at.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from monai_distill.data import ClassBank, ClassBatches, SyntheticDataset, real_images
from monai_distill.data.datasets.npz_arrays import mapped_array
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.engines.distillation import DistributionMatching
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.memory import PeakMemory, disable_malloc_trim
from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment, Standardize

MEMORY = PeakMemory("cpu")


def banks(file: Path, images: int) -> tuple[ClassBank, ClassBank]:
    """The training images of a file, mapped, and every n-th of them in memory, both standardized."""
    pixels, labels = (mapped_array(file, f"train_{name}") for name in ("images", "labels"))
    targets = torch.from_numpy(np.array(labels).reshape(-1)).long()
    names = [str(label) for label in range(int(targets.max()) + 1)]
    rows = np.arange(0, len(pixels), len(pixels) // images)[:images]
    small = ClassBank(PreparedImages(pixels[rows].copy(), channel_axis=-1), targets[rows], names)
    prepare = Standardize.fit(small.images)
    large = ClassBank(PreparedImages(pixels, channel_axis=-1), targets, names)
    return large.mapped(prepare), small.mapped(prepare)


def main(words: Sequence[str]) -> int:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks mapped", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--images", type=int, default=2000, help="in memory")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--batch_per_class", type=int, default=16)
    parser.add_argument("--width", type=int, default=8)
    options = parser.parse_args(words)
    disable_malloc_trim()
    libraries = MEMORY.mebibytes()
    both = banks(options.file, options.images)
    shape, classes = both[0].image_shape, both[0].num_classes

    def network(_: int) -> ConvNet:
        return ConvNet(2, shape[0], classes, shape[1:], width=options.width, depth=5)

    synthetic = SyntheticDataset(
        *real_images(both[1], images_per_class=1, generator=seeded_generator(0, "start")), both[1].class_names
    )
    augment = SiameseAugment(["crop", "flip", "scale", "rotate"])
    objective = DistributionMatching(network, augment, memory=MicroBatches(512.0))
    batches = [ClassBatches(bank, options.batch_per_class, seed=0) for bank in both]
    times: tuple[list[float], list[float]] = ([], [])
    for iteration in range(options.pairs + 1):
        for place in (0, 1) if iteration % 2 else (1, 0):
            began = time.process_time()
            objective(synthetic, batches[place][iteration])
            if iteration:  # the first one measures the graph
                times[place].append(time.process_time() - began)
    ratios = [one / other for one, other in zip(*times, strict=True)]
    on_disk, in_memory = (1000 * statistics.median(part) for part in times)
    print(
        f"{on_disk:.0f} ms CPU on disk, {in_memory:.0f} in memory, median of the ratios {statistics.median(ratios):.2f}"
    )
    print(f"peak {MEMORY.mebibytes() - libraries:.0f} MiB above the libraries")
    return 0
