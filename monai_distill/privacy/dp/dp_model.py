"""The baseline of a distilled set with a guarantee: a network trained by DP-SGD on the same budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .expert_trainer import DPExpertTrainer

__all__ = ["DPModel"]


class DPModel:
    """Trains networks by DP-SGD and scores their last iterate, for one row of the score table.

    References:
        Carlini et al., No Free Lunch in "Privacy for Free: How does Dataset Condensation Help Privacy", 2022,
        https://arxiv.org/abs/2209.14987 (the baseline that distilled sets should be compared with).

    Args:
        trainer: with a ledger of its own, of the same epsilon. The networks are not released: releasing both the set
            and the networks would spend both budgets.
        score: maps parameters [S, P] to metrics.
        enabled: False leaves the row out.
    """

    def __init__(
        self, trainer: DPExpertTrainer, score: Callable[[Tensor], dict[str, Any]], *, enabled: bool = True
    ) -> None:
        self.trainer = trainer
        self.score = score
        self.enabled = enabled

    def check(self) -> None:
        """Raise before the distillation what :meth:`scores` would raise after it.

        Raises:
            ValueError: without a public number of records.
        """
        if self.enabled:
            self.trainer.require_public_records()

    def scores(self) -> dict[str, Any]:
        """Return ``{"dp_sgd": {metric: ..., "epsilon", "delta", "unit"}}``, or nothing if not enabled."""
        if not self.enabled:
            return {}
        self.trainer.run()
        store, ledger = self.trainer.store, self.trainer.ledger
        parameters = torch.stack([store.snapshot(expert, -1) for expert in range(store.shape[0])])
        budget = {"epsilon": ledger.epsilon, "delta": ledger.delta, "unit": ledger.unit}
        return {"dp_sgd": {**self.score(parameters), **budget}}
