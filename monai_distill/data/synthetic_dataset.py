"""The distilled set: learnable images, labels and learning rate, and all that training on them requires."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import Dataset
from monai.utils import optional_import
from safetensors.torch import load, save
from torch import Tensor, nn

from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.validation import listed_names

__all__ = ["SyntheticDataset"]


TENSOR_FILE, MANIFEST_FILE = "synthetic.safetensors", "manifest.json"
SAFE_ROOM = "monai_distill.transforms."


class SyntheticDataset(nn.Module, Dataset):  # type: ignore[misc]
    """A tiny training set whose images, learning rate and, optionally, labels are parameters.

    As an ``nn.Module`` it works with optimizers, MONAI's checkpoint savers and DDP; as a MONAI dataset its items are
    ``image`` [channels, *spatial] as the networks see it (after ``preprocessing``), ``label`` and ``class_name``. The
    label is a class number, or the probabilities [classes] of a learned label. ``CrossEntropyLoss`` takes both.

    Args:
        images: float tensor [n, channels, *spatial] in the networks' input space. Not clamped: the signal may lie
            outside the range of real images.
        labels: class numbers [n].
        class_names: every class in label order.
        student_lr: initial learning rate of the students, above 0.
        label_logits: float tensor [n, classes] of learned labels, whose softmax is the target; None for fixed labels.
        preprocessing: the invertible transform of the real images (``Standardize`` or ``ZCAWhitening``).
        manifest: plain JSON values saved with the tensors.

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
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("images", images), ("labels", labels)):
            if not isinstance(value, Tensor):
                raise TypeError(f"Expected {name} as a tensor, got {type(value).__name__}. Use torch.as_tensor.")
        if labels.is_floating_point():
            raise TypeError(f"Expected class numbers as labels, got {labels.dtype}. Give soft labels as label_logits.")
        class_names = listed_names(class_names)
        nn.Module.__init__(self)
        Dataset.__init__(self, data=range(len(images)))
        if images.ndim < 4 or len(labels) != len(images):
            raise ValueError(f"Expected images [n, C, *spatial] and labels [n], got {images.shape} and {labels.shape}.")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
            raise ValueError(f"Expected labels from 0 to {len(class_names) - 1}, got {sorted(set(labels.tolist()))}.")
        if not student_lr > 0:
            raise ValueError(f"Expected a learning rate above 0, got {student_lr}.")
        self.images = nn.Parameter(images.detach().clone().float())
        self.student_lr = nn.Parameter(torch.tensor(float(student_lr), device=images.device))
        self.labels: Tensor
        self.register_buffer("labels", labels.detach().clone().long())
        self.label_logits: nn.Parameter
        if label_logits is not None:
            if label_logits.shape != (len(images), len(class_names)):
                raise ValueError(f"Expected label_logits {(len(images), len(class_names))}, got {label_logits.shape}.")
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
        """The targets of a student: logits [n, classes] if labels are learned, class numbers [n] otherwise."""
        return self.label_logits if self.soft else self.labels

    def __len__(self) -> int:
        return len(self.images)

    def _transform(self, index: int) -> dict[str, Any]:
        target = self.targets[index].detach()
        return {
            "image": self.images[index].detach().clone(),
            "label": target.softmax(dim=0) if self.soft else int(target),
            "class_name": self.class_names[int(self.labels[index])],
        }

    def training_set(self) -> tuple[Tensor, Tensor, float]:
        """Current images [n, channels, *spatial], targets (see :attr:`targets`) and learning rate of a student."""
        return self.images.detach(), self.targets.detach(), float(self.student_lr.detach())

    def pixels(self) -> Tensor:
        """The images [n, channels, *spatial] as pixel values (0 to 1 where the source was), preprocessing undone."""
        images = self.images.detach()
        return images if self.preprocessing is None else self.preprocessing.inverse(images)

    def save(self, folder: str | Path, manifest: Mapping[str, Any] | None = None) -> Path:
        """Write ``synthetic.safetensors`` and ``manifest.json`` into ``folder``, each replaced as a whole.

        If the tensors differ from those that the manifest was saved with, its privacy claim is dropped and its initial
        images are "unknown", unless ``manifest`` gives them.

        Args:
            folder: created if missing.
            manifest: plain JSON values, added to those of the constructor.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        if self.preprocessing is not None:
            tensors |= {f"preprocessing.{k}": v.cpu().contiguous() for k, v in self.preprocessing.tensors().items()}
        data = save(tensors)
        digest = hashlib.sha256(data).hexdigest()
        content: dict[str, Any] = {**self._manifest_for(digest), **(manifest or {})}
        if self.preprocessing is not None:
            content["preprocessing"] = self.preprocessing.config()
        content |= {
            "class_names": list(self.class_names),
            "images": {"count": len(self), "shape": list(self.images.shape[1:]), "dtype": "float32"},
            "student_lr": float(self.student_lr.detach()),
            "labels": "learned logits" if self.soft else "class numbers",
            "sha256": digest,
        }
        atomic_write(folder / TENSOR_FILE, data)
        atomic_write(folder / MANIFEST_FILE, json.dumps(content, indent=2).encode())
        self.manifest = content
        return folder

    def _manifest_for(self, digest: str) -> dict[str, Any]:
        """The manifest without its privacy claim if that was made for other tensors."""
        if self.manifest.get("sha256") in (None, digest):
            return self.manifest
        others = {name: value for name, value in self.manifest.items() if name != "privacy"}
        return {**others, "initial_images": "unknown"}

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
        manifest = _read_manifest(folder / MANIFEST_FILE)
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
            preprocessing=_build_preprocessing(manifest.get("preprocessing"), parts),
            manifest=manifest,
        )


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(file.read_text())
        missing = [key for key in ("class_names", "sha256") if key not in manifest]
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"{file} is not a JSON manifest ({error}). Copy the folder again.") from error
    if missing:
        raise RuntimeError(f"{file} lacks {missing}, which every saved manifest has. Copy the folder again.")
    return manifest


def _build_preprocessing(config: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> Any:
    if config is None:
        return None
    arguments = {**config, **tensors}
    target = str(arguments.pop("_target_"))
    if not target.startswith(SAFE_ROOM):  # a manifest is untrusted: it may not name arbitrary code
        raise RuntimeError(f"Expected a preprocessing from {SAFE_ROOM}*, the manifest names {target}.")
    build: Callable[..., Any]
    build, known = optional_import(SAFE_ROOM.rstrip("."), name=target.removeprefix(SAFE_ROOM))
    if not known or not isinstance(build, type):
        raise RuntimeError(f"This version of monai_distill has no {target}. Install the version that wrote the set.")
    return build(**arguments)
