"""Prepared images: the values of a full copy, without one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_distill.data.prepared_images import PreparedImages
from monai_distill.runtime.image_blocks import blocks
from monai_distill.transforms import Standardize, ZCAWhitening


def stored(tmp_path: Path, kind: str) -> tuple[PreparedImages, torch.Tensor]:
    """Images and the full copy that they stand for."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (7, 5, 6, 3), dtype=np.uint8)
    copy = torch.from_numpy(pixels).movedim(-1, 1).float() / 255
    if kind == "bytes":
        return PreparedImages(torch.from_numpy(pixels), channel_axis=-1), copy
    if kind == "mapped":
        np.save(tmp_path / "x.npy", pixels)
        return PreparedImages(np.load(tmp_path / "x.npy", mmap_mode="c"), channel_axis=-1), copy
    if kind == "gray":
        return PreparedImages(torch.from_numpy(pixels[..., 0])), copy[:, :1]
    return PreparedImages(copy, channel_axis=1), copy


@pytest.fixture(params=["bytes", "mapped", "gray", "float"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[PreparedImages, torch.Tensor]:
    return stored(tmp_path, request.param)


INDICES: list[Any] = [
    torch.tensor([3, 0, 3]),
    torch.tensor([[1, 2], [6, 0]]),
    torch.tensor([True, False, True, False, False, False, True]),
    slice(2, 5),
    slice(None),
    slice(0, 0),
    -1,
    4,
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_gives_what_the_copy_gives(both: tuple[PreparedImages, torch.Tensor], index: Any) -> None:
    images, copy = both
    assert torch.equal(images[index], copy[index])
    assert images.shape == copy.shape
    assert len(images) == len(copy)


def test_preparation_and_subsets_are_those_of_the_copy(both: tuple[PreparedImages, torch.Tensor]) -> None:
    images, copy = both
    standardize = Standardize.fit(copy)
    positions = torch.tensor([5, 1, 1])
    prepared = images.mapped(standardize).subset(positions)
    assert torch.equal(prepared[:], standardize(copy)[positions])
    assert torch.equal(prepared.subset(torch.tensor([0]))[:], standardize(copy)[[5]])
    assert torch.equal(prepared.mapped(lambda x: -x)[:], -standardize(copy)[positions])


def test_pixels_are_shared_and_not_copied(both: tuple[PreparedImages, torch.Tensor]) -> None:
    images, _ = both
    assert images.mapped(lambda x: x).subset(torch.tensor([1])).pixels.data_ptr() == images.pixels.data_ptr()


def test_integers_of_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="int32"):
        PreparedImages(torch.zeros(1, 2, 2, dtype=torch.int32))


@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=4), spread=st.floats(0.01, 100), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_statistics_by_blocks_are_those_of_the_whole(counts: list[int], spread: float, seed: int) -> None:
    images = spread * torch.randn(sum(counts), 2, 3, 3, generator=torch.Generator().manual_seed(seed)) + spread

    class InParts:
        shape, dtype, device = images.shape, images.dtype, images.device

        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: Any) -> torch.Tensor:
            return images[index]

    fitted = Standardize.fit(InParts())
    flat = images.double().transpose(0, 1).flatten(1)
    assert torch.allclose(torch.tensor(fitted.mean).double(), flat.mean(1), rtol=1e-6)
    assert torch.allclose(torch.tensor(fitted.std).double(), flat.std(1, correction=0), rtol=1e-6)


def test_whitening_of_prepared_images_is_that_of_the_copy(tmp_path: Path) -> None:
    images, copy = stored(tmp_path, "bytes")
    assert torch.allclose(ZCAWhitening.fit(images).matrix, ZCAWhitening.fit(copy).matrix, atol=1e-5)


def test_blocks_cover_everything_in_order(both: tuple[PreparedImages, torch.Tensor]) -> None:
    images, copy = both
    assert torch.equal(torch.cat(list(blocks(images, 3))), copy)
