"""Networks to distill for and to score with, in 2D and 3D."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from .alexnet import AlexNet
from .convnet import ConvNet
from .flat_network import FlatNetwork
from .image_classifier import ImageClassifier
from .over_networks import over_networks, pays_to_stack
from .resnet import ResNet18
from .vgg import VGG11

__all__ = ["AlexNet", "ConvNet", "FlatNetwork", "ImageClassifier", "ResNet18", "VGG11", "over_networks", "pays_to_stack"]
