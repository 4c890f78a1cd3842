"""Random images, so that an attack can only find what a test planted."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.privacy.audit.attack_figures import attack_figures
from monai_distill.privacy.audit.calibration import calibrated
from monai_distill.privacy.audit.candidates import Candidates
from monai_distill.runtime.randomness import seeded_generator

CLASSES = ["a", "b", "c"]
Attack = Callable[[SyntheticDataset], Tensor]
Release = Callable[[ClassBank, int], SyntheticDataset]


def random_bank(count: int, seed: int) -> ClassBank:
    labels = torch.arange(count) % 3
    images = torch.rand(count, 1, 8, 8, generator=seeded_generator(seed, "images")) / 2 + labels.view(-1, 1, 1, 1) / 6
    return ClassBank(images, labels, CLASSES)


class Items:
    """A data set with the interface that Candidates reads."""

    def __init__(self, bank: ClassBank, **metadata: list[str]) -> None:
        self.bank = bank
        self.class_names = bank.class_names
        self.data = [{"image": i, "label": 0} | {k: v[i] for k, v in metadata.items()} for i in range(len(bank))]

    def __len__(self) -> int:
        return len(self.bank)

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"image": self.bank.images[index], "label": int(self.bank.labels[index])}


def means_of(members: ClassBank, seed: int, patients: object = None) -> SyntheticDataset:
    """The mean of every class, which distribution matching releases."""
    images = torch.stack([members.images[rows].mean(dim=0) for rows in members.indices])
    return SyntheticDataset(images, torch.arange(3), CLASSES)


def copies_of(members: ClassBank, seed: int, patients: object = None) -> SyntheticDataset:
    """Unchanged random members, three of every class."""
    generator = seeded_generator(seed, "copies")
    rows = torch.cat([members.draw_indices(c, 3, generator) for c in range(3)])
    return SyntheticDataset(members.images[rows], members.labels[rows], CLASSES)


def unrelated_to(members: ClassBank, seed: int, patients: object = None) -> SyntheticDataset:
    """Images that are independent of the members."""
    bank = random_bank(9, seed + 1000)
    return SyntheticDataset(bank.images[:], bank.labels, CLASSES)


@pytest.fixture(scope="session")
def candidates() -> Candidates:
    """150 images, 30 of them canaries."""
    return Candidates.of_run(Items(random_bank(150, 0)), [], mislabelled=30, at_most=1000, seed=0)


@pytest.fixture(scope="session")
def network() -> FlatNetwork:
    return FlatNetwork(lambda: ConvNet(2, 1, 3, 8, width=4, depth=1))


@pytest.fixture(scope="session")
def attacked(candidates: Candidates) -> Callable[..., dict[str, object]]:
    """``attacked(attack, release)``: figures of an attack over shadows."""

    def figures(attack: Attack, release: Release, shadows: int = 20, one_sided: bool = False) -> dict[str, object]:
        statistics, members = [], []
        for shadow in range(shadows):
            inside = candidates.members(shadow)
            half = candidates.bank.subset(inside.nonzero().flatten())
            statistics.append(attack(release(half, shadow)).double().numpy())
            members.append(inside[candidates.audited].numpy())
        truth = np.stack(members)
        scores = calibrated(np.stack(statistics), truth, one_sided=one_sided)
        return attack_figures(scores, truth, candidates.units[candidates.audited].numpy())

    return figures
