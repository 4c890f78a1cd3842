"""The MONAI FL filter: the released set and nothing else."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor
from monai.fl.utils.constants import WeightType
from monai.fl.utils.exchange_object import ExchangeObject
from monai.fl.utils.filters import Filter

from monai_distill.data import SyntheticDataset
from monai_distill.export.release import SyntheticOnly


def test_the_set_goes_on_and_everything_else_stays(released: Path) -> None:
    data = SyntheticDataset.load(released)
    images = MetaTensor(data.images.detach().clone(), meta={"filename_or_obj": "DOE_JANE.png"})
    offered = ExchangeObject(
        weights={**data.state_dict(), "images": images, "conv.weight": torch.ones(3), "patients": ["Jane"]},
        optim={"state": 1},
        metrics={"accuracy": 0.9},
        weight_type=WeightType.WEIGHTS,
        statistics={"num_executed_iterations": 7},
    )
    offered["patients"] = ["Jane Doe"]
    passed = SyntheticOnly(released, no_claim=True)
    sent = passed(offered, {"filename": "DOE_JANE.png"})
    assert isinstance(passed, Filter)
    assert sent is not offered
    assert dict(sent) == {}
    assert (sent.optim, sent.metrics, sent.statistics) == (None, None, None)
    assert sent.is_valid_weights()
    assert sent.weights.keys() == data.state_dict().keys()
    assert all(type(value) is torch.Tensor for value in sent.weights.values())
    assert all(torch.equal(sent.weights[name], value) for name, value in data.state_dict().items())
    assert "conv.weight" in offered.weights  # the client's own object is left as it is


def test_arrays_are_taken_too(released: Path) -> None:
    weights = {name: value.numpy() for name, value in SyntheticDataset.load(released).state_dict().items()}
    assert SyntheticOnly(released, no_claim=True)(ExchangeObject(weights=weights)).is_valid_weights()


def test_another_tensor_of_the_same_name_is_blocked(released: Path) -> None:
    state = SyntheticDataset.load(released).state_dict()
    with pytest.raises(RuntimeError, match="released images among the weights, got others: blocked"):
        SyntheticOnly(released, no_claim=True)(ExchangeObject(weights={**state, "images": state["images"] + 1e-6}))
    with pytest.raises(RuntimeError, match="got others"):
        SyntheticOnly(released, no_claim=True)(ExchangeObject(weights={**state, "images": state["images"][:1]}))


@pytest.mark.parametrize("weights", [None, {}, {"conv.weight": torch.ones(1)}])
def test_model_weights_alone_are_blocked(weights: dict[str, torch.Tensor] | None, released: Path) -> None:
    with pytest.raises(RuntimeError, match="got none: blocked"):
        SyntheticOnly(released, no_claim=True)(ExchangeObject(weights=weights))


def test_a_folder_that_does_not_verify_is_refused(released: Path) -> None:
    (released / "LICENSE").write_text("do as you like")
    with pytest.raises(ValueError, match="does not verify: LICENSE: differs"):
        SyntheticOnly(released, no_claim=True)


def test_a_set_without_a_claim_needs_the_flag(released: Path) -> None:
    with pytest.raises(ValueError, match="tier T0: nothing is claimed"):
        SyntheticOnly(released)
