"""The distilled set: learnable images, labels and learning rate, and all that training on them requires."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import Dataset
from safetensors.torch import load, save
from torch import Tensor, nn

from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.validation import listed_names
from monai_distill.transforms.canvas_decode import CanvasDecode, DecodedCanvases

from .set_manifest import build_transform, manifest_for, read_manifest

__all__ = ["SyntheticDataset"]


TENSOR_FILE, MANIFEST_FILE = "synthetic.safetensors", "manifest.json"


class SyntheticDataset(nn.Module, Dataset):  # type: ignore[misc]
    """A tiny training set whose images, learning rate and, optionally, labels are parameters.

    As an ``nn.Module`` it works with optimizers, MONAI's checkpoint savers and DDP; as a MONAI dataset its items are
    ``image`` [channels, *spatial] as the networks see it (after ``preprocessing``), ``label`` and ``class_name``. The
    label is a class number, or the probabilities [classes] of a learned label. ``CrossEntropyLoss`` takes both.

    The n stored canvases are the parameter ``images``. ``decode`` makes N training images of them; items, ``labels``,
    ``targets``, ``training_set`` and ``pixels`` are those N images. Without a decode a canvas is an image.

    Args:
        images: canvases, float tensor [n, channels, *spatial] in the networks' input space. Not clamped: the signal may
            lie outside the range of real images.
        labels: class number of every canvas [n].
        class_names: every class in label order.
        student_lr: initial learning rate of the students, above 0.
        label_logits: float tensor [N, classes] of learned labels, whose softmax is the target; None for fixed labels.
        preprocessing: the invertible transform of the real images (``Standardize`` or ``ZCAWhitening``).
        decode: how canvases become images; None for the identity.
        manifest: plain JSON values saved with the tensors.

    Attributes:
        labels: class number of every image [N].
        canvas_labels: class number of every canvas [n].

    Raises:
        TypeError: if images or labels are not tensors, labels are not integers, or class_names is not a list.
        ValueError: if shapes disagree, a label lies outside the class list or the learning rate is not above 0.

    Example:
        >>> data = SyntheticDataset(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ["no", "yes"], student_lr=0.05)
        >>> data[1]["class_name"], [name for name, _ in data.named_parameters()]
        ('yes', ['images', 'student_lr'])
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        class_names: Sequence[str],
        *,
        student_lr: float = 0.01,
        label_logits: Tensor | None = None,
        preprocessing: Any = None,
        decode: CanvasDecode | None = None,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        class_names = listed_names(class_names)
        _require_parts(images, labels, class_names, student_lr)
        nn.Module.__init__(self)
        self.images = nn.Parameter(images.detach().clone().float())
        self.student_lr = nn.Parameter(torch.tensor(float(student_lr), device=images.device))
        self.canvas_labels: Tensor
        self.register_buffer("canvas_labels", labels.detach().clone().long(), persistent=False)
        self.decode = CanvasDecode() if decode is None else decode
        size = images.shape[2:]
        self._decoder = DecodedCanvases(self.decode.cells(labels.tolist(), len(size)), size).to(images.device)
        self.labels: Tensor
        self.register_buffer("labels", self.canvas_labels[self.sources].clone())
        Dataset.__init__(self, data=range(len(self.labels)))
        self.label_logits: nn.Parameter
        if label_logits is not None:
            if label_logits.shape != (len(self), len(class_names)):
                raise ValueError(f"Expected label_logits {(len(self), len(class_names))}, got {label_logits.shape}.")
            self.label_logits = nn.Parameter(label_logits.detach().clone().float())
        self.class_names = class_names
        self.preprocessing = preprocessing
        self.manifest: dict[str, Any] = dict(manifest or {})

    @property
    def soft(self) -> bool:
        """Whether the labels are learned logits."""
        return hasattr(self, "label_logits")

    @property
    def targets(self) -> Tensor:
        """The targets of a student: logits [N, classes] if labels are learned, class numbers [N] otherwise."""
        return self.label_logits if self.soft else self.labels

    @property
    def sources(self) -> Tensor:
        """Number of the canvas of every image [N]; the images of a canvas follow each other."""
        return self._decoder.sources

    @property
    def images_per_canvas(self) -> Tensor:
        """How many images every canvas holds [n], on the CPU."""
        return self._decoder.images_per_canvas

    def __len__(self) -> int:
        return len(self.labels)

    def decoded(self, canvases: Tensor | None = None, numbers: Tensor | None = None) -> Tensor:
        """The images [N, channels, *spatial] of canvases, in the networks' input space; differentiable.

        Args:
            canvases: [n, channels, *spatial]; by default the set's own.
            numbers: of the images that are made; None for all.
        """
        canvases = self.images if canvases is None else canvases
        if self.decode.is_identity:
            return canvases if numbers is None else canvases[numbers]
        if self.preprocessing is None or self.preprocessing.is_per_channel:
            images: Tensor = self._decoder(canvases, numbers)
        else:
            images = self.preprocessing(self._decoder(self.preprocessing.inverse(canvases), numbers))
        return images

    def _transform(self, index: int) -> dict[str, Any]:
        target = self.targets[index].detach()
        return {
            "image": self.decoded(numbers=torch.tensor([index], device=self.images.device))[0].detach().clone(),
            "label": target.softmax(dim=0) if self.soft else int(target),
            "class_name": self.class_names[int(self.labels[index])],
        }

    def training_set(self) -> tuple[Tensor, Tensor, float]:
        """Current images [N, channels, *spatial], targets (see :attr:`targets`) and learning rate of a student."""
        return self.decoded(self.images.detach()), self.targets.detach(), float(self.student_lr.detach())

    def pixels(self) -> Tensor:
        """The images [N, channels, *spatial] as pixel values (0 to 1 where the source was), preprocessing undone."""
        return self._as_pixels(self.decoded(self.images.detach()))

    def canvas_pixels(self) -> Tensor:
        """The canvases [n, channels, *spatial] as pixel values, preprocessing undone."""
        return self._as_pixels(self.images.detach())

    def _as_pixels(self, images: Tensor) -> Tensor:
        return images if self.preprocessing is None else self.preprocessing.inverse(images)

    def save(self, folder: str | Path, manifest: Mapping[str, Any] | None = None) -> Path:
        """Write ``synthetic.safetensors`` and ``manifest.json`` into ``folder``, each replaced as a whole.

        If tensors, preprocessing, decode or class names differ from those that the manifest was saved with, its privacy
        claim is dropped and its initial images are "unknown", unless ``manifest`` gives them.

        Args:
            folder: created if missing.
            manifest: plain JSON values, added to those of the constructor.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        values = {**self.state_dict(), "labels": self.canvas_labels}
        tensors = {name: value.detach().cpu().contiguous() for name, value in values.items()}
        if self.preprocessing is not None:
            tensors |= {f"preprocessing.{k}": v.cpu().contiguous() for k, v in self.preprocessing.tensors().items()}
        data = save(tensors)
        digest = hashlib.sha256(data).hexdigest()
        reading = self._reading()
        content = {**manifest_for(self.manifest, digest, reading), **(manifest or {}), **reading}
        content |= {
            "images": {"count": len(self.images), "shape": list(self.images.shape[1:]), "dtype": "float32"},
            "student_lr": float(self.student_lr.detach()),
            "labels": "learned logits" if self.soft else "class numbers",
            "sha256": digest,
        }
        if not self.decode.is_identity:
            content["images"]["decoded"] = len(self)
        atomic_write(folder / TENSOR_FILE, data)
        atomic_write(folder / MANIFEST_FILE, json.dumps(content, indent=2).encode())
        self.manifest = content
        return folder

    def _reading(self) -> dict[str, Any]:
        """The part of the manifest that turns the tensors into named images."""
        return {
            **({} if self.preprocessing is None else {"preprocessing": self.preprocessing.config()}),
            **({} if self.decode.is_identity else {"decode": self.decode.config()}),
            "class_names": list(self.class_names),
        }

    @classmethod
    def load(cls, folder: str | Path) -> SyntheticDataset:
        """Read a saved set back.

        Raises:
            RuntimeError: if a file is missing, or the checksum of the tensors differs from the one in the manifest.
        """
        folder = Path(folder)
        for name in (TENSOR_FILE, MANIFEST_FILE):
            if not (folder / name).is_file():
                raise RuntimeError(
                    f"Cannot find {folder / name}. Give the folder that a run or SyntheticDataset.save wrote; "
                    "a bundle's models/ is filled by its train configuration."
                )
        manifest = read_manifest(folder / MANIFEST_FILE)
        data = (folder / TENSOR_FILE).read_bytes()
        checksum = hashlib.sha256(data).hexdigest()
        if checksum != manifest["sha256"]:
            raise RuntimeError(
                f"{folder / TENSOR_FILE} has SHA-256 {checksum}, its manifest says {manifest['sha256']}: damaged. "
                "Resume the run, which writes it again, or copy the folder again."
            )
        tensors = load(data)
        parts = {k.removeprefix("preprocessing."): v for k, v in tensors.items() if k.startswith("preprocessing.")}
        return cls(
            tensors["images"],
            tensors["labels"],
            manifest["class_names"],
            student_lr=float(tensors["student_lr"]),
            label_logits=tensors.get("label_logits"),
            preprocessing=build_transform(manifest.get("preprocessing"), parts),
            decode=build_transform(manifest.get("decode"), {}),
            manifest=manifest,
        )


def _require_parts(images: Tensor, labels: Tensor, class_names: Sequence[str], student_lr: float) -> None:
    for name, value in (("images", images), ("labels", labels)):
        if not isinstance(value, Tensor):
            raise TypeError(f"Expected {name} as a tensor, got {type(value).__name__}. Use torch.as_tensor.")
    if labels.is_floating_point():
        raise TypeError(f"Expected class numbers as labels, got {labels.dtype}. Give soft labels as label_logits.")
    if images.ndim < 4 or len(labels) != len(images):
        raise ValueError(f"Expected images [n, C, *spatial] and labels [n], got {images.shape} and {labels.shape}.")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
        raise ValueError(f"Expected labels from 0 to {len(class_names) - 1}, got {sorted(set(labels.tolist()))}.")
    if not student_lr > 0:
        raise ValueError(f"Expected a learning rate above 0, got {student_lr}.")
