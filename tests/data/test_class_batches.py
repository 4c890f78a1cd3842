"""Batches of every class by iteration number, with classes of any size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import pytest
import torch

from monai_distill.data import ClassBank, ClassBatches

LABELS = torch.tensor([2, 0, 2, 2, 0, 2, 1, 2])


def bank(*, names: int = 3) -> ClassBank:
    images = torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 1, 4, 4)
    return ClassBank(images, LABELS, [str(i) for i in range(names)])


def test_a_small_class_gives_all_it_has_once_and_does_not_shrink_the_others() -> None:
    batch = ClassBatches(bank(), 3, seed=0)[4]
    assert batch.counts == (2, 1, 3)
    assert batch.labels.tolist() == [0, 0, 1, 2, 2, 2]
    numbers = batch.images[:, 0, 0, 0].long()
    assert torch.equal(LABELS[numbers], batch.labels)
    assert len(set(numbers.tolist())) == 6
    assert batch.iteration == 4


def test_equal_batches_repeat_an_image_only_after_all_others() -> None:
    batch = ClassBatches(bank(), 4, seed=0, equal=True)[0]
    assert batch.counts == (4, 4, 4)
    times = Counter(batch.images[batch.labels == 0][:, 0, 0, 0].tolist())
    assert set(times.values()) == {2}
    assert len(set(batch.images[batch.labels == 2][:, 0, 0, 0].tolist())) == 4


def test_a_batch_depends_on_seed_and_iteration_alone() -> None:
    first, again = ClassBatches(bank(), 2, seed=3), ClassBatches(bank(), 2, seed=3)
    assert torch.equal(again[9].images, [first[i] for i in range(10)][9].images)
    numbers = {tuple(first[i].images[:, 0, 0, 0].tolist()) for i in range(20)}
    assert len(numbers) > 10
    assert any(not torch.equal(first[i].images, ClassBatches(bank(), 2, seed=4)[i].images) for i in range(5))


def test_empty_batches_and_empty_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ClassBatches(bank(), 0, seed=0)
    with pytest.raises(ValueError, match=r"none of \['3'\]"):
        ClassBatches(bank(names=4), 1, seed=0)
