"""Initial synthetic images: noise, or real training images; and subsets of real images as controls."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms.canvas_decode import CanvasDecode, require_decodable

from .canvases import decoded_start, images_to_pack, packed_canvases
from .class_bank import ClassBank
from .synthetic_dataset import SyntheticDataset

__all__ = [
    "initial_set",
    "noise_images",
    "packed_subset",
    "random_subset",
    "real_images",
    "refuse_small_classes",
    "refuse_small_start",
]


def noise_images(
    bank: ClassBank, images_per_class: int, generator: torch.Generator, std: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Normal noise, by default of the scale of standardized images: no training image is in it.

    Args:
        bank: gives the image shape, the classes and the device.
        images_per_class: how many for every class.
        generator: a CPU generator.
        std: standard deviation of the noise; components that no loss measures stay in the images.

    Returns:
        Images [classes * images_per_class, channels, *spatial] and labels, class after class.

    Example:
        >>> bank = ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> noise_images(bank, 3, torch.Generator())[1]
        tensor([0, 0, 0, 1, 1, 1])
    """
    labels = torch.arange(bank.num_classes).repeat_interleave(images_per_class)
    images = std * torch.randn((len(labels), *bank.images.shape[1:]), generator=generator)
    return images.to(bank.device), labels.to(bank.device)


