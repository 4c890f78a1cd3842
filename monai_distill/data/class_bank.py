"""Images and labels of one section, indexed by class."""

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
from monai_distill.runtime.remembered import LARGE, remembered
from monai_distill.runtime.validation import listed_names

from .dataset_reading import read_dataset
from .prepared_images import PreparedImages

__all__ = ["ClassBank"]


class ClassBank:
    """Images and labels of one section, indexed by class, for loops that sample by class or by batch.

    The images stay in the type of their source (:class:`PreparedImages`) and become network inputs batch by batch.
    Classes may differ in size. A class smaller than the requested number of images repeats them.

    Args:
        images: [n, channels, *spatial]: a float tensor (no ``MetaTensor``), or :class:`PreparedImages`.
        labels: integer tensor [n], values 0 to ``len(class_names) - 1``.
        class_names: the name of every class in label order, also of classes without images.
        patients: patient number of every image [n], on the CPU; None if unknown.

    Raises:
        ValueError: if images, labels and patients differ in length, a label lies outside the class list or an image is
            not finite.

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
                f"{tuple(labels.shape)}, and as many patients or None."
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
            raise ValueError(
                f"Expected labels from 0 to {len(class_names) - 1} ({len(class_names)} classes), "
                f"got {int(labels.min())} to {int(labels.max())}. Name every class in class_names."
            )
        if not _finite(images):
            raise ValueError("Expected finite pixel values, got NaN or infinity. Repair or drop those images first.")
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
            dataset: any dataset of dictionaries, such as :py:class:`monai.apps.MedNISTDataset`.
            device: device of the batches.
            class_names: names for a dataset without ``class_names``. By default they are the items' ``class_name``; a
                class without one is named by its number.

        Raises:
            TypeError: if an item is not a dictionary with ``image`` and ``label``, or a label is not a class number.
            ValueError: if the images differ in shape; resize them in the dataset's transform.
        """
        content = read_dataset(dataset)
        names = getattr(dataset, "class_names", class_names)
        names = content.class_names if names is None else names
        return cls(content.images.placed(device), content.labels.to(device), names, content.patients)

    def __len__(self) -> int:
        return len(self.labels)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """A context in which no image and no label can be read, not even through other references to them.

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
                raise RuntimeError("Closed images were written to. Write to them outside the context.")
        finally:
            for tensor, copy in zip(tensors, copies, strict=True):
                tensor.copy_(copy)
            if isinstance(images, PreparedImages):
                images.gate.open()

    @property
    def image_shape(self) -> torch.Size:
        """Shape of an image: [channels, *spatial]."""
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
        """Device of the batches."""
        return self.images.device

    def draw_indices(self, label: int, count: int, generator: torch.Generator) -> Tensor:
        """Positions [count] of random images of one class; no image comes twice before every image came once.

        Raises:
            ValueError: if the class has no images.
        """
        members = self.indices[label]
        if not len(members):
            raise ValueError(f"Class {label} ({self.class_names[label]}) has no training image to draw from.")
        rounds = [torch.randperm(len(members), generator=generator) for _ in range(-(-count // len(members)))]
        return members[torch.cat(rounds)[:count].to(members.device)] if count else members[:0]

    def sample(self, label: int, count: int, generator: torch.Generator) -> Tensor:
        """Random images [count, channels, *spatial] of one class (see :meth:`draw_indices`)."""
        return self.images[self.draw_indices(label, count, generator)]

    def batch(self, positions: Tensor) -> Images:
        """The images at ``positions`` [m]: their stored pixels on ``device``, prepared when they are indexed."""
        images = self.images
        return images.gathered(positions) if isinstance(images, PreparedImages) else images[positions]

    def subset(self, positions: Tensor) -> ClassBank:
        """The bank of the images at ``positions`` [m], in that order."""
        positions = positions.to(self.device)
        patients = None if self.patients is None else self.patients[positions.cpu()]
        images = self.images.subset(positions) if isinstance(self.images, PreparedImages) else self.images[positions]
        return ClassBank(images, self.labels[positions], self.class_names, patients)

    def mapped(self, function: Callable[[Tensor], Tensor], device: torch.device | str | None = None) -> ClassBank:
        """The bank with ``function`` applied to every batch of images.

        Args:
            function: preprocessing of a batch [m, channels, *spatial] that treats every image by itself.
            device: device of the batches; None leaves it unchanged.
        """
        images = self.images
        if not isinstance(images, PreparedImages):
            images = PreparedImages(images[:], channel_axis=1)
        mapped = (images if device is None else images.placed(device)).mapped(function)
        return ClassBank(mapped, self.labels.to(mapped.device), self.class_names, self.patients)

    def image_hashes(self) -> list[str]:
        """SHA-256 of every image's float32 values, in order; two images have the same hash if all pixels are equal."""

        def compute() -> list[str]:
            arrays = (image for block in blocks(self.images) for image in _float_array(block))
            return [hashlib.sha256(array.data).hexdigest() for array in arrays]

        return list(self._of_images("image hashes", compute))

    def without(self, hashes: Collection[str]) -> ClassBank:
        """The bank without the images whose hash (see :meth:`image_hashes`) is in ``hashes``."""
        keep = [i for i, value in enumerate(self.image_hashes()) if value not in hashes]
        return self if len(keep) == len(self) else self.subset(torch.tensor(keep, dtype=torch.long))

    def fingerprint(self) -> str:
        """SHA-256 over all images, labels and class names; it identifies the data that an artifact was made from."""
        head, labels = repr((tuple(self.images.shape), self.class_names)).encode(), self.labels.cpu().numpy().tobytes()

        def compute() -> str:
            digest = hashlib.sha256(head)
            for block in blocks(self.images):
                digest.update(_float_array(block).data)
            digest.update(labels)
            return digest.hexdigest()

        return str(self._of_images(f"fingerprint {hashlib.sha256(head + labels).hexdigest()}", compute))

    def _of_images(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value that follows from all images; for a large set it is stored for later runs on the same file."""
        images = self.images
        job = images.job if isinstance(images, PreparedImages) and images.stored_bytes >= LARGE else None
        return compute() if job is None else remembered({"value": name, **job}, compute)


def _finite(images: Images) -> bool:
    if isinstance(images, PreparedImages) and (images.prepare is not None or images.pixels.dtype == torch.uint8):
        return True  # bytes are finite, and prepared images were checked before
    # a sum costs less to check; it can overflow, and then every value is checked
    return all(bool(torch.isfinite(block.sum())) or bool(torch.isfinite(block).all()) for block in blocks(images))


def _float_array(block: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = block.detach().to("cpu", torch.float32).contiguous().numpy()
    return array
