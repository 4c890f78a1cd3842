"""Datasets, the device-resident bank, trajectories on disk and the distilled set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .class_bank import ClassBank
from .class_batches import ClassBatch, ClassBatches, NoisyClassMeans
from .cluster_batches import ClusterBatches, ClusterPlan
from .cluster_start import cluster_images
from .coresets import herding_subset, k_center_subset
from .image_columns import item_columns
from .initial_images import noise_images, packed_subset, random_subset, real_images, refuse_small_classes
from .prepared_images import PreparedImages
from .preprocessing_of_set import PreprocessingOfSet
from .segment_sampler import Segment, SegmentSampler, SegmentShare
from .split_banks import SplitBanks
from .straight_trajectories import StraightTrajectories
from .synthetic_dataset import SyntheticDataset
from .trajectory_store import TrajectoryStore

__all__ = [
    "ClassBank",
    "ClassBatch",
    "ClassBatches",
    "ClusterBatches",
    "ClusterPlan",
    "NoisyClassMeans",
    "PreparedImages",
    "PreprocessingOfSet",
    "Segment",
    "SegmentSampler",
    "SegmentShare",
    "SplitBanks",
    "StraightTrajectories",
    "SyntheticDataset",
    "TrajectoryStore",
    "cluster_images",
    "herding_subset",
    "item_columns",
    "k_center_subset",
    "noise_images",
    "packed_subset",
    "random_subset",
    "real_images",
    "refuse_small_classes",
]
