"""That the device keeps its rules, and how often the loops wait for it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tempfile
from collections.abc import Callable

import torch

from monai_distill.data import ClassBank, SyntheticDataset, TrajectoryStore
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment
from tests.other_device.device import NAME, Elsewhere

NAMES = ("a", "b", "c")


def waits(work: Callable[[], object]) -> int:
    """Waits for the device in one call."""
    before = Elsewhere.waits
    work()
    return Elsewhere.waits - before


def refused(work: Callable[[], object]) -> bool:
    """Whether the device did."""
    try:
        work()
    except RuntimeError as error:
        return NAME in str(error)
    return False


def rules() -> dict[str, int]:
    """Operations that a GPU would refuse, and operations that would wait for it."""
    here, generator = torch.ones(3), torch.Generator()
    there = here.to(NAME)
    return {
        "two devices are refused": refused(lambda: there + here),
        "an index on the CPU is refused": refused(lambda: there[torch.tensor([0, 2])]),
        "a generator on the CPU is refused": refused(lambda: there.normal_(generator=generator)),
        "a sum waits": waits(lambda: there + there),
        "moving there waits": waits(lambda: here.to(NAME)),
        "moving there without waiting waits": waits(lambda: here.to(NAME, non_blocking=True)),
        "moving back waits": waits(lambda: there.cpu()),
        "a number waits": waits(lambda: float(there[0])),
        "a choice by truth waits": waits(lambda: there[there > 0]),
    }


def waits_of_loops(steps: int) -> dict[str, int]:
    """Waits in an outer iteration, an epoch of experts and a training of students, each of ``steps`` SGD steps."""
    network = FlatNetwork(lambda: ConvNet(2, 3, 3, 8, width=4, depth=1)).to(NAME)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(NAME)
    labels = (torch.arange(6) % 3).to(NAME)
    synthetic = SyntheticDataset(images.clone(), labels, NAMES)
    segment = Segment(0, 0, 0, network.initial(0).to(NAME), network.initial(1).to(NAME))

    def iteration(chunk: int, at_once: int) -> Callable[[], object]:
        memory = UnrollMemory(chunk, at_once)
        match = TrajectoryMatching(network, SiameseAugment(), inner=InnerLoop(steps), memory=memory)
        return lambda: match(synthetic, segment)

    def epoch() -> None:
        bank = ClassBank(images.repeat(steps, 1, 1, 1), labels.repeat(steps), NAMES)
        store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=2, snapshots=2, parameters=network.size)
        ExpertTrainer(
            network=network,
            bank=bank,
            store=store,
            protocol=ExpertProtocol(SiameseAugment(), epochs=1, batch_size=6),
            at_once=2,
        ).run()

    training = StudentTraining(SiameseAugment(), steps=steps)
    return {
        "chunk 1": waits(iteration(1, 6)),
        "chunk 3": waits(iteration(3, 6)),
        "images in parts": waits(iteration(1, 4)),
        "experts": waits(epoch),
        "students": waits(lambda: training(network, images, labels, 0.01, range(2))),
    }


def operations_of_a_step(chunk: int) -> float:
    """Operations, views left out, of a student's step and its derivative: ConvNet of three blocks, two images."""
    network = FlatNetwork(lambda: ConvNet(2, 3, 2, 16, width=4, depth=3)).to(NAME)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(NAME)
    synthetic = SyntheticDataset(images, torch.arange(2).to(NAME), NAMES[:2])
    segment = Segment(0, 0, 0, network.initial(0).to(NAME), network.initial(1).to(NAME))
    counts = []
    for steps in (3, 6):
        memory = UnrollMemory(min(chunk, steps), 2)
        match = TrajectoryMatching(network, SiameseAugment(()), inner=InnerLoop(steps), memory=memory)
        before = Elsewhere.operations
        match(synthetic, segment)
        counts.append(Elsewhere.operations - before)
    return (counts[1] - counts[0]) / 3
