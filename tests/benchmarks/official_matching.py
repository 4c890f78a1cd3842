"""The official programs of DC, DSA and DM: their own modules, in their order of operations.

They are imported from a checkout of VICO-UoE/DatasetCondensation (MIT). Its loops lie in scripts that read data sets
and score on the way, so they are driven from here with its networks, augmentation, losses and epochs. Its augmentation
writes a tensor's first row to all its rows, which PyTorch refuses today: in its process the row is copied before. Its
networks view a feature map as rows, which fails where PyTorch has chosen another layout: the map is made contiguous.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.matching_data import strategy, world
from tests.benchmarks.official import load_modules


def _copied_when_set() -> None:
    plain = Tensor.__setitem__

    def setitem(self: Tensor, key: Any, value: Any) -> None:
        plain(self, key, value.clone() if isinstance(value, Tensor) else value)

    Tensor.__setitem__ = setitem  # type: ignore[method-assign]


class Matching:
    """One image step of DC, DSA or DM, with the training of the network that belongs to it."""

    def __init__(self, options: argparse.Namespace) -> None:
        _copied_when_set()
        networks, self.utils = load_modules(options.condensation, "utils.py", ("networks", "utils"))
        self.options, images, labels, start, targets = options, *world(options)
        self.real, self.targets = images, targets
        self.rows = [np.flatnonzero((labels == c).numpy()) for c in range(options.classes)]
        self.images = start.clone().requires_grad_(True)
        self.optimizer = torch.optim.SGD([self.images], lr=options.image_lr, momentum=0.5)
        self.outer, self.inner = self.utils.get_loops(options.ipc) if options.method != "dm" else (1, 0)
        side, channels = (options.side, options.side), images.shape[1]
        self.arguments = argparse.Namespace(
            device=options.device, dis_metric="ours", dsa=options.method != "dc", dsa_strategy=strategy(options),
            dsa_param=self.utils.ParamDiffAug(), dc_aug_param=None,
        )  # fmt: skip
        layers = (options.width, options.depth, "relu", "instancenorm", "avgpooling", side)
        self.new_network = lambda: networks.ConvNet(channels, options.classes, *layers)
        self.criterion, self.numbers, self.seeds = torch.nn.CrossEntropyLoss(), itertools.count(), itertools.count(1)

    def __call__(self) -> None:
        if next(self.numbers) % self.outer == 0:
            self.network = self.new_network().train()
            self.network.features.register_forward_hook(lambda layer, given, result: result.contiguous())
            self.trainer = torch.optim.SGD(self.network.parameters(), lr=0.01)
        else:
            self._train()
        loss = torch.tensor(0.0)
        for c in range(self.options.classes):
            real = self.real[np.random.permutation(self.rows[c])[: self.options.real_batch]]
            synthetic = self.images[c * self.options.ipc : (c + 1) * self.options.ipc]
            if self.arguments.dsa:
                real, synthetic = self._augmented(real, synthetic)
            loss += self._means(real, synthetic) if self.options.method == "dm" else self._gradients(real, synthetic, c)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()

    def _augmented(self, *sides: Tensor) -> list[Tensor]:
        seed, words = next(self.seeds), (self.arguments.dsa_strategy,)
        return [self.utils.DiffAugment(side, *words, seed=seed, param=self.arguments.dsa_param) for side in sides]

    def _means(self, real: Tensor, synthetic: Tensor) -> Tensor:
        self.network.requires_grad_(False)
        first, second = self.network.embed(real).detach(), self.network.embed(synthetic)
        return torch.sum((torch.mean(first, dim=0) - torch.mean(second, dim=0)) ** 2)

    def _gradients(self, real: Tensor, synthetic: Tensor, c: int) -> Tensor:
        parameters = list(self.network.parameters())
        loss = self.criterion(self.network(real), torch.full((len(real),), c))
        targets = [gradient.detach().clone() for gradient in torch.autograd.grad(loss, parameters)]
        loss = self.criterion(self.network(synthetic), torch.full((len(synthetic),), c))
        gradients = torch.autograd.grad(loss, parameters, create_graph=True)
        distance: Tensor = self.utils.match_loss(gradients, targets, self.arguments)
        return distance

    def _train(self) -> None:
        data = self.utils.TensorDataset(self.images.detach().clone(), self.targets.clone())
        loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True, num_workers=0)
        for _ in range(self.inner):
            settings: Any = self.arguments
            self.utils.epoch("train", loader, self.network, self.trainer, self.criterion, settings, aug=settings.dsa)


def matching(options: argparse.Namespace) -> Matching:
    """See :class:`Matching`."""
    return Matching(options)
