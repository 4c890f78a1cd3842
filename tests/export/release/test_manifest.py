"""Rounded counts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from monai_distill.export.release.manifest import rounded
from tests.export.release.conftest import SOURCE, MakeRun, Write, read


@pytest.mark.parametrize(("count", "shown"), [(7, 7), (42, 42), (357, 360), (4708, 4700), (89996, 90000), (0, 0)])
def test_counts_keep_two_digits(count: int, shown: int) -> None:
    assert rounded(count) == shown


def test_a_count_that_the_run_does_not_tell_is_not_made_up(make_run: MakeRun, write: Write) -> None:
    source = {key: SOURCE[key] for key in ("name", "license", "citation")}
    folder = write(run=make_run(source=source))
    assert read(folder, "manifest.json")["source"]["training_images_rounded"] is None
    assert "the number of training images is not released" in (folder / "DATA_CARD.md").read_text()


def test_a_source_that_is_called_after_its_file_is_not_named(make_run: MakeRun, write: Write) -> None:
    folder = write(run=make_run(source={**SOURCE, "name": "secret_listing.csv"}))
    assert read(folder, "manifest.json")["source"]["name"] == "images of the owner (digits)"
