"""IDM's loss: the distance of class means, and a cross-entropy that counts as much as the network is accurate."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from monai_distill.runtime.validation import require_in_interval

from .class_sums import ClassSums, class_mean_distance

__all__ = ["ClassRegularizedLoss", "class_regularization"]

PERCENT = 100.0  # IDM's accuracy runs from 0 to 100


def class_regularization(predictions: ClassSums, log_probabilities: ClassSums) -> Tensor:
    """``a sum_c CE_c``: the cross-entropy of synthetic images, times the accuracy in percent on real ones.

    CE_c is the mean cross-entropy of the synthetic images of class c, in nats. The accuracy a is the mean over the
    classes of the share of real images that are classified correctly.

    References:
        IDM: Zhao et al., Improved Distribution Matching for Dataset Condensation, CVPR 2023,
        https://arxiv.org/abs/2307.09742 (class-aware regularization).

    Deviations: the accuracy is that on the real images of the current iteration. The original adds up the accuracy of a
    network's training batches and forgets it every hundred iterations, which sets the weight to 0 for a moment. A class
    without images on one side adds nothing.

    Args:
        predictions: of real images: sums of the predicted classes, each as a row of zeros and a one [classes, classes].
        log_probabilities: of synthetic images: sums of the logarithms of the softmax [classes, classes].

    Example:
        >>> import torch
        >>> right = ClassSums(2 * torch.eye(2), torch.full((2,), 2.0))
        >>> class_regularization(right, ClassSums(-torch.eye(2), torch.ones(2)))
        tensor(200.)
    """
    accuracy = _own_class(predictions).sum() / (predictions.counts > 0).sum().clamp(min=1)
    return -PERCENT * accuracy.detach() * _own_class(log_probabilities).sum()


def _own_class(sums: ClassSums) -> Tensor:
    """The class mean [classes] of the entry that belongs to the class; 0 for a class without images."""
    return sums.sums.diagonal() / sums.counts.clamp(min=1)


class ClassRegularizedLoss(nn.Module):
    """``sum_c |mean f(real_c) - mean f(synthetic_c)|^2 + weight * a * CE_c``, with a the network's accuracy in percent.

    References:
        IDM: Zhao et al., Improved Distribution Matching for Dataset Condensation, CVPR 2023,
        https://arxiv.org/abs/2307.09742. Classes are added up, as in the released program, which steps once per class.

    Deviation: that of :func:`class_regularization`.

    Args:
        weight: of the cross-entropy; the original has 0.5 up to 10 images per class and 0.1 from 50 on.

    Raises:
        ValueError: if the weight is negative; from ``forward``, if there are not exactly three kinds of features.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> real = [ClassSums(torch.ones(1, size), one) for size in (3, 1, 1)]
        >>> synthetic = [ClassSums(-torch.ones(1, size), one) for size in (3, 1, 1)]
        >>> ClassRegularizedLoss(weight=0.5)(real, synthetic)  # 3 distances of 2, squared, and half of 100 times 1
        tensor(62.)
    """

    def __init__(self, weight: float = 0.5) -> None:
        super().__init__()
        require_in_interval("[0, inf)", weight=weight)
        self.weight = weight

    def forward(self, real: Sequence[ClassSums], synthetic: Sequence[ClassSums]) -> Tensor:
        """Return the loss, a scalar, from the sums of embeddings, log-probabilities and predictions of both sides."""
        if len(real) != 3 or len(synthetic) != 3:
            raise ValueError(
                f"Expected sums of embeddings, log-probabilities and predictions, got {len(real)} and "
                f"{len(synthetic)} kinds. Use classified_features."
            )
        distance = class_mean_distance(real[0], synthetic[0])
        return distance + self.weight * class_regularization(real[2], synthetic[1])
