"""Networks by name: a named one that cannot be made is refused, not left out as one that does not fit."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_distill.cli.evaluate import protocol_settings
from monai_distill.configuration.network_files import network_factories

IMAGE = {"spatial_dims": 2, "in_channels": 1, "num_classes": 3, "image_size": [8, 8]}
NETS = "monai.networks.nets"


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("convnet", None, "dotted name of a class.*got convnet.*--cross_widths#NAME"),
        (f"{NETS}.Absent", {}, "can be imported, got .*Absent"),
        (f"{NETS}.resnet10", "None", "or {} for none, got 'None'"),
        (f"{NETS}.EfficientNetBN", {}, "missing 1 required positional argument: 'model_name'.*--cross_networks"),
        (f"{NETS}.DenseNet121", {"spatial_dims": 3, "block_config": [1]}, r"images \[1, 8, 8\].*5D input"),
    ],
)
def test_a_further_network_that_cannot_be_made_is_refused_at_once(name: str, options: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        network_factories({"convnet": 4}, IMAGE, depth=1, further={name: options})


def test_making_a_further_network_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    assert list(network_factories({}, IMAGE, depth=1, further={"torchvision.models.squeezenet1_1": None})) == [
        "torchvision.models.squeezenet1_1"
    ]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("value", [["convnet"], "convnet", None])
def test_a_setting_of_many_names_says_so(value: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected {NAME: VALUE, \.\.\.} for --cross_networks, got"):
        protocol_settings({"cross_networks": value})
