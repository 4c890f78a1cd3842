"""Image classifiers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .alexnet import AlexNet
from .convnet import ConvNet
from .image_classifier import ImageClassifier
from .resnet import ResNet18
from .vgg import VGG11
from .vit import SmallViT

__all__ = [
    "VGG11",
    "AlexNet",
    "ConvNet",
    "ImageClassifier",
    "ResNet18",
    "SmallViT",
]
