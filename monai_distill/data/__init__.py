"""Datasets, the device-resident bank, trajectories on disk and the distilled set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .array_to_image import ArrayToImaged
from .checksums import tensor_checksum
from .cifar10 import CIFAR10Dataset
from .class_bank import ClassBank
from .class_batches import ClassBatch, ClassBatches
from .covid_radiography import COVIDRadiographyDataset
from .digits import DigitsDataset
from .file_to_image import FileToImaged
from .herding import herding_subset
from .image_files import image_files
from .image_folder import ImageFolderDataset
from .image_table import ImageTableDataset
from .initial_images import noise_images, random_subset, real_images, refuse_small_classes
from .item_columns import item_columns
from .job_folder import job_folder
from .k_center import k_center_subset
from .measured_means import MeasuredMeans
from .medmnist import MedMNISTDataset
from .mhist import MHISTDataset
from .mnist import MNISTDataset
from .npz import NPZDataset
from .pathmnist import PathMNISTDataset
from .preprocessing_of_set import PreprocessingOfSet
from .section_dataset import SectionDataset
from .segment_sampler import Segment, SegmentSampler
from .segment_share import SegmentShare
from .split_banks import SplitBanks
from .splits import check_patient_overlap, patient_split, stratified_split
from .synthetic_dataset import SyntheticDataset
from .tensor_cache import TensorCache
from .trajectory_store import TrajectoryStore

__all__ = [
    "ArrayToImaged",
    "CIFAR10Dataset",
    "COVIDRadiographyDataset",
    "ClassBank",
    "ClassBatch",
    "ClassBatches",
    "DigitsDataset",
    "FileToImaged",
    "ImageFolderDataset",
    "ImageTableDataset",
    "MHISTDataset",
    "MNISTDataset",
    "MeasuredMeans",
    "MedMNISTDataset",
    "NPZDataset",
    "PathMNISTDataset",
    "PreprocessingOfSet",
    "SectionDataset",
    "Segment",
    "SegmentSampler",
    "SegmentShare",
    "SplitBanks",
    "SyntheticDataset",
    "TensorCache",
    "TrajectoryStore",
    "check_patient_overlap",
    "herding_subset",
    "image_files",
    "item_columns",
    "job_folder",
    "k_center_subset",
    "noise_images",
    "patient_split",
    "random_subset",
    "real_images",
    "refuse_small_classes",
    "stratified_split",
    "tensor_checksum",
]
