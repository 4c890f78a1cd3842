"""The long score card: the right rows in every score, nothing trained twice, controls from training images only."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_distill.data import SplitBanks, SyntheticDataset, random_subset
from monai_distill.data.coresets import herding_subset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.engines.protocols import Scorecard, ScoresProtocol
from monai_distill.engines.students import StudentTraining, Teacher, student_seeds
from monai_distill.engines.students.students import Students
from monai_distill.metrics.robust import augmentation_robust_score, label_robust_score
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.progress import LoggedBar
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment, Standardize


@pytest.fixture(scope="module")
def data() -> SplitBanks:
    return SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)


def synthetic(data: SplitBanks, *, soft: bool = False) -> SyntheticDataset:
    images, labels = random_subset(data.training, 1, seeded_generator(0, "start"))
    logits = 3 * torch.eye(10)[labels] if soft else None
    return SyntheticDataset(images, labels, data.class_names, student_lr=0.01, label_logits=logits)


def protocol(data: SplitBanks, folder: Path | None = None, **settings: Any) -> ScoresProtocol:
    build = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, width=4, depth=1)
    network, training = FlatNetwork(build), StudentTraining(SiameseAugment(("crop",)), steps=4)
    card = Scorecard(data, network, training, students=2, full_students=2, folder=folder)
    teachers = [
        Teacher(network, data.training, StudentTraining(SiameseAugment(()), steps=steps), folder=folder)
        for steps in (2, 6)
    ]
    controls = {
        "herding": [lambda count, trial: herding_subset(data.training, count, teachers[1].features)],
        "soft_label_random": [
            lambda n, trial, t=teacher: t.soft_labels(*card.random(n, trial)) for teacher in teachers
        ],
    }
    return ScoresProtocol(card, controls, **{"resamples": 20, **settings})


def test_a_set_with_hard_labels_is_compared_with_the_rows_of_the_card(data: SplitBanks) -> None:
    long = protocol(data)
    result, card = long.run(synthetic(data)), long.scorecard.run(synthetic(data))
    actual, robust = result["scores"], result["figures"]
    mean = {name: card[name]["accuracy"]["mean"] for name in ("distilled", "random", "full")}
    assert robust["hlr"] == pytest.approx(mean["full"] - mean["distilled"])
    assert robust["ior"] == pytest.approx(mean["distilled"] - mean["random"])
    assert robust["lrs"] == label_robust_score(robust["hlr"], robust["ior"])
    assert robust["ars"] == augmentation_robust_score(robust["ior"], robust["ior_without_augmentation"])
    assert robust["random_labels"] == "hard"
    assert (robust["rows"]["hard"], robust["rows"]["rival"]) == (card["distilled"], card["random"])
    rates = [row["mean"] for row in actual["clinical"]["sensitivity"]]
    assert np.mean(rates) == pytest.approx(card["distilled"]["balanced_accuracy"]["mean"])
    assert np.mean([row["mean"] for row in actual["clinical"]["controls"]["full"]["sensitivity"]]) == pytest.approx(
        card["full"]["balanced_accuracy"]["mean"]
    )
    plain = StudentTraining(SiameseAugment(()), steps=4)
    without = long.scorecard.rows().trained_on(synthetic(data).training_set(), plain).scores(data.test.labels)
    assert robust["rows"]["distilled_plain"] == without
    assert sorted(actual["controls"]) == ["herding", "soft_label_random"]
    assert len(actual["controls"]["herding"]["accuracy"]["values"]) == 2
    assert actual["controls"]["soft_label_random"]["variant"] in (0, 1)
    json.dumps(result, allow_nan=False)


def test_a_set_with_soft_labels_is_compared_with_soft_random_labels_and_its_hard_labels(data: SplitBanks) -> None:
    long, soft = protocol(data), synthetic(data, soft=True)
    result = long.run(soft)
    actual, robust = result["scores"], result["figures"]
    assert robust["random_labels"] == "soft"
    rival = {k: v for k, v in actual["controls"]["soft_label_random"].items() if k != "variant"}
    assert robust["rows"]["rival"] == rival
    score = long.scorecard.run(soft)["distilled"]["accuracy"]["mean"]
    assert robust["ior"] == pytest.approx(score - rival["accuracy"]["mean"])
    hard = SyntheticDataset(soft.images.detach(), soft.labels, data.class_names, student_lr=0.01)
    card = long.scorecard
    on_numbers = [
        Students(card.network, hard.training_set(), card.protocol, student_seeds(0, f"hard labels {i}", 1)).logits(
            data.test
        )
        for i in range(2)
    ]
    share = np.mean([(p[0].argmax(1) == data.test.labels).double().mean() for p in on_numbers])
    assert robust["rows"]["hard"]["accuracy"]["mean"] == pytest.approx(share)


def test_a_second_evaluation_trains_no_student_and_a_card_gives_its_rows(
    data: SplitBanks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = protocol(data, tmp_path).run(synthetic(data))
    monkeypatch.delattr(StudentTraining, "__call__")
    again = protocol(data, tmp_path)
    assert again.run(synthetic(data)) == first
    card = again.scorecard.run(synthetic(data))
    assert {name: first["scores"][name] for name in card} == card


def test_no_test_image_reaches_a_control(data: SplitBanks) -> None:
    long = protocol(data)
    before = [long.controls[name][0](2, 0) for name in long.controls]
    other = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
    other.test.images.pixels.mul_(-1)
    other.test.labels.add_(1).remainder_(10)
    changed = protocol(other)
    for drawn, name in zip(before, changed.controls, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(drawn, changed.controls[name][0](2, 0), strict=True))


@pytest.mark.parametrize("soft", [False, True])
def test_the_progress_bar_ends_full(data: SplitBanks, monkeypatch: pytest.MonkeyPatch, soft: bool) -> None:
    bars: list[Any] = []

    def shown(*settings: Any) -> Any:
        bars.append(LoggedBar(*settings))
        return bars[-1]

    monkeypatch.setattr(sys.modules[ScoresProtocol.__module__], "open_progress_bar", shown)
    long = protocol(data, chosen=["herding"])
    long.scorecard.lrs = (0.02,)  # besides the learned one: a choice
    long.run(synthetic(data, soft=soft))
    (bar,) = bars
    assert bar.n == bar.total > 0


def test_what_cannot_be_compared_is_refused(data: SplitBanks) -> None:
    card = protocol(data).scorecard
    with pytest.raises(ValueError, match="got forgetting"):
        protocol(data, chosen=["herding", "forgetting"])
    with pytest.raises(ValueError, match="soft_label_random for a set with learned labels"):
        ScoresProtocol(card, {}).run(synthetic(data, soft=True))
    card.full_students = 0
    with pytest.raises(ValueError, match="full_students 0"):
        ScoresProtocol(card, {})
