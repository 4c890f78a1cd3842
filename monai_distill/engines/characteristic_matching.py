"""The objective of characteristic function matching: a sampler looks for what still differs, the images remove it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data import ClassBatch, SyntheticDataset
from monai_distill.losses import CharacteristicFunctionLoss, class_sums, waves
from monai_distill.networks import FrequencySampler, embedding
from monai_distill.randomness import derived_seed, global_seed_kept, seeded_generator
from monai_distill.transforms import SiameseAugment

__all__ = ["CharacteristicMatching"]


class CharacteristicMatching:
    """Distance of characteristic functions of embeddings, at frequencies that a sampler learns to choose against us.

    In every iteration, under a fresh random network: the sampler takes a step up the distance, then the gradient of
    the distance on the images is returned.

    References:
        Wang et al., Dataset Distillation with Neural Characteristic Function: A Minmax Perspective, CVPR 2025.

    Deviations: the networks are random (the paper mixes in trained ones); hard labels; no several small images in one
    (both belong to its published figures, which are therefore not to be expected). Features are centred and divided by
    the root mean square of their distance to the centre, of the real ones, so that one range of frequencies fits every
    network; the centre cancels in the distance.

    Args:
        network_factory: builds one freshly initialised network that names its feature layers.
        augment: one operation per iteration, the same draw for real and synthetic images.
        example: an image [1, channels, *spatial], for the length of the embedding.
        frequencies: how many per iteration.
        sampler_step_size: of Adam on the sampler; 0 leaves it as it is.
        loss: function of class sums of :func:`waves` to a scalar.
        seed: seed of the run.

    Raises:
        ValueError: for no frequencies or a negative step size.

    Example:
        >>> from monai_distill.networks import ConvNet
        >>> images = torch.randn(2, 1, 8, 8)
        >>> factory = lambda: ConvNet(2, 1, 2, 8, width=4, depth=1)
        >>> match = CharacteristicMatching(factory, SiameseAugment(()), images[:1], frequencies=8)
        >>> data = SyntheticDataset(images, torch.tensor([0, 1]), ["a", "b"])
        >>> loss, gradients = match(data, ClassBatch(0, torch.randn(4, 1, 8, 8), torch.tensor([0, 0, 0, 1]), (3, 1)))
        >>> list(gradients), gradients["images"].shape
        (['images'], torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        network_factory: Callable[[], nn.Module],
        augment: SiameseAugment,
        example: Tensor,
        *,
        frequencies: int = 1024,
        sampler_step_size: float = 1e-3,
        loss: CharacteristicFunctionLoss | None = None,
        seed: int = 0,
    ) -> None:
        if frequencies < 1 or sampler_step_size < 0:
            raise ValueError(
                f"Expected frequencies of at least 1 and a step size of at least 0, got {frequencies} and "
                f"{sampler_step_size}."
            )
        self.network_factory = network_factory
        self.augment = augment
        self.frequencies = frequencies
        self.loss = CharacteristicFunctionLoss() if loss is None else loss
        self.seed = seed
        with global_seed_kept(derived_seed(seed, "frequency sampler")), torch.no_grad():
            size = embedding(network_factory().to(example), example).shape[1]
            self.sampler = FrequencySampler(size).to(example)
        self._optimizer = torch.optim.Adam(self.sampler.parameters(), lr=sampler_step_size, maximize=True)
        self._iteration = -1  # the last one that the sampler has learned from

    def state_dict(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {
            "sampler": self.sampler.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "iteration": self._iteration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict()``."""
        self.sampler.load_state_dict(state["sampler"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._iteration = int(state["iteration"])

    def __call__(self, synthetic: SyntheticDataset, batch: ClassBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss (a detached scalar) and the gradient of the images, by name."""
        images = synthetic.images.detach().requires_grad_()
        real, ours = self._features(images, batch)
        if self._iteration != batch.iteration:  # asked again, the sampler has taken its step already
            found = self._distance(real, ours.detach(), batch, synthetic)
            parameters = list(self.sampler.parameters())
            for parameter, slope in zip(parameters, torch.autograd.grad(found, parameters), strict=True):
                parameter.grad = slope
            self._optimizer.step()
            self._iteration = batch.iteration
        loss = self._distance(real, ours, batch, synthetic)
        (gradient,) = torch.autograd.grad(loss, images)
        return loss.detach(), {"images": gradient}

    def _features(self, images: Tensor, batch: ClassBatch) -> tuple[Tensor, Tensor]:
        """Embeddings of real and of synthetic images, in units of the real ones' spread."""
        generator = seeded_generator(self.seed, "siamese augmentation", batch.iteration)
        draw = self.augment.draw(1, images.shape[2:], generator, siamese=True).to(images.device)
        with global_seed_kept(derived_seed(self.seed, "matching network", batch.iteration)):
            network = self.network_factory().to(images).train().requires_grad_(False)
            with torch.no_grad():
                real = embedding(network, self.augment.apply(batch.images, draw))
            ours = embedding(network, self.augment.apply(images, draw))
        centre = real.mean(dim=0)
        spread = (real - centre).square().sum(dim=1).mean().sqrt().clamp(min=1e-12)
        return (real - centre) / spread, (ours - centre) / spread

    def _distance(self, real: Tensor, ours: Tensor, batch: ClassBatch, synthetic: SyntheticDataset) -> Tensor:
        """The loss at this iteration's frequencies, which are the same noise under the sampler as it is."""
        frequencies = self.sampler(seeded_generator(self.seed, "frequencies", batch.iteration), self.frequencies)
        count = len(synthetic.class_names)
        sums = [
            [class_sums(waves(features, frequencies), labels, count)]
            for features, labels in ((real, batch.labels), (ours, synthetic.labels))
        ]
        distance: Tensor = self.loss(*sums)
        return distance
