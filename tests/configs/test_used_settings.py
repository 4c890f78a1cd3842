"""Every setting of a method changes something: one that nothing refers to would be taken and ignored."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re

import pytest
from monai.bundle import ConfigParser

from monai_distill.configuration.files import available, run_files

READ_ELSEWHERE = {
    "bundle_root",  # by MONAI
    "config_format",  # by the commands that open a run folder
    "convnet_width",  # for other networks than the ConvNet
    "dp_presets",
    "experts_root",  # a place: for methods with experts
    "family",
    "group_column",  # refused where a method has no use for it
    "network_def",  # by MONAI
    "no_guarantee",
    "presets",
    "save_execute_config",
    "shared_presets",
    "with_epsilon",
}


def _unused(method: str, guaranteed: bool) -> set[str]:
    parser = ConfigParser()
    parser.read_config([str(file) for file in run_files("npz", "convnet", method, guaranteed=guaranteed).all])
    referred = set(re.findall(r"@(\w+)", json.dumps(parser.config)))
    plain = {name for name, value in parser.config.items() if isinstance(value, str | int | float | bool | None)}
    return plain - referred - READ_ELSEWHERE


@pytest.mark.parametrize("method", available("methods"))
def test_something_refers_to_every_setting(method: str) -> None:
    assert not _unused(method, guaranteed=False)


@pytest.mark.parametrize("method", ["dm", "mtt", "datm"])
def test_something_refers_to_every_setting_with_a_guarantee(method: str) -> None:
    assert not _unused(method, guaranteed=True)
