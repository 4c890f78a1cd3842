"""The objective of distribution matching (DM, DataDAM, IDM, NCFM): class means of features should agree."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.data import ClassBatch, SyntheticDataset
from monai_distill.losses import ClassSums, DistributionMatchingLoss, attention_map, class_sums, sum_over_processes
from monai_distill.networks import activations, embedding, has_random_layers, shared_statistics
from monai_distill.runtime import processes
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms import AugmentParameters, SiameseAugment

__all__ = ["DistributionMatching", "attention_features", "classified_features", "embedding_features"]

Adapt = Callable[[nn.Module, tuple[Tensor, Tensor], tuple[Tensor, Tensor]], nn.Module]


def embedding_features(network: nn.Module, images: Tensor) -> list[Tensor]:
    """The embedding alone, [[n, F]]: the features that DM compares."""
    return [embedding(network, images)]


def attention_features(network: nn.Module, images: Tensor, power: float = 1) -> list[Tensor]:
    """Attention maps [n, pixels_l] of every feature layer but the last, then the embedding [n, F]: DataDAM's features.

    References:
        DataDAM: Sajedi et al., DataDAM: Efficient Dataset Distillation with Attention Matching, ICCV 2023,
        https://arxiv.org/abs/2310.00093, section 3.2.

    Args:
        network: names its ``feature_layers`` and has ``embed``.
        images: [n, C, *spatial].
        power: exponent p of :func:`~monai_distill.losses.attention_map`.

    Raises:
        ValueError: if the network names fewer than two feature layers.
    """
    layers, last = activations(network, images)
    if len(layers) < 2:
        raise ValueError(
            f"Expected at least 2 feature layers (the last one's attention is not matched), got {len(layers)} of "
            f"{type(network).__name__}. Raise depth."
        )
    return [*(attention_map(layer, power) for layer in layers[:-1]), last]


def classified_features(network: nn.Module, images: Tensor) -> list[Tensor]:
    """The embedding [n, F], log-probabilities [n, classes] and predictions [n, classes], each a row of zeros and a one.

    References:
        IDM: Zhao et al., Improved Distribution Matching for Dataset Condensation, CVPR 2023,
        https://arxiv.org/abs/2307.09742 (the flattened last feature map, and the logits of the same pass).

    Raises:
        ValueError: if the network has no ``classifier`` that maps its embedding to logits.
    """
    last = embedding(network, images)
    classifier: Callable[[Tensor], Tensor] | None = getattr(network, "classifier", None)
    if classifier is None:
        raise ValueError(
            f"Expected a network with a classifier after its embedding, got {type(network).__name__}. Use one of "
            "monai_distill.networks, or name its last layer so."
        )
    logits = classifier(last)
    predictions = F.one_hot(logits.argmax(dim=1), logits.shape[1]).to(logits)
    return [last, logits.log_softmax(dim=1), predictions]


class DistributionMatching:
    """Loss between class means of features under the network of an iteration, and its gradient on the images.

    References:
        DM: Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023,
        https://arxiv.org/abs/2110.04181, algorithm 1.
        DataDAM: Sajedi et al., DataDAM: Efficient Dataset Distillation with Attention Matching, ICCV 2023,
        https://arxiv.org/abs/2310.00093, algorithm 1.
        IDM: Zhao et al., Improved Distribution Matching for Dataset Condensation, CVPR 2023,
        https://arxiv.org/abs/2307.09742.
        NCFM: Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025,
        https://arxiv.org/abs/2502.20653.

    Deviations: all classes go through the network in one batch, which changes only the time under instance norm. All
    classes share one augmentation (the originals draw one per class). Classes may have any number of real and synthetic
    images. Real and synthetic images are two forward passes, as in the originals: the real one needs no graph, and
    under batch norm each has its own statistics.

    Several processes divide the real images of a batch among them and add up their class sums. Each process takes all
    synthetic images, which are far fewer. With dropout each takes all real images too, because the dropped units depend
    on the batch; so does ``adapt``.

    Args:
        networks: function of the iteration to its network, such as :class:`RandomNetworks`. The network is in train
            mode, so ``norm="batch"`` uses the statistics of the batch.
        augment: one operation per iteration, with the same parameters for real and synthetic images.
        features: function of (network, images) to per-image vectors [n, F_l].
        loss: function of the class sums of every kind of features, real and synthetic, to a scalar; by default
            :class:`~monai_distill.losses.DistributionMatchingLoss`.
        adapt: changes the network of an iteration with both sides in view, each as augmented images and class numbers
            (:class:`FrequencyScales`); None changes nothing.
        seed: seed of the run.

    Raises:
        ValueError: from a call, if the network lacks a layer that ``features`` needs, or a process has no real image.

    Example:
        >>> from monai_distill.engines.distillation import RandomNetworks
        >>> from monai_distill.networks.nets import ConvNet
        >>> networks = RandomNetworks(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> match = DistributionMatching(networks, SiameseAugment(()))
        >>> data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, ClassBatch(0, torch.randn(4, 1, 8, 8), torch.tensor([0, 0, 0, 1]), (3, 1)))
        >>> list(gradients), gradients["images"].shape
        (['images'], torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        networks: Callable[[int], nn.Module],
        augment: SiameseAugment,
        *,
        features: Callable[[nn.Module, Tensor], Sequence[Tensor]] = embedding_features,
        loss: Callable[[Sequence[ClassSums], Sequence[ClassSums]], Tensor] | None = None,
        adapt: Adapt | None = None,
        seed: int = 0,
    ) -> None:
        self.networks = networks
        self.augment = augment
        self.features = features
        self.loss = DistributionMatchingLoss() if loss is None else loss
        self.adapt = adapt
        self.seed = seed

    def __call__(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and the gradient of the canvases, by name."""
        images = synthetic.images.detach().requires_grad_()
        generator = seeded_generator(self.seed, "siamese augmentation", batch.iteration)
        augmentation = self.augment.draw(1, images.shape[2:], generator, siamese=True).to(images.device)
        network = self.networks(batch.iteration).to(images).train().requires_grad_(False)
        # So that dropout needs no stored random state for a resume.
        with temporary_global_seed(derived_seed(self.seed, "dropout", batch.iteration)):
            augmented = self.augment.apply(synthetic.decoded(images), augmentation)
            with torch.no_grad():
                if self.adapt is not None:
                    shown = self.augment.apply(batch.images, augmentation)
                    network = self.adapt(network, (shown, batch.labels), (augmented, synthetic.labels))
                real = self._real_sums(network, batch, augmentation, synthetic)
            matched = self._sums(network, augmented, synthetic.labels, synthetic)
        loss = self.loss(real, matched)
        (gradient,) = torch.autograd.grad(loss, images)
        return loss.detach(), {"images": gradient}

    def _real_sums(
        self, network: nn.Module, batch: ClassBatch, augmentation: AugmentParameters, synthetic: SyntheticDataset
    ) -> list[ClassSums]:
        if has_random_layers(network):
            return self._sums(network, self.augment.apply(batch.images, augmentation), batch.labels, synthetic)
        share = slice(processes.rank(), None, processes.count())  # images come class by class, so of every class
        if len(batch.labels) < processes.count():
            raise ValueError(
                f"Expected at least {processes.count()} real images, one per process, got a batch of "
                f"{len(batch.labels)}. Raise batch_per_class."
            )
        with shared_statistics(network):
            images = self.augment.apply(batch.images[share], augmentation)
            return sum_over_processes(self._sums(network, images, batch.labels[share], synthetic))

    def _sums(self, network: nn.Module, images: Tensor, labels: Tensor, synthetic: SyntheticDataset) -> list[ClassSums]:
        count = len(synthetic.class_names)
        return [class_sums(values, labels, count) for values in self.features(network, images)]
