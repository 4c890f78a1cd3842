"""Labels that follow the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine, Events

from monai_distill.data import SyntheticDataset
from monai_distill.handlers import TeacherRelabeler


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
