"""MONAI's vision transformer at the size of small images, 2D or 3D."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from monai.networks.nets import ViT as MONAIViT
from torch import Tensor, nn

from .image_classifier import ImageClassifier

__all__ = ["SmallViT"]

MOST_PATCHES_A_SIDE = {2: 8, 3: 4}  # at most 64 patches, as many as a CIFAR image usually has


class SmallViT(ImageClassifier):
    """MONAI's ``ViT`` with patches that fit the image, the mean over all patches, and one linear layer.

    The class is not named ViT, because MONAI looks up a short ``_target_`` in every loaded module whose name begins
    with ``monai``; a second ViT would make the name ambiguous.

    References:
        Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, https://arxiv.org/abs/2010.11929.

    Deviations: the mean over patches replaces the class token. A side that is not a multiple of the patch is padded
    with zeros at its end (MONAI drops the rest). There is no dropout. MONAI's empty dropout layers and unused norms are
    removed, so that students can be stacked and every parameter has an effect.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels C of an image.
        num_classes: number of logits.
        image_size: pixels per side, one number or one per axis; at least 4.
        width: length of a patch's embedding, a multiple of ``heads``; the layers between have twice as many.
        depth: number of transformer blocks.
        heads: heads of the self-attention.

    Raises:
        ValueError: for images under 4 pixels per side, or a width that is not a multiple of ``heads``.

    Example:
        >>> network = SmallViT(spatial_dims=2, in_channels=1, num_classes=3, image_size=(28, 17), width=8, depth=1)
        >>> network(torch.zeros(5, 1, 28, 17)).shape, network.embed(torch.zeros(5, 1, 28, 17)).shape
        (torch.Size([5, 3]), torch.Size([5, 8]))
        >>> network.patch
        (4, 3)
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_classes: int,
        image_size: int | Sequence[int],
        width: int = 96,
        depth: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__(spatial_dims, in_channels, num_classes, image_size)
        self.require_side(4, "a transformer needs several patches")
        if heads < 1 or depth < 1 or width < heads or width % heads:
            raise ValueError(
                f"Expected a depth and heads from 1 up and a width that is a multiple of heads, got width {width}, "
                f"depth {depth} and heads {heads}."
            )
        most = MOST_PATCHES_A_SIDE[spatial_dims]
        self.patch = tuple(max(2, -(-side // most)) for side in self.image_size)
        missing = [-side % patch for side, patch in zip(self.image_size, self.patch, strict=True)]
        self.padding = [end for rest in reversed(missing) for end in (0, rest)]
        self.features = MONAIViT(
            in_channels,
            tuple(side + rest for side, rest in zip(self.image_size, missing, strict=True)),
            self.patch,
            hidden_size=width,
            mlp_dim=2 * width,
            num_layers=depth,
            num_heads=heads,
            spatial_dims=spatial_dims,
        )
        for block in self.features.blocks:  # used for cross-attention only
            block.norm_cross_attn, block.cross_attn = nn.Identity(), nn.Identity()
        for module in list(self.features.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Dropout):  # of probability 0, but vmap refuses random layers
                    setattr(module, name, nn.Identity())
        self.classifier = nn.Linear(width, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Features before the classifier, averaged over patches: images [B, C, *spatial] to [B, F]."""
        self.check_images(x)
        patches: Tensor = self.features(F.pad(x, self.padding))[0]
        return torch.mean(patches, dim=1)
