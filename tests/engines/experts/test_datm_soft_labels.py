"""Labels from the experts that are right, images that they classify correctly, and the cases without any."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.engines.experts.datm_soft_labels import (
    correct_images,
    expert_labels,
    expert_logits,
    mean_of_right_logits,
)
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import seeded_generator

CLASSES = 3
Store = Callable[..., TrajectoryStore]


def _reference_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """DATM's initial labels (https://arxiv.org/abs/2310.05773): the mean over experts that are right."""
    rows = []
    for i, label in enumerate(labels.tolist()):
        right = [row[i] for row in logits if int(row[i].argmax()) == label]
        if right:
            rows.append(torch.stack(right).mean(0))
            continue
        mean = logits[:, i].mean(0)
        top = int(mean.argmax())
        mean[[top, label]] = mean[[label, top]]
        rows.append(mean)
    return torch.stack(rows)


def test_labels_are_the_mean_of_the_experts_that_are_right() -> None:
    logits = torch.randn(5, 60, CLASSES, generator=seeded_generator(0), dtype=torch.float64)
    labels = torch.arange(60) % CLASSES
    right = (logits.argmax(2) == labels).sum(0)
    assert {0, 1, 2} <= set(right.tolist())  # both cases are there
    actual = mean_of_right_logits(logits, labels)
    torch.testing.assert_close(actual, _reference_labels(logits, labels))
    assert torch.equal(actual.argmax(1), labels)


def test_where_no_expert_is_right_the_true_class_comes_first_and_nothing_is_nan() -> None:
    logits = torch.tensor([[[5.0, 1.0, 0.0]], [[3.0, 1.0, 2.0]]])
    actual = mean_of_right_logits(logits, torch.tensor([1]))
    assert actual.tolist() == [[1.0, 4.0, 1.0]]


class Linear(nn.Sequential):
    """One pixel per class: the logits are the pixels times one weight per class."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(CLASSES, CLASSES, bias=False))


@pytest.fixture
def pixels() -> FlatNetwork:
    return FlatNetwork(Linear)


@pytest.fixture
def store_of(tmp_path: Path) -> Store:
    """Experts whose last snapshots are the given matrices; the first snapshot is far off."""

    def make(*matrices: Tensor) -> TrajectoryStore:
        size = CLASSES * CLASSES
        store = TrajectoryStore(tmp_path / str(len(matrices)), {}, experts=len(matrices), snapshots=3, parameters=size)
        for expert, matrix in enumerate(matrices):
            store.write(expert, torch.stack([torch.full((size,), 9.0), torch.zeros(size), matrix.flatten()]), [])
        return store

    return make


def images_of(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows).reshape(-1, 1, 1, CLASSES)


RIGHT = torch.eye(CLASSES)
NEVER_TWO = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-5.0, -5.0, -5.0]])  # class 2 always comes last


def test_the_last_snapshot_of_every_expert_predicts(pixels: FlatNetwork, store_of: Store) -> None:
    images = images_of([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
    logits = expert_logits(pixels, store_of(RIGHT, 2 * RIGHT), images)
    torch.testing.assert_close(logits, torch.stack([images[:, 0, 0], 2 * images[:, 0, 0]]))
    actual = expert_labels(pixels, store_of(RIGHT, 2 * RIGHT), images, torch.tensor([2, 1]))
    torch.testing.assert_close(actual, torch.tensor([[1.5, 3.0, 4.5], [0.0, 6.0, -1.5]]))


def bank_with_mistakes() -> ClassBank:
    """Twelve images per class; the first expert is right about the first four of a class, the second about eight."""
    rows, labels = [], []
    for label in range(CLASSES):
        for i in range(12):
            row = [0.0] * CLASSES
            row[label if i < 4 else (label + 1) % CLASSES] = 1.0 + i / 100
            rows.append(row)
            labels.append(label)
    return ClassBank(images_of(rows), torch.tensor(labels), ["a", "b", "c"])


def test_only_images_that_an_expert_gets_right_are_taken_the_first_expert_s_first(
    pixels: FlatNetwork, store_of: Store
) -> None:
    bank = bank_with_mistakes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images, labels = correct_images(bank, 4, seeded_generator(0), network=pixels, store=store_of(RIGHT))
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (images.flatten(1).argmax(1) == labels).all()
    assert len({tuple(image.flatten().tolist()) for image in images}) == 12
    shifted = RIGHT.roll(1, 1)  # right about the images that the first is wrong about
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images, labels = correct_images(bank, 9, seeded_generator(0), network=pixels, store=store_of(RIGHT, shifted))
    first = (images.flatten(1).argmax(1) == labels).reshape(CLASSES, 9)
    assert first.tolist() == [[True] * 4 + [False] * 5] * CLASSES
    assert len({tuple(image.flatten().tolist()) for image in images}) == 27


def test_the_draw_follows_the_generator_and_the_images_are_copies(pixels: FlatNetwork, store_of: Store) -> None:
    bank, store = bank_with_mistakes(), store_of(RIGHT)
    first, again, other = (
        correct_images(bank, 2, seeded_generator(seed), network=pixels, store=store)[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    before = bank.images.clone()
    first.zero_()
    assert torch.equal(bank.images, before)


def test_a_class_that_no_expert_gets_right_is_filled_with_the_surest_and_named_once(
    pixels: FlatNetwork, store_of: Store
) -> None:
    rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.1, 0.1, 0.9], [0.2, 0.3, 0.1], [0.01, 0.0, 0.2]]
    bank = ClassBank(images_of(rows), torch.tensor([0, 1, 2, 2, 2]), ["a", "b", "never"])
    with pytest.warns(UserWarning, match=r"never \(0 of 1\)") as caught:
        images, labels = correct_images(bank, 1, seeded_generator(0), network=pixels, store=store_of(NEVER_TWO))
    assert len(caught) == 1
    assert labels.tolist() == [0, 1, 2]
    probability = (bank.images[2:].flatten(1) @ NEVER_TWO.T).softmax(1)[:, 2]
    assert torch.equal(images[2], bank.images[2 + int(probability.argmax())])
    actual = expert_labels(pixels, store_of(NEVER_TWO), images, labels)
    assert bool(torch.isfinite(actual).all())
    assert actual.argmax(1).tolist() == [0, 1, 2]


def test_a_class_that_is_right_too_seldom_keeps_what_is_right(pixels: FlatNetwork, store_of: Store) -> None:
    bank = bank_with_mistakes()
    with pytest.warns(UserWarning, match=r"a \(4 of 6\), b \(4 of 6\), c \(4 of 6\)"):
        images, labels = correct_images(bank, 6, seeded_generator(0), network=pixels, store=store_of(RIGHT))
    right = (images.flatten(1).argmax(1) == labels).reshape(CLASSES, 6)
    assert right.tolist() == [[True] * 4 + [False] * 2] * CLASSES
    assert len({tuple(image.flatten().tolist()) for image in images}) == 18


def test_a_class_with_too_few_images_is_refused_by_name(pixels: FlatNetwork, store_of: Store) -> None:
    bank = ClassBank(images_of([[1.0, 0.0, 0.0]] * 3), torch.tensor([0, 0, 1]), ["a", "rare"])
    with pytest.raises(ValueError, match="rare has 1"):
        correct_images(bank, 2, seeded_generator(0), network=pixels, store=store_of(RIGHT))


def test_unfinished_experts_are_refused(pixels: FlatNetwork, tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path / "e", {}, experts=1, snapshots=2, parameters=9)
    with pytest.raises(ValueError, match="not finished"):
        expert_logits(pixels, store, torch.zeros(1, 1, 1, 3))
