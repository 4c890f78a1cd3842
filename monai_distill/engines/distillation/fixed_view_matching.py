"""Distribution matching (DM) against class means that were measured once, with noise, before the distillation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.data.class_batches import NoisyClassMeans
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.losses.class_sums import ClassSums, class_sums
from monai_distill.runtime.micro_batches import GraphSize, MicroBatches
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.runtime.validation import require_positive_int
from monai_distill.transforms.siamese_augment import SiameseAugment

from .distribution_matching import embedding_features
from .sums_in_parts import gradient_in_parts

__all__ = ["NoisyMeanMatching", "RandomViews"]


class RandomViews:
    """Maps an image to a vector of length 1, in several views that depend on the seed and on no image.

    View k applies augmentation k and random network k. Every kind of features (an attention map, the embedding) is
    scaled to length 1 per image; all are concatenated and scaled to length 1 again. A sum of such vectors has a known
    sensitivity to one image. It is released once and matched in any number of iterations.

    References:
        DM: Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023,
        https://arxiv.org/abs/2110.04181 (random networks as feature maps).

    Args:
        network_factory: builds one freshly initialized network. It is used in evaluation mode and has no batch norm, so
            that an image's vector does not depend on other images.
        augment: one operation per view, with the same parameters for all images.
        features: function of (network, images) to per-image vectors [n, F_l].
        views: number of views.
        seed: seed of the run; it need not be secret.

    Raises:
        ValueError: if ``views`` is below 1, or the networks have batch norm.

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
        require_positive_int(views=views)
        self.augment = augment
        self.features = features
        self.seed = seed
        self.networks: list[nn.Module] = []
        for view in range(views):
            with temporary_global_seed(derived_seed(seed, "matching network", view)):
                self.networks.append(network_factory().eval().requires_grad_(False))
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.networks[0].modules()):
            raise ValueError(
                "Expected networks without batch norm, which mixes the images of a batch, got networks with it. Use "
                "--matching_norm instance."
            )

    def __len__(self) -> int:
        return len(self.networks)

    def __call__(self, view: int, images: Tensor) -> Tensor:
        """The vectors [n, F], each of length 1, of images [n, C, *spatial] in one view; differentiable."""
        generator = seeded_generator(self.seed, "augmentation of a view", view)
        augmentation = self.augment.draw(1, images.shape[2:], generator, siamese=True).to(images.device)
        network = self.networks[view].to(images.device)
        kinds = self.features(network, self.augment.apply(images, augmentation))
        vectors = torch.cat([F.normalize(kind, dim=1) for kind in kinds], dim=1)
        return vectors / math.sqrt(len(kinds))


class NoisyMeanMatching:
    """Squared distances between noisy class means and those of the synthetic images, in one view; and its gradient.

    It reads no real image: the measured means are all that it uses of them.

    References:
        DM: Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023,
        https://arxiv.org/abs/2110.04181, eq. 5.
        Zheng and Li, Differentially Private Dataset Condensation, NDSS workshop 2024 (noisy class sums of random
        features).

    Deviation: few views instead of a fresh network every iteration, measured on all images instead of a batch.

    Args:
        views: function of (number of the view, images [n, C, *spatial]) to vectors [n, F].
        weight: factor of the loss.
        memory: how many images go through a view at once; None for all. The result is the same to rounding.

    Raises:
        ValueError: from a call, if the means have another number of classes or another length than the vectors.

    Example:
        >>> match = NoisyMeanMatching(lambda view, images: images.flatten(1))
        >>> data = SyntheticDataset(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, NoisyClassMeans(0, 0, torch.ones(2, 4)))
        >>> float(loss), gradients["images"].shape
        (8.0, torch.Size([2, 1, 2, 2]))
    """

    def __init__(
        self, views: Callable[[int, Tensor], Tensor], *, weight: float = 1.0, memory: MicroBatches | None = None
    ) -> None:
        self.views = views
        self.weight = weight
        self.memory = MicroBatches() if memory is None else memory

    def __call__(self, synthetic: SyntheticDataset, batch: NoisyClassMeans) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and the gradient of the canvases, by name."""
        images = synthetic.images.detach().requires_grad_()
        decoded = synthetic.decoded(images)

        def sums(part: Tensor, labels: Tensor) -> list[ClassSums]:
            return [class_sums(self.views(batch.view, part), labels, len(synthetic.class_names))]

        most = None if self.memory.budget is None else self.memory.most(self._graph_size(decoded))
        loss, cotangent = gradient_in_parts(
            sums, functools.partial(self._loss, batch.means), decoded, synthetic.labels, self.memory, most
        )
        (gradient,) = torch.autograd.grad(decoded, images, cotangent)
        return loss, {"images": gradient}

    def _loss(self, means: Tensor, sums: Sequence[ClassSums]) -> Tensor:
        (matched,) = sums
        if matched.sums.shape != means.shape:
            raise ValueError(
                f"Expected measured means {tuple(matched.sums.shape)}, got {tuple(means.shape)}. Measure with "
                "the same views and classes."
            )
        synthetic = matched.sums / matched.counts.clamp_min(1)[:, None]
        return self.weight * (synthetic - means.to(synthetic)).square().sum()

    def _graph_size(self, images: Tensor) -> GraphSize:
        def graph(count: int) -> Tensor:
            return self.views(0, images.new_zeros(count, *images.shape[1:]).requires_grad_())

        return self.memory.graph_size(tuple(images.shape[1:]), graph)
