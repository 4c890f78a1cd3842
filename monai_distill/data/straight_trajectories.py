"""Expert trajectories as straight lines from the start to the end: two stored states per expert."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .trajectory_store import TrajectoryStore

__all__ = ["StraightTrajectories", "stored_snapshots", "trajectory_store"]


class StraightTrajectories(TrajectoryStore):
    """A store of the first and the last snapshot of every expert; the states between them lie on a line.

    After ``t`` of ``E`` epochs, the parameters are ``(1 - t / E) start + (t / E) end``, for every real ``t`` from 0 to
    E. The experts train as they do for :class:`TrajectoryStore`; of E + 1 snapshots two are stored.

    References:
        Zhong et al., Towards Stable and Storage-efficient Dataset Distillation: Matching Convexified Trajectory, CVPR
        2025, https://arxiv.org/abs/2406.19827 (the line from the start to the end, and continuous sampling on it).

    Deviation: a point's place on the line is its share of the epochs. The rest of the method (window, loss, learning
    rates) is that of the method that uses the store.

    Args:
        directory: as of :class:`TrajectoryStore`.
        job: as of :class:`TrajectoryStore`; the store of whole trajectories of the same job is refused.
        experts: number of experts.
        snapshots: epochs plus one, as of :class:`TrajectoryStore`.
        parameters: length of the flat vector.

    Raises:
        ValueError: for what :class:`TrajectoryStore` refuses.

    Example:
        >>> import tempfile
        >>> store = StraightTrajectories(tempfile.mkdtemp(), {}, experts=1, snapshots=5, parameters=2)
        >>> store.write(0, torch.tensor([[0.0, 0.0], [4.0, 8.0]]), history=[])
        >>> store.segment(0, 0.5, 1)
        (tensor([0.5000, 1.0000]), tensor([1., 2.]))
    """

    continuous = True

    def __init__(
        self, directory: str | Path, job: Mapping[str, Any], *, experts: int, snapshots: int, parameters: int
    ) -> None:
        if snapshots < 2:
            raise ValueError(f"Expected at least 2 snapshots, a start and an end, got {snapshots}. Train for an epoch.")
        job = {**job, "stored": "start and end"}
        super().__init__(directory, job, experts=experts, snapshots=snapshots, parameters=parameters)

    def _epochs_to_store(self) -> tuple[int, ...]:
        return 0, self.shape[1] - 1

    def snapshot(self, expert: int, epoch: float, device: torch.device | str = "cpu") -> Tensor:
        """The parameters [P] on the line of one expert after ``epoch`` epochs, a real number; -1 is the end.

        Raises:
            ValueError: if the expert is not finished, or the epoch lies outside the line.
        """
        last = self.shape[1] - 1
        if not (0 <= epoch <= last or epoch == -1):
            raise ValueError(f"Expected an epoch from 0 to {last}, or -1 for the last, got {epoch}.")
        start, end = self._row(expert, 0).to(device), self._row(expert, 1).to(device)
        return torch.lerp(start, end, 1.0 if epoch == -1 else epoch / last)


def trajectory_store(
    directory: str | Path,
    job: Mapping[str, Any],
    *,
    experts: int,
    snapshots: int,
    parameters: int,
    straight: bool = False,
) -> TrajectoryStore:
    """A :class:`TrajectoryStore`, or with ``straight`` a :class:`StraightTrajectories`.

    Example:
        >>> import tempfile
        >>> trajectory_store(tempfile.mkdtemp(), {}, experts=1, snapshots=5, parameters=2, straight=True).stored_epochs
        (0, 4)
    """
    kind = StraightTrajectories if straight else TrajectoryStore
    return kind(directory, job, experts=experts, snapshots=snapshots, parameters=parameters)


def stored_snapshots(epochs: int, straight: bool) -> int:
    """Snapshots of an expert on disk: two of a straight line, else one more than epochs.

    Example:
        >>> stored_snapshots(50, straight=True), stored_snapshots(50, straight=False)
        (2, 51)
    """
    return 2 if straight else epochs + 1
