"""Datasets, the device-resident bank, trajectories on disk and the distilled set."""
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .class_bank import ClassBank
from .digits import DigitsDataset
from .initial_images import noise_images, real_images
from .medmnist import MedMNISTDataset
from .npz import NPZDataset
from .pathmnist import PathMNISTDataset
from .segment_sampler import Segment, SegmentSampler
from .split_banks import SplitBanks
from .synthetic_dataset import SyntheticDataset
from .trajectory_store import TrajectoryStore

__all__ = [
    "ClassBank",
    "DigitsDataset",
    "MedMNISTDataset",
    "NPZDataset",
    "PathMNISTDataset",
    "Segment",
    "SegmentSampler",
    "SplitBanks",
    "SyntheticDataset",
    "TrajectoryStore",
    "noise_images",
    "real_images",
]
