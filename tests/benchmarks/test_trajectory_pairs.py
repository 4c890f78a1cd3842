"""The pairs of trajectory matching and its official program: what both sides share, and the table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse

import torch

from monai_distill.data import ClassBank
from tests.benchmarks import trajectory_pairs
from tests.benchmarks.subject import options_of

SETTINGS = {"classes": 2, "width": 4, "depth": 1, "student_steps": 2, "iterations": 3, "steps": 2}
SETTINGS |= {"expert_epochs": 1, "max_start_epoch": 2, "student_lr": 0.1, "image_lr": 10.0, "lr_lr": 1e-3}


def _options() -> argparse.Namespace:
    return options_of(SETTINGS)


def test_segments_depend_on_the_seed_alone_and_lie_on_an_expert() -> None:
    experts = [torch.arange(4.0)[:, None] + 10 * number for number in range(2)]
    first, again, other = (trajectory_pairs.segments(_options(), experts, seed) for seed in (0, 0, 1))
    assert [(s.expert, s.epoch) for s in first] == [(s.expert, s.epoch) for s in again]
    assert [(s.expert, s.epoch) for s in first] != [(s.expert, s.epoch) for s in other]
    for segment in first:
        assert float(segment.target - segment.start) == 1.0
        assert float(segment.start) == 10 * segment.expert + segment.epoch


def test_our_side_changes_the_common_start_and_is_scored() -> None:
    options, labels = _options(), torch.tensor([0, 1])
    network = trajectory_pairs.flat_network(options)
    experts = [torch.stack([network.initial(seed) for seed in range(4)])]
    images, test = (
        torch.randn(2, 3, 32, 32),
        ClassBank(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 0, 1]), ["a", "b"]),
    )
    drawn = trajectory_pairs.segments(options, experts, 0)
    found = trajectory_pairs.ours(options, images, labels, drawn, 0)
    assert found[0] > 0
    assert found[1] != 0.1
    assert not torch.equal(found[2], images)
    assert 0 <= trajectory_pairs.accuracy(options, found, labels, test, 0) <= 1


def test_the_record_hides_folders_and_ends_with_the_mean_of_the_pairs() -> None:
    rows = [[seed, 1.0, 1.0, 0.1, 0.1, 0.5, 0.4, 0.1 * seed] for seed in (1, 2)]
    record = trajectory_pairs._record(rows, ["--reference", "/secret/mtt", "--data", "/secret/b.npz"], 1)
    assert "secret" not in str(record)
    assert abs(record["rows"][-1][-1][0] - 0.15) < 1e-9
