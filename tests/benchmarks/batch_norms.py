"""Networks with batch norms on a distilled set: ``python -m tests.benchmarks batch_norms RUN --networks NAME ...``.

Every network is trained on the set of the run and on as many random real images. It is tested as it is, with running
statistics that come from its training images, and again with those of 20 batches of 64 unlabeled real training images
(``torch.optim.swa_utils.update_bn``). One row for every network, set and seed; called again, it skips what is done.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from monai_distill.data import SplitBanks, SyntheticDataset
from monai_distill.data.initial_images import random_subset
from monai_distill.engines.students import StudentTraining, student_seeds
from monai_distill.metrics.classification import accuracy, balanced_accuracy
from monai_distill.networks import AdaptedNetwork
from monai_distill.networks.running_statistics import ScoredNetwork
from monai_distill.runtime.randomness import seeded_generator
from tests.benchmarks.gpu_rows import Rows

BATCHES, IMAGES = 20, 64  # of real training images
BATCH = 256  # test images at a time


def accuracies(module: nn.Module, data: SplitBanks) -> list[float]:
    """Accuracy and balanced accuracy of an ordinary network on the test images."""
    module.eval()
    with torch.no_grad():
        parts = [module(data.test.images[low : low + BATCH]) for low in range(0, len(data.test), BATCH)]
    probabilities, labels = torch.cat(parts).softmax(dim=1).numpy(), data.test.labels.numpy()
    return [metric(probabilities, labels) for metric in (accuracy, balanced_accuracy)]


def real_batches(data: SplitBanks) -> Iterator[Tensor]:
    """Unlabeled training images in batches."""
    for batch in range(BATCHES):
        rows = torch.randperm(len(data.training), generator=seeded_generator(batch, "statistics"))[:IMAGES]
        yield data.training.images[rows]


def main(words: list[str]) -> int:
    """Train and test."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks batch_norms", description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder, with the data and the set")
    parser.add_argument("--networks", type=ast.literal_eval, required=True, help="arguments by dotted name")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rows", type=Path, default=Path("batch_norms.jsonl"))
    options = parser.parse_args(words)
    config = ConfigParser()
    config.read_config(str(options.run / "config.json"))
    data, augment = config.get_parsed_content("data"), config.get_parsed_content("augment")
    synthetic, rows = SyntheticDataset.load(options.run), Rows(options.rows, f"{options.steps} steps")
    protocol = StudentTraining(augment, steps=options.steps, batch_size=IMAGES)
    stored = int(torch.bincount(synthetic.canvas_labels).max())

    for name, arguments in options.networks.items():
        shape = (2, data.image_shape[0], len(data.class_names), list(data.image_shape[1:]))
        factory = partial(AdaptedNetwork, name, *shape, arguments)
        network = ScoredNetwork(factory)
        for seed in range(options.seeds):
            random = random_subset(data.training, stored, seeded_generator(seed, "random"))
            for trained_on, (images, targets) in {"the set": synthetic.training_set()[:2], "random": random}.items():
                row = f"{name} on {trained_on}, seed {seed}"
                if rows.has(row):
                    continue
                (parameters,) = protocol(network, images, targets, options.lr, student_seeds(seed, students=1))
                module = network.load_into(factory(), parameters)
                as_it_is = accuracies(module, data)
                update_bn(real_batches(data), module)
                rows.add(row, as_it_is=as_it_is, real_statistics=accuracies(module, data))
    return 0
