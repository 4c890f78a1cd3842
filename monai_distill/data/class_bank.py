"""The training images of every class as one tensor on one device, indexed by class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_distill.runtime.image_blocks import Images, blocks
from monai_distill.runtime.validation import listed_names

from .dataset_reading import read_dataset
from .prepared_images import PreparedImages

__all__ = ["ClassBank"]


class ClassBank:
    """Images and labels of one section, indexed by class, for loops that draw by class or by batch.

    The images stay as their source holds them (:class:`PreparedImages`) and become network inputs when they are drawn.
    Classes may have different sizes. A class may be smaller than the number of images that is drawn from it; images
    then come more than once.

    Args:
        images: [n, channels, *spatial]: a float tensor (no ``MetaTensor``), or :class:`PreparedImages`.
        labels: integer tensor [n], values 0 to ``len(class_names) - 1``.
        class_names: the name of every class in label order, whether or not it has images here.
        patients: number [n] of the patient of every image, on the CPU; None where patients are not known.

    Raises:
        ValueError: when images, labels and patients disagree in length, a label lies outside the class list or an image
            is not finite.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 1, 1]), ["benign", "malignant"])
        >>> bank.counts, bank.sample(0, 3, torch.Generator().manual_seed(0)).shape
        ((1, 3), torch.Size([3, 1, 8, 8]))
    """

    def __init__(
        self, images: Images, labels: Tensor, class_names: Sequence[str], patients: Tensor | None = None
    ) -> None:
        class_names = listed_names(class_names)
        lengths = {len(images), len(labels), len(labels) if patients is None else len(patients)}
        if len(lengths) > 1 or len(images.shape) < 4:
            raise ValueError(
                f"Expected images [n, channels, *spatial] and labels [n], got {tuple(images.shape)} and "
                f"{tuple(labels.shape)}, and as many patients or none."
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
            raise ValueError(
                f"Expected labels from 0 to {len(class_names) - 1} ({len(class_names)} classes), "
                f"got {int(labels.min())} to {int(labels.max())}. Name every class in class_names."
            )
        if not _finite(images):
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
        """Read every item of a MONAI dataset (keys ``image`` and ``label``) once; see :func:`read_dataset`.

        Args:
            dataset: any that gives dictionaries, :py:class:`monai.apps.MedNISTDataset` and plain ones too.
            device: where batches of images go.
            class_names: of a dataset that has no ``class_names``; without them they are read off the items'
                ``class_name``, and a class is called by its number where there is none.

        Raises:
            TypeError: when an item is no dictionary with ``image`` and ``label``, or its label no class number.
            ValueError: when the images differ in shape; resize them in the dataset's transform.
        """
        content = read_dataset(dataset)
        names = getattr(dataset, "class_names", class_names)
        names = content.class_names if names is None else names
        return cls(content.images.placed(device), content.labels.to(device), names, content.patients)

    def __len__(self) -> int:
        return len(self.labels)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Within this block no image and no label can be read, whoever holds them: a run proves that it reads none.

        Reading :class:`PreparedImages` raises a RuntimeError. A plain tensor of images holds NaN, and labels are -1.
        """
        images = self.images
        tensors = [self.labels] if isinstance(images, PreparedImages) else [self.labels, images[:]]
        copies = [tensor.clone() for tensor in tensors]
        for tensor in tensors:
            tensor.fill_(float("nan") if tensor.is_floating_point() else -1)
        if isinstance(images, PreparedImages):
            images.gate.close()
        try:
            yield
            if not all(bool((t.isnan() if t.is_floating_point() else t == -1).all()) for t in tensors):
                raise RuntimeError("The closed images were written to. Nothing may change them while they are closed.")
        finally:
            for tensor, copy in zip(tensors, copies, strict=True):
                tensor.copy_(copy)
            if isinstance(images, PreparedImages):
                images.gate.open()

    @property
    def image_shape(self) -> torch.Size:
        """Channels and sides of an image."""
        return self.images.shape[1:]

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
        """Where batches of images go."""
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
        images = self.images.subset(positions) if isinstance(self.images, PreparedImages) else self.images[positions]
        return ClassBank(images, self.labels[positions], self.class_names, patients)

    def mapped(self, function: Callable[[Tensor], Tensor], device: torch.device | str | None = None) -> ClassBank:
        """The bank whose images pass through ``function`` whenever they are drawn.

        Args:
            function: a preprocessing of a batch [m, channels, *spatial] that treats every image by itself.
            device: where batches go; None: where they go now.
        """
        images = self.images
        if not isinstance(images, PreparedImages):
            images = PreparedImages(images[:], channel_axis=1)
        mapped = (images if device is None else images.placed(device)).mapped(function)
        return ClassBank(mapped, self.labels.to(mapped.device), self.class_names, self.patients)

    def image_hashes(self) -> list[str]:
        """SHA-256 of every image's values, in order: equal exactly when two images are equal pixel by pixel."""
        arrays = (image for block in blocks(self.images) for image in _float_array(block))
        return [hashlib.sha256(array.data).hexdigest() for array in arrays]

    def without(self, hashes: Collection[str]) -> ClassBank:
        """The bank without the images whose hash (see :meth:`image_hashes`) is in ``hashes``."""
        keep = [i for i, value in enumerate(self.image_hashes()) if value not in hashes]
        return self if len(keep) == len(self) else self.subset(torch.tensor(keep, dtype=torch.long))

    def fingerprint(self) -> str:
        """SHA-256 over all images, labels and class names: names the data that an artifact was made from."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.class_names)).encode())
        for block in blocks(self.images):
            digest.update(_float_array(block).data)
        digest.update(self.labels.cpu().numpy().tobytes())
        return digest.hexdigest()


def _finite(images: Images) -> bool:
    if isinstance(images, PreparedImages) and (images.prepare is not None or images.pixels.dtype == torch.uint8):
        return True  # bytes are finite, and prepared images were looked at before
    return all(bool(torch.isfinite(block).all()) for block in blocks(images))


def _float_array(block: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = block.detach().to("cpu", torch.float32).contiguous().numpy()
    return array
