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


def distillation(options: argparse.Namespace) -> Callable[[], object]:
    """One outer iteration: network and wrapper built, N steps unrolled in one graph, one backward, two optimisers."""
    networks, utils, reparam = _modules(options)
    images, labels = _images(options, options.ipc * options.classes or options.images)
    images.requires_grad_(True)
    student_lr = torch.tensor(0.01, device=options.device, requires_grad=True)
    optimizers = [
        torch.optim.SGD([images], lr=1000.0, momentum=0.5),
        torch.optim.SGD([student_lr], lr=1e-5, momentum=0.5),
    ]
    criterion, augmentation = torch.nn.CrossEntropyLoss(), utils.ParamDiffAug()
    expert = [parameter.detach().clone() for parameter in _network(networks, options).parameters()]
    target = torch.cat([(p + 0.01 * torch.randn_like(p)).reshape(-1) for p in expert])

    def iteration() -> None:
        net = reparam.ReparamModule(_network(networks, options)).to(options.device)
        net.train()
        start = torch.cat([p.reshape(-1) for p in expert])
        states = [start.clone().requires_grad_(True)]
        chunks: list[torch.Tensor] = []
        for _ in range(options.student_steps):
            chunks = chunks or list(torch.split(torch.randperm(len(images)), len(images)))
            rows = chunks.pop().to(options.device)
            batch, truth = images[rows], labels[rows]
            if not options.no_augmentation:
                batch = utils.DiffAugment(batch, STRATEGY, param=augmentation)
            loss = criterion(net(batch, flat_param=states[-1]), truth)
            (gradient,) = torch.autograd.grad(loss, states[-1], create_graph=True)
            states.append(states[-1] - student_lr * gradient)
        ends = torch.nn.functional.mse_loss(states[-1], target, reduction="sum")
        begins = torch.nn.functional.mse_loss(start, target, reduction="sum")
        for optimizer in optimizers:
            optimizer.zero_grad()
        (ends / begins).backward()
        for optimizer in optimizers:
            optimizer.step()

    return iteration


def _epoch(options: argparse.Namespace, count: int) -> Callable[[], object]:
    """An epoch by its own function on its own data loader, one network."""
    networks, utils, _ = _modules(options)
    images, labels = _images(options, count)
    data = utils.TensorDataset(images.cpu(), labels.cpu())
    loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True, num_workers=0)
    net = _network(networks, options)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    settings = argparse.Namespace(
        device=options.device, dataset="CIFAR10", dsa=True, dsa_strategy=STRATEGY, dsa_param=utils.ParamDiffAug()
    )
    criterion = torch.nn.CrossEntropyLoss()
    augmented = not options.no_augmentation
    return lambda: utils.epoch("train", loader, net, optimizer, criterion, settings, aug=augmented)


def experts(options: argparse.Namespace) -> Callable[[], object]:
    """One epoch of one expert, without the test pass that its program adds to every epoch."""
    return _epoch(options, options.real_images)


def students(options: argparse.Namespace) -> Callable[[], object]:
    """``training_steps`` epochs of one student on the synthetic images, which fit one batch."""
    epoch = _epoch(options, options.ipc * options.classes or options.images)
    return lambda: [epoch() for _ in range(options.training_steps)]
