"""The segments of an iteration that a process works on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from monai_distill import processes

from .segment_sampler import Segment, SegmentSampler

__all__ = ["SegmentShare"]


class SegmentShare:
    """The sampler's segments by iteration number, dealt out to the processes of the job: to a single one all of them.

    What is drawn for an iteration does not depend on how many processes there are; who computes it does.

    Args:
        sampler: draws ``per_step`` segments for every iteration.

    Raises:
        ValueError: when the processes cannot have equally many.

    Example:
        >>> import tempfile, torch
        >>> from monai_distill.data import TrajectoryStore
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=1, snapshots=3, parameters=2)
        >>> store.write(0, torch.arange(6.0).reshape(3, 2), [])
        >>> share = SegmentShare(SegmentSampler(store, max_start_epoch=1, expert_epochs=2, seed=0, per_step=3))
        >>> [segment.place for segment in share[5]]
        [0, 1, 2]
    """

    def __init__(self, sampler: SegmentSampler) -> None:
        processes.even_share(sampler.per_step, "segments_per_step")
        self.sampler = sampler

    def __getitem__(self, iteration: int) -> list[Segment]:
        own = range(self.sampler.per_step)[processes.rank() :: processes.count()]
        return [self.sampler.segment(iteration, place) for place in own]
