"""The moving average of the images: the formula, what is copied, and its state."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from monai_distill.data import SyntheticDataset
from monai_distill.handlers import AveragedSynthetic, PixelRange, TeacherRelabeler
from monai_distill.runtime.randomness import seeded_generator

DECAY = 0.8


def make() -> tuple[SyntheticDataset, AveragedSynthetic, Engine]:
    images = torch.randn(3, 1, 4, 4, generator=seeded_generator(0, "images"))
    data = SyntheticDataset(images, torch.arange(3), ["a", "b", "c"], student_lr=0.1, label_logits=torch.zeros(3, 3))
    average = AveragedSynthetic(data, DECAY)

    def move(engine: Engine, batch: int) -> None:
        with torch.no_grad():
            data.images.add_(torch.randn(3, 1, 4, 4, generator=seeded_generator(0, engine.state.iteration)))
            data.student_lr.mul_(1.1)
            data.label_logits.add_(1.0)

    engine = Engine(move)
    average.attach(engine)
    return data, average, engine


def test_images_are_averaged_labels_and_learning_rate_copied_and_the_set_left_alone() -> None:
    data, average, engine = make()
    expected, now = data.images.detach().clone(), data.images.detach().clone()
    engine.run(range(6))
    for iteration in range(1, 7):
        now = now + torch.randn(3, 1, 4, 4, generator=seeded_generator(0, iteration))
        expected = DECAY * expected + (1 - DECAY) * now
    torch.testing.assert_close(average.value.images.detach(), expected)
    torch.testing.assert_close(data.images.detach(), now)
    assert float(average.value.student_lr.detach()) == float(data.student_lr.detach())
    assert torch.equal(average.value.label_logits, data.label_logits)
    assert torch.equal(average.value.labels, data.labels)
    assert average.value.class_names == data.class_names


def test_a_decay_of_zero_is_the_set_itself() -> None:
    data, average, engine = make()
    average.decay = 0.0
    engine.run(range(2))
    assert torch.equal(average.value.images, data.images)


def test_it_goes_on_from_its_state_as_if_never_interrupted(tmp_path: Path) -> None:
    _, whole, engine = make()
    engine.run(range(5))
    data, first, engine = make()
    engine.run(range(3))
    torch.save({"average": first.state_dict(), "data": data.state_dict()}, tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    data, second, engine = make()
    data.load_state_dict(state["data"])
    second.load_state_dict(state["average"])
    engine.state.iteration = 3
    engine.state.epoch_length, engine.state.max_epochs, engine.state.epoch = 5, 1, 0
    engine.run(range(5))
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_that_is_no_average_is_refused(decay: float) -> None:
    data, _, _ = make()
    with pytest.raises(ValueError, match="from 0 to below 1"):
        AveragedSynthetic(data, decay)


def test_every_epoch_ends_with_labels_of_the_images_as_they_are_before_later_handlers_look() -> None:
    data = SyntheticDataset(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"], label_logits=torch.zeros(2, 2))

    def move(engine: Engine, batch: int) -> None:
        with torch.no_grad():
            data.images.add_(1.0)

    engine, seen = Engine(move), []
    handler = TeacherRelabeler(data, lambda images, labels: images.flatten(1)[:, :2] * (1 + labels[:, None]))
    handler.attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: seen.append(data.label_logits.tolist()))
    engine.run([0, 0], max_epochs=2)
    assert seen == [[[2.0, 2.0], [4.0, 4.0]], [[4.0, 4.0], [8.0, 8.0]]]
    assert data.label_logits.requires_grad


def test_a_set_with_hard_labels_is_refused() -> None:
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])
    with pytest.raises(ValueError, match="Expected a set with label logits"):
        TeacherRelabeler(data, lambda images, labels: images)


def test_only_pixels_outside_are_moved() -> None:
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])
    values = torch.tensor([[[[-3.0, -0.25], [0.5, 1.5]]]])
    engine = Engine(lambda engine, batch: data.images.data.copy_(values))
    PixelRange(data, -1.0, 1.0).attach(engine)
    engine.run([0])
    assert data.images.detach().flatten().tolist() == [-1.0, -0.25, 0.5, 1.0]


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="low below high"):
        PixelRange(SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"]), 1.0, 1.0)
