"""The target of every class is the uniform mean of its groups' means: an oracle from COBRA's equation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_distill.data import ClassBank
from monai_distill.data.group_batches import GroupBatches, class_or_group_batches
from monai_distill.losses.class_sums import class_sums

LABELS = torch.tensor([0] * 24 + [1] * 12)
GROUPS = ["a"] * 18 + ["b"] * 4 + ["c"] * 2 + ["a"] * 12  # class 1 has one group
BANK = ClassBank(torch.randn(36, 1, 2, 2, generator=torch.Generator().manual_seed(0)), LABELS, ["x", "y"])


def test_the_mean_of_a_class_is_the_uniform_mean_of_its_group_means() -> None:
    """COBRA: ``b_c = 1/|G_c| sum_g mu_cg``. With 36 images of each of three groups every image comes equally often."""
    batch = GroupBatches(BANK, GROUPS, 108, seed=3)[5]
    sums = class_sums(batch.images.flatten(1), batch.labels, 2)
    means = (sums.sums / sums.counts[:, None]).numpy()
    pixels, groups = BANK.images.flatten(1).numpy(), np.array(GROUPS)
    for label in (0, 1):
        inside = LABELS.numpy() == label
        expected = np.mean([pixels[inside & (groups == g)].mean(axis=0) for g in np.unique(groups[inside])], axis=0)
        np.testing.assert_allclose(means[label], expected, atol=1e-6)
    plain = pixels[:24].mean(axis=0)
    assert np.abs(means[0] - plain).max() > 0.1  # the mean over all images is another target


def test_small_batches_have_as_many_images_of_every_group_and_repeat_by_seed_and_number() -> None:
    batches = GroupBatches(BANK, GROUPS, 7, seed=3)
    assert batches[0].counts == (6, 7)
    assert torch.equal(batches[4].images, GroupBatches(BANK, GROUPS, 7, seed=3)[4].images)
    assert not torch.equal(batches[4].images, batches[5].images)
    for number in range(20):
        batch = batches[number]
        rows = [int((BANK.images.flatten(1) == image.flatten()).all(dim=1).nonzero()) for image in batch.images[:6]]
        assert [GROUPS[row] for row in rows] == ["a", "a", "b", "b", "c", "c"]
        assert batch.labels.tolist() == [0] * 6 + [1] * 7


def test_groups_are_as_many_as_images_and_none_means_plain_batches() -> None:
    with pytest.raises(ValueError, match="35 groups and 36 images"):
        GroupBatches(BANK, GROUPS[1:], 7, seed=0)
    plain = class_or_group_batches(BANK, 4, seed=0, groups=None)
    assert not isinstance(plain, GroupBatches)
    assert isinstance(class_or_group_batches(BANK, 4, seed=0, groups=GROUPS), GroupBatches)
