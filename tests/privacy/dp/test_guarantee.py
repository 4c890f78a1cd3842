"""Steps of a run with a guarantee: the start is computed without data, experts belong to one grouping of records."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, noise_images, real_images
from monai_distill.privacy.dp.guarantee import masked_initial_set, number_of_records, record_grouping


def bank_of(patients: list[int] | None = None) -> ClassBank:
    codes = None if patients is None else torch.tensor(patients)
    return ClassBank(torch.rand(4, 1, 4, 4), torch.tensor([0, 0, 1, 1]), ["a", "b"], codes)


def test_noise_is_the_same_with_and_without_masked_data() -> None:
    bank = bank_of()
    start = functools.partial(noise_images, std=0.2)
    images, labels = masked_initial_set([bank], {"noise": start}, "noise", bank, 3, seed=5)
    assert images.shape == (6, 1, 4, 4)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert float(images.std()) == pytest.approx(0.2, rel=0.3)
    assert torch.equal(images, masked_initial_set([bank], {"noise": start}, "noise", bank, 3, seed=5)[0])


def test_real_images_under_the_name_noise_are_refused() -> None:
    """Before, --initial#noise set to real images passed and was released with an epsilon."""
    bank = bank_of()
    with pytest.raises(ValueError, match="Leave initial#noise unchanged"):
        masked_initial_set([bank], {"noise": real_images}, "noise", bank, 1, seed=0)


def test_real_images_cannot_be_read_by_any_start() -> None:
    bank = bank_of()
    images = bank.images[:].clone()

    def copies(bank: ClassBank, images_per_class: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return bank.images[torch.tensor([0, 2])], torch.tensor([0, 1])

    try:
        start, _ = masked_initial_set([bank], {"copies": copies}, "copies", bank, 1, seed=0)
    except RuntimeError:
        start = torch.full((2, 1, 4, 4), float("nan"))
    assert bool(start.isnan().all())
    assert torch.equal(bank.images[:], images)


def test_experts_of_images_are_of_another_job_than_those_of_patients() -> None:
    """Before, experts trained for images were used again for patients, and the ledger said "unit: patient"."""
    bank = bank_of([1, 1, 2, 2])
    jobs = [record_grouping(bank, "patient", 1e-5), record_grouping(bank, "image", 1e-5)]
    jobs += [record_grouping(bank, "patient", 1e-6), record_grouping(bank_of([1, 2, 2, 2]), "patient", 1e-5)]
    assert all(one != other for i, one in enumerate(jobs) for other in jobs[:i])
    renamed = bank_of([9, 9, 11, 11])
    assert record_grouping(renamed, "patient", 1e-5)["grouping"] == jobs[0]["grouping"]


def test_the_unit_patient_needs_patients() -> None:
    assert number_of_records(bank_of([1, 1, 2, 2]), "patient") == 2
    assert number_of_records(bank_of([1, 1, 2, 2]), "image") == 4
    with pytest.raises(ValueError, match="--unit image"):
        number_of_records(bank_of(), "patient")
