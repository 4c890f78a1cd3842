"""The settings that are checked as numbers are settings that there are."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import yaml

from monai_distill.configuration import config_dir
from monai_distill.configuration.setting_types import (
    ABOVE_ZERO,
    COMPILED,
    COUNTS,
    FROM_ZERO,
    NOT_BELOW_ZERO,
    SWITCHES,
)


def test_every_checked_name_stands_in_a_configuration_and_in_one_list() -> None:
    """A setting that is renamed must not lose its check without a word."""
    known = {name.lstrip("+") for file in config_dir().rglob("*.yaml") for name in yaml.safe_load(file.read_text())}
    lists = (COUNTS, FROM_ZERO, ABOVE_ZERO, NOT_BELOW_ZERO, SWITCHES, COMPILED)
    assert sorted(set().union(*lists) - known) == []
    assert len(set().union(*lists)) == sum(map(len, lists))
