"""The network that a distilled set with a guarantee has to stand beside: one trained by DP-SGD on the same budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .expert_trainer import DPExpertTrainer

__all__ = ["DPModel"]


class DPModel:
    """Trains networks by DP-SGD and scores their last iterate, for a row of the score table.

    References:
        Carlini et al., No Free Lunch in "Privacy for Free", 2022: the baseline that this field is to be held against.

    Args:
        trainer: with a ledger of its own, of the same epsilon. The networks are not released: who gives both the set
            and the networks away has spent both budgets.
        score: function of parameters [S, P] to metrics.
        enabled: False for no such row.
    """

    def __init__(
        self, trainer: DPExpertTrainer, score: Callable[[Tensor], dict[str, Any]], *, enabled: bool = True
    ) -> None:
        self.trainer = trainer
        self.score = score
        self.enabled = enabled

    def check(self) -> None:
        """Refuse now what :meth:`scores` would refuse after the distillation.

        Raises:
            ValueError: without a public number of records.
        """
        if self.enabled:
            self.trainer.require_public_records()

    def scores(self) -> dict[str, Any]:
        """``{"dp_sgd": {metric: ..., "epsilon", "delta", "unit"}}``, or nothing when not enabled."""
        if not self.enabled:
            return {}
        self.trainer.run()
        store, ledger = self.trainer.store, self.trainer.ledger
        parameters = torch.stack([store.snapshot(e, -1) for e in range(store.shape[0])])
        budget = {"epsilon": ledger.epsilon, "delta": ledger.delta, "unit": ledger.unit}
        return {"dp_sgd": {**self.score(parameters), **budget}}
