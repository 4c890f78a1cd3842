"""The noise, the clip and the one-time release, each by what it must do and not by how."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import pickle

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.privacy.dp import PrivateRelease, clipped_class_sums, secure_coins, secure_normal
from monai_distill.runtime.randomness import seeded_generator


def bank_of(labels: list[int], patients: list[int] | None = None, scale: float = 3.0) -> ClassBank:
    images = scale * torch.randn(len(labels), 1, 2, 3, generator=seeded_generator(0, "images"))
    whose = None if patients is None else torch.tensor(patients)
    return ClassBank(images, torch.tensor(labels), ["a", "b", "c"], whose)


def flat(images: Tensor) -> Tensor:
    return images.flatten(1)


def test_noise_is_normal_of_the_asked_width_and_never_the_same() -> None:
    noise = secure_normal((200, 300), 2.5).flatten()
    assert kstest((noise / 2.5).numpy(), "norm").pvalue > 1e-4  # false alarm once in 10,000 runs
    assert float(noise.std()) == pytest.approx(2.5, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert noise.dtype == torch.float64


def test_noise_has_no_seed() -> None:
    state = torch.random.get_rng_state()
    first = secure_normal((50,), 1.0)
    torch.random.set_rng_state(state)
    assert not torch.equal(first, secure_normal((50,), 1.0))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_coins_fall_as_often_as_asked_and_on_their_own() -> None:
    draws = torch.stack([secure_coins(40, 0.3) for _ in range(5000)]).double()
    assert torch.allclose(draws.mean(dim=0), torch.full((40,), 0.3, dtype=torch.float64), atol=0.035)  # 5.4 deviations
    together = draws.T @ draws / len(draws)
    off_diagonal = together[~torch.eye(40, dtype=torch.bool)]
    assert float((off_diagonal - 0.09).abs().max()) < 0.025  # pairwise independent
    assert not secure_coins(5, 0.0).any()


@pytest.mark.parametrize("patients", [None, [0, 0, 0, 1, 1, 2, 3, 3, 3, 3]])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_one_record_moves_the_sum_by_at_most_the_clip(patients: list[int] | None, batch_size: int) -> None:
    bank = bank_of([0, 1, 2, 0, 0, 1, 2, 2, 1, 0], patients)
    whole = clipped_class_sums(bank, flat, clip=0.7, batch_size=batch_size)
    records = torch.arange(10) if patients is None else torch.tensor(patients)
    for record in records.unique():
        rest = bank.subset(torch.nonzero(records != record).flatten())
        moved = float((whole - clipped_class_sums(rest, flat, clip=0.7, batch_size=batch_size)).norm())
        assert moved == pytest.approx(0.7, rel=1e-9)  # these images are all longer than the clip


def test_short_vectors_are_left_alone() -> None:
    bank = bank_of([0, 1, 1, 2], scale=0.01)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    for image, label in zip(bank.images, bank.labels, strict=True):
        expected[label] += image.flatten().double()
    assert torch.allclose(clipped_class_sums(bank, flat, clip=1.0), expected)


def test_a_patient_weighs_one_however_many_images() -> None:
    one = ClassBank(torch.full((1, 1, 2, 2), 0.1), torch.tensor([1]), ["a", "b"], torch.tensor([0]))
    many = ClassBank(torch.full((9, 1, 2, 2), 0.1), torch.ones(9, dtype=torch.long), ["a", "b"], torch.zeros(9).long())
    assert torch.allclose(clipped_class_sums(one, flat), clipped_class_sums(many, flat))


def test_what_no_clip_can_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="finite vectors"):
        clipped_class_sums(bank_of([0, 1]), lambda x: x.flatten(1) / 0)


def test_a_release_has_the_calibrated_noise_and_takes_the_clean_value_away() -> None:
    clean = torch.ones(300, 200)
    told = PrivateRelease(clean, clip=0.5, noise_multiplier=3.0).draw()
    assert float((told - 1).std()) == pytest.approx(1.5, rel=0.02)
    assert kstest(((told - 1) / 1.5).flatten().numpy(), "norm").pvalue > 1e-4
    assert not clean.any()


def test_a_release_is_told_once() -> None:
    release = PrivateRelease(torch.ones(3), clip=1.0, noise_multiplier=1.0)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="not copied"):
            copied(release)
    release.draw()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be told twice"):
            release.draw()
    assert not any(torch.is_tensor(value) for value in vars(release).values())


@pytest.mark.parametrize(("clip", "noise"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (float("inf"), 1.0)])
def test_a_release_without_noise_is_refused(clip: float, noise: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        PrivateRelease(torch.ones(1), clip=clip, noise_multiplier=noise)
