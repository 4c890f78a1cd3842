"""The objective of distribution matching (DM, DataDAM, IDM, NCFM): class means of features should agree."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.data.class_batches import ClassBatch
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.losses.class_sums import ClassSums, class_sums, sum_over_processes
from monai_distill.losses.datadam_loss import attention_map
from monai_distill.losses.dm_loss import DistributionMatchingLoss
from monai_distill.networks.features import activations, embedding, shared_statistics
from monai_distill.networks.layer_kinds import has_random_layers
from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.runtime.processes import group
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms.siamese_augment import AugmentParameters, SiameseAugment

from .sums_in_parts import Sums, gradient_in_parts, sums_in_parts

__all__ = ["DistributionMatching", "attention_features", "classified_features", "embedding_features"]

SMALLER = 16  # parts of real images, which need no graph, to parts with one: less memory, and a CPU's cache holds them
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
        power: exponent p of :func:`~monai_distill.losses.datadam_loss.attention_map`.

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
        memory: how many images go through the network at once; None for all. The result is the same to rounding.
            Networks with dropout or batch norm take all.

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
        memory: MicroBatches | None = None,
    ) -> None:
        self.networks = networks
        self.augment = augment
        self.features = features
        self.loss = DistributionMatchingLoss() if loss is None else loss
        self.adapt = adapt
        self.seed = seed
        self.memory = MicroBatches() if memory is None else memory

    def __call__(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and the gradient of the canvases, by name."""
        images = synthetic.images.detach().requires_grad_()
        generator = seeded_generator(self.seed, "siamese augmentation", batch.iteration)
        augmentation = self.augment.draw(1, images.shape[2:], generator, siamese=True).to(images.device)
        network = self.networks(batch.iteration).to(images).train().requires_grad_(False)
        # So that dropout needs no stored random state for a resume.
        with temporary_global_seed(derived_seed(self.seed, "dropout", batch.iteration)):
            augmented = self.augment.apply(synthetic.decoded(images), augmentation)
            if self.adapt is not None:
                with torch.no_grad():
                    shown = self.augment.apply(batch.images[:], augmentation)
                    network = self.adapt(network, (shown, batch.labels), (augmented, synthetic.labels))
            whole = _mixes_images(network)
            most = None if whole else self._images_at_once(network, augmented)
            sums = functools.partial(self._sums, network, len(synthetic.class_names))
            real = self._real_sums(network, batch, augmentation, sums, most and max(1, most // SMALLER))
            loss, cotangent = gradient_in_parts(
                sums, functools.partial(self.loss, real), augmented, synthetic.labels, self.memory, most, whole
            )
        (gradient,) = torch.autograd.grad(augmented, images, cotangent)
        return loss, {"images": gradient}

    def _images_at_once(self, network: nn.Module, images: Tensor) -> int | None:
        def graph(count: int) -> Sequence[Tensor]:
            return self.features(network, images.new_zeros(count, *images.shape[1:]).requires_grad_())

        if self.memory.budget is None:
            return None
        return self.memory.most(self.memory.graph_size(tuple(images.shape[1:]), graph))

    def _real_sums(
        self, network: nn.Module, batch: ClassBatch, augmentation: AugmentParameters, sums: Sums, most: int | None
    ) -> list[ClassSums]:
        def augmented_sums(images: Tensor, labels: Tensor) -> Sequence[ClassSums]:
            return sums(self.augment.apply(images, augmentation), labels)

        whole = _mixes_images(network)
        if has_random_layers(network):
            return sums_in_parts(augmented_sums, batch.images, batch.labels, self.memory, most, whole)
        if len(batch.labels) < group.count():
            raise ValueError(
                f"Expected at least {group.count()} real images, one per process, got a batch of "
                f"{len(batch.labels)}. Raise batch_per_class."
            )
        images, labels = batch.images, batch.labels
        if group.count() > 1:
            share = slice(group.rank(), None, group.count())  # images come class by class, so of every class
            images, labels = images[share], labels[share]
        with shared_statistics(network):
            return sum_over_processes(sums_in_parts(augmented_sums, images, labels, self.memory, most, whole))

    def _sums(self, network: nn.Module, classes: int, images: Tensor, labels: Tensor) -> list[ClassSums]:
        return [class_sums(values, labels, classes) for values in self.features(network, images)]


def _mixes_images(network: nn.Module) -> bool:
    norms = nn.modules.batchnorm._BatchNorm
    return has_random_layers(network) or any(isinstance(module, norms) for module in network.modules())
