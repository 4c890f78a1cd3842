"""Datasets, the device-resident bank, trajectories on disk and the distilled set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .class_bank import ClassBank
from .class_batches import ClassBatches
from .cluster_batches import ClusterBatches, ClusterPlan
from .cluster_start import cluster_images
from .initial_images import noise_images, random_subset, real_images
from .segment_sampler import SegmentSampler, SegmentShare, StartEpochs
from .split_banks import SplitBanks
from .synthetic_dataset import SyntheticDataset
from .trajectory_store import TrajectoryStore

__all__ = [
    "ClassBank",
    "ClassBatches",
    "ClusterBatches",
    "ClusterPlan",
    "SegmentSampler",
    "SegmentShare",
    "SplitBanks",
    "StartEpochs",
    "SyntheticDataset",
    "TrajectoryStore",
    "cluster_images",
    "noise_images",
    "random_subset",
    "real_images",
]
