"""Previews: nobody takes them for patients."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.data import SyntheticDataset
from monai_distill.export.release.formats.png import BAND, SIDE, write_png
from tests.export.release.conftest import SHAPES, MakeRun


def flat(folder: Path, value: float, count: int = 1) -> Path:
    images = torch.full((2 * count, 1, 6, 6), value)
    write_png(SyntheticDataset(images, torch.tensor([0, 1] * count), ["no", "a" * 80]), folder)
    return folder


@pytest.mark.parametrize("kind", SHAPES)
def test_one_picture_an_image_and_a_sheet_all_with_the_text(kind: str, make_run: MakeRun) -> None:
    run = make_run(kind)
    write_png(SyntheticDataset.load(run), run)
    files = sorted((run / "png").iterdir())
    assert [file.name for file in files] == [f"synthetic_000{n}.png" for n in (1, 2, 3, 4)]
    for file in [*files, run / "preview.png"]:
        with Image.open(file) as picture:
            assert picture.text["Title"] == "SYNTHETIC"
            assert "Not for diagnosis" in picture.text["Warning"]
            assert not picture.getexif()
    with Image.open(files[0]) as picture:
        assert picture.size == (SIDE, SIDE + BAND)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_the_stamp_is_seen_on_black_grey_and_white(value: float, tmp_path: Path) -> None:
    flat(tmp_path, value)
    with Image.open(tmp_path / "png" / "synthetic_0001.png") as picture:
        pixels = np.asarray(picture.convert("L")).astype(int)
    shown = pixels[:SIDE]
    level = round(value * 255)
    changed = np.abs(shown - level) > 40
    assert 0.02 < changed.mean() < 0.3
    rows, columns = np.nonzero(changed)
    assert np.ptp(rows) > SIDE / 2  # from corner to corner
    assert np.ptp(columns) > SIDE / 2
    assert (pixels[SIDE:] > 200).any()  # and below the image


def test_many_images_make_rows_and_one_a_class_makes_a_grid(tmp_path: Path) -> None:
    with Image.open(flat(tmp_path, 0.5, count=3) / "preview.png") as sheet:
        assert sheet.width > 3 * SIDE
        assert 2 * SIDE < sheet.height < 3 * SIDE


def test_the_single_images_of_many_classes_stand_five_in_a_row(tmp_path: Path) -> None:
    data = SyntheticDataset(torch.rand(7, 1, 6, 6), torch.arange(7), [str(n) for n in range(7)])
    write_png(data, tmp_path)
    with Image.open(tmp_path / "preview.png") as sheet:
        assert 5 * SIDE < sheet.width < 6 * SIDE
        assert 2 * SIDE < sheet.height < 3 * SIDE
