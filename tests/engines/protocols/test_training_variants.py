"""Teacher's labels, GIFT and CutMix as columns of their own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from monai_distill.data import SplitBanks, SyntheticDataset, random_subset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.engines.protocols import Scorecard, TrainingVariants
from monai_distill.engines.students import StudentTraining, Teacher
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment, Standardize


@pytest.fixture(scope="module")
def variants() -> TrainingVariants:
    data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
    network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
    card = Scorecard(data, network, StudentTraining(SiameseAugment(()), steps=2))
    teacher = Teacher(network, data.training, StudentTraining(SiameseAugment(()), steps=10))
    return TrainingVariants(card, teacher, students=1, hard_share=0.25, lrs=(0.01,))


def subset(variants: TrainingVariants, **settings: torch.Tensor | float) -> SyntheticDataset:
    data = variants.scorecard.data
    images, labels = random_subset(data.training, 1, torch.Generator().manual_seed(0))
    return SyntheticDataset(images, labels, data.class_names, **settings)  # type: ignore[arg-type]


def test_every_way_has_its_own_labels_and_only_cutmix_mixes(variants: TrainingVariants) -> None:
    synthetic = subset(variants)
    images, labels = synthetic.images.detach(), synthetic.labels
    logits = variants.teacher.logits(images, labels)
    hard = F.one_hot(labels, 10).float()
    ways = variants.ways()
    targets = {name: way.targets(images, labels) for name, way in ways.items()}
    torch.testing.assert_close(targets["hard"], hard)
    torch.testing.assert_close(targets["cutmix"], hard)
    torch.testing.assert_close(targets["teacher"], logits.softmax(dim=1))
    assert not torch.allclose(targets["gift"], targets["teacher"])
    settings = {name: way.protocol.config() for name, way in ways.items()}
    assert {name: value["cutmix"] for name, value in settings.items()} == dict.fromkeys(ways, 0.0) | {"cutmix": 0.5}
    assert {name for name, value in settings.items() if value["loss"] == "cosine_loss"} == {"gift"}


def test_labels_of_the_set_itself_change_no_column(variants: TrainingVariants) -> None:
    wrong = 5 * torch.eye(10).roll(1, dims=0)
    plain = variants.run(subset(variants, student_lr=0.01))
    soft = variants.run(subset(variants, student_lr=0.01, label_logits=wrong))
    assert soft["figures"] == plain["figures"]
    assert len(plain["tables"][0]["rows"]) == 8  # four ways, distilled and random real images


def test_a_learned_rate_next_to_a_candidate_is_not_tried_twice(variants: TrainingVariants) -> None:
    assert variants.run(subset(variants, student_lr=0.0101))["figures"]["protocol"]["lrs"] == [0.01]
    assert len(variants.run(subset(variants, student_lr=0.05))["figures"]["protocol"]["lrs"]) == 2
