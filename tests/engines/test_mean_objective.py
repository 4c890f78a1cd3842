"""The mean over an iteration's segments, against every segment asked alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from monai_distill.data import ClassBank, Segment, SyntheticDataset
from monai_distill.engines import MeanObjective, TrajectoryMatching
from monai_distill.networks import FlatNetwork
from monai_distill.transforms import SiameseAugment


def test_it_is_the_mean_of_losses_and_gradients(network: FlatNetwork, bank: ClassBank) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(6, 1, 8, 8, generator=generator)
    synthetic = SyntheticDataset(images, torch.arange(6) % 3, bank.class_names, label_logits=torch.zeros(6, 3))
    match = TrajectoryMatching(network, SiameseAugment(), student_steps=2, batch_size=4)
    segments = [Segment(7, 0, 0, network.initial(p), network.initial(p + 9), None, p) for p in range(3)]
    loss, gradients = MeanObjective(match)(synthetic, segments)
    alone = [match(synthetic, segment) for segment in segments]
    assert float(loss) == pytest.approx(sum(float(value) for value, _ in alone) / 3, rel=1e-6)
    assert gradients.keys() == {"images", "step_size", "label_logits"}
    for name, gradient in gradients.items():
        expected = torch.stack([own[name] for _, own in alone]).mean(dim=0)
        assert torch.allclose(gradient, expected, rtol=1e-5, atol=1e-7), name


def test_segments_of_an_iteration_have_students_of_their_own(network: FlatNetwork, bank: ClassBank) -> None:
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    synthetic = SyntheticDataset(images, torch.arange(6) % 3, bank.class_names)
    match = TrajectoryMatching(network, SiameseAugment(), student_steps=1, batch_size=2)
    segment = Segment(7, 0, 0, network.initial(0), network.initial(1))
    losses = [float(match(synthetic, segment._replace(place=place))[0]) for place in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_no_draw_is_refused() -> None:
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["only"])
    with pytest.raises(ValueError, match="at least one draw"):
        MeanObjective(lambda synthetic, draw: (torch.zeros(()), {}))(data, [])
