"""The training images of every class as one tensor on one device, indexed by class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill.runtime.validation import listed_names

__all__ = ["ClassBank"]


class ClassBank:
    """Device-resident images and labels, class-indexed, for loops that draw by class or by batch.

    Classes may have different sizes, and may be smaller than the number of images asked for (drawn with replacement
    then).

    Args:
        images: float tensor [n, channels, *spatial], plain (no ``MetaTensor``), the values as the networks see them.
        labels: integer tensor [n], values 0 to ``len(class_names) - 1``.
        class_names: the name of every class in label order, whether or not it has images here.
        patients: whose image it is, numbers [n] on the CPU; None where patients are not known.

    Raises:
        ValueError: when images, labels and patients disagree in length, a label lies outside the class list or an image
            is not finite.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 1, 1]), ["benign", "malignant"])
        >>> bank.counts, bank.sample(0, 3, torch.Generator().manual_seed(0)).shape
        ((1, 3), torch.Size([3, 1, 8, 8]))
    """

    def __init__(
        self, images: Tensor, labels: Tensor, class_names: Sequence[str], patients: Tensor | None = None
    ) -> None:
        class_names = listed_names(class_names)
        if len(images) != len(labels) or images.ndim < 4 or (patients is not None and len(patients) != len(labels)):
            raise ValueError(
                f"Expected images [n, channels, *spatial] and labels [n], got {tuple(images.shape)} and "
                f"{tuple(labels.shape)}, and as many patients or none."
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
            raise ValueError(
                f"Expected labels from 0 to {len(class_names) - 1} ({len(class_names)} classes), "
                f"got {int(labels.min())} to {int(labels.max())}. Name every class in class_names."
            )
        if not bool(torch.isfinite(images).all()):
            raise ValueError("Expected finite pixel values, got NaN or infinity. Mend or drop those images first.")
        self.images = images
        self.labels = labels.long()
        self.class_names = class_names
        self.patients = patients
        self.indices = [torch.nonzero(self.labels == c).flatten() for c in range(len(class_names))]

    @classmethod
    def from_dataset(
        cls, dataset: Any, device: torch.device | str = "cpu", class_names: Sequence[str] | None = None
    ) -> ClassBank:
        """Read every item of a MONAI dataset (keys ``image`` and ``label``) once and keep it on ``device``.

        Args:
            dataset: any that gives dictionaries, :py:class:`monai.apps.MedNISTDataset` and plain ones too.
            device: where the images are kept.
            class_names: of a dataset that has no ``class_names``; without them they are read off the items'
                ``class_name``, and a class is called by its number where there is none.

        Raises:
            TypeError: when an item is no dictionary with ``image`` and ``label``, or its label no class number.
            ValueError: when the images differ in shape; resize them in the dataset's transform.
        """
        told: dict[int, str] = {}
        images: Tensor | None = None
        labels = torch.empty(len(dataset), dtype=torch.long)
        patients: list[Any] = []
        for i in range(len(dataset)):
            item = dataset[i]
            labels[i] = _class_number(item, i)
            image = torch.as_tensor(item["image"], dtype=torch.float32)
            if images is None:
                images = torch.empty((len(dataset), *image.shape), dtype=torch.float32)
            if image.shape != images.shape[1:]:
                raise ValueError(
                    f"Images differ in shape: expected {tuple(images.shape[1:])} as the first one, got "
                    f"{tuple(image.shape)} "
                    f"at position {i}. Pass image_size so that the dataset resizes them."
                )
            images[i] = image.as_subclass(Tensor)
            told.setdefault(int(labels[i]), str(item.get("class_name", int(labels[i]))))
            patients.append(item.get("patient"))
        if images is None:
            raise ValueError("The dataset is empty.")
        names = getattr(dataset, "class_names", class_names)
        names = [told.get(label, str(label)) for label in range(int(labels.max()) + 1)] if names is None else names
        return cls(images.to(device), labels.to(device), names, _numbered(patients))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of images of every class, in label order."""
        return tuple(len(index) for index in self.indices)

    @property
    def num_classes(self) -> int:
        """Number of classes, empty ones included."""
        return len(self.class_names)

    @property
    def device(self) -> torch.device:
        """Where the images live."""
        return self.images.device

    def draw_indices(self, label: int, count: int, generator: torch.Generator) -> Tensor:
        """Positions [count] of random images of one class; every image comes once before any comes twice.

        Raises:
            ValueError: when the class has no image at all.
        """
        own = self.indices[label]
        if not len(own):
            raise ValueError(f"Class {label} ({self.class_names[label]}) has no training image to draw from.")
        rounds = [torch.randperm(len(own), generator=generator) for _ in range(-(-count // len(own)))]
        return own[torch.cat(rounds)[:count].to(own.device)] if count else own[:0]

    def sample(self, label: int, count: int, generator: torch.Generator) -> Tensor:
        """Random images [count, channels, *spatial] of one class (see :meth:`draw_indices`)."""
        return self.images[self.draw_indices(label, count, generator)]

    def subset(self, positions: Tensor) -> ClassBank:
        """The bank of the images at ``positions`` [m], in that order."""
        positions = positions.to(self.device)
        patients = None if self.patients is None else self.patients[positions.cpu()]
        return ClassBank(self.images[positions], self.labels[positions], self.class_names, patients)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> ClassBank:
        """The bank of ``function(images)``: a preprocessing [n, channels, *spatial] to the same number of images.

        Where the function moves the images to another device, the labels follow.
        """
        images = function(self.images)
        return ClassBank(images, self.labels.to(images.device), self.class_names, self.patients)

    def image_hashes(self) -> list[str]:
        """SHA-256 of every image's bytes, in order: equal exactly when two images are equal pixel by pixel."""
        pixels = self.images.detach().to("cpu", torch.float32).contiguous().numpy()
        return [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]

    def without(self, hashes: Collection[str]) -> ClassBank:
        """The bank without the images whose hash (see :meth:`image_hashes`) is in ``hashes``."""
        keep = [i for i, value in enumerate(self.image_hashes()) if value not in hashes]
        return self if len(keep) == len(self) else self.subset(torch.tensor(keep, dtype=torch.long))

    def fingerprint(self) -> str:
        """SHA-256 over all images, labels and class names: names the data that an artifact was made from."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.class_names)).encode())
        digest.update(self.images.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
        digest.update(self.labels.cpu().numpy().tobytes())
        return digest.hexdigest()


def _class_number(item: Any, position: int) -> int:
    if not (isinstance(item, Mapping) and "image" in item and "label" in item):
        keys = f"the keys {list(item)}" if isinstance(item, Mapping) else type(item).__name__
        raise TypeError(
            f"Expected items as dictionaries with image and label, got {keys} at position {position}. Wrap the "
            "dataset, or rename the keys in its transform."
        )
    label = item["label"]
    try:
        number = int(label)
    except (TypeError, ValueError, RuntimeError):  # a word, or more than one number
        number = None
    if number is None or bool(number != label):
        raise TypeError(
            f"Expected a class number from 0 as label, got {label!r} at position {position}. One class an image is "
            "supported; number the classes, and name them in class_name or class_names."
        )
    return number


def _numbered(patients: Sequence[Any]) -> Tensor | None:
    """A number for every patient, so that no identifier is kept; None unless every image has a patient."""
    if any(patient is None for patient in patients):
        return None
    numbers = {patient: number for number, patient in enumerate(dict.fromkeys(patients))}
    return torch.tensor([numbers[patient] for patient in patients], dtype=torch.long)
