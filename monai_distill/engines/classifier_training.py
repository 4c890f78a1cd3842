"""One ordinary network trained on a distilled set: what a bundle ships as its model."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from torch import nn

from monai_distill.data import SyntheticDataset
from monai_distill.networks import FlatNetwork
from monai_distill.randomness import derived_seed

from .student_training import StudentTraining

__all__ = ["trained_classifier"]


def trained_classifier(
    synthetic: SyntheticDataset, network: FlatNetwork, module: nn.Module, protocol: StudentTraining, seed: int = 0
) -> nn.Module:
    """Train one fresh network on ``synthetic`` and put its parameters into ``module``.

    Its seed is its own, and it is neither the best of several nor chosen by any score.

    Args:
        synthetic: the set, on the device to train on.
        network: the architecture.
        module: a network of that architecture; its values are overwritten.
        protocol: how it is trained.
        seed: seed of the run.

    Returns:
        ``module``, on the CPU, in evaluation mode.

    Raises:
        ValueError: when the module is of another architecture.

    Example:
        >>> import torch
        >>> from monai_distill.transforms import SiameseAugment
        >>> synthetic = SyntheticDataset(torch.eye(2).view(2, 1, 1, 2), torch.tensor([0, 1]), ["a", "b"], step_size=0.1)
        >>> make = lambda: nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=20)
        >>> module = trained_classifier(synthetic, FlatNetwork(make), make(), protocol)
        >>> module(synthetic.images).argmax(dim=1)
        tensor([0, 1])
    """
    images, targets, step_size = synthetic.training_set()
    (parameters,) = protocol(network, images, targets, step_size, [derived_seed(seed, "classifier")])
    return network.load_into(module.cpu(), parameters.cpu()).eval()
