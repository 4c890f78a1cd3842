"""Who is in: halves that are fair, whole patients, canaries with a label of another class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.privacy.audit.candidates import Candidates
from tests.privacy.audit.conftest import Items, random_bank


def test_halves_are_fair_for_every_image_and_class(candidates: Candidates) -> None:
    members = torch.stack([candidates.members(shadow) for shadow in range(200)]).float()
    shares = members.mean(dim=0)
    assert float((shares - 0.5).abs().max()) < 4.5 * 0.5 / 200**0.5
    natural = ~candidates.mislabelled
    per_class = [members[:, natural & (candidates.true_labels == c)].sum(dim=1) for c in range(3)]
    assert all(float(own.max() - own.min()) <= 1 for own in per_class)


def test_canaries_are_drawn_by_coins_of_their_own(candidates: Candidates) -> None:
    coins = torch.stack([candidates.members(s)[candidates.mislabelled] for s in range(200)]).float()
    assert float(coins.sum(dim=1).std()) > 2  # a fixed half would have no spread; 30 coins have 2.7


def test_shadows_differ_and_repeat(candidates: Candidates) -> None:
    assert torch.equal(candidates.members(3), candidates.members(3))
    assert not torch.equal(candidates.members(3), candidates.members(4))


def test_canaries_have_a_wrong_label_and_are_all_audited(candidates: Candidates) -> None:
    assert int(candidates.mislabelled.sum()) == 30
    assert bool(torch.isin(candidates.mislabelled.nonzero().flatten(), candidates.audited).all())


def test_patients_and_identical_images_go_together() -> None:
    bank = random_bank(60, 1)
    names = [f"p{i // 4}" for i in range(60)]
    by_patient = Candidates.of_run(Items(bank, patient=names), [], mislabelled=2, at_most=99, seed=0)
    assert by_patient.unit == "patient"
    numbers = by_patient.item_columns(by_patient.members(0))["patient"]
    assert numbers is not None
    assert {numbers.count(patient) for patient in numbers} == {4}
    inside = by_patient.members(0).reshape(15, 4)
    assert bool((inside.all(dim=1) | ~inside.any(dim=1)).all())
    twice = ClassBank(bank.images.repeat(2, 1, 1, 1), bank.labels.repeat(2), bank.class_names)
    by_image = Candidates.of_run(Items(twice), [], mislabelled=2, at_most=999, seed=0)
    assert by_image.unit == "image"
    assert by_image.item_columns(by_image.members(0)) == {}
    assert torch.equal(by_image.members(0)[:60], by_image.members(0)[60:])


def test_images_that_are_held_out_too_are_no_candidates() -> None:
    bank = random_bank(60, 1)
    found = Candidates.of_run(Items(bank), [Items(bank.subset(torch.arange(6)))], mislabelled=0, at_most=99, seed=0)
    assert len(found.bank) == 54


def test_the_loneliest_image_is_an_outlier() -> None:
    bank = random_bank(60, 1)
    bank.images[7] = 5.0
    found = Candidates.of_run(Items(bank), [], mislabelled=0, at_most=99, seed=0)
    assert found.audited[found.outliers].tolist().count(7) == 1
    assert int(found.outliers.sum()) == 3


def test_metadata_is_what_an_item_has_beside_the_known() -> None:
    sexes = ["F", "M"] * 30
    found = Candidates.of_run(Items(random_bank(60, 1), sex=sexes), [], mislabelled=0, at_most=10, seed=0)
    assert found.metadata == {"sex": [sexes[i] for i in found.audited.tolist()]}


def test_other_training_images_are_refused() -> None:
    bank = random_bank(60, 1)
    Candidates.of_run(Items(bank), [], mislabelled=0, at_most=9, seed=0, training_sha256=bank.fingerprint())
    with pytest.raises(RuntimeError, match="checksum of the training images"):
        Candidates.of_run(
            Items(random_bank(60, 2)), [], mislabelled=0, at_most=9, seed=0, training_sha256=bank.fingerprint()
        )


def test_refuses_more_canaries_than_images() -> None:
    with pytest.raises(ValueError, match="Expected at most 60 canaries"):
        Candidates.of_run(Items(random_bank(60, 1)), [], mislabelled=61, at_most=99, seed=0)
