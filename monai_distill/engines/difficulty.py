"""How hard every training image is, as networks see it early in their training."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.networks import FlatNetwork
from monai_distill.randomness import derived_seed

from .student_training import StudentTraining

__all__ = ["image_difficulty"]


def image_difficulty(
    network: FlatNetwork,
    bank: ClassBank,
    training: StudentTraining,
    *,
    networks: int = 3,
    step_size: float = 0.01,
    seed: int = 0,
    batch_size: int = 512,
) -> Tensor:
    """EL2N: the length of the error vector, softmax minus one-hot label, averaged over a few shortly trained networks.

    References:
        Paul et al., Deep Learning on a Data Diet: Finding Important Examples Early in Training, NeurIPS 2021. Li et
        al., Prioritize Alignment in Dataset Distillation, 2024, order images by that paper's GraNd.

    Deviation: EL2N instead of GraNd, the gradient's norm: one forward pass instead of a gradient per image, and the
        same paper finds the two alike.

    Args:
        network: the architecture.
        bank: the training images.
        training: how the networks are trained before they are asked; a few epochs.
        networks: how many.
        step_size: of the training.
        seed: seed of the run.
        batch_size: images per forward pass.

    Returns:
        [n] on the CPU, 0 (easy) to the square root of 2 (hard).

    Raises:
        ValueError: for no networks.
    """
    if networks < 1:
        raise ValueError(f"Expected at least 1 network to judge the difficulty, got {networks}.")
    seeds = [derived_seed(seed, "difficulty", i) for i in range(networks)]
    trained = training(network, bank.images, bank.labels, step_size, seeds)
    truth = F.one_hot(bank.labels, bank.num_classes)
    scores = torch.zeros(len(bank), device=bank.device)
    for parameters in trained:
        parts = [network.predict(parameters, images) for images in torch.split(bank.images, batch_size)]
        scores += (torch.cat(parts).softmax(dim=1) - truth).norm(dim=1) / networks
    return scores.cpu()
