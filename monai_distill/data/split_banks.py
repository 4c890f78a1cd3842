"""Training, validation and test images of one data set: disjoint, and prepared by what training alone shows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from monai_distill.runtime.image_blocks import Images

from .class_bank import ClassBank
from .disjoint_sections import SECTIONS, disjoint
from .image_columns import item_columns
from .prepared_images import storage_note

__all__ = ["SplitBanks"]

logger = logging.getLogger(__name__)


class SplitBanks:
    """Three :class:`ClassBank` whose images share one preprocessing, fitted on the training images only.

    Images that are identical, pixel by pixel, to one in a later section (training to validation and test, validation to
    test) are dropped from the earlier one (:func:`~.disjoint_sections.disjoint`), so that no test image ever reaches an
    expert, an initial image or a statistic; ``dropped`` counts them. Warnings name classes that validation or test has
    no image of, and count images that lie in one section under two labels. The log accounts for every image in one
    line.
    ``training_columns`` and ``test_columns`` hold what is known of every image besides its class.

    Args:
        training: a MONAI dataset with items ``image`` [channels, *spatial] and ``label``, and its classes in
            ``class_names`` or in the items' ``class_name``.
        validation: the same, for selection.
        test: the same, for the one last score.
        fit: makes the preprocessing (an invertible transform of [n, channels, *spatial]) from the training images.
        device: where the images are stored.
        drop_held_out: whether the later of two identical images is dropped instead, so that no held-out image decides
            which ones are trained on. A guarantee requires it.

    Raises:
        ValueError: if the sections differ in class names or image shape, or training lacks a class.

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
        drop_held_out: bool = False,
    ) -> None:
        first = ClassBank.from_dataset(training)
        raw = [first, *(ClassBank.from_dataset(s, class_names=first.class_names) for s in (validation, test))]
        for name, bank in zip(("validation", "test"), raw[1:], strict=True):
            if bank.class_names != raw[0].class_names or bank.images.shape[1:] != raw[0].images.shape[1:]:
                raise ValueError(
                    f"Expected training and {name} to share classes and image shape, got {raw[0].class_names} "
                    f"{tuple(raw[0].images.shape[1:])} and {bank.class_names} {tuple(bank.images.shape[1:])}."
                )
        hashes = [bank.image_hashes() for bank in raw]
        conflicts = _warn_of_conflicting_labels(raw, hashes, (training, validation, test))
        parts = disjoint(raw, hashes, drop_held_out=drop_held_out)
        raw, self.dropped, self.drop_held_out = parts.banks, parts.dropped, drop_held_out
        _refuse_empty_classes(raw[0], parts.sentence())
        _warn_of_absent_classes(*raw[1:])
        self.preprocessing = fit(raw[0].images)
        self.training, self.validation, self.test = (bank.mapped(self.preprocessing, device) for bank in raw)
        self._unused_patients = tuple(getattr(training, "unused_patients", ()))
        self.training_columns = item_columns(training, parts.positions[0])
        self.test_columns = item_columns(test, parts.positions[2])
        self.provenance: dict[str, Any] = {
            **getattr(training, "provenance", {}),
            "counts": {n: list(b.counts) for n, b in zip(SECTIONS, raw, strict=True)},
            "identical_images_dropped": self.dropped,
            "images_under_two_labels": conflicts,
            "training_sha256": raw[0].fingerprint(),
            "test_sha256": raw[2].fingerprint(),
        }
        for note in dict.fromkeys(n for dataset in (training, validation, test) for n in getattr(dataset, "notes", ())):
            logger.info("Data: %s.", note)
        logger.info("Data: %s.", self._account(getattr(training, "left_out", {}), parts.sentence()))
        logger.info("Data: %s.", storage_note(bank.images for bank in (self.training, self.validation, self.test)))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Every class in label order."""
        return self.training.class_names

    def record_unit(self) -> str:
        """The unit of a privacy guarantee: ``"patient"`` where every image has a patient, else ``"image"``.

        Raises:
            ValueError: if the data may name patients that are not used; the unit would be smaller than it seems.

        Example:
            >>> from monai_distill.data.datasets import DigitsDataset
            >>> from monai_distill.transforms import Standardize
            >>> SplitBanks(*map(DigitsDataset, ("training", "validation", "test")), fit=Standardize.fit).record_unit()
            'image'
        """
        if self._unused_patients:
            columns = ", ".join(self._unused_patients)
            raise ValueError(
                f"No guarantee can be given: the data may name patients in {columns}, which is not used, so that the "
                "guarantee would hold for less than a patient. Name the patients (--patient_column, or "
                "--patient_folders true), or take the column or folders out of the data."
            )
        return "image" if self.training.patients is None else "patient"

    def _account(self, left_out: Mapping[str, int], identical: str) -> str:
        """Every image in one sentence: read, left out and why."""
        banks = (self.training, self.validation, self.test)
        parts = [f"{name} {len(bank)}" for name, bank in zip(SECTIONS, banks, strict=True)]
        total = sum(len(bank) for bank in banks) + sum(self.dropped.values())
        out = [f"{count} {reason}" for reason, count in left_out.items()]
        out += [identical] if identical else []
        patients = None if self.training.patients is None else len(set(self.training.patients.tolist()))
        of = "" if patients is None else f" (of {patients} patients in training)"
        return f"{total} images read: {', '.join(parts)}{of}; left out: {', '.join(out) or 'nothing'}"

    def require_source(self, source: Mapping[str, Any]) -> None:
        """Do nothing if these are the images that ``source``, the ``provenance`` of a set, names.

        A set that is scored on another split of its data may meet images that it was made from.

        Raises:
            RuntimeError: if they are other images.

        Example:
            >>> from monai_distill.data.datasets import DigitsDataset
            >>> from monai_distill.transforms import Standardize
            >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
            >>> data.require_source(data.provenance)
        """
        sums = [name for name in ("training_sha256", "test_sha256") if name in source]
        # resizing rounds differently on another processor: the same files in the same sections are the same images
        files = ["files", "split", "seed", "counts"]
        if any(
            all(name in source and source[name] == self.provenance.get(name) for name in names)
            for names in (sums, files)
        ):
            return
        found = self.provenance["counts"]
        others = "as many others, or other class names" if found == source.get("counts") else f"others, {found}"
        raise RuntimeError(
            f"Expected the images that the set was made from, {source.get('counts')}, got {others}: among these may be "
            "test images that it was made from. Put the data back, give the folder where it lies now as dataset_dir, "
            "or make a new run."
        )

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Channels and spatial sides of an image."""
        return tuple(self.training.images.shape[1:])


