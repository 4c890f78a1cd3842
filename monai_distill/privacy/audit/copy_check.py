"""Copy check: are released images more similar to training images than to other images?"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import binomtest, norm
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms.canvas_decode import CanvasDecode

from .attack_figures import SEEN

__all__ = ["copy_figures", "copy_likeness", "released_copies", "save_copy_pairs"]

PAIRS = 5
REFERENCES = 1000  # public images that give the threshold; more would only raise it
TOLERANCE = 1e-6  # rounding of a correlation
LINEAR = {2: "bilinear", 3: "trilinear"}  # by spatial dimensions


def copy_figures(likeness: Tensor) -> dict[str, Any]:
    """Share of released images whose most similar image is a member, with as many members as non-members.

    Args:
        likeness: [m, 2], similarity to the most similar member and to the most similar non-member.

    Returns:
        ``auc`` (that share; one half is chance), ``tpr_at_fpr`` (always empty), ``low``, ``high``, ``n``,
        ``deviations`` (of the share from one half) and ``seen``, as in :func:`.attack_figures`.

    Example:
        >>> figures = copy_figures(torch.tensor([[1.0, 0.5]] * 40))
        >>> figures["auc"], figures["seen"]
        (1.0, True)
    """
    differ = likeness[:, 0] != likeness[:, 1]
    nearer, count = int((likeness[:, 0] > likeness[:, 1]).sum()), int(differ.sum())
    if not count:
        return {"auc": None, "tpr_at_fpr": {}, "n": 0, "deviations": 0.0, "seen": False}
    interval = binomtest(nearer, count).proportion_ci(0.95, method="exact")
    deviations = float(norm.isf(max(binomtest(nearer, count, 0.5, alternative="greater").pvalue, 1e-300)))
    figures = {"auc": nearer / count, "tpr_at_fpr": {}, "n": count}
    figures |= {"low": float(interval.low), "high": float(interval.high)}
    return {**figures, "deviations": deviations, "seen": deviations > SEEN}


def released_copies(
    release: SyntheticDataset, training: ClassBank, public: ClassBank, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Compare every image of the released set with all training images.

    Two tests. First, the share of released images whose most similar image is a training image, with as many public
    images to compare with (:func:`copy_figures`). Second, copies: a released image is a copy if its largest similarity
    to any training image is above that of every public image, because no public image was made from training images.
    Where canvases hold several images, training and public images are also compared as a canvas shows them: shrunk and
    enlarged again. An image is a copy if either comparison says so.

    Args:
        release: released set.
        training: all its training images as pixel values.
        public: images of the same kind that were not used for it; at most 1,000 of them are used.
        seed: of the draws.

    Returns:
        Figures as in :func:`copy_figures`, with ``copied`` (number of copies), ``references`` (number of public images)
        and, of the comparison that comes closest to a copy, ``factor`` (by which images were shrunk), ``threshold``
        (largest similarity of a public to a training image) and ``largest`` (similarity of a released image to each
        side); and the most similar pairs, for a person to look at. The pairs identify training images and stay with the
        data owner.
    """
    generator = seeded_generator(seed, "copy check")
    count = min(len(training), len(public))
    sides = [bank.images[torch.randperm(len(bank), generator=generator)[:count]] for bank in (training, public)]
    pixels = release.pixels()
    figures = copy_figures(torch.stack([copy_likeness(pixels, images)[0] for images in sides], dim=1))
    others = public.images[torch.randperm(len(public), generator=generator)[:REFERENCES]]
    found = [_comparison(pixels, training.images, others, factor) for factor in (1, *_factors(release.decode))]
    copied = torch.stack([of.likeness > of.threshold + TOLERANCE for of in found]).any(dim=0)
    closest = max(found, key=lambda of: float((of.likeness - of.threshold).max()))
    values, positions = closest.likeness, closest.position
    figures |= {"copied": int(copied.sum()), "references": len(others)}
    figures |= {"factor": closest.factor, "threshold": closest.threshold}
    seen, _ = copy_likeness(pixels, public.images, closest.factor)
    figures["largest"] = {"training": float(values.max()), "public": float(seen.max())}
    pairs = [
        {"synthetic": int(i), "training": int(positions[i]), "likeness": float(values[i])}
        for i in values.argsort(descending=True)[:PAIRS]
    ]
    return figures, pairs


