"""Networks of the distillation literature for any image size, 2D and 3D, and ways to use many of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .activations import activations, embedding
from .alexnet import AlexNet
from .compilation import MODES, through_compiler
from .convnet import ConvNet
from .described import described
from .flat_network import FlatNetwork, draws_at_random
from .image_classifier import ImageClassifier
from .loss_derivatives import LossDerivatives
from .over_networks import over_networks, pays_to_stack
from .parameter_gradient import parameter_gradient
from .resnet import ResNet18
from .shared_statistics import shared_statistics
from .vgg import VGG11
from .vit import SmallViT
from .with_norm import with_norm

__all__ = [
    "MODES",
    "VGG11",
    "AlexNet",
    "ConvNet",
    "FlatNetwork",
    "ImageClassifier",
    "LossDerivatives",
    "ResNet18",
    "SmallViT",
    "activations",
    "described",
    "draws_at_random",
    "embedding",
    "over_networks",
    "parameter_gradient",
    "pays_to_stack",
    "shared_statistics",
    "through_compiler",
    "with_norm",
]
