# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import Standardize, ZCAWhitening


def images_of(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=seeded_generator(0, "images"))


def rebuilt(transform: Standardize | ZCAWhitening) -> Any:
    config = json.loads(json.dumps(transform.config()))
    module, name = config.pop("_target_").rsplit(".", 1)
    assert (module, name) == ("monai_distill.transforms", type(transform).__name__)
    return type(transform)(**config, **transform.tensors())


@pytest.mark.parametrize("shape", [(40, 3, 5, 6), (10, 2, 3, 4, 5)])
def test_standardized_channels_have_mean_zero_and_std_one(shape: tuple[int, ...]) -> None:
    images = images_of(*shape) * 3 + 7
    standardize = Standardize.fit(images, spatial_dims=len(shape) - 2)
    out = standardize(images)
    axes = (0, *range(2, len(shape)))
    torch.testing.assert_close(out.mean(axes), torch.zeros(shape[1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(axes, correction=0), torch.ones(shape[1]), atol=1e-5, rtol=0)
    np.testing.assert_allclose(standardize.std, images.double().numpy().std(axes), rtol=1e-12)
    torch.testing.assert_close(standardize(images[0]), out[0])
    torch.testing.assert_close(standardize.inverse(out), images)
    assert out.dtype == torch.float32
    assert torch.equal(rebuilt(standardize)(images), out)
    assert standardize.tensors() == {}


def test_a_constant_channel_is_only_centered() -> None:
    images = images_of(4, 2, 3, 3)
    images[:, 1] = 0.1
    standardize = Standardize.fit(images, 2)
    assert standardize.std[1] == 1.0
    assert standardize(images)[:, 1].abs().max() < 1e-6


def test_standardize_refuses_what_does_not_fit() -> None:
    for mean, std in (([0.0], [1.0, 1.0]), ([0.0], [0.0]), ([0.0], [float("nan")]), ([], [])):
        with pytest.raises(ValueError, match="one positive std per channel"):
            Standardize(mean, std)
    with pytest.raises(ValueError, match="spatial_dims 2 or 3"):
        Standardize([0.0], [1.0], spatial_dims=1)
    with pytest.raises(ValueError, match=r"\[3, 8, 8\]"):
        Standardize.fit(torch.zeros(3, 8, 8), 2)
    standardize = Standardize([0.0], [1.0])
    with pytest.raises(ValueError, match="of 1 channels and 2 spatial axes"):
        standardize(torch.zeros(2, 3, 8, 8))
    with pytest.raises(TypeError, match="floating-point"):
        standardize(torch.zeros(1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 2, 3, 3)])
def test_whitened_images_have_identity_covariance(shape: tuple[int, ...]) -> None:
    images = images_of(400, *shape)
    images = images + 2 * images.roll(1, -1)
    white = ZCAWhitening.fit(images, epsilon=1e-8)(images).reshape(400, -1).double()
    covariance = (white.T @ white / 400).numpy()
    np.testing.assert_allclose(covariance, np.eye(white.shape[1]), atol=1e-3)
    assert white.mean(0).abs().max() < 1e-5


def test_whitening_equals_an_independent_computation() -> None:
    images = images_of(60, 2, 3, 3)
    whiten = ZCAWhitening.fit(images, epsilon=0.1)
    rows = images.reshape(60, -1).double().numpy()
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    matrix = vectors @ np.diag(1 / np.sqrt(values + 0.1)) @ vectors.T
    expected = ((rows - rows.mean(0)) @ matrix).reshape(images.shape)
    np.testing.assert_allclose(whiten(images).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(whiten.matrix.numpy(), matrix, atol=1e-5)


def test_whitening_is_invertible_and_rebuilt_by_config_and_tensors() -> None:
    images = images_of(9, 1, 5, 4)  # fewer images than values: a covariance without full rank
    whiten = ZCAWhitening.fit(images, epsilon=0.01)
    out = whiten(images)
    torch.testing.assert_close(whiten.inverse(out), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(whiten(images[3]), out[3])
    assert set(whiten.tensors()) == {"mean", "matrix"}
    assert torch.equal(rebuilt(whiten)(images), out)
    assert out.shape == images.shape


def test_the_pieces_of_a_large_fit_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    images = images_of(50, 1, 4, 4)
    whole = ZCAWhitening.fit(images)
    monkeypatch.setattr("monai_distill.transforms.zca_whitening.ROWS_AT_ONCE", 7)
    torch.testing.assert_close(ZCAWhitening.fit(images).matrix, whole.matrix)


def test_whitening_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"would need 19\.9 GB; use Standardize"):
        ZCAWhitening.fit(torch.zeros(1, 3, 129, 129).expand(2, 3, 129, 129))
    with pytest.raises(ValueError, match="positive epsilon"):
        ZCAWhitening.fit(torch.zeros(2, 1, 4, 4), epsilon=0.0)
    with pytest.raises(ValueError, match=r"mean \[D\] and matrix"):
        ZCAWhitening(torch.zeros(4), torch.zeros(4, 3))
    whiten = ZCAWhitening(torch.zeros(4), torch.eye(4))
    with pytest.raises(ValueError, match="images of 4 values each"):
        whiten(torch.zeros(2, 1, 3, 3))
    with pytest.raises(TypeError, match="floating-point"):
        whiten(torch.zeros(2, 1, 2, 2, dtype=torch.int64))
