"""Several architectures, two sets, step sizes from validation alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines import CrossArchitecture, StudentTraining, cross_architecture, student_values
from monai_distill.engines.student_diverged import StudentDivergedError
from monai_distill.networks import ConvNet, FlatNetwork, ResNet18, ViT
from monai_distill.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

SHAPE = {"spatial_dims": 2, "in_channels": 1, "num_classes": 10, "image_size": 8}
KINDS = {
    "convnet": functools.partial(ConvNet, **SHAPE, width=4, depth=1),
    "vit": functools.partial(ViT, **SHAPE, width=4, depth=1),
}
PROTOCOL = StudentTraining(SiameseAugment(["crop"]), steps=4)


def across(digits: SplitBanks, kinds: Any = KINDS, **settings: Any) -> CrossArchitecture:
    given = {"students": 2, "step_sizes": [0.01], "seed": 3, **settings}
    return CrossArchitecture(digits, kinds, PROTOCOL, **given)


def test_a_row_is_what_plain_evaluation_gives_at_the_chosen_step_size(
    digits: SplitBanks, two_each: SyntheticDataset
) -> None:
    found = across(digits).run(two_each)
    assert found.keys() == {"cross_architecture", "cross_architecture_random", "cross_architecture_protocol"}
    draws = [random_subset(digits.training, 2, seeded_generator(3, "random subset", i)) for i in range(2)]
    for name, kind in KINDS.items():
        train = functools.partial(student_values, network=FlatNetwork(kind), protocol=PROTOCOL, seed=3)
        row, images = found["cross_architecture"][name], two_each.images.detach()
        validated = {
            rate: train((images, two_each.labels, rate), bank=digits.validation, students=1, purpose="choice")
            for rate in (0.01, two_each.training_set()[2])
        }
        means = {rate: values["balanced_accuracy"][0] for rate, values in validated.items()}
        assert row["step_size"] == max(means, key=means.__getitem__)
        assert row["step_size_validation"] == pytest.approx({str(rate): mean for rate, mean in means.items()})
        plain = train((images, two_each.labels, row["step_size"]), bank=digits.test, students=2)
        assert row["accuracy"]["values"] == plain["accuracy"]
        random = found["cross_architecture_random"][name]
        rows = [
            train((*drawn, random["step_size"]), bank=digits.test, students=1, purpose=f"random {i}")
            for i, drawn in enumerate(draws)
        ]
        assert random["auroc"]["values"] == [values["auroc"][0] for values in rows]


def test_the_choice_sees_validation_only_and_the_score_test_only(
    digits: SplitBanks, two_each: SyntheticDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ClassBank]] = []

    def watched(*arguments: Any, **settings: Any) -> dict[str, list[float]]:
        seen.append((settings["purpose"], settings["bank"]))
        return {"accuracy": [0.5] * settings["students"], "balanced_accuracy": [0.5] * settings["students"]}

    monkeypatch.setattr(cross_architecture, "student_values", watched)
    across(digits).run(two_each)
    assert {purpose for purpose, bank in seen if bank is digits.test} == {"score", "random 0", "random 1"}
    assert {purpose for purpose, bank in seen if bank is digits.validation} == {"choice", "choice 0"}
    assert all(bank is digits.test or bank is digits.validation for _, bank in seen)


def test_finished_parts_are_not_trained_again_unless_settings_differ(
    digits: SplitBanks, two_each: SyntheticDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, trained = str(tmp_path / "x.json"), []

    def counted(*arguments: Any, **settings: Any) -> dict[str, list[float]]:
        trained.append(settings["purpose"])
        return student_values(*arguments, **settings)

    monkeypatch.setattr(cross_architecture, "student_values", counted)
    one = {"convnet": KINDS["convnet"]}
    first = across(digits, one, file=file).run(two_each)
    count = len(trained)
    assert count == 2 + 1 + 2 + 2  # two candidates, the students at once; the same, a student a draw
    assert across(digits, one, file=file).run(two_each) == first
    assert len(trained) == count
    both = across(digits, file=file).run(two_each)
    assert both["cross_architecture"]["convnet"] == first["cross_architecture"]["convnet"]
    assert len(trained) == 2 * count
    with torch.no_grad():
        two_each.images[0] += 1
    across(digits, one, file=file).run(two_each)
    assert len(trained) == 2 * count + 3  # the random rows stand


def test_a_step_size_that_diverges_only_in_the_score_gives_way_to_the_next(
    digits: SplitBanks, two_each: SyntheticDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(training_set: Any, *, bank: ClassBank, students: int, **settings: Any) -> dict[str, list[float]]:
        rate = training_set[2]
        if rate > 0.2 or (rate > 0.02 and bank is digits.test):
            raise StudentDivergedError(rate)
        return {"accuracy": [rate] * students, "balanced_accuracy": [rate] * students}

    monkeypatch.setattr(cross_architecture, "student_values", fragile)
    found = across(digits, step_sizes=[0.01, 0.3]).run(two_each)["cross_architecture"]["vit"]
    assert found["step_size"] == 0.01
    assert list(found["step_size_validation"]) == [str(two_each.training_set()[2]), "0.01"]
    two_each.step_size.data.fill_(0.03)
    with pytest.raises(ValueError, match="Give smaller step_sizes"):
        across(digits, step_sizes=[0.1]).run(two_each)


def test_an_architecture_that_does_not_take_the_images_is_told_of(
    digits: SplitBanks, two_each: SyntheticDataset
) -> None:
    kinds = {"convnet": KINDS["convnet"], "resnet18": functools.partial(ResNet18, **SHAPE, width=2)}
    with pytest.warns(UserWarning, match="resnet18 for one: expected at least 16 pixels"):
        found = across(digits, kinds).run(two_each)
    assert list(found["cross_architecture"]) == ["convnet"]
    assert "16 pixels" in found["cross_architecture_protocol"]["skipped"]["resnet18"]


@pytest.mark.parametrize(
    "settings", [{"students": 0}, {"choice_students": 0}, {"step_sizes": []}, {"metric": "loss"}, {"kinds": {}}]
)
def test_impossible_settings_are_refused(digits: SplitBanks, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected at least 1 student"):
        across(digits, **settings)
