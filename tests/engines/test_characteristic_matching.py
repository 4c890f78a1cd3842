"""The min-max game: what the sampler gains, what the images lose, and that both can be repeated and resumed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, ClassBatches, SyntheticDataset
from monai_distill.engines import CharacteristicMatching
from monai_distill.networks import ConvNet
from monai_distill.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

FACTORY = functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=2)


def world() -> tuple[SyntheticDataset, ClassBatches]:
    generator = seeded_generator(0, "world")
    bank = ClassBank(torch.randn(30, 1, 8, 8, generator=generator), torch.arange(30) % 3, ["a", "b", "c"])
    images = torch.randn(6, 1, 8, 8, generator=generator)
    return SyntheticDataset(images, torch.arange(6) % 3, ["a", "b", "c"]), ClassBatches(bank, 8, seed=0)


def matching(**options: Any) -> CharacteristicMatching:
    return CharacteristicMatching(
        FACTORY, SiameseAugment(()), torch.zeros(1, 1, 8, 8), **{"frequencies": 32, **options}
    )


def test_the_gradient_is_that_of_the_loss_by_finite_differences() -> None:
    data, batches = world()
    data, batch = data.double(), batches[3]._replace(images=batches[3].images.double())
    match = CharacteristicMatching(
        FACTORY, SiameseAugment(()), torch.zeros(1, 1, 8, 8).double(), frequencies=32, sampler_step_size=0.0
    )
    loss, gradients = match(data, batch)
    direction = torch.randn(data.images.shape, generator=seeded_generator(1, "direction")).double()
    values = []
    for step in (1e-6, -1e-6):
        moved = copy.deepcopy(data)
        with torch.no_grad():
            moved.images.add_(step * direction)
        values.append(float(match(moved, batch)[0]))
    slope = (values[0] - values[1]) / 2e-6
    assert float((gradients["images"] * direction).sum()) == pytest.approx(slope, rel=1e-5)
    assert float(loss) > 0


def test_the_sampler_finds_frequencies_at_which_more_differs() -> None:
    data, batches = world()
    still, moving = matching(sampler_step_size=0.0), matching(sampler_step_size=1e-2)
    gains = []
    for iteration in range(40):
        batch = batches[iteration]
        gains.append(float(moving(data, batch)[0]) - float(still(data, batch)[0]))
    assert sum(gains[20:]) > 20 * 0.001
    assert max(gains[20:]) > max(gains[0], 0)


def test_images_that_follow_the_gradient_come_nearer() -> None:
    patterns = torch.randn(3, 1, 8, 8, generator=seeded_generator(2, "patterns"))
    noise = torch.randn(30, 1, 8, 8, generator=seeded_generator(2, "noise"))
    bank = ClassBank(patterns[torch.arange(30) % 3] + 0.1 * noise, torch.arange(30) % 3, ["a", "b", "c"])
    data, batches, match = world()[0], ClassBatches(bank, 8, seed=0), matching()
    optimizer = torch.optim.AdamW([data.images], lr=0.2, weight_decay=0.0)
    losses = []
    for iteration in range(70):
        loss, gradients = match(data, batches[iteration])
        data.images.grad = gradients["images"]
        optimizer.step()
        losses.append(float(loss))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_asked_again_it_says_the_same_and_its_state_goes_on_alike() -> None:
    data, batches = world()
    before = torch.random.get_rng_state()
    first = matching()
    first(data, batches[0])
    state = copy.deepcopy(first.state_dict())
    once, again = first(data, batches[1])[0], first(data, batches[1])[0]
    assert torch.equal(once, again)
    second = matching()
    second.load_state_dict(state)
    assert torch.equal(second(data, batches[1])[0], once)
    assert not torch.equal(matching()(data, batches[1])[0], once)  # the sampler has learned something
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("options", [{"frequencies": 0}, {"sampler_step_size": -1.0}])
def test_nonsense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Expected frequencies of at least 1"):
        matching(**options)
