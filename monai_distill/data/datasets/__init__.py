"""MONAI-style datasets."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .covid_radiography import COVIDRadiographyDataset
from .digits import DigitsDataset
from .image_folder import ImageFolderDataset, image_files
from .image_table import ImageTableDataset
from .medmnist import MedMNISTDataset
from .mhist import MHISTDataset
from .mnist_and_cifar10 import CIFAR10Dataset, MNISTDataset
from .npz import NPZDataset
from .pathmnist import PathMNISTDataset
from .section_dataset import SectionDataset
from .splits import check_patient_overlap, patient_split, stratified_split

__all__ = [
    "CIFAR10Dataset",
    "COVIDRadiographyDataset",
    "DigitsDataset",
    "ImageFolderDataset",
    "ImageTableDataset",
    "MHISTDataset",
    "MNISTDataset",
    "MedMNISTDataset",
    "NPZDataset",
    "PathMNISTDataset",
    "SectionDataset",
    "check_patient_overlap",
    "image_files",
    "patient_split",
    "stratified_split",
]
