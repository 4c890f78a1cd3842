"""The score table: controls that repeat, rows that are trained once, and nothing that a test image has chosen."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.engines.protocols import Scorecard
from monai_distill.engines.students import StudentDivergedError, StudentTraining, score_students, student_seeds
from monai_distill.engines.students.students import Students
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import CanvasDecode, SiameseAugment, Standardize

STUDENTS, STEPS = 2, 3


@pytest.fixture(scope="module")
def data() -> SplitBanks:
    return SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)


@pytest.fixture
def synthetic(data: SplitBanks) -> SyntheticDataset:
    chosen = random_subset(data.training, 1, seeded_generator(0, "start"))
    return SyntheticDataset(*chosen, data.class_names, student_lr=0.02)


def card(
    data: SplitBanks,
    folder: Path | None = None,
    *,
    steps: int = STEPS,
    width: int = 4,
    lrs: Sequence[float] = (0.01,),
    **settings: Any,
) -> Scorecard:
    build = functools.partial(
        ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, width=width, depth=1
    )
    protocol = StudentTraining(SiameseAugment(("crop",)), steps=steps)
    given = {"students": STUDENTS, "full_students": 2, "folder": folder, **settings}
    made = Scorecard(data, FlatNetwork(build), protocol, **given)
    made.lrs = lrs
    return made


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many students every call of the protocol trained."""
    calls: list[int] = []
    plain = StudentTraining.__call__

    def counting(
        self: StudentTraining, network: Any, images: Any, targets: Any, rate: Any, seeds: Any, *rest: Any
    ) -> Any:
        calls.append(len(seeds))
        return plain(self, network, images, targets, rate, seeds, *rest)

    monkeypatch.setattr(StudentTraining, "__call__", counting)
    return calls


def test_rows_equal_train_predict_score(data: SplitBanks, synthetic: SyntheticDataset) -> None:
    scores = card(data).run(synthetic)
    protocol = StudentTraining(SiameseAugment(("crop",)), steps=STEPS)
    network = card(data).network
    row = score_students(synthetic, network, protocol, data.test, student_seeds(students=STUDENTS))
    assert {name: value for name, value in scores["distilled"].items() if name != "lr"} == row
    values, lr = [], scores["random"]["lr"]
    for i in range(STUDENTS):
        subset = random_subset(data.training, 1, seeded_generator(0, "random subset", i))
        one = score_students((*subset, lr), network, protocol, data.test, student_seeds(0, f"random {i}", 1))
        values += one["accuracy"]["values"]
    assert scores["random"]["accuracy"]["values"] == values
    most_frequent = data.training.counts.index(max(data.training.counts))
    assert scores["prior"] == {"accuracy": data.test.counts[most_frequent] / 357}


def test_the_random_control_repeats_with_its_seed_and_differs_with_another(
    data: SplitBanks, synthetic: SyntheticDataset
) -> None:
    first, again, other = (card(data, seed=seed, full_students=0).run(synthetic) for seed in (0, 0, 1))
    assert first == again
    assert first["random"] != other["random"]
    assert "full" not in first


def test_a_cached_row_trains_no_student(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int]
) -> None:
    without = card(data).run(synthetic)
    assert trained == [STUDENTS, 1, 1, 1, 2]  # distilled, the first draw with two learning rates, the second, full
    first = card(data, tmp_path).run(synthetic)
    trained.clear()
    again = card(data, tmp_path).run(synthetic)
    assert trained == []
    assert json.dumps(without) == json.dumps(first) == json.dumps(again)


def test_another_set_takes_over_the_controls(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int]
) -> None:
    first = card(data, tmp_path).run(synthetic)
    trained.clear()
    with torch.no_grad():
        synthetic.images.neg_()
    again = card(data, tmp_path).run(synthetic)
    assert trained == [STUDENTS]  # the distilled row
    assert (again["random"], again["full"]) == (first["random"], first["full"])
    assert again["distilled"] != first["distilled"]


@pytest.mark.parametrize(
    "change",
    [
        {"steps": STEPS + 1},
        {"seed": 1},
        {"width": 8},
        {"full_protocol": StudentTraining(SiameseAugment(()), steps=STEPS)},
    ],
)
def test_a_changed_protocol_seed_or_network_is_trained_again(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int], change: dict[str, Any]
) -> None:
    card(data, tmp_path).run(synthetic)
    trained.clear()
    assert card(data, tmp_path, **change).run(synthetic) == card(data, **change).run(synthetic)
    half = len(trained) - 5  # the second of the two has no folder
    assert half == (1 if "full_protocol" in change else 5)


@pytest.mark.parametrize("part", ["training", "test"])
def test_other_images_are_trained_again(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int], part: str
) -> None:
    card(data, tmp_path).run(synthetic)
    trained.clear()
    other = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
    bank: ClassBank = getattr(other, part)
    bank.images.pixels[-1] += 1
    card(other, tmp_path).run(synthetic)
    assert 2 in trained  # at least the full row
    assert (len(trained) == 1) == (part == "training")  # the draws do not hold that image


