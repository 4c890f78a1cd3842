"""Herding and k-center against greedy choices written out from the papers, on tiny sets and by exhaustive search."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.data.coresets import herding_subset, k_center_subset
from monai_distill.runtime.randomness import seeded_generator


def features(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)[:, :3]


@pytest.fixture
def bank() -> ClassBank:
    labels = torch.tensor([0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1])
    return ClassBank(torch.randn(12, 1, 3, 3, generator=seeded_generator(1, "bank")), labels, ["a", "b"])


def chosen_positions(bank: ClassBank, images: torch.Tensor) -> list[int]:
    return [int(torch.nonzero((bank.images == image).flatten(1).all(1)).flatten()[0]) for image in images]


def test_herding_is_the_greedy_choice_of_the_formula(bank: ClassBank) -> None:
    images, labels = herding_subset(bank, 4, features)
    actual = chosen_positions(bank, images)
    assert labels.tolist() == [0] * 4 + [1] * 4
    for label in (0, 1):
        values = {int(i): features(bank.images[i : i + 1])[0].double().numpy() for i in bank.indices[label]}
        mean, picked = np.mean(list(values.values()), axis=0), []
        for k in range(1, 5):
            gap = {
                i: np.linalg.norm(mean - sum(values[j] for j in (*picked, i)) / k) for i in values if i not in picked
            }
            picked.append(min(gap, key=gap.__getitem__))
        assert actual[4 * label : 4 * label + 4] == picked


def test_k_center_takes_the_farthest_and_stays_within_twice_the_best_radius(bank: ClassBank) -> None:
    images, labels = k_center_subset(bank, 3, features, seeded_generator(0, "k"))
    actual = chosen_positions(bank, images)
    for label in (0, 1):
        own = bank.indices[label].tolist()
        points = features(bank.images)[own].double()
        distance = torch.cdist(points, points).numpy()
        picked = [own.index(i) for i in actual[3 * label : 3 * label + 3]]
        for k in (1, 2):
            nearest = distance[:, picked[:k]].min(1)
            assert nearest[picked[k]] == nearest.max()
        best = min(distance[:, list(c)].min(1).max() for c in itertools.combinations(range(len(own)), 3))
        assert distance[:, picked].min(1).max() <= 2 * best
    assert labels.tolist() == [0] * 3 + [1] * 3


def test_k_center_repeats_with_its_generator_and_its_draws_differ(bank: ClassBank) -> None:
    subsets = [k_center_subset(bank, 1, features, seeded_generator(s, "k"))[0] for s in (0, 0, 1, 2, 3)]
    assert torch.equal(subsets[0], subsets[1])
    assert any(not torch.equal(subsets[0], subset) for subset in subsets[2:])


def test_a_small_class_gives_every_image_before_any_comes_again() -> None:
    bank = ClassBank(
        torch.rand(5, 1, 3, 3, generator=seeded_generator(0, "small")), torch.tensor([0, 0, 1, 1, 1]), ["a", "b"]
    )
    for images, labels in (
        herding_subset(bank, 5, features),
        k_center_subset(bank, 5, features, seeded_generator(0, "k")),
    ):
        actual = chosen_positions(bank, images)
        assert labels.tolist() == [0] * 5 + [1] * 5
        assert sorted(actual[:2]) == [0, 1]
        assert sorted(actual[5:8]) == [2, 3, 4]
        assert actual[2:4] == actual[:2]


def test_equal_images_are_still_chosen_one_by_one() -> None:
    bank = ClassBank(torch.zeros(3, 1, 3, 3), torch.zeros(3, dtype=torch.long), ["a"])
    bank.images[:, 0, 2, 2] = torch.arange(3)  # not seen by the features
    for images, _ in (herding_subset(bank, 3, features), k_center_subset(bank, 3, features, seeded_generator(0, "k"))):
        assert sorted(images[:, 0, 2, 2].tolist()) == [0, 1, 2]


def test_copies_are_returned(bank: ClassBank) -> None:
    before = bank.fingerprint()
    herding_subset(bank, 2, features)[0].zero_()
    k_center_subset(bank, 2, features, seeded_generator(0, "k"))[0].zero_()
    assert bank.fingerprint() == before


def test_no_images_are_refused(bank: ClassBank) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        herding_subset(bank, 0, features)
    with pytest.raises(ValueError, match="at least 1"):
        k_center_subset(bank, 0, features, seeded_generator(0, "k"))
    empty = ClassBank(bank.images, bank.labels, ["a", "b", "c"])
    with pytest.raises(ValueError, match="every class"):
        herding_subset(empty, 1, features)
    with pytest.raises(ValueError, match=r"Class 2 \(c\)"):
        k_center_subset(empty, 1, features, seeded_generator(0, "k"))
