"""ResNet18 in the small-image form of the distillation literature, for any image size, 2D or 3D."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Sequence

from torch import Tensor, nn

from monai_distill.networks.layers.instance_norm import InstanceNorm
from monai_distill.networks.layers.plain_convolution import PlainConvolution

from .image_classifier import ImageClassifier, pooled_mean

__all__ = ["ResNet18"]

BLOCKS_PER_STAGE = 2


class ResNet18(ImageClassifier):
    """Four stages of two residual blocks with instance normalization, mean over pixels, one linear layer.

    References:
        He et al., Deep Residual Learning for Image Recognition, CVPR 2016, https://arxiv.org/abs/1512.03385; the form
        for small images (a 3x3 stem of stride 1, no first pooling) is that of Zhao et al., Dataset Condensation with
        Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929.

    Deviation: the mean over the remaining pixels allows any image size.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels C of an image.
        num_classes: number of logits.
        image_size: pixels per side, one number or one per axis; at least 16.
        width: channels of the first stage; each further stage doubles them.

    Raises:
        ValueError: for images under 16 pixels per side or a width under 1.

    Example:
        >>> import torch
        >>> network = ResNet18(spatial_dims=2, in_channels=1, num_classes=3, image_size=28, width=2)
        >>> network(torch.zeros(5, 1, 28, 28)).shape, network.embed(torch.zeros(5, 1, 28, 28)).shape
        (torch.Size([5, 3]), torch.Size([5, 16]))
        >>> network.feature_layers[:3]
        ('act', 'stages.0.act1', 'stages.0.act2')
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
        self.require_side(16, "three stages halve it, and instance normalization needs 2 pixels")
        if width < 1:
            raise ValueError(f"Expected a width from 1 up, got {width}.")
        self.conv = PlainConvolution(spatial_dims, in_channels, width, 3, padding=1, bias=False)
        self.norm = InstanceNorm(width)
        self.act = nn.ReLU()
        blocks, channels = [], width
        for stage, stride in enumerate((1, 2, 2, 2)):
            for block in range(BLOCKS_PER_STAGE):
                out_channels = width * 2**stage
                blocks.append(_ResidualBlock(spatial_dims, channels, out_channels, stride if block == 0 else 1))
                channels = out_channels
        self.stages = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Features before the classifier, averaged over pixels: images [B, C, *spatial] to [B, F]."""
        self.check_images(x)
        return pooled_mean(self.stages(self.act(self.norm(self.conv(x)))))


class _ResidualBlock(nn.Module):
    """Two convolutions with a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        conv = functools.partial(PlainConvolution, spatial_dims, bias=False)
        self.conv1 = conv(in_channels, out_channels, 3, stride=stride, padding=1)
        self.norm1 = InstanceNorm(out_channels)
        self.act1 = nn.ReLU()
        self.conv2 = conv(out_channels, out_channels, 3, padding=1)
        self.norm2 = InstanceNorm(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(conv(in_channels, out_channels, 1, stride=stride), InstanceNorm(out_channels))
        self.act2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x)))))
        result: Tensor = self.act2(out + self.shortcut(x))
        return result