def test_an_interrupted_scoring_goes_on_where_it_stopped(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = card(data, tmp_path)
    monkeypatch.setattr(Scorecard, "full", lambda self, rows: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        broken.run(synthetic)
    monkeypatch.undo()
    assert trained == [STUDENTS, 1, 1, 1]
    assert "full" in card(data, tmp_path).run(synthetic)


def test_a_single_learning_rate_needs_no_choice(
    data: SplitBanks, synthetic: SyntheticDataset, trained: list[int]
) -> None:
    actual = card(data, lrs=[synthetic.training_set()[2]], full_students=0).run(synthetic)
    assert trained == [STUDENTS, 1, 1]
    assert actual["random"]["lr"] == actual["distilled"]["lr"]


def test_a_learned_learning_rate_next_to_a_given_one_is_no_second_candidate(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int]
) -> None:
    card(data, tmp_path, full_students=0, lrs=[0.0201]).run(synthetic)
    assert trained == [STUDENTS, 1, 1]
    trained.clear()
    synthetic.student_lr.data.fill_(0.0199)
    card(data, tmp_path, full_students=0, lrs=[0.0201]).run(synthetic)
    assert trained == [STUDENTS]  # the random row stands


def test_a_learning_rate_that_diverges_is_the_worst_and_not_the_end(
    data: SplitBanks, synthetic: SyntheticDataset, tmp_path: Path, trained: list[int]
) -> None:
    with pytest.warns(UserWarning, match=r"learning rate 1e\+30.*worst candidate"):
        actual = card(data, tmp_path, full_students=0, lrs=[1e30]).run(synthetic)
    assert actual["random"] == card(data, full_students=0, lrs=[synthetic.training_set()[2]]).run(synthetic)["random"]
    trained.clear()
    with pytest.warns(UserWarning, match="worst candidate"):
        card(data, tmp_path, full_students=0, lrs=[1e30]).run(synthetic)
    assert trained == []  # the divergence is cached like a result
    synthetic.student_lr.data.fill_(1e29)
    with pytest.raises(StudentDivergedError, match=r"1e\+29"):
        card(data, full_students=0).run(synthetic)  # the distilled row has no other
    rows = card(data).rows()
    with pytest.warns(UserWarning, match="worst candidate"), pytest.raises(StudentDivergedError, match=r"1e\+28"):
        rows.control("random", [card(data).random], 1, card(data).protocol, [1e28, 1e30])


def test_a_learning_rate_that_diverges_only_in_the_score_gives_way_to_the_next(
    data: SplitBanks, synthetic: SyntheticDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Students.logits

    def fragile(self: Students, bank: ClassBank) -> torch.Tensor:
        if self.training_set[2] == best and bank is data.test:
            raise StudentDivergedError(best)
        return plain(self, bank)

    best = card(data, full_students=0).run(synthetic)["random"]["lr"]
    monkeypatch.setattr(Students, "logits", fragile)
    rows = card(data).rows()
    with pytest.warns(UserWarning, match="next best takes its place"):
        row = rows.control("random", [card(data).random], 1, card(data).protocol, [0.01, synthetic.training_set()[2]])
    assert row.lr != best
    assert list(row.validation) == [str(best), str(row.lr)]


def test_the_choice_never_sees_the_test_images(data: SplitBanks, synthetic: SyntheticDataset) -> None:
    other = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
    for lrs in ([0.001, 0.05], [0.0001]):
        rates = []
        for labels in (data.test.labels, (data.test.labels + 3) % 10):
            other.test = ClassBank(data.test.images, labels, data.class_names)
            rates.append(card(other, lrs=lrs, full_students=0).run(synthetic)["random"]["lr"])
        assert rates[0] == rates[1]


def test_a_network_that_cannot_be_distinguished_from_another_is_refused_before_any_work(
    data: SplitBanks, tmp_path: Path, trained: list[int]
) -> None:
    network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
    with pytest.raises(TypeError, match=r"functools\.partial"):
        Scorecard(data, network, StudentTraining(SiameseAugment(()), steps=1), folder=tmp_path)
    assert trained == []


@pytest.mark.parametrize("settings", [{"students": 0}, {"full_students": -1}])
def test_no_students_are_refused(data: SplitBanks, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"students .*at least"):
        card(data, **settings)


def test_a_set_of_canvases_stands_next_to_packed_images_and_to_random_ones_of_both_sizes(data: SplitBanks) -> None:
    canvases, labels = random_subset(data.training, 1, seeded_generator(0, "start"))
    synthetic = SyntheticDataset(
        canvases, labels, data.class_names, preprocessing=data.preprocessing, decode=CanvasDecode(2)
    )
    sizes: dict[str, list[int]] = {}
    made = card(data, full_students=0)
    rows = made.rows()
    plain = rows.trained

    def noting(training_set: Any, *rest: Any, purpose: str = "score", **others: Any) -> Students:
        sizes.setdefault(purpose, []).append(len(training_set[0]))
        return plain(training_set, *rest, purpose=purpose, **others)

    rows.trained = noting  # type: ignore[method-assign]
    made.rows = lambda on_step=None: rows  # type: ignore[method-assign, misc, assignment]
    scores = made.run(synthetic)
    assert sizes["score"] == [40]
    assert set(sizes["random 1"]) == {10}
    assert set(sizes["packed 1"]) == {40}
    assert set(sizes["random effective 1"]) == {40}
    assert sorted(scores["controls"]) == ["packed", "random_effective"]
    assert scores["controls"]["packed"]["accuracy"]["values"] != scores["random"]["accuracy"]["values"]
