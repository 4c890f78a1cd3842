"""The images that the official program and this project match: random ones, or an archive's, and one start for both."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from monai_distill.data import ClassBank, real_images
from monai_distill.runtime.randomness import seeded_generator
from tests.benchmarks.ladder_data import read_images

SIDE = 32
MIRRORED = "color_crop_cutout_flip_scale_rotate"


def strategy(options: argparse.Namespace) -> str:
    """The augmentation; a mirrored digit is another sign."""
    letters = options.data is not None and Path(options.data).suffix != ".npz"
    return MIRRORED.replace("flip_", "") if letters else MIRRORED


def banks(data: Path) -> tuple[ClassBank, ClassBank]:
    """Training and test images of MNIST's folder or of an archive of MedMNIST, standardized by channel.

    As 3x32x32, with a black border and gray images in three equal channels: the original's network takes other sizes
    for other sizes than they are.
    """
    if data.suffix != ".npz":
        parts = read_images(data, data)
    else:
        with np.load(data) as held:
            pixels, labels = (
                [torch.from_numpy(held[f"{part}_{what}"]) for part in ("train", "test")]
                for what in ("images", "labels")
            )
        pixels = [(p.permute(0, 3, 1, 2) if p.ndim == 4 else p[:, None]).float() / 255 for p in pixels]
        labels = [y.flatten().long() for y in labels]
        names = [str(c) for c in range(int(labels[0].max()) + 1)]
        first, second = (ClassBank(p.contiguous(), y, names) for p, y in zip(pixels, labels, strict=True))
        parts = (first, second)
    border = [(SIDE - side) // 2 for side in parts[0].images.shape[2:]]
    pixels = [pad(part.images, (border[1], border[1], border[0], border[0])).expand(-1, 3, -1, -1) for part in parts]
    mean, std = (getattr(pixels[0], name)(dim=(0, 2, 3), keepdim=True) for name in ("mean", "std"))
    training, test = (
        ClassBank((x - mean) / std, part.labels, list(part.class_names)) for x, part in zip(pixels, parts, strict=True)
    )
    return training, test


def world(options: argparse.Namespace) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real images and labels, the images that both sides start from, and their class numbers."""
    if options.data is None:
        shape, generator = (
            (options.real_images, 3, options.side, options.side),
            seeded_generator(0, "real"),
        )
        images, labels = torch.randn(shape, generator=generator), torch.arange(options.real_images) % options.classes
        bank = ClassBank(images, labels, [str(c) for c in range(options.classes)])
    else:
        bank = banks(Path(options.data))[0]
        images, labels = bank.images, bank.labels
    start, targets = real_images(bank, options.ipc, seeded_generator(options.seed, "initial images"))
    if options.method == "dc":  # as published
        start = torch.randn(start.shape, generator=seeded_generator(options.seed, "noise"))
    return images, labels, start, targets
