"""Images in memory, from MONAI's programs or from an array, take the form of the training images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, NormalizeIntensityd
from PIL import Image

from monai_distill.data.reading import ArrayAsTrainedd, FileToImaged, LoadImageAsTrainedd

SHAPE = (3, 6, 8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def prepared(value: Any, shape: tuple[int, ...] = SHAPE, **reading: Any) -> torch.Tensor:
    image: torch.Tensor = ArrayAsTrainedd("image", shape, reading or None)({"image": value})["image"]
    return image


def test_a_file_an_array_and_what_monai_reads_give_the_image_of_training(picture: Path) -> None:
    expected = FileToImaged()({"image": str(picture)})["image"]
    both = Compose([LoadImageAsTrainedd("image", SHAPE), ArrayAsTrainedd("image", SHAPE)])
    assert torch.equal(both({"image": str(picture)})["image"], expected)
    pixels = np.asarray(Image.open(picture))
    assert torch.equal(prepared(pixels), expected)  # rows, columns, channels
    assert torch.equal(prepared(torch.as_tensor(pixels.copy()).movedim(-1, 0)), expected)
    by_monai = LoadImaged("image")({"image": str(picture)})["image"]  # width, height, channels
    assert by_monai.shape == (8, 6, 3)
    assert torch.equal(prepared(by_monai.to(torch.uint8)), expected)
    assert prepared(expected) is not None
    assert torch.equal(prepared(expected), expected)


@pytest.mark.parametrize("make", [torch.ones, lambda shape: np.ones(shape, dtype=np.float32)])
def test_an_image_that_is_passed_on_is_a_copy(make: Any) -> None:
    """A bundle's items come from a cache, and MONAI's standardization works in place."""
    image = make(SHAPE)
    both = Compose(
        [ArrayAsTrainedd("image", SHAPE), NormalizeIntensityd("image", [3.0] * 3, [2.0] * 3, channel_wise=True)]
    )
    for _ in range(2):
        assert float(both({"image": image})["image"].mean()) == -1.0


def test_axes_of_a_gray_image_from_deploy_are_width_and_height(picture: Path) -> None:
    gray = torch.arange(48, dtype=torch.uint8).reshape(6, 8)  # as the file shows it
    for meta in ({"original_channel_dim": "no_channel"}, {"original_channel_dim": -1}):
        given = gray.T if meta["original_channel_dim"] != -1 else gray.T[..., None]
        assert torch.equal(prepared(MetaTensor(given, meta=meta), (1, 6, 8)), gray[None] / 255)


def test_a_volume_is_brought_to_the_orientation_of_training() -> None:
    volume = torch.rand(2, 3, 4)
    affine = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0]))  # LPS, as a DICOM series has
    read = MetaTensor(volume, affine=affine, meta={"original_channel_dim": "no_channel"})
    shape = (1, 2, 3, 4)
    expected = volume.flip(0, 1)[None]
    assert torch.equal(prepared(read, shape, image_size=[2, 3, 4], orientation="RAS"), expected)
    assert torch.equal(prepared(read, shape, image_size=[2, 3, 4], orientation="stored"), volume[None])


def test_values_are_scaled_by_the_range_of_training_or_refused() -> None:
    hounsfield = torch.full((1, 2, 2), 100, dtype=torch.int16)
    assert float(prepared(hounsfield, (1, 2, 2), intensity_range=[0, 200]).mean()) == 0.5
    with pytest.raises(ValueError, match="int16 from 100 to 100; scale the image, or train with intensity_range"):
        prepared(hounsfield, (1, 2, 2))
    with pytest.raises(ValueError, match="resampled by their spacing"):
        prepared(hounsfield, (1, 2, 2), pixdim=[1, 1])


def test_an_image_of_another_rank_or_other_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="2 spatial axes"):
        prepared(torch.zeros(1, 2, 2, 2), (1, 2, 2))
    with pytest.raises(ValueError, match="of 1 or 3 channels"):
        prepared(torch.zeros(5, 2, 2), (3, 2, 2))
