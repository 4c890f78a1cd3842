"""The objective of distribution matching against class means that were measured once, before."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.data import MeasuredMeans, SyntheticDataset
from monai_distill.losses import class_sums

__all__ = ["MeasuredMatching"]


class MeasuredMatching:
    """Squared distances between measured class means and those of the synthetic images, in one view; and its gradient.

    No real image is asked for: what was measured is all that it knows of them.

    References:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023, eq. 5; Zheng and Li, Differentially
        Private Dataset Condensation, NDSS workshop 2024 (noisy class sums of random features).

    Deviation: few views instead of a fresh network every iteration, measured on all images instead of a batch.

    Args:
        views: function of (number of the view, images) to vectors [n, F].
        weight: of the loss.

    Raises:
        ValueError: from a call, when the means are of other classes or another length than the views.

    Example:
        >>> match = MeasuredMatching(lambda view, images: images.flatten(1))
        >>> data = SyntheticDataset(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, MeasuredMeans(0, 0, torch.ones(2, 4)))
        >>> float(loss), gradients["images"].shape
        (8.0, torch.Size([2, 1, 2, 2]))
    """

    def __init__(self, views: Callable[[int, Tensor], Tensor], *, weight: float = 1.0) -> None:
        self.views = views
        self.weight = weight

    def __call__(self, synthetic: SyntheticDataset, batch: MeasuredMeans) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and the gradient of the images, by name."""
        images = synthetic.images.detach().requires_grad_()
        ours = class_sums(self.views(batch.view, images), synthetic.labels, len(synthetic.class_names))
        if ours.sums.shape != batch.means.shape:
            raise ValueError(
                f"Expected measured means {tuple(ours.sums.shape)}, got {tuple(batch.means.shape)}. Measure with the "
                "same views and classes."
            )
        means = ours.sums / ours.counts.clamp_min(1)[:, None]
        loss = self.weight * (means - batch.means.to(means)).square().sum()
        (gradient,) = torch.autograd.grad(loss, images)
        return loss.detach(), {"images": gradient}
