"""Which images an expert sees in which epoch, for classes of any size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.engines.experts.pad_curriculum import Curriculum
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

LABELS = torch.tensor([0] * 40 + [1] * 13 + [3] * 1)  # unequal, class 2 without any image
SCORES = torch.rand(len(LABELS), generator=seeded_generator(0))


def make(**settings: float) -> Curriculum:
    return Curriculum(lambda: SCORES, LABELS, **settings)  # type: ignore[arg-type]


def _reference_positions(epoch: int) -> set[int]:
    """PAD's schedule (https://arxiv.org/abs/2408.03360) with its defaults, class by class and image by image."""
    positions: set[int] = set()
    for label in range(4):
        own = sorted((i for i in range(len(LABELS)) if LABELS[i] == label), key=lambda i: float(SCORES[i]))
        seen, dropped = 1.0, 0.0
        if epoch <= 20:
            seen = 0.75 + 0.25 * epoch / 20
        elif epoch > 60:
            dropped = 0.2
        elif epoch > 40:
            dropped = 0.1
        low = int(dropped * len(own))
        positions |= set(own[low : max(int(seen * len(own)), min(1, len(own)))])
    return positions


@pytest.mark.parametrize("epoch", [0, 1, 7, 19, 20, 21, 40, 41, 60, 61, 99])
def test_every_epoch_follows_the_schedule_per_class(epoch: int) -> None:
    actual = make()(epoch).tolist()
    assert len(actual) == len(set(actual))
    assert set(actual) == _reference_positions(epoch)


def test_positions_come_class_after_class_from_easy_to_hard() -> None:
    actual = make()(30)
    assert LABELS[actual].tolist() == sorted(LABELS.tolist())
    for label in (0, 1):
        scores = SCORES[actual[LABELS[actual] == label]]
        assert bool((scores[1:] >= scores[:-1]).all())


def test_a_class_of_one_image_is_seen_in_every_epoch() -> None:
    curriculum = make(initial_fraction=0.01, first_drop=0.9, second_drop=0.99)
    assert all(set(LABELS[curriculum(epoch)].tolist()) == {0, 1, 3} for epoch in range(100))


def test_the_difficulty_is_computed_once_and_not_before_the_first_epoch() -> None:
    calls: list[int] = []

    def difficulty() -> torch.Tensor:
        calls.append(1)
        return SCORES

    curriculum = Curriculum(difficulty, LABELS)
    assert curriculum.config()["add_end"] == 20
    assert calls == []
    for epoch in range(3):
        curriculum(epoch)
    assert calls == [1]


@pytest.mark.parametrize(
    "settings",
    [
        {"initial_fraction": 0.0},
        {"initial_fraction": 1.1},
        {"first_drop": 1.0},
        {"second_drop": -0.1},
        {"add_end": 41},
        {"first_removal": 61},
        {"add_end": -1},
    ],
)
def test_a_schedule_out_of_range_or_order_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        make(**settings)


@pytest.mark.parametrize("vmap", [False, True])
def test_experts_see_the_images_of_the_epoch_alone(
    network: FlatNetwork, bank: ClassBank, tmp_path: Path, vmap: bool
) -> None:
    """As experts on a bank of those images only, epoch by epoch: order and augmentation are drawn alike."""
    seen = {0: torch.tensor([1, 4, 5, 12]), 1: torch.arange(13)}

    def store(name: str, snapshots: int) -> TrajectoryStore:
        return TrajectoryStore(tmp_path / name, {}, experts=2, snapshots=snapshots, parameters=network.size)

    def train(target: TrajectoryStore, images: ClassBank, epochs: int, **settings: Any) -> TrajectoryStore:
        protocol = ExpertProtocol(SiameseAugment(), epochs=epochs, batch_size=3, vmap=vmap, **settings)
        ExpertTrainer(network=network, bank=images, store=target, protocol=protocol).run()
        return target

    actual = train(store("curriculum", 3), bank, 2, curriculum=lambda epoch: seen[epoch])
    few = train(store("few", 2), bank.subset(seen[0]), 1)
    for expert in range(2):
        torch.testing.assert_close(actual.snapshot(expert, 1), few.snapshot(expert, 1))
        assert not torch.equal(actual.snapshot(expert, 2), actual.snapshot(expert, 1))
