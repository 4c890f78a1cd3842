"""Class numbers of the released images, and their table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io

from torch import Tensor

from monai_distill.data import SyntheticDataset

__all__ = ["hard_labels", "label_rows", "with_hard_labels"]


def hard_labels(synthetic: SyntheticDataset) -> Tensor:
    """Class numbers [n]; for learned labels the most likely class."""
    return synthetic.targets.detach().argmax(dim=1) if synthetic.soft else synthetic.labels


def label_rows(synthetic: SyntheticDataset) -> bytes:
    """Content of ``labels.csv``: number, label and class name of every image, in the order of all formats."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["number", "label", "class_name"])
    for number, label in enumerate(hard_labels(synthetic).tolist(), start=1):
        writer.writerow([number, label, synthetic.class_names[label]])
    return buffer.getvalue().encode()


def with_hard_labels(synthetic: SyntheticDataset) -> SyntheticDataset:
    """The set with class numbers in place of learned labels."""
    return SyntheticDataset(
        synthetic.images,
        hard_labels(synthetic),
        synthetic.class_names,
        student_lr=float(synthetic.student_lr.detach()),
        preprocessing=synthetic.preprocessing,
        manifest=synthetic.manifest,
    )
