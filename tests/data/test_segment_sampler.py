"""Segments of trajectories: repeatable by number, fair to experts, within the stored epochs, shared by processes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from monai_distill.data import SegmentSampler, SegmentShare, StartEpochs, TrajectoryStore
from monai_distill.data.segment_sampler import Segment

EXPERTS, SNAPSHOTS = 4, 7


@pytest.fixture
def store(tmp_path: Path) -> TrajectoryStore:
    """Row (expert, epoch) holds the numbers expert and epoch."""
    store = TrajectoryStore(tmp_path, {}, experts=EXPERTS, snapshots=SNAPSHOTS, parameters=2)
    for expert in range(EXPERTS):
        store.write(expert, torch.tensor([[float(expert), float(epoch)] for epoch in range(SNAPSHOTS)]), [])
    return store


def test_a_segment_holds_the_rows_that_it_names(store: TrajectoryStore) -> None:
    sampler = SegmentSampler(store, StartEpochs(4), expert_epochs=2, seed=0)
    for iteration in range(40):
        segment = sampler[iteration]
        assert segment.iteration == iteration
        assert segment.start.tolist() == [segment.expert, segment.epoch]
        assert segment.target.tolist() == [segment.expert, segment.epoch + 2]


def test_a_draw_depends_on_its_number_alone(store: TrajectoryStore) -> None:
    def named(sampler: SegmentSampler, i: int) -> tuple[int, int]:
        return sampler[i].expert, sampler[i].epoch

    forward = SegmentSampler(store, StartEpochs(4), expert_epochs=2, seed=0)
    backward = SegmentSampler(store, StartEpochs(4), expert_epochs=2, seed=0)
    torch.manual_seed(1)
    expected = [named(forward, i) for i in range(40)]
    torch.manual_seed(2)
    assert [named(backward, i) for i in reversed(range(40))] == expected[::-1]
    other = SegmentSampler(store, StartEpochs(4), expert_epochs=2, seed=1)
    assert [named(other, i) for i in range(40)] != expected


def test_every_expert_comes_once_per_round_in_changing_order(store: TrajectoryStore) -> None:
    sampler = SegmentSampler(store, StartEpochs(1), expert_epochs=1, seed=0)
    rounds = [tuple(sampler[EXPERTS * r + i].expert for i in range(EXPERTS)) for r in range(10)]
    assert all(sorted(order) == list(range(EXPERTS)) for order in rounds)
    assert len(set(rounds)) > 1


@pytest.mark.parametrize(("max_start_epoch", "expert_epochs"), [(4, 2), (1, 1), (5, 2), (1, 6), (6, 1)])
def test_start_epochs_fill_zero_to_the_bound_and_stay_below(
    store: TrajectoryStore, max_start_epoch: int, expert_epochs: int
) -> None:
    sampler = SegmentSampler(store, StartEpochs(max_start_epoch), expert_epochs=expert_epochs, seed=0)
    drawn = Counter(sampler[i].epoch for i in range(80 * max_start_epoch))
    assert sorted(drawn) == list(range(max_start_epoch))
    assert min(drawn.values()) > 40  # 80 expected each, standard deviation under 9


@pytest.mark.parametrize(("max_start_epoch", "expert_epochs"), [(6, 2), (1, 7), (2, 0)])
def test_epochs_beyond_the_stored_ones_are_refused(
    store: TrajectoryStore, max_start_epoch: int, expert_epochs: int
) -> None:
    with pytest.raises(ValueError, match=f"at most {SNAPSHOTS}.* got {max_start_epoch} and {expert_epochs}"):
        SegmentSampler(store, StartEpochs(max_start_epoch), expert_epochs=expert_epochs, seed=0)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_middle_is_the_row_half_way_when_requested(store: TrajectoryStore, length: int) -> None:
    sampler = SegmentSampler(store, StartEpochs(3), expert_epochs=length, seed=0, middle=True)
    plain = SegmentSampler(store, StartEpochs(3), expert_epochs=length, seed=0)
    for iteration in range(10):
        segment = sampler[iteration]
        assert segment.middle is not None
        assert segment.middle.tolist() == [segment.expert, segment.epoch + length // 2]
        assert plain[iteration].middle is None
        assert plain[iteration][:3] == segment[:3]


def test_the_window_begins_at_its_lower_bound(store: TrajectoryStore) -> None:
    sampler = SegmentSampler(store, StartEpochs(5, 2), expert_epochs=1, seed=0)
    assert {sampler[i].epoch for i in range(80)} == {2, 3, 4}


def _reference_bound(iteration: int, first: int, last: int, ramp: int) -> int:
    return min(last, first + int((last - first) * iteration / ramp))


@pytest.mark.parametrize(("first", "last", "ramp"), [(1, 6, 50), (2, 5, 7), (5, 5, 10), (1, 6, 1)])
def test_the_upper_bound_grows_linearly_from_its_first_value_to_the_last(
    store: TrajectoryStore, first: int, last: int, ramp: int
) -> None:
    window = StartEpochs(last, first_max_start_epoch=first, ramp_iterations=ramp)
    sampler = SegmentSampler(store, window, expert_epochs=1, seed=0)
    bounds = [window.bound(i) for i in range(3 * ramp)]
    assert bounds == [_reference_bound(i, first, last, ramp) for i in range(3 * ramp)]
    assert (bounds[0], bounds[ramp], bounds[-1]) == (first, last, last)
    assert all(sampler[i].epoch < bounds[i] for i in range(3 * ramp))
    late = {sampler[i].epoch for i in range(ramp, ramp + 100)}
    assert late == set(range(last))


@pytest.mark.parametrize(
    "settings",
    [
        {"max_start_epoch": 0},
        {"max_start_epoch": -1},
        {"min_start_epoch": 4},
        {"min_start_epoch": -1},
        {"first_max_start_epoch": 5, "ramp_iterations": 3},
        {"min_start_epoch": 2, "first_max_start_epoch": 2, "ramp_iterations": 3},
        {"first_max_start_epoch": 2},
        {"ramp_iterations": 3},
        {"first_max_start_epoch": 2, "ramp_iterations": -3},
    ],
)
def test_an_empty_window_or_half_a_ramp_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        StartEpochs(**{"max_start_epoch": 4, **settings})


def test_an_unfinished_expert_is_refused(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path, {}, experts=1, snapshots=2, parameters=2)
    with pytest.raises(ValueError, match="not finished"):
        SegmentSampler(store, StartEpochs(1), expert_epochs=1, seed=0)[0]


THREE = 3


@pytest.fixture
def three_experts(tmp_path: Path) -> TrajectoryStore:
    store = TrajectoryStore(tmp_path, {}, experts=THREE, snapshots=6, parameters=2)
    for expert in range(THREE):
        store.write(expert, 100.0 * expert + torch.arange(12.0).reshape(6, 2), [])
    return store


def sampler(
    three_experts: TrajectoryStore,
    per_step: int,
    window: StartEpochs = StartEpochs(4),  # noqa: B008
) -> SegmentSampler:
    return SegmentSampler(three_experts, window, expert_epochs=2, seed=0, per_step=per_step)


def named(segment: Segment) -> tuple[int, int, float]:
    return segment.expert, segment.epoch, float(segment.start[0])


def test_one_segment_an_iteration_is_what_the_sampler_draws(three_experts: TrajectoryStore) -> None:
    plain, share = (
        SegmentSampler(three_experts, StartEpochs(4), expert_epochs=2, seed=0),
        SegmentShare(sampler(three_experts, 1)),
    )
    for iteration in range(8):
        (segment,) = share[iteration]
        assert (segment.iteration, segment.place) == (iteration, 0)
        assert named(segment) == named(plain[iteration])


def test_experts_come_in_rounds_over_all_segments(three_experts: TrajectoryStore) -> None:
    share = SegmentShare(sampler(three_experts, 2))
    drawn = [segment for iteration in range(6) for segment in share[iteration]]
    assert [(s.iteration, s.place) for s in drawn] == [(i, p) for i in range(6) for p in range(2)]
    for low in range(0, 12, THREE):
        assert {s.expert for s in drawn[low : low + THREE]} == set(range(THREE))
    assert len({s.epoch for s in drawn}) > 1


def test_the_ramp_counts_iterations(three_experts: TrajectoryStore) -> None:
    share = SegmentShare(sampler(three_experts, 4, StartEpochs(4, first_max_start_epoch=1, ramp_iterations=30)))
    assert [{s.epoch for s in share[iteration]} for iteration in range(9)] == [{0}] * 9  # the bound is 1 until 10
    assert max(s.epoch for iteration in range(30, 40) for s in share[iteration]) == 3


def test_no_segment_is_refused(three_experts: TrajectoryStore) -> None:
    with pytest.raises(ValueError, match="at least 1 segment per iteration, got 0"):
        sampler(three_experts, 0)
