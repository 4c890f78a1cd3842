"""This project's side of the comparison: an outer iteration, an epoch of some experts, some steps of students."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from monai_distill.data import ClassBank, SyntheticDataset, TrajectoryStore
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.memory import disable_malloc_trim
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

TOGETHER = {"yes": True, "no": False, None: None}


def _network(options: argparse.Namespace) -> FlatNetwork:
    disable_malloc_trim()  # as the command does
    factory = partial(ConvNet, 2, 3, options.classes, options.side, width=options.width, depth=options.depth)
    return FlatNetwork(factory).to(options.device)


def _augment(options: argparse.Namespace) -> SiameseAugment:
    return SiameseAugment(()) if options.no_augmentation else SiameseAugment()


def _images(options: argparse.Namespace, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(count, 3, options.side, options.side, generator=seeded_generator(0, "images"))
    return images.to(options.device), (torch.arange(count) % options.classes).to(options.device)


def _names(options: argparse.Namespace) -> list[str]:
    return [str(number) for number in range(options.classes)]


class Distillation:
    """An outer iteration: the gradient through the student's steps and the optimiser's step."""

    def __init__(self, options: argparse.Namespace) -> None:
        network = _network(options)
        start = network.initial(0)
        noise = torch.randn(network.size, generator=seeded_generator(0, "target"))
        start, target = (t.to(options.device) for t in (start, start + 0.01 * noise))
        self.segments = [Segment(0, 0, 0, start, target, None, place) for place in range(options.segments)]
        self.synthetic = SyntheticDataset(
            *_images(options, options.ipc * options.classes or options.images), _names(options), student_lr=0.01
        ).to(options.device)
        if options.double:
            self.synthetic = self.synthetic.double()
            self.segments = [s._replace(start=s.start.double(), target=s.target.double()) for s in self.segments]
        self.objective = TrajectoryMatching(
            network,
            _augment(options),
            inner=InnerLoop(options.student_steps, vmap=options.segments > 1, compiled=options.compiled),
            memory=UnrollMemory(options.chunk, options.images_at_once, options.memory_budget),
        )
        rates = [(self.synthetic.images, 1000.0), (self.synthetic.student_lr, 1e-5)]
        self.optimizer = torch.optim.SGD([{"params": [p], "lr": lr} for p, lr in rates], lr=0.0, momentum=0.5)
        self.iteration = 0
        self.device_type = torch.device(options.device).type
        self.autocast: torch.dtype | None = getattr(torch, options.autocast) if options.autocast else None

    @property
    def chosen(self) -> dict[str, int | None]:
        """The decisions of the memory budget."""
        return {"chunk": self.objective.memory.chunk, "images_at_once": self.objective.memory.images_at_once}

    def __call__(self) -> None:
        gradients = self.gradients()
        for name, parameter in self.synthetic.named_parameters():
            parameter.grad = gradients[name].to(parameter)
        self.optimizer.step()
        self.iteration += 1

    def gradients(self) -> dict[str, torch.Tensor]:
        """The gradients of the images and of the learning rate, in the current iteration."""
        segments = [segment._replace(iteration=self.iteration) for segment in self.segments]
        plain = contextlib.nullcontext()
        with plain if self.autocast is None else torch.autocast(self.device_type, self.autocast):
            return self.objective(self.synthetic, segments)[1]


def distillation(options: argparse.Namespace) -> Callable[[], object]:
    """See :class:`Distillation`."""
    return Distillation(options)


def experts(options: argparse.Namespace) -> Callable[[], object]:
    """One epoch of ``experts_at_once`` experts, their snapshots written, on ``real_images`` images."""
    network, augment = _network(options), _augment(options)
    bank = ClassBank(*_images(options, options.real_images), _names(options))

    def epoch() -> None:
        with tempfile.TemporaryDirectory() as folder:
            count = options.experts_at_once
            store = TrajectoryStore(Path(folder), {}, experts=count, snapshots=2, parameters=network.size)
            ExpertTrainer(
                network=network, bank=bank, store=store, at_once=count,
                protocol=ExpertProtocol(augment, 1, vmap=TOGETHER[options.together], compiled=options.compiled),
            ).run()  # fmt: skip

    return epoch


def students(options: argparse.Namespace) -> Callable[[], object]:
    """``training_steps`` SGD steps of ``students_at_once`` students on the synthetic images."""
    network = _network(options)
    images, labels = _images(options, options.ipc * options.classes or options.images)
    training = StudentTraining(
        _augment(options), steps=options.training_steps, vmap=TOGETHER[options.together], compiled=options.compiled
    )
    return lambda: training(network, images, labels, 0.01, range(options.students_at_once))
