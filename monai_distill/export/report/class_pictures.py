"""The synthetic images of every class, beside the class name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from monai_distill.export.figures import MOST_PER_CLASS, stretched

from .page_elements import Picture, image_picture
from .records import RunRecords

__all__ = ["ClassPictures"]


class ClassPictures(NamedTuple):
    """A class with its first ten synthetic images.

    Example:
        >>> ClassPictures("basophil", [], 10).name
        'basophil'
    """

    name: str
    pictures: Sequence[Picture]
    in_set: int

    @classmethod
    def of(cls, records: RunRecords) -> list[ClassPictures]:
        """Every class of a set; without pictures when the set is still the real images that it started from."""
        synthetic = records.synthetic
        pixels, labels = synthetic.pixels().cpu(), synthetic.labels.cpu()
        found, real = [], _still_real(records)
        for number, name in enumerate(synthetic.class_names):
            places = torch.nonzero(labels == number).flatten().tolist()
            pictures = [
                image_picture(stretched(pixels[place]), f"Synthetic image {i} of class {name}")
                for i, place in enumerate(places[:MOST_PER_CLASS], 1)
            ]
            found.append(cls(str(name), [] if real else pictures, len(places)))
        return found


def _still_real(records: RunRecords) -> bool:
    """A run of no iteration that started from real images has those images as its set."""
    return records.started_real and records.history.get("iterations") == []
