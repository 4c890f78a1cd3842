"""Equally many images of every class in every epoch."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.engines.experts.balanced_epochs import BalancedEpochs
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment

LABELS = torch.tensor([0] * 40 + [2] * 13 + [3] * 1)  # unequal, class 1 without any image


def test_every_class_that_has_images_has_the_same_share() -> None:
    seen = LABELS[BalancedEpochs(LABELS)(0)]
    assert torch.bincount(seen).tolist() == [18, 0, 18, 18]


def test_images_of_a_class_are_seen_equally_often_to_within_one() -> None:
    counts = torch.bincount(BalancedEpochs(LABELS)(3), minlength=len(LABELS))
    for first, last in ((0, 40), (40, 53), (53, 54)):
        epoch_counts = counts[first:last]
        assert int(epoch_counts.max() - epoch_counts.min()) <= 1


def test_epochs_and_seeds_differ_and_repeat() -> None:
    one = BalancedEpochs(LABELS)(0)
    assert torch.equal(one, BalancedEpochs(LABELS)(0))
    assert not torch.equal(one, BalancedEpochs(LABELS)(1))
    assert not torch.equal(one, BalancedEpochs(LABELS, seed=1)(0))


def test_over_epochs_all_images_of_a_large_class_are_seen() -> None:
    balanced = BalancedEpochs(LABELS)
    assert set(torch.cat([balanced(epoch) for epoch in range(12)]).tolist()) == set(range(len(LABELS)))


def test_it_draws_from_what_another_schedule_gives() -> None:
    seen = BalancedEpochs(LABELS, within=lambda epoch: torch.arange(epoch, 42))(38)
    assert sorted(set(seen.tolist())) == [38, 39, 40, 41]
    assert torch.bincount(LABELS[seen]).tolist() == [2, 0, 2]


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        BalancedEpochs(torch.tensor([], dtype=torch.long))


def test_experts_learn_the_rare_class_from_it(tmp_path: Path) -> None:
    """Both classes have the same images, so that an expert predicts how often it saw each class."""
    bank = ClassBank(torch.zeros(100, 1, 2, 2), torch.tensor([0] * 90 + [1] * 10), ["often", "rare"])
    network = FlatNetwork(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)))
    said = []
    for name, curriculum in (("as they are", None), ("balanced", BalancedEpochs(bank.labels))):
        store = TrajectoryStore(tmp_path / name, {}, experts=1, snapshots=31, parameters=network.size)
        protocol = ExpertProtocol(SiameseAugment(()), epochs=30, lr=0.5, batch_size=20, curriculum=curriculum)
        ExpertTrainer(network=network, bank=bank, store=store, protocol=protocol).run()
        said.append(float(network.predict(store.snapshot(0, 30), bank.images[:1]).softmax(dim=1)[0, 1]))
    assert said == pytest.approx([0.1, 0.5], abs=0.05)
