"""Several segments an iteration: what is drawn, and that a single process gets all of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_distill.data import Segment, SegmentSampler, SegmentShare, TrajectoryStore

EXPERTS = 3


@pytest.fixture
def store(tmp_path: Path) -> TrajectoryStore:
    store = TrajectoryStore(tmp_path, {}, experts=EXPERTS, snapshots=6, parameters=2)
    for expert in range(EXPERTS):
        store.write(expert, 100.0 * expert + torch.arange(12.0).reshape(6, 2), [])
    return store


def sampler(store: TrajectoryStore, per_step: int, **settings: int) -> SegmentSampler:
    return SegmentSampler(store, max_start_epoch=4, expert_epochs=2, seed=0, per_step=per_step, **settings)


def named(segment: Segment) -> tuple[int, int, float]:
    return segment.expert, segment.epoch, float(segment.start[0])


def test_one_segment_an_iteration_is_what_the_sampler_draws(store: TrajectoryStore) -> None:
    plain, share = SegmentSampler(store, max_start_epoch=4, expert_epochs=2, seed=0), SegmentShare(sampler(store, 1))
    for iteration in range(8):
        (segment,) = share[iteration]
        assert (segment.iteration, segment.place) == (iteration, 0)
        assert named(segment) == named(plain[iteration])


def test_experts_come_in_rounds_over_all_segments(store: TrajectoryStore) -> None:
    share = SegmentShare(sampler(store, 2))
    drawn = [segment for iteration in range(6) for segment in share[iteration]]
    assert [(s.iteration, s.place) for s in drawn] == [(i, p) for i in range(6) for p in range(2)]
    for low in range(0, 12, EXPERTS):
        assert {s.expert for s in drawn[low : low + EXPERTS]} == set(range(EXPERTS))
    assert len({s.epoch for s in drawn}) > 1


def test_the_ramp_counts_iterations(store: TrajectoryStore) -> None:
    share = SegmentShare(sampler(store, 4, first_max_start_epoch=1, ramp_iterations=30))
    assert [{s.epoch for s in share[iteration]} for iteration in range(9)] == [{0}] * 9  # the bound is 1 until 10
    assert max(s.epoch for iteration in range(30, 40) for s in share[iteration]) == 3


def test_no_segment_is_refused(store: TrajectoryStore) -> None:
    with pytest.raises(ValueError, match="at least 1 segment per iteration, got 0"):
        sampler(store, 0)