def real_images(bank: ClassBank, images_per_class: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random training images of every class: a better start than noise, and one that leaks.

    Traces of these images stay visible in the distilled ones, the more so at many images per class and small learning
    rates. Suited to public data; not to patients' images that must not be recognized.

    Raises:
        ValueError: if a class has fewer than ``images_per_class`` images.

    Example:
        >>> bank = ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> real_images(bank, 1, torch.Generator())[1]
        tensor([0, 1])
    """
    refuse_small_classes(bank.counts, bank.class_names, images_per_class)
    return random_subset(bank, images_per_class, generator)


def refuse_small_classes(counts: Sequence[int], class_names: Sequence[str], images_per_class: int) -> None:
    """Do nothing when every class has that many images.

    Args:
        counts: training images of every class.
        class_names: of every class.
        images_per_class: how many every class must have.

    Raises:
        ValueError: naming every class that has fewer.

    Example:
        >>> refuse_small_classes([3, 1], ["a", "b"], 1)
    """
    small = [f"{name} has {n}" for name, n in zip(class_names, counts, strict=True) if n < images_per_class]
    if small:
        raise ValueError(
            f"Expected at least {images_per_class} training images in every class, got fewer: {', '.join(small)}. "
            "Lower images_per_class or the factor, or use initial_images noise."
        )


def random_subset(
    bank: ClassBank, images_per_class: int | Sequence[int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Copies of random training images; a class with fewer repeats images, which a warning names.

    Args:
        bank: the training images.
        images_per_class: how many of every class, or one number per class.
        generator: a CPU generator.

    Raises:
        ValueError: if no image is requested, or the numbers are not one per class.

    Example:
        >>> bank = ClassBank(torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 1]), ["a", "b"])
        >>> random_subset(bank, 2, torch.Generator())[1]
        tensor([0, 0, 1, 1])
    """
    counts = [images_per_class] * bank.num_classes if isinstance(images_per_class, int) else list(images_per_class)
    if len(counts) != bank.num_classes or sum(counts) < 1 or min(counts) < 0:
        raise ValueError(
            f"Expected images_per_class of at least 1 (or {bank.num_classes} numbers), got {images_per_class}."
        )
    small = [(c, n) for c, n in enumerate(counts) if n > bank.counts[c] > 0]
    if small:
        shown = ", ".join(f"{bank.class_names[c]} has {bank.counts[c]} of {n}" for c, n in small)
        warnings.warn(
            f"A random subset of real images repeats images of classes that have too few: {shown}. As a control it is "
            "weaker there than its number of images says.",
            stacklevel=2,
        )
    positions = torch.cat([bank.draw_indices(c, n, generator) for c, n in enumerate(counts)])
    return bank.images[positions].clone(), bank.labels[positions].clone()


def initial_set(
    starts: Mapping[str, Callable[..., tuple[Tensor, Tensor]]],
    name: str,
    bank: ClassBank,
    images_per_class: int,
    seed: int,
    *,
    decode: CanvasDecode | None = None,
    preprocessing: Any = None,
) -> tuple[Tensor, Tensor]:
    """Canvases and class numbers that a distillation starts from.

    Noise fills a canvas. Real images are shrunk, and as many of them as a canvas has cells share it.

    Args:
        starts: functions of (bank, images per class, generator) by name, such as :func:`noise_images`.
        name: one of them.
        bank: the training images.
        images_per_class: how many canvases for every class.
        seed: seed of the run.
        decode: of the set; None where canvases are the images.
        preprocessing: of the training images.

    Returns:
        Canvases [classes * images_per_class, channels, *spatial] and labels, class after class.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> bank = ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> initial_set({"noise": noise_images}, "noise", bank, 1, seed=0)[1]
        tensor([0, 1])
    """
    if name not in starts:
        raise ValueError(f"Expected initial_images of {', '.join(sorted(starts))}, got {name!r}.")
    generator = seeded_generator(seed, "initial images")
    if decode is None or decode.is_identity or name == "noise":
        return starts[name](bank, images_per_class, generator)
    count = images_to_pack(decode, images_per_class, len(bank.image_shape) - 1)
    images, labels = starts[name](bank, count, generator)
    labels = labels[::count].repeat_interleave(images_per_class)
    return packed_canvases(images, labels, decode, preprocessing), labels


def refuse_small_start(
    bank: ClassBank, images_per_class: int, initial_images: str, decode: CanvasDecode | None = None
) -> None:
    """Refuse a start from real images of which a class has too few; noise has enough for any number.

    Args:
        bank: the training images.
        images_per_class: how many canvases for every class.
        initial_images: name of the start.
        decode: of the set; real images are required for every cell of a canvas.

    Raises:
        ValueError: when a class has fewer images, with its name.

    Example:
        >>> refuse_small_start(ClassBank(torch.rand(1, 1, 4, 4), torch.tensor([0]), ["a"]), 5, "noise")
    """
    if decode is not None:
        require_decodable(bank.image_shape[1:], decode.factor)
    if initial_images != "noise":
        dims = len(bank.image_shape) - 1
        count = images_to_pack(decode or CanvasDecode(), images_per_class, dims)
        refuse_small_classes(bank.counts, bank.class_names, count)


def packed_subset(
    bank: ClassBank, images_per_class: int, generator: torch.Generator, like: SyntheticDataset
) -> tuple[Tensor, Tensor]:
    """Images that are decoded from canvases of shrunk random training images: the control of a decode.

    Args:
        bank: the training images.
        images_per_class: how many canvases of every class.
        generator: a CPU generator.
        like: the set that gives the decode and the preprocessing.

    Returns:
        Images [N, channels, *spatial] and labels [N], class after class.

    Example:
        >>> bank = ClassBank(torch.rand(8, 1, 4, 4), torch.tensor([0, 1] * 4), ["a", "b"])
        >>> like = SyntheticDataset(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"], decode=CanvasDecode(2))
        >>> packed_subset(bank, 1, torch.Generator(), like)[1]
        tensor([0, 0, 0, 0, 1, 1, 1, 1])
    """
    count = images_to_pack(like.decode, images_per_class, len(bank.image_shape) - 1)
    images, labels = random_subset(bank, count, generator)
    labels = labels[::count].repeat_interleave(images_per_class)
    canvases = packed_canvases(images, labels, like.decode, like.preprocessing)
    return decoded_start((canvases, labels), like.decode, like.preprocessing)
