"""VGG11 in the small-image form of the distillation literature, for any image size, 2D or 3D."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from monai.networks.layers.factories import Pool
from torch import Tensor, nn

from monai_distill.networks.layers.instance_norm import InstanceNorm
from monai_distill.networks.layers.plain_convolution import PlainConvolution

from .image_classifier import ImageClassifier, pooled_mean

__all__ = ["VGG11"]

# Channels of each convolution in multiples of the width, by block; a max pool ends every block.
BLOCKS = ((1,), (2,), (4, 4), (8, 8), (8, 8))


class VGG11(ImageClassifier):
    """Eight convolutions with instance normalization in five blocks, mean over pixels, one linear layer.

    References:
        Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
        https://arxiv.org/abs/1409.1556; the form for small images is that of Zhao et al., Dataset Condensation with
        Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929.

    Deviations: the mean over the remaining pixels allows any image size. A max pool is skipped if it would leave fewer
    than 2 pixels per side before further convolutions (at 28 pixels the fourth): instance normalization of one pixel
    is constant, so the network could not learn.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels C of an image.
        num_classes: number of logits.
        image_size: pixels per side, one number or one per axis; at least 2.
        width: channels of the first block; the others have 2, 4, 8 and 8 times as many.

    Raises:
        ValueError: for images under 2 pixels per side or a width under 1.

    Example:
        >>> import torch
        >>> network = VGG11(spatial_dims=2, in_channels=1, num_classes=3, image_size=28, width=2)
        >>> network(torch.zeros(5, 1, 28, 28)).shape, network.embed(torch.zeros(5, 1, 28, 28)).shape
        (torch.Size([5, 3]), torch.Size([5, 16]))
        >>> len(network.feature_layers)
        8
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_classes: int,
        image_size: int | Sequence[int],
        width: int = 64,
    ) -> None:
        super().__init__(spatial_dims, in_channels, num_classes, image_size)
        self.require_side(2, "instance normalization of one pixel is constant")
        if width < 1:
            raise ValueError(f"Expected a width from 1 up, got {width}.")
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        smallest, channels, count = min(self.image_size), in_channels, 0
        for block, multiples in enumerate(BLOCKS):
            for multiple in multiples:
                layers[f"conv{count}"] = PlainConvolution(spatial_dims, channels, multiple * width, 3, padding=1)
                layers[f"norm{count}"] = InstanceNorm(multiple * width)
                layers[f"act{count}"] = nn.ReLU()
                channels, count = multiple * width, count + 1
            last = block == len(BLOCKS) - 1
            if smallest // 2 >= (1 if last else 2):
                layers[f"pool{block}"] = Pool[Pool.MAX, spatial_dims](kernel_size=2, stride=2)
                smallest //= 2
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Features before the classifier, averaged over pixels: images [B, C, *spatial] to [B, F]."""
        self.check_images(x)
        return pooled_mean(self.features(x))
