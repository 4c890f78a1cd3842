"""Straight-line experts: points between two stored states, by the formula of Zhong et al. (CVPR 2025), section 3."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_distill.data import ClassBank, SegmentSampler, StartEpochs, TrajectoryStore
from monai_distill.data.straight_trajectories import StraightTrajectories
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment

ENDS = torch.tensor([[1.0, -2.0, 0.5], [3.0, 6.0, 0.25]])


@pytest.fixture
def store(tmp_path: Path) -> StraightTrajectories:
    made = StraightTrajectories(tmp_path / "line", {}, experts=1, snapshots=9, parameters=3)
    made.write(0, ENDS, [])
    return made


def test_every_point_is_the_weighted_mean_of_start_and_end(store: StraightTrajectories) -> None:
    """theta(tau) = (1 - tau) theta_0 + tau theta_T with tau = t / T, computed in numpy."""
    start, end = ENDS.double().numpy()
    for epoch in (0, 0.3, 4, 7.75, 8):
        tau = epoch / 8
        assert np.allclose(store.snapshot(0, epoch).numpy(), (1 - tau) * start + tau * end, atol=1e-6)
    assert torch.equal(store.snapshot(0, -1), ENDS[1])


def test_two_states_are_on_disk(store: StraightTrajectories) -> None:
    assert store.array_file.stat().st_size == 2 * 3 * 4
    with pytest.raises(ValueError, match=r"from 0 to 8.*8\.5"):
        store.snapshot(0, 8.5)
    with pytest.raises(ValueError, match="snapshots"):
        StraightTrajectories(store.directory, {}, experts=1, snapshots=1, parameters=3)


def test_a_store_of_whole_trajectories_is_refused(store: StraightTrajectories, tmp_path: Path) -> None:
    """In both directions: a line must not pass for a trajectory."""
    with pytest.raises(ValueError, match="another job"):
        TrajectoryStore(store.directory, {}, experts=1, snapshots=2, parameters=3)
    whole = TrajectoryStore(tmp_path / "whole", {}, experts=1, snapshots=2, parameters=3)
    whole.write(0, torch.zeros(2, 3), [])
    with pytest.raises(ValueError, match="another job"):
        StraightTrajectories(tmp_path / "whole", {}, experts=1, snapshots=2, parameters=3)


def test_segments_start_anywhere_between_the_first_and_the_last_epoch_of_the_window(
    store: StraightTrajectories,
) -> None:
    """Real numbers, uniform in the window; target and middle follow on the line."""
    sampler = SegmentSampler(store, StartEpochs(6, 2), expert_epochs=3, seed=0, middle=True)
    segments = [sampler[i] for i in range(200)]
    epochs = np.array([segment.epoch for segment in segments])
    assert 2 <= epochs.min() < 2.2
    assert 4.8 < epochs.max() <= 5
    assert len({*epochs}) == 200
    assert abs(epochs.mean() - 3.5) < 0.2
    for segment in segments[:5]:
        for state, after in ((segment.start, 0), (segment.middle, 1.5), (segment.target, 3)):
            assert torch.allclose(state, torch.lerp(*ENDS, (segment.epoch + after) / 8), atol=1e-6)


@pytest.mark.parametrize("vmap", [False, True])
def test_the_experts_are_the_same(tmp_path: Path, vmap: bool) -> None:
    """Start and end are those of whole trajectories, bit by bit; the history has every epoch."""
    network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
    bank = ClassBank(torch.randn(10, 1, 8, 8), torch.arange(10) % 2, ["a", "b"])
    protocol = ExpertProtocol(SiameseAugment(), epochs=3, vmap=vmap)
    stores: list[Any] = []
    kinds: tuple[Callable[..., TrajectoryStore], ...] = (TrajectoryStore, StraightTrajectories)
    for kind in kinds:
        stores.append(kind(tmp_path / kind.__name__, {}, experts=2, snapshots=4, parameters=network.size))
        ExpertTrainer(network=network, bank=bank, store=stores[-1], protocol=protocol).run()
    whole, line = stores
    for expert in range(2):
        for epoch in (0, 3):
            assert torch.equal(line.snapshot(expert, epoch), whole.snapshot(expert, epoch))
    assert line.history == whole.history
