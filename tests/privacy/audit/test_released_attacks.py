"""Attacks on the released set itself, on sets whose members are known."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import Tensor

from monai_distill.claims.audit_evidence import attack_reasons
from monai_distill.data import SyntheticDataset
from monai_distill.privacy.audit.attacks import NearestNeighbor
from monai_distill.privacy.audit.attacks.features import pixel_features
from monai_distill.privacy.audit.attacks.learned_labels import LearnedLabels, label_attack
from monai_distill.privacy.audit.candidates import Candidates
from monai_distill.privacy.audit.released_attacks import attacks_outside, made_attacks, released_attacks
from monai_distill.privacy.audit.verdict import _released_attacks
from tests.claims.test_tier import AUDIT
from tests.privacy.audit.conftest import random_bank, unrelated_to


def nearest(images: Tensor, labels: Tensor) -> NearestNeighbor:
    return NearestNeighbor(images, labels, pixel_features)


def attacked(release: SyntheticDataset, candidates: Candidates, shift: float = 0.0) -> dict[str, dict[str, object]]:
    other, public = random_bank(900, 77), random_bank(120, 9)
    inside = made_attacks(
        {"nearest": nearest, "none": lambda images, labels: None}, candidates.images, candidates.labels
    )
    outside = {"nearest": nearest(other.images + shift, other.labels)}
    return released_attacks(release, candidates, inside, outside, public)


def everything(candidates: Candidates) -> SyntheticDataset:
    bank = candidates.bank
    return SyntheticDataset(bank.images[:], candidates.true_labels, bank.class_names)


def test_a_set_of_its_training_images_is_caught_directly_and_has_no_tier(candidates: Candidates) -> None:
    found = attacked(everything(candidates), candidates)
    assert list(found) == ["nearest"]
    assert found["nearest"]["auc"] == 1.0
    assert (found["nearest"]["caught"], found["nearest"]["void"], found["nearest"]["within_gate"]) == (
        True,
        False,
        False,
    )
    audit = {**AUDIT, "released_set": {**AUDIT["released_set"], "attacks": found}}
    assert any("nearest on the released set itself" in reason for reason in attack_reasons(audit))
    assert "gives members away beyond chance: nearest (area 1.000)" in _released_attacks(audit)[0]


def test_an_unrelated_set_is_not(candidates: Candidates) -> None:
    found = attacked(unrelated_to(candidates.bank, 3), candidates)
    assert (found["nearest"]["caught"], found["nearest"]["void"]) == (False, False)
    audit = {**AUDIT, "released_set": {**AUDIT["released_set"], "attacks": found}}
    assert list(attack_reasons(audit)) == []
    assert "none of 1 attacks" in _released_attacks(audit)[0]


def test_sections_that_differ_by_themselves_make_an_attack_void(candidates: Candidates) -> None:
    found = attacked(unrelated_to(candidates.bank, 3), candidates, shift=5.0)
    assert (found["nearest"]["caught"], found["nearest"]["void"], found["nearest"]["within_gate"]) == (
        False,
        True,
        True,
    )
    audit = {**AUDIT, "released_set": {**AUDIT["released_set"], "attacks": found}}
    assert "do not count" in _released_attacks(audit)[0]


class Model:
    """Networks that know image i by the labels alone: class numbers leave its probability at one half."""

    images, labels = torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 0])

    def logits_of(
        self, release: SyntheticDataset, training_set: tuple[Tensor, Tensor, float], images: Tensor
    ) -> Tensor:
        assert not training_set[1].is_floating_point()  # class numbers
        return torch.zeros(2, 3, 2)

    def __call__(self, release: SyntheticDataset) -> Tensor:
        return torch.tensor([4.0, 0.0, 1.0])


def test_learned_labels_are_attacked_apart_from_the_images() -> None:
    attack = LearnedLabels(Model())  # type: ignore[arg-type]
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    soft = SyntheticDataset(torch.rand(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"], label_logits=logits)
    hard = SyntheticDataset(torch.rand(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
    assert attack(soft).tolist() == [4.0, 0.0, 1.0]  # scaled confidence without labels is log(1/2 / 1/2) = 0
    assert attack(hard).tolist() == [4.0, 0.0, 1.0]
    assert label_attack(Model.images, Model.labels, soft=False, model=Model) is None  # type: ignore[arg-type]


def test_images_outside_are_random_ones_of_a_section() -> None:
    items = [{"image": torch.full((1, 2, 2), i / 20), "label": i % 2} for i in range(20)]
    attack = attacks_outside({"nearest": nearest}, items, 5, seed=0)["nearest"]
    release = SyntheticDataset(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["0", "1"])
    assert attack(release).shape == (5,)
