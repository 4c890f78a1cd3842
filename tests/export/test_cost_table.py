"""The table of a run's cost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from monai_distill.export import cost_table


def test_percentages_are_of_the_whole_and_nothing_divides_by_zero() -> None:
    cost = {"seconds": {"experts": 1.0, "validation": 3.0}, "peak_memory_mib": 10.0, "memory_of": "H200"}
    lines = cost_table(cost).splitlines()
    assert [line.split("|")[1:4] for line in lines[2:5]] == [
        [" experts    ", "     1.0 ", "      25 "],
        [" validation ", "     3.0 ", "      75 "],
        [" in all     ", "     4.0 ", "     100 "],
    ]
    assert lines[5] == "Peak memory: 10 MiB (H200)"
    assert "0 |" in cost_table({**cost, "seconds": {"other": 0.0}})
