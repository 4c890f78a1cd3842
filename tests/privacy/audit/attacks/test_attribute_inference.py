"""Metadata: a release that gives members' attribute away is caught, one that does not is not."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.privacy.audit.attacks.attribute_inference import (
    AttributeInference,
    attribute_attacks,
    describe_attribute_attacks,
)
from monai_distill.privacy.audit.candidates import Candidates
from tests.privacy.audit.conftest import Items, copies_of, random_bank, unrelated_to


def test_tells_members_whose_attribute_the_release_knows(candidates: Candidates, attacked: Callable[..., Any]) -> None:
    random = torch.Generator().manual_seed(3)
    sexes = ["FM"[int(b)] for b in torch.randint(2, (len(candidates.images),), generator=random)]
    public = random_bank(60, 5)
    known = ["FM"[i % 2] for i in range(60)]

    def logits(release: SyntheticDataset, images: Tensor) -> Tensor:
        """A model that knows the sex of images that were released, and of the attacker's own half."""
        rows = release.images.detach().flatten(1)
        values = torch.zeros(1, len(images), 2)
        for i, image in enumerate(images.flatten(1)):
            sex = (sexes + known)[i]
            if i >= len(sexes) or bool((rows == image).all(dim=1).any()):
                values[0, i, 1] = 1.0 if sex == "M" else -1.0
        return values

    attack = AttributeInference(candidates.images, sexes, public.images, known, logits)
    assert attacked(attack, copies_of, one_sided=True)["seen"]
    assert not attacked(attack, unrelated_to, one_sided=True)["seen"]


def test_there_is_one_attack_per_attribute_that_public_images_show() -> None:
    bank = random_bank(12, 0)
    values = {"sex": ["F", "M"] * 6, "site": ["here"] * 12, "scan": [str(i) for i in range(12)]}
    found = Candidates.of_run(Items(bank, **values), [], mislabelled=0, at_most=99, seed=0)
    attacks = attribute_attacks(found, Items(bank, **values), bank, lambda release, images: images.flatten(1)[None])
    assert list(attacks) == ["attribute sex"]


def test_refuses_public_images_of_one_kind() -> None:
    bank: ClassBank = random_bank(3, 0)
    with pytest.raises(ValueError, match="at least two values"):
        AttributeInference(bank.images, ["F"] * 3, bank.images, ["F"] * 3, lambda release, images: images)


def test_says_which_metadata_were_left_out_and_why() -> None:
    bank = random_bank(12, 0)
    values = {"sex": ["F", "M"] * 6, "age": [str(i) for i in range(12)]}
    found = Candidates.of_run(Items(bank, **values), [], mislabelled=0, at_most=99, seed=0)
    attacks = attribute_attacks(found, Items(bank, **values), bank, lambda release, images: images.flatten(1)[None])
    words = describe_attribute_attacks(found, attacks)
    assert words.startswith("attacked: sex; not attacked: age (the public images do not have two to 10 values")
    plain = Candidates.of_run(Items(bank), [], mislabelled=0, at_most=99, seed=0)
    assert describe_attribute_attacks(plain, {}).startswith("not attacked: the data set has no metadata")
