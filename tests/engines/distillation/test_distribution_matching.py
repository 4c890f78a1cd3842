"""The objective of distribution matching, rebuilt layer by layer from the formulas."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, ClassBatches, SyntheticDataset
from monai_distill.data.class_batches import ClassBatch
from monai_distill.engines.distillation import (
    DistributionMatching,
    RandomNetworks,
    attention_features,
    embedding_features,
)
from monai_distill.losses import AttentionMatchingLoss
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.transforms import SiameseAugment
from monai_distill.transforms.siamese_augment import AugmentParameters

OWN_LABELS = torch.tensor([0, 1, 2, 2, 0, 2])  # unequal counts, classes mixed
REAL_LABELS = torch.tensor([0] * 6 + [1] * 2 + [2] * 5)  # class 1 is smaller than the batch


def world(dims: int = 2, *, norm: str = "instance") -> tuple[Callable[[], ConvNet], SyntheticDataset, ClassBatch]:
    shape = (1, *(8,) * dims)
    generator = seeded_generator(0, "world")
    bank = ClassBank(torch.randn(13, *shape, generator=generator).double(), REAL_LABELS, ["a", "b", "c"])
    images = torch.randn(6, *shape, generator=generator)
    synthetic = SyntheticDataset(images, OWN_LABELS, ["a", "b", "c"]).double()
    factory = functools.partial(ConvNet, dims, 1, 3, 8, width=4, depth=3, norm=norm)
    return factory, synthetic, ClassBatches(bank, 4, seed=0)[7]


def datadam(factory: Callable[[], nn.Module], augment: SiameseAugment, power: float = 1) -> DistributionMatching:
    features = functools.partial(attention_features, power=power)
    return DistributionMatching(RandomNetworks(factory), augment, features=features, loss=AttentionMatchingLoss(0.02))


def _reference(
    factory: Callable[[], ConvNet], synthetic: SyntheticDataset, batch: ClassBatch, power: float | None
) -> tuple[Tensor, Tensor]:
    """The network's blocks one after another and a loop over classes, with the draws rebuilt from the seed."""
    augment, dims = SiameseAugment(), synthetic.images.ndim - 2
    draw = augment.draw(1, (8,) * dims, seeded_generator(0, "siamese augmentation", batch.iteration), siamese=True)
    with temporary_global_seed(derived_seed(0, "matching network", batch.iteration)):
        network = factory().double()
    images = synthetic.images.detach().clone().requires_grad_()

    def kinds(inputs: Tensor) -> list[Tensor]:
        layers, x = [], augment.apply(inputs, draw)
        for name, layer in network.features.named_children():
            x = layer(x)
            layers += [x] if name.startswith("act") else []
        if power is None:
            return [x.flatten(1)]
        raw = [(layer**power).sum(1).flatten(1) for layer in layers[:-1]]
        return [m / (m**2).sum(1, keepdim=True).sqrt() for m in raw] + [x.flatten(1)]

    loss = images.new_zeros(())
    weights = [1.0] if power is None else [100.0, 100.0, 100 * 0.02]
    for weight, real, synthetic_features in zip(weights, kinds(batch.images), kinds(images), strict=True):
        for c in range(3):
            gap = real[batch.labels == c].mean(0) - synthetic_features[synthetic.labels == c].mean(0)
            loss = loss + weight * (gap**2).sum()
    return loss.detach(), torch.autograd.grad(loss, images)[0]


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("power", [None, 1, 4])
def test_loss_and_gradient_equal_the_formula(power: float | None, dims: int, norm: str) -> None:
    factory, synthetic, batch = world(dims, norm=norm)
    augment = SiameseAugment()
    match = (
        DistributionMatching(RandomNetworks(factory), augment) if power is None else datadam(factory, augment, power)
    )
    value, gradients = match(synthetic, batch)
    expected_value, expected = _reference(factory, synthetic, batch, power)
    torch.testing.assert_close(value, expected_value)
    torch.testing.assert_close(gradients["images"], expected)
    assert list(gradients) == ["images"]


