"""All combinations, and those that do not fit are named."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools

import pytest

from monai_distill.engines.protocols.architecture_space import architecture_space, usable_networks
from monai_distill.networks.factories import factory_config
from monai_distill.networks.nets import ConvNet

KIND = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=3, image_size=8)


def test_the_space_is_every_combination_and_a_factory_has_its_values() -> None:
    space = architecture_space(KIND, {"width": [2, 4], "depth": [1, 2], "norm": ["none"]})
    assert list(space)[1] == "width 2, depth 2"
    actual = [tuple(factory_config(factory)[name] for name in ("width", "depth", "norm")) for factory in space.values()]
    assert actual == [(2, 1, "none"), (2, 2, "none"), (4, 1, "none"), (4, 2, "none")]


def test_an_architecture_that_does_not_fit_is_left_out_with_a_warning() -> None:
    factories = architecture_space(KIND, {"width": [2], "depth": [1, 9], "norm": ["instance", "batch"]})
    with pytest.warns(UserWarning, match=r"2 of 4 architectures .*depth 9"):
        networks, skipped = usable_networks(factories, "cpu")
    assert list(networks) == ["depth 1, norm instance", "depth 1, norm batch"]
    assert list(skipped) == ["depth 9, norm instance", "depth 9, norm batch"]
    assert "use depth 3 or less" in skipped["depth 9, norm instance"]


def test_a_space_without_a_fitting_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="an architecture that fits the images"):
        usable_networks({"deep": functools.partial(KIND, depth=9)}, "cpu")