class _Comparison(NamedTuple):
    """Released images and their most similar training images, shrunk by a factor and enlarged again."""

    factor: int
    likeness: Tensor
    position: Tensor
    threshold: float


def _comparison(pixels: Tensor, training: Images, public: Tensor, factor: int) -> _Comparison:
    threshold = copy_likeness(_shrunk(public, factor), training, factor)[0].max()
    return _Comparison(factor, *copy_likeness(pixels, training, factor), float(threshold))


def _factors(decode: CanvasDecode) -> range:
    """The factors above 1 by which the images of canvases are smaller."""
    return range(decode.factor if decode.kind == "single" else 2, decode.factor + 1) if decode.factor > 1 else range(0)


def _shrunk(images: Tensor, factor: int) -> Tensor:
    """Images [n, C, *spatial] as a canvas shows them: shrunk by averages, enlarged by linear interpolation."""
    if factor == 1:
        return images
    size = images.shape[2:]
    small = nn.functional.interpolate(images.float(), [-(-side // factor) for side in size], mode="area")
    return nn.functional.interpolate(small, size, mode=LINEAR[len(size)], align_corners=False)


def save_copy_pairs(pairs: Sequence[Mapping[str, Any]], released: Tensor, training: Images, file: str | Path) -> Path:
    """Draw the pairs as PNG, released images above training images; volumes by their middle slice.

    The file shows patients' images.

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


def copy_likeness(released: Tensor, images: Images, factor: int = 1, batch_size: int = 4096) -> tuple[Tensor, Tensor]:
    """Largest absolute correlation of every released image with any of ``images``, and the position of that image.

    Flips of every axis and quarter turns of square planes are tried too. Brightness, contrast and inversion do not
    matter. There is no threshold: compare the similarity to training images with that to images that were not used.

    Args:
        released: [m, channels, *spatial].
        images: [n, channels, *spatial], n of at least 1.
        factor: by which ``images`` are shrunk, and enlarged again, before they are compared.
        batch_size: images per product.

    Returns:
        Absolute correlations [m] from 0 to 1, and positions [m] in ``images``.

    Raises:
        ValueError: if there are no images, or if their shape differs.

    Example:
        >>> images = torch.arange(8.0).reshape(2, 1, 2, 2) ** 2
        >>> value, place = copy_likeness(images[1:].flip(3), images)
        >>> round(float(value), 3), int(place)
        (1.0, 1)
    """
    if not len(images) or released.shape[1:] != images.shape[1:]:
        raise ValueError(f"Expected images of the released shape {list(released.shape[1:])}, got {list(images.shape)}.")
    best = torch.full((len(released),), -1.0)
    position = torch.zeros(len(released), dtype=torch.long)
    for variant in _symmetries(released):
        transformed = _normalized(variant)
        for start in range(0, len(images), batch_size):
            others = _normalized(_shrunk(images[start : start + batch_size], factor))
            values, rows = (transformed @ others.T).abs().max(dim=1)
            better = values > best
            best = torch.where(better, values, best)
            position = torch.where(better, rows + start, position)
    return best, position


def _normalized(images: Tensor) -> Tensor:
    flat = images.detach().cpu().float().flatten(1)
    return nn.functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)


def _symmetries(images: Tensor) -> Iterator[Tensor]:
    """The images under every combination of flips, also with two axes of equal size swapped."""
    axes = range(2, images.ndim)
    swaps = [pair for pair in combinations(axes, 2) if images.shape[pair[0]] == images.shape[pair[1]]]
    for variant in [images, *(images.transpose(*pair) for pair in swaps)]:
        for count in range(len(axes) + 1):
            for flipped in combinations(axes, count):
                yield variant.flip(flipped)
