"""Initial values of the synthetic images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.data import ClassBank, noise_images, random_subset, real_images


@pytest.fixture
def bank() -> ClassBank:
    labels = torch.tensor([1, 0, 1, 2, 0, 1, 2])
    images = torch.rand(7, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return ClassBank(images, labels, ["a", "b", "c"])


@pytest.mark.parametrize("count", [1, 2])
def test_real_images_are_distinct_images_of_their_class(bank: ClassBank, count: int) -> None:
    images, labels = real_images(bank, count, torch.Generator().manual_seed(0))
    assert labels.tolist() == [c for c in range(3) for _ in range(count)]
    label_of = dict(zip(bank.image_hashes(), bank.labels.tolist(), strict=True))
    hashes = ClassBank(images, labels, bank.class_names).image_hashes()
    assert [label_of[value] for value in hashes] == labels.tolist()
    assert len(set(hashes)) == len(hashes)


def test_real_images_are_copies(bank: ClassBank) -> None:
    before = bank.fingerprint()
    images, labels = real_images(bank, 1, torch.Generator().manual_seed(0))
    images.zero_()
    labels.fill_(9)
    assert bank.fingerprint() == before


def test_a_class_with_too_few_images_is_named(bank: ClassBank) -> None:
    with pytest.raises(ValueError, match=r"at least 3 training images.*a has 2, c has 2"):
        real_images(bank, 3, torch.Generator())


def test_noise_is_standard_normal_and_holds_no_training_image(bank: ClassBank) -> None:
    images, labels = noise_images(bank, 200, torch.Generator().manual_seed(0))
    assert images.shape == (600, 3, 4, 4)
    assert torch.bincount(labels).tolist() == [200, 200, 200]
    assert abs(float(images.mean())) < 0.02
    assert abs(float(images.std()) - 1) < 0.02
    assert not set(ClassBank(images, labels, bank.class_names).image_hashes()) & set(bank.image_hashes())


@pytest.mark.parametrize("start", [noise_images, real_images])
def test_the_start_follows_from_the_generator(bank: ClassBank, start: type[noise_images]) -> None:
    first, again, other = (start(bank, 2, torch.Generator().manual_seed(seed))[0] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_random_subset_has_the_requested_numbers_and_equal_ones_are_one_number(bank: ClassBank) -> None:
    assert random_subset(bank, [3, 0, 1], torch.Generator())[1].tolist() == [0, 0, 0, 2]
    one, each = (random_subset(bank, n, torch.Generator().manual_seed(1))[0] for n in (2, [2, 2, 2]))
    assert torch.equal(one, each)


@pytest.mark.parametrize("counts", [0, -1, [1, 1], [0, 0, 0], [2, -1, 1]])
def test_impossible_numbers_of_a_random_subset_are_refused(bank: ClassBank, counts: int | list[int]) -> None:
    with pytest.raises(ValueError, match="Expected images_per_class of at least 1"):
        random_subset(bank, counts, torch.Generator())
