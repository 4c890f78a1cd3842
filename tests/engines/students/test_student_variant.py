"""CutMix, and students with other losses."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F

from monai_distill.engines.students import StudentTraining, student_seeds
from monai_distill.engines.students.cutmix import drawn_cutmix
from monai_distill.engines.students.student_variant import StudentVariant
from monai_distill.losses.gift_loss import cosine_loss
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

NETWORK = FlatNetwork(functools.partial(ConvNet, 2, 1, 3, 8, width=4, depth=1))
LABELS = torch.tensor([0, 1, 2] * 4)
IMAGES = torch.randn(12, 1, 8, 8, generator=seeded_generator(0, "images")) + LABELS[:, None, None, None]
BASE = StudentTraining(SiameseAugment(("crop",)), steps=12, batch_size=6)


@pytest.mark.parametrize("shape", [(8, 6), (6, 4, 5)])
def test_the_share_of_a_label_is_the_share_of_the_pixels(shape: tuple[int, ...]) -> None:
    generator, shares = seeded_generator(0, "mixes"), []
    numbers = torch.arange(5.0).reshape(5, 1, *[1] * len(shape)).expand(5, 2, *shape)
    for _ in range(200):
        mix = drawn_cutmix(5, shape, 1.0, generator)
        assert mix is not None
        mixed, targets = mix.images(numbers), mix.targets(torch.eye(5))
        for image, target, own, partner in zip(mixed, targets, range(5), mix.partners.tolist(), strict=True):
            share = float((image == partner).double().mean()) if partner != own else 0.0
            assert float(target[own]) == pytest.approx(1 - share, abs=1e-6)
            assert float(target.sum()) == pytest.approx(1, abs=1e-6)
        shares.append(mix.share)
    assert min(shares) < 0.1 < 0.7 < max(shares)


def test_as_many_batches_are_mixed_as_requested() -> None:
    generator = seeded_generator(0, "mixes")
    count = sum(drawn_cutmix(2, (4, 4), 0.3, generator) is not None for _ in range(1000))
    assert 250 < count < 350


def test_without_mixing_and_with_probabilities_students_are_those_of_the_protocol() -> None:
    seeds = student_seeds(students=2)
    without, targets = StudentTraining(SiameseAugment(()), steps=12, batch_size=20), F.one_hot(LABELS).float()
    plain = without(NETWORK, IMAGES, LABELS, 0.05, seeds)
    torch.testing.assert_close(StudentVariant(without)(NETWORK, IMAGES, targets, 0.05, seeds), plain)
    mixed = StudentVariant(without, cutmix=1.0)(NETWORK, IMAGES, targets, 0.05, seeds)
    assert not torch.allclose(mixed, plain, atol=1e-3)


def test_students_learn_by_the_cosine_loss_and_with_cutmix() -> None:
    base = StudentTraining(SiameseAugment(()), steps=80, batch_size=12)
    for variant in (StudentVariant(base, loss=cosine_loss), StudentVariant(base, cutmix=0.5)):
        (parameters,) = variant(NETWORK, IMAGES, F.one_hot(LABELS).float(), 0.1, [1])
        assert (NETWORK(parameters, IMAGES).argmax(dim=1) == LABELS).float().mean() > 0.9


def test_variants_have_cache_keys_of_their_own_and_refuse_class_numbers() -> None:
    variants = [StudentVariant(BASE), StudentVariant(BASE, cutmix=0.5), StudentVariant(BASE, loss=cosine_loss)]
    assert len({str(variant.config()) for variant in variants}) == 3
    with pytest.raises(ValueError, match="targets"):
        variants[0](NETWORK, IMAGES, LABELS, 0.05, [0])