def _refuse_empty_classes(training: ClassBank, dropped: str) -> None:
    empty = [name for name, count in zip(training.class_names, training.counts, strict=True) if not count]
    if empty:
        raise ValueError(
            f"Expected training images of every class, got none of {empty}. Drop these classes or add some."
            + " If labels start at 1, subtract 1." * (not training.counts[0] and training.class_names[0] == "0")
            + (f" Left out were {dropped}." if dropped else "")
        )


def _warn_of_absent_classes(validation: ClassBank, test: ClassBank) -> None:
    sentences = []
    for section, bank, part in (("validation", validation, "the selection"), ("test", test, "the reported scores")):
        absent = [name for name, count in zip(bank.class_names, bank.counts, strict=True) if not count]
        if absent:
            sentences.append(f"No {section} image of {', '.join(absent)}, which therefore has no part in {part}.")
    if sentences:
        warnings.warn(
            f"{' '.join(sentences)} Balanced accuracy and AUROC are means over the classes that are present. Give both "
            "sections images of every class.",
            stacklevel=3,
        )


def _warn_of_conflicting_labels(
    banks: Sequence[ClassBank], hashes: Sequence[Sequence[str]], datasets: Sequence[Any]
) -> dict[str, int]:
    """Count, per section, the images that are identical to one with another label."""
    counts: dict[str, int] = {}
    examples = []
    for name, bank, codes, dataset in zip(SECTIONS, banks, hashes, datasets, strict=True):
        labels: dict[str, set[int]] = defaultdict(set)
        for code, label in zip(codes, bank.labels.tolist(), strict=True):
            labels[code].add(label)
        double = [i for i, code in enumerate(codes) if len(labels[code]) > 1]
        counts[name] = len(double)
        if double:
            same = next(i for i in double[1:] if codes[i] == codes[double[0]])
            examples.append(f"{_place(dataset, double[0])} and {_place(dataset, same)}")
    if examples:
        where = ", ".join(f"{count} in {name}" for name, count in counts.items() if count)
        warnings.warn(
            f"Identical images lie in one section under two labels: {where}, such as {examples[0]}. At least one of "
            "the labels is wrong; correct the data.",
            stacklevel=3,
        )
    return counts


def _place(dataset: Any, position: int) -> str:
    items = getattr(dataset, "data", None)
    item = items[position] if isinstance(items, Sequence) and len(items) > position else None
    image = item.get("image") if isinstance(item, Mapping) else None
    return image if isinstance(image, str) else f"item {position}"
