"""The official trajectory matching program's side: its own modules, in its order of operations.

They are imported from a checkout of GeorgeCazenavette/mtt-distillation (MIT). Its inner loop and its experts' loop lie
in scripts that read data sets and log to a service, so they are driven from here with its networks, re-parametrisation,
augmentation and epoch. Modules that its ``utils`` imports for other purposes and that are not installed are stood in
for.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

STRATEGY = "color_crop_cutout_flip_scale_rotate"  # its default


def load_modules(folder: str | None, needed: str, names: tuple[str, ...]) -> list[Any]:
    """Modules of a checkout; what they import for other purposes and is not installed is stood in for."""
    if folder is None or not (Path(folder) / needed).is_file():
        raise FileNotFoundError(f"Expected a checkout with {needed} at {folder}: clone the official program there.")
    sys.path.insert(0, str(folder))
    for name in ("kornia", "torchvision", "scipy.ndimage.interpolation"):
        try:
            importlib.import_module(name)
        except ImportError:
            stand_in: Any = types.ModuleType(name)
            stand_in.rotate = stand_in.datasets = stand_in.transforms = None
            sys.modules[name] = stand_in
    return [importlib.import_module(name) for name in names]


def _modules(options: argparse.Namespace) -> list[Any]:
    """Its ``networks``, ``utils`` and ``reparam_module``."""
    return load_modules(options.reference, "reparam_module.py", ("networks", "utils", "reparam_module"))


def _network(networks: Any, options: argparse.Namespace) -> torch.nn.Module:
    side = (options.side, options.side)
    net: torch.nn.Module = networks.ConvNet(
        3, options.classes, options.width, options.depth, "relu", "instancenorm", "avgpooling", side
    )
    return net.to(options.device)


def _images(options: argparse.Namespace, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(count, 3, options.side, options.side)
    return images.to(options.device), (torch.arange(count) % options.classes).to(options.device)


class Trajectory:
    """Its outer iteration: network and wrapper built, N steps unrolled in one graph, one backward, two optimisers.

    Args:
        options: of the subject.
        images: where the synthetic images start.
        labels: their class numbers.
        student_lr: of the students, at the start.
        image_lr: learning rate of the images.
        lr_lr: learning rate of the students' learning rate.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        student_lr: float = 0.01,
        image_lr: float = 1000.0,
        lr_lr: float = 1e-5,
    ) -> None:
        self.networks, self.utils, self.reparam = _modules(options)
        self.options, self.labels = options, labels
        self.images = images.clone().requires_grad_(True)
        self.student_lr = torch.tensor(student_lr, device=options.device, requires_grad=True)
        rates = ((self.images, image_lr), (self.student_lr, lr_lr))
        self.optimizers = [torch.optim.SGD([leaf], lr=lr, momentum=0.5) for leaf, lr in rates]
        self.criterion, self.augmentation = torch.nn.CrossEntropyLoss(), self.utils.ParamDiffAug()

    def __call__(self, start: torch.Tensor, target: torch.Tensor) -> float:
        """One iteration on a segment [P], [P]; its loss."""
        net = self.reparam.ReparamModule(_network(self.networks, self.options)).to(self.options.device)
        net.train()
        states = [start.clone().requires_grad_(True)]
        chunks: list[torch.Tensor] = []
        for _ in range(self.options.student_steps):
            chunks = chunks or list(torch.split(torch.randperm(len(self.images)), len(self.images)))
            rows = chunks.pop().to(self.options.device)
            batch, truth = self.images[rows], self.labels[rows]
            if not self.options.no_augmentation:
                batch = self.utils.DiffAugment(batch, STRATEGY, param=self.augmentation)
            loss = self.criterion(net(batch, flat_param=states[-1]), truth)
            (gradient,) = torch.autograd.grad(loss, states[-1], create_graph=True)
            states.append(states[-1] - self.student_lr * gradient)
        ends = torch.nn.functional.mse_loss(states[-1], target, reduction="sum")
        begins = torch.nn.functional.mse_loss(start, target, reduction="sum")
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        (ends / begins).backward()
        for optimizer in self.optimizers:
            optimizer.step()
        return (ends / begins).item()


def distillation(options: argparse.Namespace) -> Callable[[], object]:
    """An outer iteration (see :class:`Trajectory`) on a made segment."""
    work = Trajectory(options, *_images(options, options.ipc * options.classes or options.images))
    start = flat(_network(_modules(options)[0], options))
    target = start + 0.01 * torch.randn_like(start)
    return lambda: work(start, target)


def flat(network: torch.nn.Module) -> torch.Tensor:
    """The parameters of a network [P]."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])


def training(
    options: argparse.Namespace, images: torch.Tensor, labels: torch.Tensor, lr: float = 0.01
) -> tuple[torch.nn.Module, Callable[[], object]]:
    """A network, and an epoch of its training by its own function on its own data loader."""
    networks, utils, _ = _modules(options)
    data = utils.TensorDataset(images.cpu(), labels.cpu())
    loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True, num_workers=0)
    net = _network(networks, options)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    settings = argparse.Namespace(
        device=options.device, dataset="CIFAR10", dsa=True, dsa_strategy=STRATEGY, dsa_param=utils.ParamDiffAug()
    )
    criterion = torch.nn.CrossEntropyLoss()
    augmented = not options.no_augmentation
    return net, lambda: utils.epoch("train", loader, net, optimizer, criterion, settings, aug=augmented)


def experts(options: argparse.Namespace) -> Callable[[], object]:
    """One epoch of one expert, without the test pass that its program adds to every epoch."""
    return training(options, *_images(options, options.real_images))[1]


def students(options: argparse.Namespace) -> Callable[[], object]:
    """``training_steps`` epochs of one student on the synthetic images, which fit one batch."""
    epoch = training(options, *_images(options, options.ipc * options.classes or options.images))[1]
    return lambda: [epoch() for _ in range(options.training_steps)]
