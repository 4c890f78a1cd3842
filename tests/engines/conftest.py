"""A tiny world for the engines: one small network, a few images, the random states under watch."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
import torch

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import Standardize


def tiny_module() -> ConvNet:
    return ConvNet(2, 1, 3, 8, width=4, depth=1)


@pytest.fixture
def make_module() -> Callable[[], ConvNet]:
    return tiny_module


@pytest.fixture
def network() -> FlatNetwork:
    return FlatNetwork(tiny_module)


@pytest.fixture
def bank() -> ClassBank:
    """13 images of 3 classes that a network can distinguish a little."""
    labels = torch.arange(13) % 3
    images = torch.randn(13, 1, 8, 8, generator=seeded_generator(0, "bank")) + labels.reshape(-1, 1, 1, 1) - 1
    return ClassBank(images, labels, ["a", "b", "c"])


@pytest.fixture
def random_states_kept() -> Callable[[], AbstractContextManager[None]]:
    """A block after which torch's, NumPy's and Python's global random states must be what they were."""

    @contextmanager
    def block() -> Iterator[None]:
        before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
        yield
        assert torch.equal(torch.random.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]
        assert random.getstate() == before[2]

    return block


@pytest.fixture(scope="session")
def digits() -> SplitBanks:
    """The embedded digits; not to be changed."""
    return SplitBanks(*(DigitsDataset(part) for part in ("training", "validation", "test")), fit=Standardize.fit)


@pytest.fixture
def two_each(digits: SplitBanks) -> SyntheticDataset:
    """Two images of every digit that pass for distilled ones, with a learning rate that nothing else has."""
    drawn = random_subset(digits.training, 2, seeded_generator(7, "two each"))
    return SyntheticDataset(*drawn, digits.class_names, student_lr=0.05)
