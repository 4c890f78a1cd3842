"""Learning rates are chosen by validation, and one that diverges is no candidate."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.engines.students import StudentDivergedError, StudentTraining, score_students, student_seeds
from monai_distill.engines.students.lr_choice import lr_candidates, rank_by_validation
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment


def test_the_best_comes_first_and_of_equal_ones_the_smaller() -> None:
    scores = {0.1: 0.6, 0.01: 0.6, 0.2: 0.55, 0.3: 0.95}
    actual = rank_by_validation([0.2, 0.1, 0.01, 0.1, 0.3], scores.__getitem__)
    assert list(actual) == [0.3, 0.01, 0.1, 0.2]
    assert actual[0.3] == 0.95


def test_a_learning_rate_that_diverges_is_left_out_and_other_errors_are_not(
    bank: ClassBank, network: FlatNetwork
) -> None:
    protocol = StudentTraining(SiameseAugment(()), steps=8)

    def score(lr: float) -> float:
        row = score_students((bank.images, bank.labels, lr), network, protocol, bank, student_seeds(students=2))
        return float(row["accuracy"]["mean"] or 0.0)

    with pytest.raises(StudentDivergedError, match=r"learning rate 1e\+30"):
        score(1e30)
    with pytest.warns(UserWarning, match=r"learning rate 1e\+30.*counts as the worst"):
        assert list(rank_by_validation([0.01, 1e30], score)) == [0.01]
    with pytest.warns(UserWarning, match="counts as the worst"):
        assert rank_by_validation([1e30], score) == {}

    def broken(lr: float) -> float:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        rank_by_validation([0.1], broken)


@pytest.mark.parametrize(
    ("learned", "given", "expected"),
    [
        (float(torch.tensor(0.01)), [0.01], [0.01]),  # rounded to float32
        (0.0109, [0.01], [0.01]),
        (0.0111, [0.01], [0.01, 0.0111]),
        (0.0092, [0.1, 0.01], [0.01, 0.1]),
        (0.009, [0.1, 0.01], [0.009, 0.01, 0.1]),
        (0.01, [0.01, 0.01], [0.01]),
    ],
)
def test_a_learned_learning_rate_is_a_candidate_unless_a_given_one_is_as_good(
    learned: float, given: list[float], expected: list[float]
) -> None:
    assert lr_candidates(learned, given) == expected
