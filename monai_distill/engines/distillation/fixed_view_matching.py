"""The objective of distribution matching against class means that were measured once, before."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.data import NoisyClassMeans, SyntheticDataset
from monai_distill.losses import class_sums
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms import SiameseAugment

from .distribution_matching import embedding_features

__all__ = ["NoisyMeanMatching", "RandomViews"]


class RandomViews:
    """Maps an image to a vector of length 1, in several ways that depend on the seed and on no image.

    View k puts the image through augmentation k and random network k; every kind of features (an attention map, the
    embedding) is scaled to length 1 per image and all are put side by side, the whole again of length 1. The features
    of distribution matching that can be summed up with a known bound, once, and matched for as long as one likes.

    Args:
        network_factory: builds one freshly initialised network; in evaluation mode, and without batch norm, so that
            an image's vector does not depend on the others.
        augment: one operation per view, the same draw for all images.
        features: function of (network, images) to per-image vectors [n, F_l].
        views: how many.
        seed: seed of the run; it is no secret.

    Raises:
        ValueError: for no views, or networks with batch norm.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> views = RandomViews(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1), SiameseAugment(()), views=2)
        >>> bool(torch.allclose(views(1, torch.rand(3, 1, 8, 8)).norm(dim=1), torch.ones(3)))
        True
    """

    def __init__(
        self,
        network_factory: Callable[[], nn.Module],
        augment: SiameseAugment,
        *,
        features: Callable[[nn.Module, Tensor], Sequence[Tensor]] = embedding_features,
        views: int = 10,
        seed: int = 0,
    ) -> None:
        if views < 1:
            raise ValueError(f"Expected at least 1 view, got {views}.")
        self.augment = augment
        self.features = features
        self.seed = seed
        self.networks: list[nn.Module] = []
        for view in range(views):
            with temporary_global_seed(derived_seed(seed, "matching network", view)):
                self.networks.append(network_factory().eval().requires_grad_(False))
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.networks[0].modules()):
            raise ValueError(
                "Expected networks without batch norm, which mixes the images of a batch. Use --matching_norm instance."
            )

    def __len__(self) -> int:
        return len(self.networks)

    def __call__(self, view: int, images: Tensor) -> Tensor:
        """The vectors [n, F], each of length 1, of images [n, C, *spatial] in one view; differentiable."""
        generator = seeded_generator(self.seed, "augmentation of a view", view)
        draw = self.augment.draw(1, images.shape[2:], generator, siamese=True).to(images.device)
        network = self.networks[view].to(images.device)
        kinds = self.features(network, self.augment.apply(images, draw))
        vectors = torch.cat([F.normalize(kind, dim=1) for kind in kinds], dim=1)
        return vectors / math.sqrt(len(kinds))


class NoisyMeanMatching:
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
        >>> match = NoisyMeanMatching(lambda view, images: images.flatten(1))
        >>> data = SyntheticDataset(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, NoisyClassMeans(0, 0, torch.ones(2, 4)))
        >>> float(loss), gradients["images"].shape
        (8.0, torch.Size([2, 1, 2, 2]))
    """

    def __init__(self, views: Callable[[int, Tensor], Tensor], *, weight: float = 1.0) -> None:
        self.views = views
        self.weight = weight

    def __call__(self, synthetic: SyntheticDataset, batch: NoisyClassMeans) -> tuple[Tensor, dict[str, Tensor]]:
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
