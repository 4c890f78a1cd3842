"""Training, validation and test images of one dataset, kept apart and prepared by what training alone can tell."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from monai_distill.runtime.image_blocks import Images

from .class_bank import ClassBank

__all__ = ["SplitBanks", "item_columns"]

NOT_COLUMNS = {"image", "label", "class_name", "mask"}


def item_columns(dataset: Any) -> dict[str, list[str]]:
    """One text per image for every further key of the items of a MONAI dataset, in order; nothing where there is none.

    Args:
        dataset: its ``data`` is a list of dictionaries; a key counts when every item has it.

    Example:
        >>> from monai.data import Dataset
        >>> item_columns(Dataset([{"image": 0, "label": 0, "site": "A"}, {"image": 1, "label": 1, "site": "B"}]))
        {'site': ['A', 'B']}
    """
    items = getattr(dataset, "data", ())
    if not isinstance(items, Sequence) or not items or not all(isinstance(item, dict) for item in items):
        return {}
    names = [name for name in items[0] if name not in NOT_COLUMNS and all(name in item for item in items)]
    return {name: [str(item[name]) for item in items] for name in names}


class SplitBanks:
    """Three :class:`ClassBank` whose images share one preprocessing, fitted on the training images only.

    Images that are identical, pixel by pixel, to one in a later section (training to validation and test, validation to
    test) are dropped from the earlier one, so that no test image ever reaches an expert, an initial image or a
    statistic; ``dropped`` says how many. A warning names classes that validation or test has no image of.
    ``test_columns`` holds what is known of every test image besides its class.

    Args:
        training: a MONAI dataset with items ``image`` [channels, *spatial] and ``label``, and its classes in
            ``class_names`` or in the items' ``class_name``.
        validation: the same, for selection.
        test: the same, for the one last score.
        fit: makes the preprocessing (an invertible transform of [n, channels, *spatial]) from the training images.
        device: where the images are kept.

    Raises:
        ValueError: when the sections differ in class names or image shape, or training lacks a class.

    Example:
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.transforms import Standardize
        >>> sections = [DigitsDataset(s) for s in ("training", "validation", "test")]
        >>> data = SplitBanks(*sections, fit=Standardize.fit)
        >>> float(data.training.images[:].mean().abs()) < 1e-4
        True
    """

    def __init__(
        self,
        training: Any,
        validation: Any,
        test: Any,
        *,
        fit: Callable[[Images], Any],
        device: torch.device | str = "cpu",
    ) -> None:
        first = ClassBank.from_dataset(training)
        raw = [first, *(ClassBank.from_dataset(s, class_names=first.class_names) for s in (validation, test))]
        for name, bank in zip(("validation", "test"), raw[1:], strict=True):
            if bank.class_names != raw[0].class_names or bank.images.shape[1:] != raw[0].images.shape[1:]:
                raise ValueError(
                    f"Expected training and {name} to share classes and image shape, got {raw[0].class_names} "
                    f"{tuple(raw[0].images.shape[1:])} and {bank.class_names} {tuple(bank.images.shape[1:])}."
                )
        raw, self.dropped = _kept_apart(*raw)
        empty = [name for name, count in zip(raw[0].class_names, raw[0].counts, strict=True) if not count]
        if empty:
            raise ValueError(
                f"Expected training images of every class, got none of {empty}. Drop these classes or add some."
            )
        _warn_of_absent_classes(*raw[1:])
        self.preprocessing = fit(raw[0].images)
        self.training, self.validation, self.test = (bank.mapped(self.preprocessing, device) for bank in raw)
        self.test_columns = item_columns(test)  # no test image is dropped, so they stay in order
        self.provenance: dict[str, Any] = {
            **getattr(training, "provenance", {}),
            "counts": {n: list(b.counts) for n, b in zip(("training", "validation", "test"), raw, strict=True)},
            "identical_images_dropped": self.dropped,
            "training_sha256": raw[0].fingerprint(),
            "test_sha256": raw[2].fingerprint(),
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """Every class in label order."""
        return self.training.class_names

    def require_source(self, source: Mapping[str, Any]) -> None:
        """Do nothing where these are the images that ``source`` names, the ``provenance`` of a set, as far as it does.

        A set that is scored on another split of its data may meet images that it was made from.

        Raises:
            RuntimeError: when they are others.

        Example:
            >>> from monai_distill.data.datasets import DigitsDataset
            >>> from monai_distill.transforms import Standardize
            >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
            >>> data.require_source(data.provenance)
        """
        sums = [name for name in ("training_sha256", "test_sha256") if name in source]
        # resizing rounds otherwise on another processor, so the same files in the same sections are the same images
        files = ["files", "split", "seed", "counts"]
        if any(
            all(name in source and source[name] == self.provenance.get(name) for name in names)
            for names in (sums, files)
        ):
            return
        raise RuntimeError(
            f"Expected the images that the set was made from, {source.get('counts')}, got others, "
            f"{self.provenance['counts']}: among these may be test images that it has seen. Put the data back as they "
            "were, give the folder where they lie now as dataset_dir, or make a new run."
        )

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Channels and spatial sides of an image."""
        return tuple(self.training.images.shape[1:])


def _warn_of_absent_classes(validation: ClassBank, test: ClassBank) -> None:
    told = []
    for section, bank, part in (("validation", validation, "the selection"), ("test", test, "the reported scores")):
        absent = [name for name, count in zip(bank.class_names, bank.counts, strict=True) if not count]
        if absent:
            told.append(f"No {section} image of {', '.join(absent)}, which therefore has no part in {part}.")
    if told:
        warnings.warn(
            f"{' '.join(told)} Balanced accuracy and AUROC are means over the classes that are there. Give both "
            "sections images of every class.",
            stacklevel=3,
        )


def _kept_apart(training: ClassBank, validation: ClassBank, test: ClassBank) -> tuple[list[ClassBank], dict[str, int]]:
    held_out = set(test.image_hashes())
    kept_validation = validation.without(held_out)
    kept_training = training.without(held_out | set(kept_validation.image_hashes()))
    dropped = {
        "training": len(training) - len(kept_training),
        "validation": len(validation) - len(kept_validation),
    }
    if any(dropped.values()):
        warnings.warn(
            f"Identical images lie in two sections; dropped {dropped['training']} from training and "
            f"{dropped['validation']} "
            "from validation, so that test and validation stay unseen.",
            stacklevel=3,
        )
    return [kept_training, kept_validation, test], dropped
