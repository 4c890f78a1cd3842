"""Cells that line up and scores that are not there."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from monai_distill.export.tables import markdown_table, mean_and_std


def test_every_line_is_as_wide_as_the_widest_cells() -> None:
    lines = markdown_table([["trained on", "ä"], ["x", "0.5 ± 0.1"], ["", ""]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "|------------|-----------|"
    assert lines[3] == "|            |           |"


def test_lines_of_unequal_length_are_refused() -> None:
    with pytest.raises((ValueError, IndexError)):
        markdown_table([["a", "b"], ["1"]])


def test_a_missing_score_is_told_apart_from_zero() -> None:
    assert mean_and_std({"mean": 0.0, "std": 0.0}) == "0.000 ± 0.000"
    assert mean_and_std({"mean": None, "std": None}) == mean_and_std(None) == "-"
    assert mean_and_std(None, missing="") == ""
