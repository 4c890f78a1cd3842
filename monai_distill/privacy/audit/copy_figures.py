"""Whether released images are nearer to images that they were made from than to others."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch
from scipy.stats import binomtest, norm
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.randomness import seeded_generator

from .attack_figures import SEEN
from .copy_check import copy_likeness
from .intervals import clopper_pearson

__all__ = ["copy_figures", "released_copies"]

PAIRS = 5


def copy_figures(likeness: Tensor) -> dict[str, Any]:
    """Share of released images whose most similar image is a member, where members and others are as many.

    Args:
        likeness: [m, 2], to the most similar member and to the most similar other image.

    Returns:
        ``auc`` (that share: half is chance), ``tpr_at_fpr`` (empty, no rates here), ``low``, ``high``, ``n``,
        ``deviations`` (of the share from a half) and ``seen``, as of :func:`.attack_figures`.

    Example:
        >>> figures = copy_figures(torch.tensor([[1.0, 0.5]] * 40))
        >>> figures["auc"], figures["seen"]
        (1.0, True)
    """
    differ = likeness[:, 0] != likeness[:, 1]
    nearer, count = int((likeness[:, 0] > likeness[:, 1]).sum()), int(differ.sum())
    if not count:
        return {"auc": None, "tpr_at_fpr": {}, "n": 0, "deviations": 0.0, "seen": False}
    low, high = clopper_pearson(nearer, count)
    deviations = float(norm.isf(max(binomtest(nearer, count, 0.5, alternative="greater").pvalue, 1e-300)))
    figures = {"auc": nearer / count, "tpr_at_fpr": {}, "low": low, "high": high, "n": count}
    return {**figures, "deviations": deviations, "seen": deviations > SEEN}


def released_copies(
    release: SyntheticDataset, training: ClassBank, public: ClassBank, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The released set itself, held against as many training as public images, and its most similar pairs.

    Args:
        release: the set of the run.
        training: all its training images as pixel values.
        public: images that it was not made from.
        seed: of the draw of equal numbers.

    Returns:
        Figures as of :func:`copy_figures`, with the largest likeness to each side; and the pairs, for a person to look
        at: these name training images and stay with the owner of the data.
    """
    generator = seeded_generator(seed, "copy check")
    count = min(len(training), len(public))
    sides = [bank.images[torch.randperm(len(bank), generator=generator)[:count]] for bank in (training, public)]
    pixels = release.pixels()
    likeness = torch.stack([copy_likeness(pixels, images)[0] for images in sides], dim=1)
    figures = copy_figures(likeness)
    figures["largest"] = {"training": float(likeness[:, 0].max()), "public": float(likeness[:, 1].max())}
    values, places = copy_likeness(pixels, training.images)
    pairs = [
        {"synthetic": int(i), "training": int(places[i]), "likeness": float(values[i])}
        for i in values.argsort(descending=True)[:PAIRS]
    ]
    return figures, pairs
