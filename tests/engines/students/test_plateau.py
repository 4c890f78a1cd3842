"""Students that end when their own training loss stops falling."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.engines.students import StudentTraining
from monai_distill.engines.students.plateau import Plateau, plateau_rule
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment

AUGMENT = SiameseAugment(("crop",))
RULE = Plateau(window=2, fall=0.25)


def _steps(plateau: Plateau | None, network: FlatNetwork, bank: ClassBank, lr: float, seeds: list[int]) -> int:
    steps: list[None] = []
    protocol = StudentTraining(AUGMENT, steps=24, batch_size=13, plateau=plateau)
    protocol(network, bank.images, bank.labels, lr, seeds, lambda: steps.append(None))
    return len(steps)


@pytest.mark.parametrize("vmap", [False, True])
def test_a_student_equals_a_fixed_schedule_of_twice_the_steps_to_its_plateau(
    network: FlatNetwork, bank: ClassBank, vmap: bool
) -> None:
    lengths = {seed: _steps(RULE, network, bank, 0.05, [seed]) for seed in range(1, 6)}
    assert len(set(lengths.values())) > 1, "the students should end at different steps"
    assert max(lengths.values()) <= 24
    together = StudentTraining(AUGMENT, steps=24, batch_size=13, plateau=RULE, vmap=vmap)
    found = together(network, bank.images, bank.labels, 0.05, list(lengths))
    for row, (seed, length) in zip(found, lengths.items(), strict=True):
        fixed = StudentTraining(AUGMENT, steps=length, batch_size=13, vmap=vmap)
        (expected,) = fixed(network, bank.images, bank.labels, 0.05, [seed])
        torch.testing.assert_close(row, expected, rtol=1e-5, atol=1e-6)


def test_a_loss_that_falls_takes_all_steps(network: FlatNetwork, bank: ClassBank) -> None:
    patient = Plateau(window=12, fall=0.001, floor=0.0)
    assert _steps(patient, network, bank, 0.01, [3]) == 24
    assert _steps(None, network, bank, 0.01, [3]) == 24


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([1.0, 0.99, 0.98], True),
        ([1.0, 0.99], False),
        ([1.0, 0.99, 0.9], False),
        ([1.0, 0.9, 0.89], False),
        ([0.009], True),
        ([1.0, float("nan")], True),
    ],
)
def test_the_rule(means: list[float], expected: bool) -> None:
    assert Plateau().reached(means) is expected


def test_the_rule_is_part_of_the_protocol_that_names_cached_results() -> None:
    plain, early = (StudentTraining(AUGMENT, plateau=p).config() for p in (None, Plateau()))
    assert "plateau" not in plain
    assert early["plateau"] == {"window": 50, "fall": 0.02, "floor": 0.01}


@pytest.mark.parametrize("wrong", [{"window": 0}, {"fall": 1.0}, {"floor": -1.0}])
def test_impossible_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Plateau(**wrong)  # type: ignore[arg-type]


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="published"):
        plateau_rule("short")
