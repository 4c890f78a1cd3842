"""Networks with batch norms on a distilled set: ``python -m tests.benchmarks batch_norms RUN --networks NAME ...``.

Every network is trained on the set of the run and on as many random real images. It is tested as it is, with running
statistics that come from its training images, and again after 20 batches of 64 unlabeled real training images have
passed through it, which replace these statistics (as ``torch.optim.swa_utils.update_bn`` does). One row for every
network, set and seed; called again, it skips what is done.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import ast
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.data.initial_images import random_subset
from monai_distill.engines.students import StudentTraining, student_seeds
from monai_distill.metrics.classification import accuracy, balanced_accuracy
from monai_distill.networks import AdaptedNetwork, FlatNetwork
from monai_distill.networks.running_statistics import ScoredNetwork
from monai_distill.runtime.randomness import seeded_generator
from tests.benchmarks.gpu_rows import Rows

BATCHES, IMAGES = 20, 64  # of real training images


def with_real_statistics(network: FlatNetwork, parameters: Tensor, images: Any) -> Tensor:
    """The parameters [P] with running statistics that batches of ``images`` [n, channels, *spatial] leave."""
    vectors = parameters[None]
    with torch.no_grad():
        for batch in range(BATCHES):
            rows = torch.randperm(len(images), generator=seeded_generator(batch, "statistics"))[:IMAGES]
            network(vectors[0], images[rows])
            vectors = network.with_statistics(vectors)
    return vectors[0]


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

    def tested(network: FlatNetwork, parameters: Tensor) -> list[float]:
        probabilities = network.predict(parameters, data.test.images).softmax(dim=1).numpy()
        return [metric(probabilities, data.test.labels.numpy()) for metric in (accuracy, balanced_accuracy)]

    for name, arguments in options.networks.items():
        shape = (2, data.image_shape[0], len(data.class_names), list(data.image_shape[1:]))
        network = ScoredNetwork(partial(AdaptedNetwork, name, *shape, arguments))
        for seed in range(options.seeds):
            random = random_subset(data.training, stored, seeded_generator(seed, "random"))
            for trained_on, (images, targets) in {"the set": synthetic.training_set()[:2], "random": random}.items():
                row = f"{name} on {trained_on}, seed {seed}"
                if rows.has(row):
                    continue
                (parameters,) = protocol(network, images, targets, options.lr, student_seeds(seed, students=1))
                real = with_real_statistics(network, parameters, data.training.images)
                rows.add(row, as_it_is=tested(network, parameters), real_statistics=tested(network, real))
    return 0
