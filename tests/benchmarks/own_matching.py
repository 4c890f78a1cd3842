"""This project's side of DC, DSA and DM: an image step, with the training of the network that belongs to it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from functools import partial

import torch

from monai_distill.data import ClassBank, ClassBatches, SyntheticDataset
from monai_distill.engines.distillation import DistributionMatching, GradientMatching, NetworkLoop, RandomNetworks
from monai_distill.engines.distillation.gradient_matching import network_loops
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.memory import disable_malloc_trim
from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.transforms import SiameseAugment
from tests.benchmarks.matching_data import strategy, world


class Matching:
    """The counterpart of the official program's class of this name."""

    def __init__(self, options: argparse.Namespace) -> None:
        disable_malloc_trim()  # as the command does
        images, labels, start, targets = world(options)
        names = [str(c) for c in range(options.classes)]
        channels = images.shape[1]
        factory = partial(ConvNet, 2, channels, options.classes, options.side, width=options.width, depth=options.depth)
        self.synthetic = SyntheticDataset(start, targets, names)
        gradient = options.method != "dm"
        self.batches = ClassBatches(
            ClassBank(images, labels, names), options.real_batch, seed=options.seed, equal=gradient
        )
        augment = SiameseAugment(() if options.method == "dc" else strategy(options).split("_"))
        self.objective = (
            GradientMatching(
                FlatNetwork(factory), augment, loop=NetworkLoop(*network_loops(options.ipc)), seed=options.seed
            )
            if gradient
            else DistributionMatching(
                RandomNetworks(factory, seed=options.seed),
                augment,
                seed=options.seed,
                memory=MicroBatches(options.memory_budget),
            )
        )
        self.optimizer = torch.optim.SGD([self.synthetic.images], lr=options.image_lr, momentum=0.5)
        self.iteration = 0

    @property
    def images(self) -> torch.Tensor:
        """The synthetic images."""
        return self.synthetic.images

    def __call__(self) -> None:
        loss, gradients = self.objective(self.synthetic, self.batches[self.iteration])
        self.synthetic.images.grad = gradients["images"]
        self.optimizer.step()
        loss.item()
        self.iteration += 1


def matching(options: argparse.Namespace) -> Matching:
    """See :class:`Matching`."""
    return Matching(options)
