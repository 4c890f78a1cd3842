"""The picture of a synthetic set: a row a class, at most ten images in it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import matplotlib.pyplot
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from monai_distill.data import SyntheticDataset
from monai_distill.export.figures import save_image_grid
from monai_distill.transforms import Standardize

module = importlib.import_module("monai_distill.export.figures")


def synthetic(classes: int, per_class: int = 1, shape: tuple[int, ...] = (1, 8, 8), seed: int = 0) -> SyntheticDataset:
    images = torch.rand(classes * per_class, *shape, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(classes).repeat_interleave(per_class)
    return SyntheticDataset(images, labels, [f"class {c}" for c in range(classes)])


def picture(data: SyntheticDataset, file: Path) -> np.ndarray:
    assert save_image_grid(data, file) == file
    with Image.open(file) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened.convert("RGB"))


def drawn(data: SyntheticDataset, file: Path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure behind the file, for what cannot be read off pixels."""
    kept: list[Figure] = []

    def figure(**options: object) -> Figure:
        kept.append(Figure(**options))
        return kept[-1]

    monkeypatch.setattr(module, "Figure", figure)
    save_image_grid(data, file)
    return kept[0]


def test_every_class_adds_a_row_and_every_image_a_column(tmp_path: Path) -> None:
    heights, widths = {}, {}
    for classes, per_class in ((2, 1), (4, 1), (2, 3)):
        image = picture(synthetic(classes, per_class), tmp_path / "grid.png")
        heights[classes, per_class], widths[classes, per_class] = image.shape[:2]
    assert heights[4, 1] - heights[2, 1] == pytest.approx(2 * 1.1 * 110, abs=1)
    assert widths[2, 3] - widths[2, 1] == pytest.approx(2 * 1.1 * 110, abs=1)
    assert (heights[2, 3], widths[4, 1]) == (heights[2, 1], widths[2, 1])


def test_rows_show_the_images_of_their_own_class_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = synthetic(3, 2)
    order = torch.tensor([5, 0, 3, 1, 4, 2])  # classes mixed up
    mixed = SyntheticDataset(data.images.detach()[order], data.labels[order], data.class_names)
    axes = drawn(mixed, tmp_path / "grid.png", monkeypatch).axes
    assert [axis.get_ylabel() for axis in axes[::2]] == ["class 0", "class 1", "class 2"]
    shown = [axis.images[0].get_array() for axis in axes]
    rows = [[i for i in order.tolist() if data.labels[i] == c] for c in range(3)]
    for array, i in zip(shown, [i for row in rows for i in row], strict=True):
        image = data.images.detach()[i, 0]
        low, high = np.quantile(image.numpy(), [0.01, 0.99])
        np.testing.assert_allclose(array, np.clip((image.numpy() - low) / (high - low), 0, 1), atol=1e-5)


def test_other_images_give_another_picture(tmp_path: Path) -> None:
    pictures = [picture(synthetic(2, seed=seed), tmp_path / "grid.png") for seed in (0, 0, 1)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_a_class_shows_at_most_ten_images_and_a_smaller_one_leaves_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = synthetic(2, 12)
    keep = torch.tensor([*range(12), 12])  # twelve of class 0, one of class 1
    uneven = SyntheticDataset(data.images.detach()[keep], data.labels[keep], data.class_names)
    axes = drawn(uneven, tmp_path / "grid.png", monkeypatch).axes
    assert [len(axis.images) for axis in axes] == [1] * 10 + [1] + [0] * 9
    assert [axis.get_visible() for axis in axes] == [True] * 11 + [False] * 9


def test_a_class_without_images_keeps_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = SyntheticDataset(torch.rand(1, 1, 4, 4), torch.tensor([1]), ["none", "one"])
    axes = drawn(data, tmp_path / "grid.png", monkeypatch).axes
    assert [len(axis.images) for axis in axes] == [0, 1]


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((1, 8, 6), (8, 6)),
        ((3, 8, 6), (8, 6, 3)),
        ((2, 8, 6), (8, 6)),
        ((1, 5, 8, 6), (8, 6)),
        ((3, 4, 8, 6), (8, 6, 3)),
    ],
)
def test_grey_colour_other_channels_and_volumes_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    axes = drawn(synthetic(2, shape=shape), tmp_path / "grid.png", monkeypatch).axes
    assert [axis.images[0].get_array().shape for axis in axes] == [shown] * 2


def test_of_a_volume_the_middle_slice_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = torch.zeros(1, 1, 5, 4, 4)
    volume[0, 0, 2, 0] = 1
    data = SyntheticDataset(volume, torch.tensor([0]), ["a"])
    (axis,) = drawn(data, tmp_path / "grid.png", monkeypatch).axes
    assert np.asarray(axis.images[0].get_array()).sum() == 4


def test_pixel_values_are_shown_not_what_the_network_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.full((1, 3, 4, 4), 0.3)
    images[:, 0] = torch.linspace(-1, 1, 16).reshape(4, 4)
    undo = Standardize(mean=[0.0, 0.0, 0.0], std=[1.0, 5.0, 5.0])
    plain = SyntheticDataset(images, torch.tensor([0]), ["a"])
    scaled = SyntheticDataset(undo(images), torch.tensor([0]), ["a"], preprocessing=undo)
    arrays = [
        np.asarray(drawn(data, tmp_path / "grid.png", monkeypatch).axes[0].images[0].get_array())
        for data in (plain, scaled)
    ]
    np.testing.assert_allclose(*arrays, atol=1e-6)


def test_a_constant_image_and_long_or_odd_class_names_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["adipose tissue of the colon and of the rectum", "x" * 60, "Größe µ", r"$\frac$ of $5", ""]
    data = SyntheticDataset(torch.zeros(5, 1, 4, 4), torch.arange(5), names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns when a name takes all the room
        axes = drawn(data, tmp_path / "grid.png", monkeypatch).axes
    assert axes[0].get_ylabel() == "adipose tissue of the\ncolon and of the\nrectum"
    assert axes[1].get_ylabel().replace("\n", "") == "x" * 60
    assert all(np.isfinite(axis.images[0].get_array()).all() for axis in axes)


def test_no_figure_of_pyplot_is_made(tmp_path: Path) -> None:
    before = matplotlib.pyplot.get_fignums()
    picture(synthetic(2), tmp_path / "grid.png")
    assert matplotlib.pyplot.get_fignums() == before
