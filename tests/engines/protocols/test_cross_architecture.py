"""Several architectures, two sets, learning rates from validation alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines.protocols import CrossArchitecture, Scorecard, cross_architecture
from monai_distill.engines.students import StudentDivergedError, StudentTraining, score_students, student_seeds
from monai_distill.engines.students.students import Students
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet, ResNet18, SmallViT
from monai_distill.runtime.progress import LoggedBar
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

SHAPE = {"spatial_dims": 2, "in_channels": 1, "num_classes": 10, "image_size": 8}
KINDS = {
    "convnet": functools.partial(ConvNet, **SHAPE, width=4, depth=1),
    "vit": functools.partial(SmallViT, **SHAPE, width=4, depth=1),
}
PROTOCOL = StudentTraining(SiameseAugment(["crop"]), steps=4)


def across(digits: SplitBanks, kinds: Any = KINDS, **settings: Any) -> CrossArchitecture:
    card = Scorecard(digits, FlatNetwork(KINDS["convnet"]), PROTOCOL, seed=3, folder=settings.pop("folder", None))
    return CrossArchitecture(card, kinds, PROTOCOL, **{"students": 2, "lrs": [0.01], **settings})


def values(row: Any) -> dict[str, list[float]]:
    return {name: cell["values"] for name, cell in row.items() if isinstance(cell, dict) and "values" in cell}


def test_a_row_is_what_plain_evaluation_gives_at_the_chosen_step_size(
    digits: SplitBanks, two_each: SyntheticDataset
) -> None:
    actual = across(digits).run(two_each)["figures"]
    assert actual.keys() == {"distilled", "random", "protocol"}
    subsets = [random_subset(digits.training, 2, seeded_generator(3, "random subset", i)) for i in range(2)]
    for name, kind in KINDS.items():
        train = functools.partial(score_students, network=FlatNetwork(kind), protocol=PROTOCOL)
        distilled = two_each.images.detach(), two_each.labels
        sets = {"distilled": (distilled, "choice"), "random": (subsets[0], "random 0")}
        for key, (data, purpose) in sets.items():
            validated = {
                lr: train((*data, lr), bank=digits.validation, seeds=student_seeds(3, purpose, 1))
                for lr in (0.01, two_each.training_set()[2])
            }
            means = {lr: scores["balanced_accuracy"]["values"][0] for lr, scores in validated.items()}
            row = actual[key][name]
            assert row["lr"] == max(means, key=means.__getitem__)
            assert row["lr_validation"] == pytest.approx({str(lr): mean for lr, mean in means.items()})
        row = actual["distilled"][name]
        assert values(row) == values(
            train((*distilled, row["lr"]), bank=digits.test, seeds=student_seeds(3, "score", 2))
        )
        random = actual["random"][name]
        rows = [
            train((*data, random["lr"]), bank=digits.test, seeds=student_seeds(3, f"random {i}", 1))
            for i, data in enumerate(subsets)
        ]
        assert random["auroc"]["values"] == [scores["auroc"]["values"][0] for scores in rows]


def test_the_choice_sees_validation_only_and_the_test_images_only_the_chosen_students(
    digits: SplitBanks, two_each: SyntheticDataset, seen: list[tuple[tuple[int, ...], float, ClassBank]]
) -> None:
    actual = across(digits).run(two_each)["figures"]
    seeds = {name: student_seeds(3, name, 2) for name in ("score", "random 0", "random 1", "choice")}
    first = {name: tuple(of_purpose[:1]) for name, of_purpose in seeds.items()}
    tested = {of_students for of_students, _, bank in seen if bank is digits.test}
    assert tested == {tuple(seeds["score"]), first["random 0"], first["random 1"]}
    assert {of_students for of_students, _, bank in seen if bank is digits.validation} == {
        first["choice"],
        first["random 0"],
    }
    assert all(bank is digits.test or bank is digits.validation for _, _, bank in seen)
    chosen = {row["lr"] for key in ("distilled", "random") for row in actual[key].values()}
    assert {lr for _, lr, bank in seen if bank is digits.test} == chosen


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, ...], float, ClassBank]]:
    """The predictions that were requested: seeds of the students, learning rate, bank."""
    requested: list[tuple[tuple[int, ...], float, ClassBank]] = []
    plain = Students.logits

    def watched(self: Students, bank: ClassBank) -> torch.Tensor:
        requested.append((tuple(self.seeds), self.training_set[2], bank))
        return plain(self, bank)

    monkeypatch.setattr(Students, "logits", watched)
    return requested


def test_what_was_trained_for_one_set_is_not_trained_again_for_it_or_the_next(
    digits: SplitBanks, two_each: SyntheticDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    plain = StudentTraining.__call__

    def counted(self: StudentTraining, network: Any, *rest: Any) -> torch.Tensor:
        trained.append(network.size)
        return plain(self, network, *rest)

    monkeypatch.setattr(StudentTraining, "__call__", counted)
    one = {"convnet": KINDS["convnet"]}
    first = across(digits, one, folder=tmp_path).run(two_each)
    count = len(trained)
    assert count == 2 + 1 + 2 + 1  # two candidates, the students at once; the same, of which one is scored, the other
    assert across(digits, one, folder=tmp_path).run(two_each) == first
    assert len(trained) == count
    both = across(digits, folder=tmp_path).run(two_each)
    assert both["figures"]["distilled"]["convnet"] == first["figures"]["distilled"]["convnet"]
    assert len(trained) == 2 * count
    with torch.no_grad():
        two_each.images[0] += 1
    other = across(digits, one, folder=tmp_path).run(two_each)
    assert len(trained) == 2 * count + 3
    assert other["figures"]["random"] == first["figures"]["random"]


def test_a_learning_rate_that_lets_an_architecture_diverge_is_not_chosen(
    digits: SplitBanks, two_each: SyntheticDataset
) -> None:
    one = {"convnet": KINDS["convnet"]}
    with pytest.warns(UserWarning, match="worst candidate"):
        actual = across(digits, one, lrs=[0.01, 1e30]).run(two_each)["figures"]["distilled"]["convnet"]
    assert sorted(actual["lr_validation"]) == ["0.01", str(two_each.training_set()[2])]
    two_each.student_lr.data.fill_(1e30)
    with pytest.raises(StudentDivergedError):
        across(digits, one, lrs=[1e30]).run(two_each)


def test_the_progress_bar_ends_full(
    digits: SplitBanks, two_each: SyntheticDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Any] = []

    def shown(*settings: Any) -> Any:
        bars.append(LoggedBar(*settings))
        return bars[-1]

    monkeypatch.setattr(cross_architecture, "open_progress_bar", shown)
    across(digits).run(two_each)
    (bar,) = bars
    assert bar.n == bar.total == 2 * 4 * (2 + 2 + 2 + 1)


def test_an_architecture_that_does_not_take_the_images_is_reported(
    digits: SplitBanks, two_each: SyntheticDataset
) -> None:
    kinds = {"convnet": KINDS["convnet"], "resnet18": functools.partial(ResNet18, **SHAPE, width=2)}
    with pytest.warns(UserWarning, match="resnet18.*16 pixels"):
        actual = across(digits, kinds).run(two_each)
    assert actual["networks"] == ["convnet"]
    assert "16 pixels" in actual["figures"]["protocol"]["skipped"]["resnet18"]
    assert actual["paragraphs"] == ["Not scored: resnet18."]


@pytest.mark.parametrize("settings", [{"students": 0}, {"lrs": []}, {"kinds": {}}])
def test_impossible_settings_are_refused(digits: SplitBanks, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Expected .*at least 1"):
        across(digits, **settings)


def test_the_table_and_the_comparison_hold_both_sets(digits: SplitBanks, two_each: SyntheticDataset) -> None:
    result = across(digits).run(two_each)
    (table,) = result["tables"]
    assert [row[:2] for row in table["rows"]] == [[n, k] for n in KINDS for k in ("distilled", "random real")]
    first = result["comparisons"][0]
    for kind in ("distilled", "random"):
        assert first[kind] == {name: result["figures"][kind][name]["accuracy"] for name in KINDS}
    assert sum(name in use["text"] for use in result["uses"] for name in KINDS) == len(KINDS)
