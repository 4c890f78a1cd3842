"""The table with two sites, and the rows that are made of the runs' scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.groups import table, write_table


def test_the_second_site_is_inverted_and_small_but_in_the_test_section(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(40)
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    labels = np.arange(40)[:, None] % 2
    parts = {f"{part}_{kind}": value for part in ("train", "val", "test") for kind, value in
             (("images", images), ("labels", labels))}  # fmt: skip
    np.savez(tmp_path / "source.npz", **parts)
    write_table(tmp_path / "source.npz", tmp_path, 0.1, 1000)
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    for section, count in (("training", 4), ("validation", 4), ("test", 20)):
        chosen = [row for row in rows if row["split"] == section]
        second = [row for row in chosen if row["site"] == "inverted"]
        assert len(chosen) == 40
        assert len(second) == count
        assert sum(row["label"] == "class 0" for row in second) == count // 2
        for number, row in enumerate(chosen):
            stored = np.asarray(Image.open(tmp_path / row["image"]))
            image = images[order[number]]
            assert (stored == (255 - image if row in second else image)).all()


def test_a_row_has_the_mean_gap_and_not_the_gap_of_means() -> None:
    def scored(usual: float, inverted: float) -> dict[str, object]:
        sites = {"usual": usual, "inverted": inverted}
        return {"distilled": {site: {"balanced_accuracy": {"mean": mean}} for site, mean in sites.items()}}

    rows = table({("dm", "on"): [scored(0.8, 0.6), scored(0.6, 0.8)]})
    assert rows[0][0] == "dm `--group_column site`"
    assert rows[0][3] == [pytest.approx(0.2), pytest.approx(0.0)]
