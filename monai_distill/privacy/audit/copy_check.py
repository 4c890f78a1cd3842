"""Is a released image more like an image that it was made from than like one that it was not?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import binomtest, norm
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import seeded_generator

from .attack_figures import SEEN
from .intervals import clopper_pearson

__all__ = ["copy_figures", "copy_likeness", "released_copies", "save_copy_pairs"]

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


def save_copy_pairs(pairs: Sequence[Mapping[str, Any]], released: Tensor, training: Images, file: str | Path) -> Path:
    """Draw the pairs as PNG, released above training; of volumes the middle slice. It shows patients' images.

    Args:
        pairs: with ``synthetic`` and ``training`` positions and their ``likeness``.
        released: pixel values [m, channels, *spatial].
        training: pixel values [n, channels, *spatial].
        file: the PNG to write.

    Example:
        >>> import tempfile
        >>> images, pair = torch.rand(2, 1, 4, 4), {"synthetic": 0, "training": 1, "likeness": 0.5}
        >>> save_copy_pairs([pair], images, images, Path(tempfile.mkdtemp()) / "copies.png").stat().st_size > 1000
        True
    """
    figure = Figure(figsize=(1.3 * len(pairs) + 1.2, 3.0), layout="constrained", dpi=110)
    axes = figure.subplots(2, len(pairs), squeeze=False)
    for column, pair in enumerate(pairs):
        rows = (released[pair["synthetic"]], training[pair["training"]])
        for axis, image in zip(axes[:, column], rows, strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.imshow(_shown(image.detach().cpu()).numpy(), cmap="gray", interpolation="nearest")
        axes[0, column].set_title(f"{pair['likeness']:.2f}", fontsize=8)
    for axis, name in zip(axes[:, 0], ("released", "training"), strict=True):
        axis.set_ylabel(name, fontsize=8)
    FigureCanvasAgg(figure).print_png(str(file))  # the object API: no global pyplot state
    return Path(file)


def _shown(image: Tensor) -> Tensor:
    while image.ndim > 3:
        image = image[:, image.shape[1] // 2]
    image = image if len(image) == 3 else image[:1]
    low, high = torch.quantile(image.flatten(), torch.tensor([0.01, 0.99]))
    stretched = ((image - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    arranged: Tensor = stretched.permute(1, 2, 0) if len(image) == 3 else stretched[0]
    return arranged


def copy_likeness(released: Tensor, images: Images, batch_size: int = 4096) -> tuple[Tensor, Tensor]:
    """Largest normalised cross-correlation of every released image with any of ``images``, and with which.

    Flips of every axis, and quarter turns of square planes, of the released image are tried too; the mean and the
    contrast do not count. No threshold is meant: the likeness to training images is to be held against that to
    images that were not used.

    Args:
        released: [m, channels, *spatial].
        images: [n, channels, *spatial], n of at least 1.
        batch_size: images per product.

    Returns:
        Correlations [m] between -1 and 1, and positions [m] in ``images``.

    Raises:
        ValueError: when there are no images, or of another shape.

    Example:
        >>> images = torch.arange(8.0).reshape(2, 1, 2, 2) ** 2
        >>> value, place = copy_likeness(images[1:].flip(3), images)
        >>> round(float(value), 3), int(place)
        (1.0, 1)
    """
    if not len(images) or released.shape[1:] != images.shape[1:]:
        raise ValueError(f"Expected images of the released shape {list(released.shape[1:])}, got {list(images.shape)}.")
    best = torch.full((len(released),), -2.0)
    place = torch.zeros(len(released), dtype=torch.long)
    for turned in _turns(released):
        ours = _normalised(turned)
        for start in range(0, len(images), batch_size):
            values, rows = (ours @ _normalised(images[start : start + batch_size]).T).max(dim=1)
            better = values > best
            best = torch.where(better, values, best)
            place = torch.where(better, rows + start, place)
    return best, place


def _normalised(images: Tensor) -> Tensor:
    flat = images.detach().cpu().float().flatten(1)
    return torch.nn.functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)


def _turns(images: Tensor) -> Iterator[Tensor]:
    """The images under every combination of flips, each also with the first two square axes swapped."""
    axes = range(2, images.ndim)
    swaps = [pair for pair in combinations(axes, 2) if images.shape[pair[0]] == images.shape[pair[1]]]
    for turned in [images, *(images.transpose(*pair) for pair in swaps)]:
        for count in range(len(axes) + 1):
            for flipped in combinations(axes, count):
                yield turned.flip(flipped)
