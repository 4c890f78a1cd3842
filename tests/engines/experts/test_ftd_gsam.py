"""The flat direction against the formula, on closed forms, on networks, alone and stacked."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer, FlatDirection
from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment
from tests.engines.conftest import tiny_module


def _reference_direction(theta: np.ndarray, matrix: np.ndarray, rho: float, strength: float, adaptive: bool) -> object:
    """GSAM (https://arxiv.org/abs/2203.08065, algorithm 1) for theta' A theta / 2 + sum theta^4 / 4."""

    def gradient(t: np.ndarray) -> np.ndarray:
        return matrix @ t + t**3

    g = gradient(theta)
    if adaptive:
        e = rho * theta**2 * g / (np.linalg.norm(np.abs(theta) * g) + 1e-12)
    else:
        e = rho * g / (np.linalg.norm(g) + 1e-12)
    moved = gradient(theta + e)
    cosine = g @ moved / (np.linalg.norm(g) * np.linalg.norm(moved))
    perpendicular = g - cosine * np.linalg.norm(g) * moved / np.linalg.norm(moved)
    return moved - strength * perpendicular


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize(("rho", "strength"), [(0.01, 0.3), (0.5, 1.0), (2.0, 0.0)])
def test_the_direction_equals_the_formula(rho: float, strength: float, adaptive: bool) -> None:
    generator = seeded_generator(0)
    theta = torch.randn(6, generator=generator, dtype=torch.float64)
    matrix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    actual = FlatDirection(rho, strength, adaptive)(lambda t: matrix @ t + t**3, theta)
    expected = _reference_direction(theta.numpy(), matrix.numpy(), rho, strength, adaptive)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-9)


def test_what_is_subtracted_is_perpendicular_to_the_gradient_nearby() -> None:
    theta = torch.randn(6, generator=seeded_generator(1), dtype=torch.float64)
    plain, flat = (FlatDirection(0.5, strength)(lambda t: t**3, theta) for strength in (0.0, 0.7))
    assert float((plain - flat).norm()) > 1e-3
    assert abs(float((plain - flat) @ plain)) < 1e-12


@pytest.mark.parametrize("where", ["a gradient of zero", "parameters of zero"])
def test_a_point_without_a_way_on_gives_no_nan(where: str) -> None:
    theta = torch.zeros(4) if where == "parameters of zero" else torch.ones(4)
    actual = FlatDirection()(lambda t: torch.zeros_like(t) if where == "a gradient of zero" else 1 + t, theta)
    assert bool(torch.isfinite(actual).all())


@pytest.mark.parametrize("vmap", [False, True])
def test_experts_take_flat_steps_and_report_the_loss_before_the_step(
    network: FlatNetwork, bank: ClassBank, tmp_path: Path, vmap: bool
) -> None:
    direction = FlatDirection(0.3, 0.5)
    store = TrajectoryStore(tmp_path / "flat", {}, experts=2, snapshots=2, parameters=network.size)
    protocol = ExpertProtocol(
        SiameseAugment(()), epochs=1, lr=0.1, batch_size=len(bank), direction=direction, vmap=vmap
    )
    ExpertTrainer(network=network, bank=bank, store=store, protocol=protocol).run()
    for expert in range(2):
        start = network.initial(derived_seed(0, "expert", expert))

        def gradient(vector: Tensor) -> Tensor:  # over an ordinary module
            module: ConvNet = network.load_into(tiny_module(), vector)  # type: ignore[assignment]
            classification_loss(module(bank.images), bank.labels).backward()
            return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])

        expected = start - 0.1 * direction(gradient, start)
        torch.testing.assert_close(store.snapshot(expert, 1), expected, rtol=1e-4, atol=1e-6)
        loss = classification_loss(network(start, bank.images), bank.labels)
        assert store.history[expert][0]["train_loss"] == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize("settings", [{"rho": 0.0}, {"strength": -1.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        FlatDirection(**settings)  # type: ignore[arg-type]
