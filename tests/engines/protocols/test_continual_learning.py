"""A memory of classes that come one after another; the last step is plain evaluation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines.protocols import ContinualLearning, Scorecard
from monai_distill.engines.students import StudentTraining, score_students, student_seeds
from monai_distill.engines.students.students import Students
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

PROTOCOL = StudentTraining(SiameseAugment(["crop"]), steps=3)
Watch = list[tuple[torch.Tensor, torch.Tensor, float, Any]]


@pytest.fixture
def small() -> FlatNetwork:
    return FlatNetwork(
        functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, width=4, depth=1)
    )


def learner(digits: SplitBanks, network: FlatNetwork, **settings: Any) -> ContinualLearning:
    card = Scorecard(digits, network, PROTOCOL, folder=settings.pop("folder", None), seed=settings.pop("seed", 3))
    return ContinualLearning(card, PROTOCOL, **{"classes_per_step": 4, "orders": 2, "students": 2, **settings})


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    seen: Watch = []
    plain = Students._computed

    def watched(self: Students, bank: ClassBank) -> torch.Tensor:
        seen.append((*self.training_set, bank))
        return plain(self, bank)

    monkeypatch.setattr(Students, "_computed", watched)
    return seen


def test_the_last_step_is_plain_evaluation_on_all_classes(
    digits: SplitBanks, two_each: SyntheticDataset, small: FlatNetwork
) -> None:
    actual = learner(digits, small).run(two_each)["figures"]
    assert [step["classes_seen"] for step in actual["steps"]] == [4, 8, 10]
    assert [step["memory_images"] for step in actual["steps"]] == [8, 16, 20]
    sets = {
        "distilled": [(two_each.images.detach(), two_each.labels)] * 2,
        "random": [random_subset(digits.training, 2, seeded_generator(3, "random subset", i)) for i in range(2)],
    }
    for kind, drawn in sets.items():
        plain = [
            score_students(
                (*pair, actual["lrs"][kind]),
                small,
                PROTOCOL,
                digits.test,
                student_seeds(3, f"continual {order}", 2),
            )
            for order, pair in enumerate(drawn)
        ]
        for metric in ("accuracy", "auroc"):
            expected = [value for row in plain for value in row[metric]["values"]]
            assert actual["steps"][-1][kind][metric]["values"] == pytest.approx(expected)
    average = sum(step["distilled"]["accuracy"]["mean"] for step in actual["steps"]) / 3
    assert actual["average"]["distilled"]["accuracy"] == pytest.approx(average)


def test_every_step_trains_and_tests_on_the_classes_seen_and_no_others(
    digits: SplitBanks, two_each: SyntheticDataset, small: FlatNetwork, watch: Watch
) -> None:
    task = learner(digits, small, orders=1, students=1)
    task.run(two_each)
    choices, steps = watch[:2], watch[2:]
    assert all(bank is digits.validation for *_, bank in choices)
    (order,) = task.class_orders()
    assert sorted(order) == list(range(10))
    for place, end in enumerate((4, 8, 10)):
        for images, targets, rate, bank in steps[2 * place : 2 * place + 2]:
            assert set(targets.tolist()) == set(bank.labels.tolist()) == set(order[:end])
            assert len(images) == 2 * end
            assert len(bank) == sum(digits.test.counts[c] for c in order[:end])
            assert rate in (pytest.approx(0.05), 0.01)
    assert steps[0][2] == pytest.approx(0.05)  # the distilled memory keeps its learned learning rate


def test_orders_differ_repeat_and_do_not_depend_on_their_number(digits: SplitBanks, small: FlatNetwork) -> None:
    three = learner(digits, small, orders=3).class_orders()
    assert three[0] != three[1]
    assert learner(digits, small, orders=2).class_orders() == three[:2]
    assert learner(digits, small, orders=3, seed=4).class_orders() != three


def test_learned_labels_say_nothing_of_unseen_classes(
    digits: SplitBanks, two_each: SyntheticDataset, small: FlatNetwork, watch: Watch
) -> None:
    logits = torch.nn.functional.one_hot(two_each.labels, 10) * 3.0
    soft = SyntheticDataset(two_each.images, two_each.labels, digits.class_names, student_lr=0.05, label_logits=logits)
    task = learner(digits, small, orders=1, students=1)
    task.run(soft)
    first = watch[2][1].softmax(1)
    unseen = [c for c in range(10) if c not in task.class_orders()[0][:4]]
    assert first[:, unseen].max() == 0
    assert torch.isfinite(watch[-2][1]).all()


def test_finished_steps_are_not_trained_again(
    digits: SplitBanks, two_each: SyntheticDataset, small: FlatNetwork, watch: Watch, tmp_path: Path
) -> None:
    folder = str(tmp_path / "continual")
    first = learner(digits, small, orders=1, students=1, folder=folder).run(two_each)
    count = len(watch)
    assert count == 2 + 3 * 2
    assert learner(digits, small, orders=1, students=1, folder=folder).run(two_each) == first
    assert len(watch) == count
    learner(digits, small, students=1, folder=folder).run(two_each)
    assert len(watch) == count + 3 * 2  # the second order only


@pytest.mark.parametrize("settings", [{"orders": 0}, {"students": 0}, {"lrs": []}])
def test_impossible_settings_are_refused(digits: SplitBanks, small: FlatNetwork, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Expected .*at least 1"):
        learner(digits, small, **settings)


@pytest.mark.parametrize("count", [0, 10])
def test_a_single_step_is_refused(digits: SplitBanks, small: FlatNetwork, count: int) -> None:
    with pytest.raises(ValueError, match="Expected classes_per_step from 1 to 9"):
        learner(digits, small, classes_per_step=count)
