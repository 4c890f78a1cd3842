"""Attack on learned labels: the confidence that comes from the labels and not from the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset

from .model_confidence import ModelConfidence, scaled_confidence

__all__ = ["LearnedLabels", "label_attack"]


class LearnedLabels:
    """Difference in confidence between networks trained with learned labels and with class numbers on the same images.

    Students that are trained on a teacher's soft labels reach images that only the teacher has seen (ICLR 2026, see
    issue 23), so that labels can identify members where images do not. A set without learned labels, such as a
    control, gets the confidence itself: there the attack is :class:`ModelConfidence`.

    Args:
        model: trains networks on a set; gives images and their classes.
    """

    def __init__(self, model: ModelConfidence) -> None:
        self.model = model

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """Return the statistic [n], higher for an image of which the labels make networks confident."""
        if not release.soft:
            return self.model(release)
        images, _, lr = release.training_set()
        plain = self.model.logits_of(release, (images, release.labels.to(images.device), lr), self.model.images)
        return self.model(release) - scaled_confidence(plain, self.model.labels.cpu()).mean(dim=0)


def label_attack(
    images: Tensor, labels: Tensor, *, soft: bool, model: Callable[..., ModelConfidence]
) -> LearnedLabels | None:
    """The attack on learned labels; None for a released set without any.

    Args:
        images: attacked images [n, channels, *spatial] as pixel values.
        labels: [n] classes.
        soft: whether the released set has learned labels.
        model: makes :class:`ModelConfidence` of images and labels.
    """
    return LearnedLabels(model(images=images, labels=labels)) if soft else None
