"""Sums to which one record adds at most the clip."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.privacy.dp.records import clipped_class_sums, clipped_sum, record_batches
from monai_distill.runtime.randomness import seeded_generator


def bank_of(labels: list[int], patients: list[int] | None = None, scale: float = 3.0) -> ClassBank:
    images = scale * torch.randn(len(labels), 1, 2, 3, generator=seeded_generator(0, "images"))
    codes = None if patients is None else torch.tensor(patients)
    return ClassBank(images, torch.tensor(labels), ["a", "b", "c"], codes)


def flat(images: Tensor) -> Tensor:
    return images.flatten(1)


@pytest.mark.parametrize("patients", [None, [0, 0, 0, 1, 1, 2, 3, 3, 3, 3]])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_one_record_moves_the_sum_by_at_most_the_clip(patients: list[int] | None, batch_size: int) -> None:
    bank = bank_of([0, 1, 2, 0, 0, 1, 2, 2, 1, 0], patients)
    unit = "image" if patients is None else "patient"
    total = clipped_class_sums(bank, flat, unit=unit, clip=0.7, batch_size=batch_size)
    records = torch.arange(10) if patients is None else torch.tensor(patients)
    for record in records.unique():
        rest = bank.subset(torch.nonzero(records != record).flatten())
        moved = float((total - clipped_class_sums(rest, flat, unit=unit, clip=0.7, batch_size=batch_size)).norm())
        assert moved == pytest.approx(0.7, rel=1e-9)  # these images are all longer than the clip


def test_short_vectors_are_not_scaled() -> None:
    bank = bank_of([0, 1, 1, 2], scale=0.01)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    for image, label in zip(bank.images, bank.labels, strict=True):
        expected[label] += image.flatten().double()
    assert torch.allclose(clipped_class_sums(bank, flat, unit="image", clip=1.0), expected)


def test_a_patient_has_weight_one_however_many_images() -> None:
    one = ClassBank(torch.full((1, 1, 2, 2), 0.1), torch.tensor([1]), ["a", "b"], torch.tensor([0]))
    many = ClassBank(torch.full((9, 1, 2, 2), 0.1), torch.ones(9, dtype=torch.long), ["a", "b"], torch.zeros(9).long())
    assert torch.allclose(clipped_class_sums(one, flat, unit="patient"), clipped_class_sums(many, flat, unit="patient"))


def test_vectors_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite vectors"):
        clipped_class_sums(bank_of([0, 1]), lambda x: x.flatten(1) / 0, unit="image")


@st.composite
def records_of_images(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, float]:
    """Vectors, records, labels and a clip; vectors of any length, records of any number of images in any class."""
    count = draw(st.integers(2, 12))
    length = st.floats(-1e6, 1e6, width=32)
    vectors = torch.tensor(draw(st.lists(st.lists(length, min_size=3, max_size=3), min_size=count, max_size=count)))
    codes = torch.tensor(draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    labels = torch.tensor(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    return vectors.double(), codes, labels, draw(st.floats(1e-3, 1e3))


@settings(max_examples=200, deadline=None)
@given(records_of_images())
def test_adding_or_removing_any_record_moves_the_sums_by_at_most_the_clip(
    images: tuple[Tensor, Tensor, Tensor, float],
) -> None:
    vectors, codes, labels, clip = images
    total = clipped_sum(vectors, codes, labels, 3, clip)
    for record in codes.unique():
        others = codes != record
        without = clipped_sum(vectors[others], codes[others], labels[others], 3, clip) if others.any() else 0 * total
        assert float((total - without).norm()) <= clip * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(records_of_images(), st.integers(1, 9))
def test_batches_hold_every_image_once_and_never_split_a_record(
    images: tuple[Tensor, Tensor, Tensor, float], batch_size: int
) -> None:
    codes = images[1]
    batches = list(record_batches(codes, batch_size))
    assert sorted(torch.cat(batches).tolist()) == list(range(len(codes)))
    owners = [set(codes[batch].tolist()) for batch in batches]
    assert sum(len(owner) for owner in owners) == len(set(codes.tolist()))


def test_image_as_unit_bounds_one_image_although_patients_are_known() -> None:
    """Before, patients were clipped and the ledger said "image": one image then moves the sum by twice the clip."""
    images = torch.tensor([100.0, -300.0]).reshape(2, 1, 1, 1)
    bank = ClassBank(images, torch.tensor([0, 0]), ["a", "b"], torch.tensor([0, 0]))
    rest = bank.subset(torch.tensor([0]))
    by_image = [clipped_class_sums(each, flat, unit="image", clip=1.0) for each in (bank, rest)]
    assert float((by_image[0] - by_image[1]).norm()) == pytest.approx(1.0)
    by_patient = [clipped_class_sums(each, flat, unit="patient", clip=1.0) for each in (bank, rest)]
    assert float((by_patient[0] - by_patient[1]).norm()) == pytest.approx(2.0)


def test_patient_as_unit_needs_patients() -> None:
    with pytest.raises(ValueError, match="--unit image"):
        clipped_class_sums(bank_of([0, 1]), flat, unit="patient")
