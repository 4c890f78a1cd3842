"""Networks that are scored with the running statistics of their batch norms."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_distill.networks.running_statistics import ScoredNetwork


def test_the_layers_are_looked_for_once_and_not_in_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """DenseNet121 has 242 statistics; looking for them one by one took longer than the step."""
    network = ScoredNetwork(lambda: nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 2), nn.BatchNorm1d(2)))
    parameters = network.initial(0)
    searches: list[nn.Module] = []
    original = nn.Module.named_modules

    def counted(module: nn.Module, *arguments: object, **options: object) -> object:
        searches.append(module)
        return original(module, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(nn.Module, "named_modules", counted)
    network(parameters, torch.tensor([[1.0], [3.0]]))
    assert network.with_statistics(parameters[None])[0, -6:].ne(parameters[-6:]).all()
    assert len(searches) <= 2  # torch's functional call looks for tied weights itself
