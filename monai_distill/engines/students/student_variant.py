"""The training protocol with another loss, or with CutMix: columns of their own in a table, never the default."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.validation import require_in_interval

from .cutmix import drawn_cutmix
from .student_training import StudentTraining

__all__ = ["StudentVariant"]


class StudentVariant(StudentTraining):
    """A protocol's schedule with targets that are rows of numbers [n, classes], another loss and CutMix.

    It has the field's fixed length, because mixed images and other losses never reach a plateau as plain ones do.

    References:
        Yun et al., CutMix, ICCV 2019, https://arxiv.org/abs/1905.04899.
        GIFT: Shang et al., ICLR 2025, https://arxiv.org/abs/2405.14736.

    Args:
        protocol: gives the optimizer, the schedule and the augmentation.
        loss: function of (logits [B, classes], targets [B, classes]) to a scalar, a mean over the images.
        cutmix: share of the batches that are mixed; 0 for none.

    Raises:
        ValueError: if the share is not from 0 to 1; from a call, if the targets are class numbers.

    Example:
        >>> from monai_distill.transforms import SiameseAugment
        >>> StudentVariant(StudentTraining(SiameseAugment(()), steps=10), cutmix=0.5).config()["cutmix"]
        0.5
    """

    def __init__(
        self,
        protocol: StudentTraining,
        *,
        loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
        cutmix: float = 0.0,
    ) -> None:
        require_in_interval("[0, 1]", cutmix=cutmix)
        super().__init__(
            protocol.augment,
            steps=protocol.steps,
            batch_size=protocol.batch_size,
            drop=protocol.drop,
            vmap=protocol.vmap,
            compiled=protocol.compiled,
        )
        self.function = loss
        self.cutmix = cutmix

    def config(self) -> dict[str, Any]:
        """The protocol as plain JSON values."""
        return {**super().config(), "loss": self.function.__name__, "cutmix": self.cutmix}

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch."""
        return self.function(logits, targets)

    def batch(
        self, images: Images, targets: Tensor, rows: Tensor, generators: Sequence[torch.Generator]
    ) -> tuple[Iterator[Tensor], Tensor]:
        """Augmented and mixed images of every student, one after another, and their targets [students, B, classes]."""
        if targets.ndim != 2:
            raise ValueError(f"Expected targets [n, classes], got {list(targets.shape)}. Use one_hot.")
        shape = images.shape[2:]
        mixes = [drawn_cutmix(len(row), shape, self.cutmix, g) for row, g in zip(rows, generators, strict=True)]
        each, chosen = super().batch(images, targets, rows, generators)
        mixed = [part if mix is None else mix.targets(part) for part, mix in zip(chosen, mixes, strict=True)]
        shown = (part if mix is None else mix.images(part) for part, mix in zip(each, mixes, strict=True))
        return shown, torch.stack(mixed)
