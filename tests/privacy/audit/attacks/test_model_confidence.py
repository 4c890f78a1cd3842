"""LiRA's statistic: the logit of a probability; models trained on members are surer of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.engines.students import StudentTraining
from monai_distill.networks import FlatNetwork
from monai_distill.privacy.audit.attacks import ModelConfidence
from monai_distill.privacy.audit.attacks.model_confidence import scaled_confidence
from monai_distill.privacy.audit.candidates import Candidates
from monai_distill.transforms import SiameseAugment
from tests.privacy.audit.conftest import CLASSES, unrelated_to


def test_is_the_logit_of_the_probability() -> None:
    logits, labels = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1, 0])
    probability = logits.double().softmax(dim=-1)[:, torch.arange(5), labels]
    torch.testing.assert_close(
        scaled_confidence(logits, labels).double(), torch.logit(probability), rtol=1e-5, atol=1e-6
    )


def test_stays_finite_where_the_probability_rounds_to_one() -> None:
    assert scaled_confidence(torch.tensor([[200.0, 0.0]]), torch.tensor([0])).tolist() == [200.0]


def test_finds_trained_members_and_no_strangers(
    candidates: Candidates, network: FlatNetwork, attacked: Callable[..., Any]
) -> None:
    train = StudentTraining(SiameseAugment(()), steps=15)
    attack = ModelConfidence(candidates.images, candidates.labels, network, train, models=1)

    def everything(members: ClassBank, seed: int, patients: object = None) -> SyntheticDataset:
        return SyntheticDataset(members.images[:], members.labels, CLASSES, student_lr=0.3)

    assert attacked(attack, everything, shadows=8)["seen"]
    assert not attacked(attack, unrelated_to, shadows=8)["seen"]


def test_refuses_no_models(network: FlatNetwork) -> None:
    with pytest.raises(ValueError, match="models"):
        ModelConfidence(torch.zeros(1, 1, 8, 8), torch.tensor([0]), network, lambda *_: torch.zeros(0), models=0)
