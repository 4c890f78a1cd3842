"""PAD's difficulty of a training image: a score that shortly trained networks give it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.image_blocks import blocks
from monai_distill.runtime.randomness import derived_seed
from monai_distill.runtime.validation import require_positive_int

__all__ = ["error_length", "gradient_length", "image_difficulty"]

GRADIENTS_AT_ONCE = 32
Score = Callable[[FlatNetwork, Tensor, Tensor, Tensor], Tensor]


def error_length(network: FlatNetwork, parameters: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """EL2N: the length [B] of softmax minus one-hot label; one forward pass.

    References:
        Paul et al., Deep Learning on a Data Diet: Finding Important Examples Early in Training, NeurIPS 2021,
        https://arxiv.org/abs/2107.07075.
    """
    probabilities = network.predict(parameters, images).softmax(dim=1)
    lengths: Tensor = (probabilities - F.one_hot(labels, probabilities.shape[1])).norm(dim=1)
    return lengths


def gradient_length(network: FlatNetwork, parameters: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """GraNd: the length [B] of the gradient of every single image's loss with respect to all parameters.

    At most 32 gradients of all parameters are held at once.

    References:
        Paul et al., Deep Learning on a Data Diet: Finding Important Examples Early in Training, NeurIPS 2021,
        https://arxiv.org/abs/2107.07075.
    """

    def loss(vector: Tensor, image: Tensor, label: Tensor) -> Tensor:
        return classification_loss(network(vector, image[None]), label[None])

    gradient = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    parts = zip(torch.split(images, GRADIENTS_AT_ONCE), torch.split(labels, GRADIENTS_AT_ONCE), strict=True)
    network.module.eval()  # dropout off, as in error_length
    try:
        return torch.cat([gradient(parameters, *part).norm(dim=1) for part in parts])
    finally:
        network.module.train()


def image_difficulty(
    network: FlatNetwork,
    bank: ClassBank,
    training: StudentTraining,
    *,
    score: Score = error_length,
    networks: int = 3,
    lr: float = 0.01,
    seed: int = 0,
    batch_size: int = 512,
) -> Tensor:
    """A score of every image, averaged over a few shortly trained networks.

    References:
        PAD: Li et al., Prioritize Alignment in Dataset Distillation, 2024, https://arxiv.org/abs/2408.03360,
        whose released program orders images by :func:`gradient_length`; :func:`error_length` is a cheaper score.

    Args:
        network: the architecture.
        bank: the training images.
        training: how the networks are trained before they score the images; a few epochs.
        score: function of (network, parameters [P], images [B, ...], labels [B]) to [B], larger is harder.
        networks: number of networks.
        lr: learning rate of the training.
        seed: seed of the run.
        batch_size: images per forward pass.

    Returns:
        [n] on the CPU, 0 (easy) upwards; EL2N ends at the square root of 2.

    Raises:
        ValueError: if ``networks`` is below 1.
    """
    require_positive_int(networks=networks)
    seeds = [derived_seed(seed, "difficulty", i) for i in range(networks)]
    trained = training(network, bank.images, bank.labels, lr, seeds)
    scores = torch.zeros(len(bank), device=bank.device)
    for parameters in trained:
        batches = zip(blocks(bank.images, batch_size), torch.split(bank.labels, batch_size), strict=True)
        scores += torch.cat([score(network, parameters, *batch) for batch in batches]) / networks
    return scores.cpu()
