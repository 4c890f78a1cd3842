"""Sums per class: against loops, in shards, and with classes absent."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.losses.class_sums import class_mean_distance, class_sums, sum_over_processes
from monai_distill.runtime.processes import exchange
from monai_distill.runtime.randomness import seeded_generator

REAL_LABELS = torch.tensor([0, 2, 2, 0, 2, 1, 2])
OWN_LABELS = torch.tensor([2, 0, 0, 1])


def vectors(count: int, name: str) -> torch.Tensor:
    return torch.randn(count, 5, generator=seeded_generator(0, name), dtype=torch.float64)


def test_distance_of_class_means_equals_a_loop_over_classes() -> None:
    real, own = vectors(7, "real"), vectors(4, "own")
    expected = 0.0
    for c in range(3):
        means = [values[labels == c].numpy().mean(0) for values, labels in ((real, REAL_LABELS), (own, OWN_LABELS))]
        expected += float(np.square(means[0] - means[1]).sum())
    found = class_mean_distance(class_sums(real, REAL_LABELS, 3), class_sums(own, OWN_LABELS, 3))
    assert float(found) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_sums_of_shards_add_up_to_the_whole_where_means_do_not(cut: int) -> None:
    real = vectors(7, "real")
    whole = class_sums(real, REAL_LABELS, 3)
    parts = class_sums(real[:cut], REAL_LABELS[:cut], 3).plus(class_sums(real[cut:], REAL_LABELS[cut:], 3))
    torch.testing.assert_close(parts.sums, whole.sums)
    assert torch.equal(parts.counts, whole.counts)
    own = class_sums(vectors(4, "own"), OWN_LABELS, 3)
    torch.testing.assert_close(class_mean_distance(parts, own), class_mean_distance(whole, own))


def test_a_class_absent_on_one_side_adds_nothing_and_gets_no_gradient() -> None:
    own = vectors(4, "own").requires_grad_()
    here = class_sums(own, OWN_LABELS, 3)
    there = class_sums(vectors(3, "real"), torch.tensor([0, 0, 1]), 3)
    distance = class_mean_distance(there, here)
    (gradient,) = torch.autograd.grad(distance, own)
    assert torch.isfinite(gradient).all()
    assert gradient[0].abs().max() == 0
    assert (gradient[1:].abs().sum(1) > 0).all()


@pytest.mark.parametrize("swapped", [False, True])
def test_classes_absent_on_either_side_leave_the_distance_of_the_others(swapped: bool) -> None:
    values, other = torch.tensor([[1.0, 2.0], [5.0, 6.0]]), torch.tensor([[4.0, 6.0], [9.0, 9.0]])
    sides = class_sums(values, torch.tensor([0, 1]), 4), class_sums(other, torch.tensor([0, 2]), 4)
    assert float(class_mean_distance(*(reversed(sides) if swapped else sides))) == 9.0 + 16.0  # class 0 alone


def test_sums_of_another_shape_are_refused() -> None:
    labels = torch.tensor([0])
    with pytest.raises(ValueError, match="one shape"):
        class_mean_distance(class_sums(torch.ones(1, 2), labels, 1), class_sums(torch.ones(1, 3), labels, 1))


def test_sums_over_processes_add_up_every_part_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with equal shards: every total is twice the part (a real group: tests/runtime/processes)."""
    parts = [class_sums(vectors(7, "real"), REAL_LABELS, 3), class_sums(vectors(4, "own"), OWN_LABELS, 4)]
    monkeypatch.setattr(exchange, "sums", lambda tensors: [2 * tensor for tensor in tensors])
    totals = sum_over_processes(parts)
    assert len(totals) == 2
    for total, part in zip(totals, parts, strict=True):
        assert torch.equal(total.sums, 2 * part.sums)
        assert torch.equal(total.counts, 2 * part.counts)
