"""Scores of networks that somebody else has trained."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.networks import FlatNetwork

from .student_evaluator import StudentEvaluator

__all__ = ["parameter_scores"]


def parameter_scores(network: FlatNetwork, parameters: Tensor, bank: ClassBank) -> dict[str, dict[str, Any]]:
    """Metric -> mean, std, interval95 and values of networks [S, P] on the images of ``bank``, as students are scored.

    Example:
        >>> import torch
        >>> from monai_distill.networks import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> bank = ClassBank(torch.rand(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), ["a", "b"])
        >>> len(parameter_scores(network, network.initial(0)[None], bank)["accuracy"]["values"])
        1
    """
    nothing = (bank.images[:0], bank.labels[:0], 1.0)
    trained = parameters.to(bank.device)
    evaluator = StudentEvaluator(
        lambda: nothing,
        network,
        lambda *_: trained,
        bank,
        students=len(parameters),
    )
    evaluator.run()
    return evaluator.scores()
