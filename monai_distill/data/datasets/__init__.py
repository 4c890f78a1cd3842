"""MONAI-style datasets."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .covid_radiography import COVIDRadiographyDataset
from .digits import DigitsDataset
from .image_folder import ImageFolderDataset
from .image_table import ImageTableDataset
from .medmnist import MedMNISTDataset
from .mhist import MHISTDataset
from .natural_images import NaturalImageDataset
from .npz import NPZDataset
from .section_dataset import SectionDataset
from .split_rule import SplitRule
from .table_columns import TableColumns

__all__ = [
    "COVIDRadiographyDataset",
    "DigitsDataset",
    "ImageFolderDataset",
    "ImageTableDataset",
    "MHISTDataset",
    "MedMNISTDataset",
    "NPZDataset",
    "NaturalImageDataset",
    "SectionDataset",
    "SplitRule",
    "TableColumns",
]
