"""AlexNet in the small-image form of the distillation literature, for any image size, 2D or 3D."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Pool
from torch import Tensor, nn

from monai_distill.networks.layers.plain_convolution import PlainConvolution

from .image_classifier import ImageClassifier

__all__ = ["AlexNet"]

HEAD_SIDE = 4
POOLED_BLOCKS = (0, 1, 4)


class AlexNet(ImageClassifier):
    """Five convolutions without normalization, three max pools, one linear layer.

    References:
        Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012; the form for
        small images is that of Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021,
        https://arxiv.org/abs/2006.05929.

    Deviations: an adaptive average pool to 4 pixels per side (the identity at 32) allows any image size. A single
    channel needs no special first padding.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels C of an image.
        num_classes: number of logits.
        image_size: pixels per side, one number or one per axis; at least 8.
        width: channels of the first convolution, even; the others have 1.5, 2, 1.5 and 1.5 times as many.

    Raises:
        ValueError: for images under 8 pixels per side or an odd width.

    Example:
        >>> network = AlexNet(spatial_dims=2, in_channels=1, num_classes=3, image_size=28, width=4)
        >>> network(torch.zeros(5, 1, 28, 28)).shape, network.embed(torch.zeros(5, 1, 28, 28)).shape
        (torch.Size([5, 3]), torch.Size([5, 96]))
        >>> network.feature_layers[-1]
        'features.act4'
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_classes: int,
        image_size: int | Sequence[int],
        width: int = 128,
    ) -> None:
        super().__init__(spatial_dims, in_channels, num_classes, image_size)
        self.require_side(8, "three poolings halve it")
        if width < 2 or width % 2:
            raise ValueError(
                f"Expected an even width from 2 up, got {width}. Some layers have 1.5 times as many channels."
            )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        sides, channels = self.image_size, in_channels
        for block, doubled in enumerate((2, 3, 4, 3, 3)):
            kernel = 5 if block < 2 else 3
            out_channels = width * doubled // 2
            layers[f"conv{block}"] = PlainConvolution(spatial_dims, channels, out_channels, kernel, padding=kernel // 2)
            layers[f"act{block}"] = nn.ReLU()
            if block in POOLED_BLOCKS:
                layers[f"pool{block}"] = Pool[Pool.MAX, spatial_dims](kernel_size=2, stride=2)
                sides = tuple(side // 2 for side in sides)
            channels = out_channels
        if any(side != HEAD_SIDE for side in sides):
            layers["resize"] = Pool[Pool.ADAPTIVEAVG, spatial_dims](HEAD_SIDE)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels * HEAD_SIDE**spatial_dims, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Flattened features before the classifier: images [B, C, *spatial] to [B, F]."""
        self.check_images(x)
        return torch.flatten(self.features(x), 1)
