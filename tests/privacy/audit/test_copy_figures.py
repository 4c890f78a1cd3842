"""The copy check: members against others, where half is chance, and copies in the released set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from scipy.stats import binomtest

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.privacy.audit.copy_check import copy_figures, released_copies
from monai_distill.transforms import CanvasDecode
from tests.privacy.audit.conftest import CLASSES, copies_of, random_bank, unrelated_to


def test_the_share_has_its_exact_interval() -> None:
    likeness = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    figures = copy_figures(likeness)
    nearer = int((likeness[:, 0] > likeness[:, 1]).sum())
    oracle = binomtest(nearer, 100).proportion_ci(method="exact")
    assert (figures["auc"], round(figures["low"], 9), round(figures["high"], 9)) == (
        nearer / 100,
        round(oracle.low, 9),
        round(oracle.high, 9),
    )
    assert not figures["seen"]


def test_images_equally_like_both_do_not_count() -> None:
    assert copy_figures(torch.ones(5, 2))["auc"] is None


def test_the_released_set_is_compared_with_as_many_public_images() -> None:
    training, public = random_bank(90, 0), random_bank(60, 50)
    figures, pairs = released_copies(copies_of(training, 0), training, public, seed=0)
    assert figures["largest"]["training"] > 0.999 > figures["largest"]["public"]
    assert all(pair["likeness"] > 0.999 for pair in pairs)
    rows = copies_of(training, 0).images[[pair["synthetic"] for pair in pairs]]
    assert torch.equal(rows, training.images[[pair["training"] for pair in pairs]])
    figures, _ = released_copies(unrelated_to(training, 0), training, public, seed=0)
    assert not figures["seen"]
    assert figures["copied"] == 0


@pytest.mark.parametrize("copies", [1, 2, 30])
def test_every_copy_is_counted_among_many_other_images(copies: int) -> None:
    """On the code before, up to 100 exact training images passed: half of the training images were not compared."""
    training, public = random_bank(900, 0), random_bank(60, 50)
    other = random_bank(300, 99)
    images, labels = other.images.clone(), other.labels.clone()
    images[:copies] = 1 - training.images[10 : 10 + copies].flip(3)  # mirrored and inverted
    figures, pairs = released_copies(SyntheticDataset(images, labels, CLASSES), training, public, seed=0)
    assert figures["copied"] >= copies
    assert max(pair["likeness"] for pair in pairs) == pytest.approx(1, abs=1e-5)
    clean, _ = released_copies(SyntheticDataset(other.images, labels, CLASSES), training, public, seed=0)
    assert figures["copied"] - clean["copied"] == copies
    assert figures["references"] == 60


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_shrunk_copies_in_a_canvas_are_found_where_other_images_are_alike_in_full(kind: str) -> None:
    """Public images that nearly are training images set a threshold that a copy at half the resolution is below."""
    training = random_bank(60, 0)
    noise = torch.randn(training.images.shape, generator=torch.Generator().manual_seed(1))
    public = ClassBank(training.images + 0.02 * noise, training.labels, CLASSES)
    decode = CanvasDecode(2, kind)
    labels = training.labels[:3]
    canvases = decode.pack(training.images[:12], labels.tolist())
    release = SyntheticDataset(canvases, labels, CLASSES, decode=decode)
    figures, pairs = released_copies(release, training, public, seed=0)
    assert figures["copied"] >= 12
    assert figures["factor"] == 2
    assert max(pair["likeness"] for pair in pairs) == pytest.approx(1, abs=1e-5)
    unrelated = SyntheticDataset(random_bank(12, 99).images[:3], labels, CLASSES, decode=decode)
    assert released_copies(unrelated, training, public, seed=0)[0]["copied"] == 0
