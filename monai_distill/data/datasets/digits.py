"""scikit-learn's handwritten digits: a real set that ships with a dependency, for trying things out."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from monai_distill.data.reading.array_to_image import ArrayToImaged

from .section_dataset import SectionDataset
from .split_rule import SplitRule
from .splits import KEYED

__all__ = ["DigitsDataset"]


class DigitsDataset(SectionDataset):
    """1797 gray handwritten digits of 8x8 pixels (Alpaydin and Kaynak, UCI repository, 1998), bundled by scikit-learn.

    Nothing is read from disk but scikit-learn's file. Images are ``[1, 8, 8]``; the stored 0 to 16 become [0, 1].
    There is no official split: 60/20/20, stratified by class unless ``split`` says otherwise.

    Args:
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform; it receives ``image`` as a float32 array ``[8, 8]`` in [0, 1].
        split: shares and seed; keep the seed, so that runs with other seeds stay comparable.
        options: ``seed`` and the cache options of :class:`SectionDataset`.

    Raises:
        ValueError: if the section is unknown.

    Example:
        >>> dataset = DigitsDataset("training")
        >>> len(dataset), tuple(dataset[0]["image"].shape), dataset.class_names[:2]
        (1078, (1, 8, 8), ('0', '1'))
    """

    def __init__(
        self,
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        split: SplitRule | None = None,
        **options: Any,
    ) -> None:
        self.split = split or SplitRule(val_frac=0.2, test_frac=0.2)
        super().__init__(None, section, transform, **options)

    def _items(self, section: str) -> list[dict[str, Any]]:
        bunch = load_digits()
        images = (np.asarray(bunch.images) / 16.0).astype(np.float32)
        labels = np.asarray(bunch.target, dtype=np.int64)
        self.class_names = tuple(str(digit) for digit in range(10))
        how = f"{KEYED} image" if self.split.keyed else "stratified by class"
        digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
        self.provenance = {
            "name": "Optical recognition of handwritten digits (scikit-learn copy)",
            "license": "CC BY 4.0",
            "citation": "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998",
            "files": {"sklearn.datasets.load_digits arrays": f"sha256:{digest}"},
            "official": False,
            "split": f"{self.split.percent} {how}, seeded (no official split exists)",
            "seed": self.split.seed,
        }
        parts = self.split.of_arrays(images, labels.tolist(), self.split.shares)
        return [
            {"image": images[i], "label": int(labels[i]), "class_name": self.class_names[labels[i]]}
            for i in parts[section]
        ]

    def _default_transform(self) -> ArrayToImaged:
        return ArrayToImaged(channels_last=False)
