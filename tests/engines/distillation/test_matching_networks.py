"""Blended networks, waves and learned scales of frequencies (NCFM)."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_distill.data import SyntheticDataset, TrajectoryStore
from monai_distill.data.class_batches import ClassBatch
from monai_distill.engines.distillation import (
    BlendedNetworks,
    DistributionMatching,
    FrequencyScales,
    RandomNetworks,
    WaveNetworks,
    classified_features,
    wave_features,
)
from monai_distill.losses import CharacteristicFunctionLoss, ClassRegularizedLoss
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

FACTORY = functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=1)
LABELS = torch.tensor([0, 1, 2] * 4)


def blended(folder: Path) -> BlendedNetworks:
    flat = FlatNetwork(FACTORY)
    store = TrajectoryStore(folder, {}, experts=2, snapshots=3, parameters=flat.size)
    for expert in range(2):
        rows = torch.stack([flat.initial(10 * expert + epoch) for epoch in range(3)])
        store.write(expert, rows, [])
    return BlendedNetworks(flat, store, FACTORY)


def sides() -> tuple[SyntheticDataset, ClassBatch]:
    images = torch.randn(12, 1, 8, 8, generator=seeded_generator(0, "real")) + LABELS[:, None, None, None]
    synthetic = torch.randn(3, 1, 8, 8, generator=seeded_generator(0, "synthetic"))
    return SyntheticDataset(synthetic, torch.arange(3), ["a", "b", "c"]), ClassBatch(4, images, LABELS, (4, 4, 4))


def test_a_network_lies_between_the_first_and_the_last_snapshot_of_an_expert(tmp_path: Path) -> None:
    networks, shares, experts = blended(tmp_path), [], set()
    for iteration in range(12):
        flat = torch.cat([p.detach().flatten() for p in networks(iteration).parameters()])
        for expert in range(2):
            first, last = (networks.store.snapshot(expert, epoch) for epoch in (0, -1))
            share = torch.dot(flat - first, last - first) / (last - first).square().sum()
            if torch.allclose(flat, torch.lerp(first, last, share), atol=1e-5):
                shares.append(float(share))
                experts.add(expert)
    assert len(shares) == 12
    assert experts == {0, 1}
    assert 0 <= min(shares) < 0.4 < 0.6 < max(shares) <= 1


def test_waves_do_not_depend_on_the_length_of_an_embedding() -> None:
    network = WaveNetworks(RandomNetworks(FACTORY), count=5, bandwidth=0.5)(0)
    images = torch.rand(2, 1, 8, 8)
    before = wave_features(network, images)[0]
    with torch.no_grad():
        network.network.get_submodule("features.norm0").get_parameter("weight").mul_(10)  # and every feature with it
    torch.testing.assert_close(wave_features(network, images)[0], before)


def test_frequencies_are_drawn_again_and_as_wide_as_the_bandwidth_says() -> None:
    networks = WaveNetworks(RandomNetworks(FACTORY), count=200, bandwidth=0.25)
    assert float(networks(0).frequencies.std()) == pytest.approx(4, rel=0.05)
    assert not torch.equal(networks(0).frequencies, networks(1).frequencies)


def test_learned_scales_raise_the_loss_and_stay_within_their_factor() -> None:
    loss, (synthetic, batch) = CharacteristicFunctionLoss(), sides()
    networks = WaveNetworks(RandomNetworks(FACTORY), count=32, bandwidth=5.0)  # too wide: larger frequencies tell more

    def value(scales: FrequencyScales | None, iteration: int = 4) -> float:
        match = DistributionMatching(networks, SiameseAugment(()), features=wave_features, loss=loss, adapt=scales)
        return float(match(synthetic, batch._replace(iteration=iteration))[0])

    scales = FrequencyScales(loss, components=4, lr=0.3, most=2.0)
    for iteration in range(10):
        value(scales, iteration)
    assert value(scales) > 1.2 * value(None)
    torch.testing.assert_close(scales.logarithms.detach().exp(), torch.full((4,), 2.0))
    again = FrequencyScales(loss, components=4, lr=0.3, most=2.0)
    again.load_state_dict(scales.state_dict())
    assert value(again) == value(scales)


@pytest.mark.parametrize("loss", [ClassRegularizedLoss(0.5), CharacteristicFunctionLoss(class_weight=0.1)])
def test_the_gradient_is_that_of_finite_differences(loss: nn.Module) -> None:
    synthetic, batch = sides()
    networks = WaveNetworks(RandomNetworks(FACTORY), count=16)
    features = wave_features if isinstance(loss, CharacteristicFunctionLoss) else classified_features
    source = networks if isinstance(loss, CharacteristicFunctionLoss) else networks.networks
    match = DistributionMatching(source, SiameseAugment(("scale",)), features=features, loss=loss)  # type: ignore[arg-type]
    synthetic, batch = synthetic.double(), batch._replace(images=batch.images.double())
    _, gradients = match(synthetic, batch)
    direction = torch.randn(synthetic.images.shape, generator=seeded_generator(0, "direction"), dtype=torch.float64)
    values = []
    for step in (-1e-6, 1e-6):
        moved = SyntheticDataset(torch.zeros(3, 1, 8, 8), torch.arange(3), ["a", "b", "c"]).double()
        moved.images.data.copy_(synthetic.images.detach() + step * direction)
        values.append(float(match(moved, batch)[0]))
    slope = float((gradients["images"] * direction).sum())
    assert (values[1] - values[0]) / 2e-6 == pytest.approx(slope, rel=1e-4)


def test_a_network_without_a_classifier_is_refused() -> None:
    class Headless(nn.Module):
        def embed(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

    with pytest.raises(ValueError, match="classifier after its embedding, got Headless"):
        classified_features(Headless(), torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="knows its num_features, got Headless"):
        WaveNetworks(lambda iteration: Headless(), count=2)(0)