def test_real_and_synthetic_images_get_the_same_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    factory, synthetic, batch = world()
    augment, seen = SiameseAugment(("rotate", "scale", "crop")), []
    apply = augment.apply

    def keep(images: Tensor, draw: AugmentParameters) -> Tensor:
        seen.append(draw)
        return apply(images, draw)

    monkeypatch.setattr(augment, "apply", keep)
    datadam(factory, augment)(synthetic, batch)
    assert len(seen) == 2
    assert seen[0] is seen[1]
    assert all(len(value) == 1 for value in seen[0].values.values())


def test_every_synthetic_pixel_gets_a_gradient_and_real_images_are_left_alone() -> None:
    factory, synthetic, batch = world()
    before, parameters = batch.images.clone(), synthetic.images.detach().clone()
    _, gradients = datadam(factory, SiameseAugment(()))(synthetic, batch)
    assert (gradients["images"] != 0).all()
    assert torch.equal(batch.images, before)
    assert not batch.images.requires_grad
    assert torch.equal(synthetic.images, parameters)
    assert synthetic.images.grad is None


def test_repeatable_by_seed_and_iteration_and_no_global_state_is_touched(
    random_states_kept: Callable[..., object],
) -> None:
    factory, synthetic, batch = world()
    with random_states_kept():  # type: ignore[attr-defined]
        first = datadam(factory, SiameseAugment())(synthetic, batch)
    again = datadam(factory, SiameseAugment())(synthetic, batch)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1]["images"], again[1]["images"])
    other = datadam(factory, SiameseAugment())(synthetic, batch._replace(iteration=8))
    assert not torch.equal(first[0], other[0])


def test_the_same_images_on_both_sides_have_no_distance() -> None:
    factory, synthetic, _ = world()
    batch = ClassBatch(0, synthetic.images.detach(), synthetic.labels, (2, 1, 3))
    match = DistributionMatching(RandomNetworks(factory), SiameseAugment(), features=embedding_features)
    value, gradients = match(synthetic, batch)
    assert float(value) == pytest.approx(0, abs=1e-20)
    assert float(gradients["images"].abs().max()) < 1e-10


def test_a_network_that_names_no_feature_layers_is_refused_for_attention() -> None:
    _, synthetic, batch = world()

    def plain() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    with pytest.raises(ValueError, match="names its feature_layers, got Sequential"):
        datadam(plain, SiameseAugment())(synthetic, batch)
    with pytest.raises(ValueError, match=r"at least 2 feature layers .* Raise depth"):
        datadam(functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=1), SiameseAugment())(synthetic, batch)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_real_images_go_in_smaller_parts_than_images_with_a_graph(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    factory, synthetic, batch = world(norm=norm)
    budget = 4 * MicroBatches().graph_size("", lambda n: factory()(torch.zeros(n, 1, 8, 8))).per_image * 8 / 2**20
    match = DistributionMatching(RandomNetworks(factory), SiameseAugment(), memory=MicroBatches(budget))
    seen: list[tuple[int, bool]] = []
    embed = ConvNet.embed

    def noted(network: ConvNet, images: Tensor) -> Tensor:
        seen.append((len(images), images.requires_grad))
        return embed(network, images)

    monkeypatch.setattr(ConvNet, "embed", noted)
    value, gradients = match(synthetic, batch)
    seen = seen[0 if norm == "batch" else 2 :]  # after the two that measure the graph
    real, with_graph = ([count for count, graph in seen if graph is learned] for learned in (False, True))
    assert with_graph == [6]
    assert sum(real) == len(batch.labels)
    assert len(real) == 1 if norm == "batch" else max(real) < 6
    whole_value, whole = DistributionMatching(RandomNetworks(factory), SiameseAugment())(synthetic, batch)
    torch.testing.assert_close(value, whole_value)
    torch.testing.assert_close(gradients["images"], whole["images"])
