"""Releases whose outcome is known: real members, which must be caught, and real strangers, which must not."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_distill.data import ClassBank, SyntheticDataset

__all__ = ["real_release"]

STEP_SIZE = 0.01  # real images come without a learned one; the scores' controls use the same


def real_release(like: SyntheticDataset, bank: ClassBank, generator: torch.Generator) -> SyntheticDataset:
    """Random real images released as if they were distilled: as many of every class, the same preprocessing.

    Args:
        like: the set to take the numbers, the class names and the preprocessing from.
        bank: real images as pixel values; a smaller class gives some images twice, a class without any the images of
            all.
        generator: a CPU generator.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 2, 2), torch.tensor([0, 0, 1, 1]), ["a", "b"])
        >>> set_like = SyntheticDataset(torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 1]), ["a", "b"])
        >>> real_release(set_like, bank, torch.Generator()).labels.tolist()
        [0, 0, 1]
    """
    wanted = torch.bincount(like.labels.cpu(), minlength=bank.num_classes).tolist()
    rows = []
    for label, count in enumerate(wanted):
        if bank.counts[label]:
            rows.append(bank.draw_indices(label, count, generator).cpu())
        else:
            rows.append(torch.randint(len(bank), (count,), generator=generator))
    pixels = bank.images[torch.cat(rows)]
    images = pixels if like.preprocessing is None else like.preprocessing(pixels)
    labels = torch.arange(bank.num_classes).repeat_interleave(torch.tensor(wanted))
    return SyntheticDataset(
        images.to(like.images.device),
        labels.to(like.images.device),
        like.class_names,
        step_size=STEP_SIZE,
        preprocessing=like.preprocessing,
    )
