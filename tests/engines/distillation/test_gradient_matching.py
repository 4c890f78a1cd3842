"""The objective of gradient matching against a loop over classes on ordinary modules, and its resume."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data import ClassBank, ClassBatches, SyntheticDataset
from monai_distill.data.class_batches import ClassBatch
from monai_distill.engines.distillation import Distiller, GradientMatching, NetworkLoop
from monai_distill.engines.distillation.gradient_matching import network_loops
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment
from monai_distill.transforms.siamese_augment import AugmentParameters

EQUAL, UNEQUAL = [1, 0, 2, 2, 0, 1], [0, 2, 2, 1, 2]


def world(labels: list[int], dims: int = 2) -> tuple[Callable[[], ConvNet], SyntheticDataset, ClassBatches]:
    shape, generator = (1, *(8,) * dims), seeded_generator(0, "world")
    real_labels = torch.tensor([0] * 6 + [1] * 2 + [2] * 5)  # class 1 is smaller than the batch
    bank = ClassBank(torch.randn(13, *shape, generator=generator).double(), real_labels, ["a", "b", "c"])
    images = torch.randn(len(labels), *shape, generator=generator)
    synthetic = SyntheticDataset(images, torch.tensor(labels), ["a", "b", "c"]).double()
    factory = functools.partial(ConvNet, dims, 1, 3, 8, width=4, depth=2)
    return factory, synthetic, ClassBatches(bank, 4, seed=0, equal=True)


def make(factory: Callable[[], ConvNet], augment: SiameseAugment | None = None, **settings: Any) -> GradientMatching:
    loop = {"outer_steps": 3, "inner_epochs": 2, "batch_size": 4}
    loop |= {name: settings.pop(name) for name in list(settings) if name in loop}
    return GradientMatching(FlatNetwork(factory), augment or SiameseAugment(), loop=NetworkLoop(**loop), **settings)


def _reference(
    factory: Callable[[], ConvNet], synthetic: SyntheticDataset, batch: ClassBatch, parameters: Tensor
) -> tuple[Tensor, Tensor]:
    """DC (https://arxiv.org/abs/2006.05929, algorithm 1, eq. 5): an ordinary module, loops over classes and rows."""
    network = FlatNetwork(factory).load_into(factory().double(), parameters)
    images, augment = synthetic.images.detach().clone().requires_grad_(), SiameseAugment()
    total = images.new_zeros(())
    for c in range(3):
        generator = seeded_generator(0, "siamese augmentation", batch.iteration, c)
        draw = augment.draw(1, images.shape[2:], generator, siamese=True)
        sides = []
        for pixels, members in ((batch.images, batch.labels == c), (images, synthetic.labels == c)):
            loss = F.cross_entropy(network(augment.apply(pixels[members], draw)), torch.full((int(members.sum()),), c))
            sides.append(torch.autograd.grad(loss, list(network.parameters()), create_graph=True))
        for real, ours in zip(*sides, strict=True):
            if real.ndim > 1:
                for row, other in zip(real.detach().flatten(1), ours.flatten(1), strict=True):
                    total = total + 1 - row @ other / (row.norm() * other.norm() + 1e-6)
    return total.detach(), torch.autograd.grad(total, images)[0]


@pytest.mark.parametrize("vmap", [True, False])
@pytest.mark.parametrize("labels", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("dims", [2, 3])
def test_loss_and_gradient_equal_the_formula(dims: int, labels: list[int], vmap: bool) -> None:
    factory, synthetic, batches = world(labels, dims)
    batch = batches[3]
    value, gradients = make(factory, vmap=vmap)(synthetic, batch)
    parameters = FlatNetwork(factory).initial(derived_seed(0, "matching network", 1)).double()
    expected_value, expected = _reference(factory, synthetic, batch, parameters)
    torch.testing.assert_close(value, expected_value)
    torch.testing.assert_close(gradients["images"], expected)
    assert list(gradients) == ["images"]


def test_the_network_is_trained_on_the_synthetic_set_between_image_steps() -> None:
    factory, synthetic, batches = world(UNEQUAL)
    match = make(factory, SiameseAugment(()))
    match(synthetic, batches[0])
    parameters = match.state_dict()["parameters"]
    synthetic.images.data.add_(0.1)  # the image step
    match(synthetic, batches[1])
    network = FlatNetwork(factory).load_into(factory().double(), parameters)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    generator = seeded_generator(0, "network steps", 1)
    for _ in range(2):
        order = torch.randperm(5, generator=generator)
        for rows in (order[:4], order[4:]):
            optimizer.zero_grad()
            F.cross_entropy(network(synthetic.images.detach()[rows]), synthetic.labels[rows]).backward()
            optimizer.step()
    expected = torch.cat([p.detach().reshape(-1) for p in network.parameters()])
    torch.testing.assert_close(match.state_dict()["parameters"], expected)
    match(synthetic, batches[2])
    match(synthetic, batches[3])  # a fresh one
    fresh = FlatNetwork(factory).initial(derived_seed(0, "matching network", 1)).double()
    assert torch.equal(match.state_dict()["parameters"], fresh)


def test_each_class_has_one_draw_for_its_real_and_synthetic_images(monkeypatch: pytest.MonkeyPatch) -> None:
    factory, synthetic, batches = world(UNEQUAL)
    augment, seen = SiameseAugment(("rotate", "scale", "crop")), []
    apply = augment.apply

    def keep(images: Tensor, draw: AugmentParameters) -> Tensor:
        seen.append(draw)
        return apply(images, draw)

    monkeypatch.setattr(augment, "apply", keep)
    make(factory, augment)(synthetic, batches[0])
    assert [id(draw) for draw in seen[:3]] == [id(draw) for draw in seen[3:]]
    assert len({id(draw) for draw in seen}) == 3


def test_every_synthetic_pixel_gets_a_gradient_and_real_images_are_left_alone() -> None:
    factory, synthetic, batches = world(UNEQUAL)
    batch = batches[0]
    before = batch.images.clone()
    _, gradients = make(factory, SiameseAugment(()))(synthetic, batch)
    assert (gradients["images"] != 0).all()
    assert torch.equal(batch.images, before)
    assert synthetic.images.grad is None


def test_the_same_call_twice_is_the_same_and_a_call_out_of_order_is_refused(
    random_states_kept: Callable[..., object],
) -> None:
    factory, synthetic, batches = world(EQUAL)
    match = make(factory)
    with random_states_kept():  # type: ignore[attr-defined]
        match(synthetic, batches[0])
        first, again = match(synthetic, batches[1]), match(synthetic, batches[1])
    assert torch.equal(first[1]["images"], again[1]["images"])
    fresh = make(factory)
    fresh(synthetic, batches[0])
    with pytest.raises(RuntimeError, match="Expected iteration 1, got 2"):
        fresh(synthetic, batches[2])


@pytest.mark.parametrize("killed_after", [1, 2, 3, 5])
def test_a_killed_run_ends_bit_identical(tmp_path: Path, killed_after: int) -> None:
    def run(iterations: int, state: str | None) -> tuple[SyntheticDataset, dict[str, object]]:
        factory, synthetic, batches = world(UNEQUAL)
        objective, optimizer = make(factory), torch.optim.SGD([synthetic.images], lr=0.1, momentum=0.5)
        parts = {"objective": objective, "set": synthetic, "optimizer": optimizer}
        trainer = Distiller(synthetic, objective, batches, optimizer, max_epochs=1, epoch_length=iterations)
        if state is not None:
            saved = torch.load(tmp_path / state, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(saved[name])
            trainer = Distiller(
                synthetic, objective, _From(batches, killed_after), optimizer, max_epochs=1, epoch_length=iterations
            )
        trainer.run()
        return synthetic, {name: part.state_dict() for name, part in parts.items()}

    whole, _ = run(7, None)
    _, states = run(killed_after, None)
    torch.save(states, tmp_path / "state.pt")
    resumed, _ = run(7 - killed_after, "state.pt")
    assert torch.equal(whole.images, resumed.images)


class _From:
    def __init__(self, batches: ClassBatches, first: int) -> None:
        self.batches, self.first = batches, first

    def __getitem__(self, iteration: int) -> ClassBatch:
        return self.batches[self.first + iteration]


def test_any_number_of_images_per_class_has_loops() -> None:
    actual = [network_loops(count) for count in (1, 2, 9, 10, 19, 20, 30, 40, 50, 500)]
    assert actual == [(1, 1)] * 3 + [(10, 50)] * 2 + [(20, 25), (30, 20), (40, 15), (50, 10), (50, 10)]


@pytest.mark.parametrize("settings", [{"outer_steps": 0}, {"inner_epochs": -1}, {"batch_size": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        make(world(EQUAL)[0], **settings)
