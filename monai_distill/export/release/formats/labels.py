"""Class numbers of the released images, and their table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io

from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset

__all__ = ["hard_labels", "label_rows", "with_hard_labels"]


def hard_labels(synthetic: SyntheticDataset) -> Tensor:
    """Class numbers [N]; for learned labels the most likely class, which the images of a canvas share."""
    return _canvas_labels(synthetic)[synthetic.sources]


def _canvas_labels(synthetic: SyntheticDataset) -> Tensor:
    if not synthetic.soft or synthetic.decode.kind == "bound":  # there another class could change the decode
        return synthetic.canvas_labels
    probabilities = synthetic.targets.detach().softmax(dim=1)
    sums = probabilities.new_zeros(len(synthetic.images), probabilities.shape[1])
    return sums.index_add(0, synthetic.sources, probabilities).argmax(dim=1)


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
        _canvas_labels(synthetic),
        synthetic.class_names,
        student_lr=float(synthetic.student_lr.detach()),
        preprocessing=synthetic.preprocessing,
        decode=synthetic.decode,
        manifest=synthetic.manifest,
    )
