"""A synthetic set in a plain PyTorch loop, as the data card shows it: class numbers and learned labels alike."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import Standardize

CLASSES = 10


def saved_digits(folder: Path, *, soft: bool) -> tuple[Path, ClassBank, Standardize]:
    """Ten real digits of every class as a set; learned labels are logits below and above zero, as experts give them."""
    training, test = (ClassBank.from_dataset(DigitsDataset(section=section)) for section in ("training", "test"))
    chosen = torch.cat([torch.nonzero(training.labels == label).flatten()[:10] for label in range(CLASSES)])
    labels = training.labels[chosen]
    noise = torch.randn(len(labels), CLASSES, generator=seeded_generator(0, "logits"))
    logits = 8 * nn.functional.one_hot(labels, CLASSES) - 4 + noise
    standardize = Standardize.fit(training.images, spatial_dims=2)
    data = SyntheticDataset(
        standardize(training.images[chosen]),
        labels,
        list(map(str, range(CLASSES))),
        label_logits=logits if soft else None,
        preprocessing=standardize,
    )
    return data.save(folder), test, standardize


@pytest.mark.parametrize("soft", [False, True])
def test_the_loop_of_the_data_card_learns(tmp_path: Path, soft: bool) -> None:
    folder, test, standardize = saved_digits(tmp_path, soft=soft)
    dataset = SyntheticDataset.load(folder)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    for _ in range(60):
        for batch in DataLoader(dataset, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch["image"]), batch["label"]).backward()
            optimizer.step()
    assert accuracy(network, standardize(test.images[:]), test.labels) > 0.7  # chance is 0.1


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float((network(images).argmax(dim=1) == labels).float().mean())
